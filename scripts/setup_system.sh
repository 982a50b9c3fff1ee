#!/usr/bin/env bash
# Install the Debian packages that the platform and its tests need. Without root, name what is missing and go on.
set -euo pipefail

packages=(
    python3-venv      # the environment
    bubblewrap        # sandboxes
    iproute2          # tests look at what listens (ss)
    libatomic1        # the browser driver's own node
    util-linux        # setpriv
    e2fsprogs         # disks of workspaces
    git               # the tests look at what is committed
    ca-certificates
    postgresql        # tests on both databases
    chromium          # tests in a browser
    fonts-dejavu-core # text in its pictures
)

command -v dpkg-query >/dev/null || exit 0 # another kind of system: `hvelv doctor` tells what is missing
missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "missing Debian packages: ${missing[*]}"
    echo "install them with: sudo apt-get install --no-install-recommends ${missing[*]}"
    exit 0
fi

echo "installing: ${missing[*]}"
case " ${missing[*]} " in
*" postgresql "*) # its programs are wanted, not a server that runs
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/hvelv.conf
    ;;
esac
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
