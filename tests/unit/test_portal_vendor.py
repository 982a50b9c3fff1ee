"""What the browser is served from others: exactly what was fetched, with its licence, and nothing that calls out."""

import hashlib
import json
import re

from hvelv.portal.app import STATIC

VENDOR = STATIC / "vendor"
LISTED = json.loads((VENDOR / "VERSIONS.json").read_text())


def test_every_vendored_file_is_the_one_that_was_fetched():
    listed = {name: digest for package in LISTED for name, digest in package["sha256"].items()}
    licences = {package["licence_file"] for package in LISTED}

    assert {f.name for f in VENDOR.iterdir()} == {*listed, *licences, "VERSIONS.json"}
    assert {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in listed} == listed


def test_no_style_sheet_fetches_from_elsewhere():
    for sheet in STATIC.rglob("*.css"):
        for address in re.findall(r"url\(\s*[\"']?([^\"')]+)", sheet.read_text()):
            assert address.startswith(("data:", "vendor/")), sheet.name
        assert "@import" not in sheet.read_text()
