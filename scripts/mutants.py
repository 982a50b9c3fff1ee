"""Plant each defect in tests/mutants/*.patch in a copy of the project and see the tests that it names go red.

python scripts/mutants.py [NAME …]

A patch begins with `# tests: tests/unit/test_x.py::test_y …`; what follows is a diff for `git apply`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from enum import StrEnum
from pathlib import Path

REPO = Path(__file__).parents[1]
HEAD = "# tests:"
SECONDS = 900
ALL_PASSED, SOME_FAILED = 0, 1  # pytest's exit codes


class Outcome(StrEnum):
    """What became of a planted defect."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    BROKEN = "BROKEN"  # the patch does not apply, or its tests cannot be run


def copy(folder: Path) -> None:
    """Copy what git knows, and what it would add, with links as links."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=REPO, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = REPO / name, folder / name
        if source.is_symlink() or source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    for built in ("build",):  # what sessions and the hub need, not copied
        if (REPO / built).exists():
            (folder / built).symlink_to(REPO / built)


def tests_of(patch: Path) -> list[str]:
    """Return the tests that must fail, from the patch's header."""
    line = next((line for line in patch.read_text().splitlines() if line.startswith(HEAD)), HEAD)
    return line.removeprefix(HEAD).split()


def plant(patch: Path, folder: Path) -> Outcome:
    """Apply the patch in `folder`, run its tests there, take it out again."""
    tests = tests_of(patch)
    apply = ["git", "apply", "--unsafe-paths", "--directory", str(folder), str(patch)]
    if not tests or subprocess.run(apply, cwd="/", capture_output=True, check=False).returncode:
        return Outcome.BROKEN
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Outcome.CAUGHT
    finally:
        subprocess.run([*apply[:2], "--reverse", *apply[2:]], cwd="/", check=True)
    return {ALL_PASSED: Outcome.SURVIVED, SOME_FAILED: Outcome.CAUGHT}.get(done.returncode, Outcome.BROKEN)


def main(names: list[str]) -> int:
    """Plant them, one after the other. Returns 1 unless all are caught."""
    patches = sorted((REPO / "tests" / "mutants").glob("*.patch"))
    chosen = [patch for patch in patches if not names or patch.stem in names]
    with tempfile.TemporaryDirectory(prefix="hvelv-mutants-") as place:
        folder = Path(place).resolve()
        copy(folder)
        outcomes = {}
        for patch in chosen:
            outcomes[patch.stem] = plant(patch, folder)
            print(f"{outcomes[patch.stem]:<9} {patch.stem}", flush=True)
    caught = sum(outcome is Outcome.CAUGHT for outcome in outcomes.values())
    print(f"mutants: caught {caught} of {len(chosen)}")
    return int(caught < len(chosen) or not chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
