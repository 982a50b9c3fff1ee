#!/usr/bin/env bash
# Pin requirements/*.in anew, with hashes, for the oldest Python we support. Needs uv.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../requirements"
for name in platform session dev; do
    uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --custom-compile-command "make requirements" "$@" "$name.in" -o "$name.txt"
done
if grep -nE '^(--|file:)|://' ./*.txt; then
    echo "requirements: an address got into a file" >&2
    exit 1
fi
echo "requirements: $(grep -c '==' dev.txt) packages pinned"
