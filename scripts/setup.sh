#!/usr/bin/env bash
# Make the environment with exactly what requirements/dev.txt pins, and the `hvelv` command in it. Instant when nothing changed.
#
#   PYTHON=python3 scripts/setup.sh [VENV]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=${1:-.venv}
python=${PYTHON:-$(scripts/which_python.sh)}

if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
    echo "setup: Python 3.11 to 3.13 is needed; give it as PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "setup: $python cannot make environments; on Debian: apt-get install python3-venv" >&2
    exit 1
fi

stamp() { cat "$venv/.$1" 2>/dev/null || true; }
hash_of() { sha256sum | cut -c1-64; }
pins=$( (cat requirements/dev.txt && "$python" --version && pwd) | hash_of)
project=$(hash_of <pyproject.toml)
[ "$(stamp pins) $(stamp project)" != "$pins $project" ] || exit 0

exec 9>"$venv.lock"
flock 9
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv"
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input)
if [ "$(stamp pins)" != "$pins" ]; then
    echo "setup: installing the pinned packages into $venv (some minutes the first time)"
    "${pip[@]}" install --require-hashes --only-binary :all: -r requirements/dev.txt
    # every process that we start would else compile some thousand modules anew where PYTHONDONTWRITEBYTECODE is set; a
    # few files of packages are templates that do not compile
    "$venv/bin/python" -m compileall -qq -j 0 -x '/tests?/' "$venv"/lib/python*/site-packages || true
    echo "$pins" >"$venv/.pins"
fi
if [ "$(stamp project)" != "$project" ]; then
    "${pip[@]}" install --no-deps --no-build-isolation -e .
    echo "$project" >"$venv/.project"
fi
echo "setup: done"
