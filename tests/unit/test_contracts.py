"""The import contracts hold, and each of them catches what it is there to catch."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PACKAGES = sysconfig.get_paths()["purelib"]
FOLDERS = ("catalog", "enclave", "privacy", "requests", "workflows", "src")
PLANTED = {
    "the house, top to bottom": ("src/hvelv/kernel/ids.py", "import hvelv.catalog.domain.words"),
    "inside a package": ("privacy/service/keys.py", "import hvelv.privacy.adapters.kek"),
    "the domain does no I/O": ("requests/domain/review.py", "import httpx"),
    "the enclave enters no other package": ("enclave/service/exports.py", "import hvelv.privacy.adapters.ledger"),
    "requests enter no other package": ("requests/service/office.py", "import hvelv.catalog.adapters.reading"),
    "the lab needs nothing of ours": ("enclave/lab/door.py", "import hvelv.kernel.errors"),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    copy = tmp_path_factory.mktemp("house")
    for folder in FOLDERS:
        shutil.copytree(
            REPO / folder, copy / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "static")
        )
    shutil.copy(REPO / "pyproject.toml", copy)
    return copy


def lint(house):
    """Lint the copy alone: without `site`, so that the checkout's own link does not stand beside it in the namespace."""
    code = f"import sys; sys.path[:0] = {[str(house / 'src'), PACKAGES]!r}; from importlinter.cli import lint_imports_command as c; c()"
    command = [sys.executable, "-S", "-c", code, "--no-cache"]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)


def test_the_contracts_hold(house):
    seen = lint(house)

    assert seen.returncode == 0, seen.stdout
    assert f"{len(PLANTED)} kept, 0 broken" in seen.stdout


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_violation_is_caught(house, contract):
    path, line = PLANTED[contract]
    before = (house / path).read_text()
    (house / path).write_text(before + f"\n{line}\n")
    try:
        seen = lint(house)
    finally:
        (house / path).write_text(before)

    assert seen.returncode == 1
    assert any(contract in text and "BROKEN" in text for text in seen.stdout.replace("\n ", " ").splitlines()), (
        seen.stdout
    )
