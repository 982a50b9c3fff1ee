#!/bin/sh
# Fetch the browser libraries that the portal serves, by npm, into src/hvelv/portal/static/vendor, each with its licence.
# Versions are pinned here; VERSIONS.json tells what was fetched and the sha256 of every file. Run from the repository.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
target="$here/src/hvelv/portal/static/vendor"
npm="${NPM:-$(command -v npm || echo "$here/.venv/bin/npm")}"
python="${PYTHON:-$here/.venv/bin/python}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() { # name version: unpacks the package below $work/<name>
    mkdir -p "$work/$1"
    (cd "$work" && "$npm" pack --silent --pack-destination "$work" "$1@$2" > "$work/packed")
    tar -xzf "$work/$(tail -n 1 "$work/packed")" -C "$work/$1" --strip-components=1
}

fetch @digdir/designsystemet-css 1.22.0
fetch @digdir/designsystemet-theme 1.11.0
fetch @digdir/designsystemet-web 1.22.0
fetch htmx.org 4.0.1
fetch @fontsource/inter 5.3.0

"$python" - "$work" "$target" <<'PYTHON'
import hashlib, json, re, shutil, sys
from pathlib import Path

work, target = Path(sys.argv[1]), Path(sys.argv[2])
LATIN = "files/inter-latin-{}-normal.woff2"
KEPT = {
    "@digdir/designsystemet-css": {"dist/src/index.css": "designsystemet.css"},
    "@digdir/designsystemet-theme": {"src/themes/designsystemet.css": "theme.css"},
    "@digdir/designsystemet-web": {"dist/umd/index.js": "designsystemet-web.js"},
    "htmx.org": {"dist/htmx.min.js": "htmx.min.js"},
    "@fontsource/inter": {LATIN.format(weight): f"inter-latin-{weight}.woff2" for weight in (400, 500, 600)},
}
shutil.rmtree(target, ignore_errors=True)
target.mkdir(parents=True)
versions = []
for name, files in KEPT.items():
    package = json.loads((work / name / "package.json").read_text())
    licence = f"LICENSE-{name.rsplit('/', 1)[-1]}"
    shutil.copyfile(work / name / "LICENSE", target / licence)
    hashes = {}
    for source, kept in files.items():
        data = (work / name / source).read_bytes()
        if kept.endswith((".js", ".css")):  # no source maps are served
            data = re.sub(rb"(//|/\*)# sourceMappingURL=\S+( \*/)?", b"", data).rstrip() + b"\n"
        (target / kept).write_bytes(data)
        hashes[kept] = hashlib.sha256(data).hexdigest()
    versions.append({"name": name, "version": package["version"], "licence": package["license"], "licence_file": licence, "sha256": hashes})
(target / "VERSIONS.json").write_text(json.dumps(versions, indent=2) + "\n")
PYTHON
