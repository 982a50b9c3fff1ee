#!/usr/bin/env bash
# Make the environments of other libraries below build/peers, one for each file in requirements/peers. Needs uv.
#
#   benchmarks/peer_environments.sh          make what is missing
#   benchmarks/peer_environments.sh pin      pin requirements/peers/*.in anew, with hashes
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
uv=${UV:-uv}
made=build/peers
if ! command -v "$uv" >/dev/null; then
    echo "peers: uv is needed; say where it is with UV=…" >&2
    exit 2
fi
if [ "${1:-}" = pin ]; then
    for file in requirements/peers/*.in; do
        "$uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
            --custom-compile-command "benchmarks/peer_environments.sh pin" "$file" -o "${file%.in}.txt"
    done
    exit
fi
mkdir -p "$made"
for file in requirements/peers/*.txt; do
    name=$(basename "$file" .txt)
    if cmp -s "$file" "$made/$name/installed.txt"; then
        continue
    fi
    rm -rf "${made:?}/$name"
    if "$uv" venv --quiet --python 3.11 "$made/$name" 2>"$made/$name.log" &&
        "$uv" pip install --quiet --python "$made/$name/bin/python" --require-hashes --no-deps -r "$file" 2>>"$made/$name.log"; then
        cp "$file" "$made/$name/installed.txt"
        echo "peers: $name is ready"
    else
        echo "peers: $name cannot be installed; see $made/$name.log" >&2
    fi
done
