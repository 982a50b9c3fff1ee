#!/usr/bin/env bash
# Build the Python environment that sessions see: what requirements/session.txt pins, and the notebook-side library.
#
#   scripts/session_environment.sh [FOLDER] [PYTHON]
#
# PYTHON must lie below /usr (Debian's): a sandbox shows /usr and the environment, and nothing else that could hold one.
# A second run with nothing changed returns at once; a changed library is copied anew; changed pins build all anew.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${1:-${HVELV_SESSION_ENVIRONMENT:-$here/build/session-env}}
python=${2:-/usr/bin/python3}
pins=$here/requirements/session.txt
lab=$here/enclave/lab

mkdir -p "$folder"
exec 9>"$folder.lock"
flock 9

case $(readlink -f "$python") in
/usr/*) ;;
*)
    echo "session_environment: $python is not below /usr, so sessions could not see it" >&2
    exit 1
    ;;
esac

hash_of() { sha256sum | cut -c1-64; }
pins_hash=$( (cat "$pins" && "$python" --version) | hash_of)
lab_hash=$(cd "$lab" && find . -name '*.py' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | hash_of)

if [ "$(cat "$folder/.pins" 2>/dev/null)" != "$pins_hash" ]; then
    rm -f "$folder/.pins" "$folder/.lab"
    "$python" -m venv --clear "$folder"
    "$folder/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --no-input --require-hashes --only-binary :all: -r "$pins"
    echo "$pins_hash" >"$folder/.pins"
fi

if [ "$(cat "$folder/.lab" 2>/dev/null)" != "$lab_hash" ]; then
    rm -f "$folder/.lab"
    site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
    rm -rf "$site/hvelv"
    mkdir -p "$site/hvelv/enclave"
    cp -R "$lab" "$site/hvelv/enclave/lab"
    find "$site/hvelv" -name __pycache__ -prune -exec rm -rf {} +
    install -D -m 644 "$lab/ipython_kernel_config.py" "$folder/etc/ipython/ipython_kernel_config.py"
    "$folder/bin/python" -m compileall -q "$site"
    chmod -R a+rX "$folder"
    echo "$lab_hash" >"$folder/.lab"
fi
echo "session environment: $folder"
