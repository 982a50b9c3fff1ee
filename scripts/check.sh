#!/usr/bin/env bash
# Everything that can be said about the code without running it. Prints `check: ok`, or the failures, counted.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${1:-.venv}
failed=()

step() {
    local name=$1
    shift
    if ! output=$("$@" 2>&1); then
        failed+=("$name")
        printf -- '--- %s\n%s\n' "$name" "$output"
    fi
}

step "lint" "$venv/bin/ruff" check --quiet .
step "format" "$venv/bin/ruff" format --check --quiet .
step "types" "$venv/bin/python" -m mypy -p hvelv
step "import contracts" "$venv/bin/lint-imports"
step "generated pages" "$venv/bin/python" -m hvelv.operation.reference --check
step "translations" "$venv/bin/python" -c '
from hvelv.portal.translations import LOCALES, SOURCE, missing
left = [f"{lang}: {line}" for lang in LOCALES if lang != SOURCE for line in missing(lang)]
print(*left, sep="\n")
raise SystemExit(bool(left))'

if [ ${#failed[@]} -gt 0 ]; then
    echo "check: ${#failed[@]} failed: ${failed[*]}"
    exit 1
fi
echo "check: ok"
