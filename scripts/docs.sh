#!/usr/bin/env bash
# Write the generated pages in docs/; with --check, only say whether they are current.
#
#   scripts/docs.sh [VENV] [--check]
#
# A generator is a module named `reference` below src/hvelv: it takes --check and returns 1 when its page is not current.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${1:-.venv}
failed=0
for file in $(find -L src/hvelv -name reference.py | LC_ALL=C sort); do
    module=${file#src/}
    module=${module%.py}
    "$venv/bin/python" -m "${module//\//.}" ${2:+"$2"} || failed=1
done
exit "$failed"
