#!/usr/bin/env bash
# Show that the committed project works on a machine with nothing but Debian 12, Python, make and git: `make demo` and
# `make test`, twice each, in a bare tree of its own (as root; takes a while). Prints the times and `fresh: ok`.
#
#   scripts/fresh.sh [STEP …]      STEPs instead of: demo demo test test
#   KEEP=1                         leave the tree there, and say where
#
# How this machine reaches its package registries (pip, npm, apt, certificates) is taken over as it is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(demo demo test test)
[ "$(id -u)" -eq 0 ] || { echo "fresh: only root can make a bare tree" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "fresh: apt-get install debootstrap" >&2; exit 1; }

tree=$(mktemp -d "${TMPDIR:-/tmp}/hvelv-fresh.XXXXXX")
chmod 755 "$tree" # as / is
inside_repo=/home/hvelv
trap '[ -n "${KEEP:-}" ] && echo "fresh: the tree is $tree" || rm -rf --one-file-system "$tree"' EXIT

began=$SECONDS
mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[.*\] \)\?\([^ ]*\) bookworm .*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null | head -n 1 || true)
debootstrap --variant=minbase --include=python3,python3-venv,make,git,ca-certificates bookworm "$tree" \
    ${mirror:+"$mirror"} >"$tree.log" 2>&1 || { tail "$tree.log"; exit 1; }
rm -f "$tree.log"
echo "fresh: bare tree after $((SECONDS - began)) s"

# What the machine knows about its network and registries.
rm -rf "$tree/etc/apt/sources.list" "$tree/etc/apt/sources.list.d"
taken=(/etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /etc/apt/sources.list /etc/apt/sources.list.d
    /etc/apt/apt.conf.d /etc/apt/auth.conf.d /etc/pip.conf /etc/xdg/pip /etc/npmrc /usr/etc/npmrc "$HOME/.npmrc"
    "$HOME/.config/pip")
for path in "${taken[@]}"; do
    [ -e "$path" ] || continue
    target=$tree${path/#$HOME\//\/root\/}
    mkdir -p "$(dirname "$target")"
    cp -rL "$path" "$(dirname "$target")/"
done
mkdir -p "$tree/old" "$tree$inside_repo"
git clone --quiet --no-local "$here" "$tree$inside_repo"

# Folders that pip is told to look in (find-links, and file: indexes with the files beside them), shown inside as they are.
configured=$(python3 -m pip config list 2>/dev/null || true)
folders=$(
    {
        grep -oE "file:///[^' ]+" <<<"$configured" | sed 's|^file://||; s|/*$||; s|/[^/]*$||'
        grep find-links <<<"$configured" | grep -oE "'/[^']+|[ ]/[^' ]+" | tr -d "' "
    } | sort -u
)
environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb)
while IFS='=' read -r name _; do
    case $name in
    PIP_* | npm_config_* | NPM_CONFIG_* | *_CA_BUNDLE | SSL_CERT_FILE | NODE_EXTRA_CA_CERTS | *_proxy | *_PROXY | HVELV_*)
        environment+=("$name=${!name}") ;;
    esac
done < <(env)

cat >"$tree/inside" <<'INSIDE'
set -euo pipefail
umount -l /old
cd "$1"
shift
for step in "$@"; do
    began=$SECONDS
    make --no-print-directory "$step"
    echo "fresh: make $step took $((SECONDS - began)) s" | tee -a /times
done
INSIDE
cat >"$tree/enter" <<'ENTER'
set -euo pipefail
tree=$1 folders=$2
shift 2
mount --make-rprivate /
mount --bind "$tree" "$tree"
mount -t proc proc "$tree/proc"
for path in /sys /dev; do mount --rbind "$path" "$tree$path"; done
for path in $folders; do
    [ -d "$path" ] || continue
    mkdir -p "$tree$path"
    mount --rbind "$path" "$tree$path"
done
cd "$tree"
pivot_root . old
exec chroot . "$@"
ENTER
: >"$tree/times"
unshare --mount --pid --fork --kill-child bash "$tree/enter" "$tree" "$folders" \
    /usr/bin/env -i "${environment[@]}" bash /inside "$inside_repo" "${steps[@]}"
cat "$tree/times"
echo "fresh: ok, $((SECONDS - began)) s in all"
