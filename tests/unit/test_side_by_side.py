"""Files of tests dealt out among processes: each test is run once, whatever the others have taken."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SOME = "def test_one():\n    pass\n\n\ndef test_two():\n    pass\n"


@pytest.fixture
def suite(tmp_path):
    for place in ("a/test_a1", "a/test_a2", "b/c/test_c1", "b/c/test_c2", "d/test_d1"):
        path = tmp_path / "suite" / f"{place}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SOME)
    (tmp_path / "lots").mkdir()
    return tmp_path / "suite"


def run(suite, **more):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "side_by_side", "-p", "no:cacheprovider", "-c", os.devnull]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS)} | more
    command += ["--import-mode=importlib", "--rootdir", str(suite), str(suite)]
    return subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("taken", [[], ["a/test_a2"], ["b/c/test_c2", "d/test_d1"], ["a/test_a1", "b/c/test_c1"]])
def test_what_others_have_taken_is_left_to_them_and_the_rest_is_run(suite, taken):
    lots = suite.parent / "lots"
    for place in taken:
        (lots / hashlib.sha256(str(suite / f"{place}.py").encode()).hexdigest()).touch()

    done = run(suite, HVELV_TEST_LOTS=str(lots))

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{10 - 2 * len(taken)} passed" in done.stdout
    assert [path.read_text() for path in lots.glob("run-*")] == [f"{10 - 2 * len(taken)} 10"]


def test_without_a_folder_nothing_is_dealt_out(suite):
    done = run(suite)

    assert "10 passed" in done.stdout
    assert not list((suite.parent / "lots").iterdir())
