"""Every planted defect still fits the code that it is a defect of, and names tests that are there."""

import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
PATCHES = sorted((HOUSE / "tests/mutants").glob("*.patch"))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_planted_defect_fits(patch):
    done = subprocess.run(
        ["git", "apply", "--check", str(patch)], cwd=HOUSE, capture_output=True, text=True, check=False
    )
    named = patch.read_text().splitlines()[0].removeprefix("# tests:").split()
    tests = [word for word in named if word.startswith("tests/")]  # the others choose among these

    assert done.returncode == 0, done.stderr
    assert tests
    assert [test for test in tests if not (HOUSE / test.split("::")[0]).exists()] == []
