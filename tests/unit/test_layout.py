"""The folders, the import root and what may never be committed."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
FOLDERS = ("catalog", "enclave", "requests", "privacy", "workflows")


def tracked() -> list[Path]:
    out = subprocess.run(["git", "ls-files"], cwd=REPO, capture_output=True, text=True, check=False)
    if out.returncode != 0:
        pytest.skip("not a git checkout")
    return [REPO / line for line in out.stdout.splitlines()]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_domain_folder_is_linked_below_the_root_and_is_no_package_itself(folder):
    assert (REPO / "src/hvelv" / folder).is_symlink()
    assert (REPO / "src/hvelv" / folder).resolve() == REPO / folder
    assert not (REPO / folder / "__init__.py").exists()
    assert not (REPO / "src/hvelv/__init__.py").exists()


def test_the_requests_folder_does_not_shadow_the_http_library():
    code = "import requests; print(requests.Session.__module__)"
    out = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "requests.sessions"


def test_a_wheel_built_from_the_sdist_holds_every_package(tmp_path):
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, "--sdist", str(REPO)], check=True, capture_output=True)
    sdist = next(tmp_path.glob("*.tar.gz"))
    subprocess.run(["tar", "-xf", str(sdist), "-C", str(tmp_path)], check=True)
    source = tmp_path / sdist.name.removesuffix(".tar.gz")
    subprocess.run([*build, "--wheel", str(source)], check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    here = {p for p in tracked() if p.suffix in {".py", ".html", ".po", ".js", ".css", ".json"}}
    expected = {
        "hvelv/" + str(p.relative_to(REPO)).removeprefix("src/hvelv/")
        for p in here
        if p.relative_to(REPO).parts[0] in {*FOLDERS, "src"}
    }
    assert expected - names == set()
    assert any(name.startswith("hvelv/portal/static/") for name in names)


def test_nothing_committed_names_a_machine_a_registry_or_unfinished_work():
    # The patterns are put together so that this file does not match itself.
    bad = [
        re.compile("/" + r"work/(?:main|shared)"),
        re.compile(r"registry\." + "npmjs|pypi" + r"\.org|files\.python" + "hosted|deb" + r"\.debian\.org"),
        re.compile(r"\bTO" + r"DO\b|\bFIX" + r"ME\b"),
    ]
    found = []
    for path in tracked():
        if not path.is_file() or path.is_symlink() or "static/vendor" in str(path) or path.name == "LICENSE":
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(REPO)}: {m.group(0)}" for p in bad for m in p.finditer(text)]
    assert found == []
