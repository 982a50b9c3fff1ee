"""Run pytest in as many processes as there are cores, two at most, which deal the files of tests out among themselves.

python scripts/test.py [ARGUMENT OF PYTEST …]

What the second process says is told when both are done. Every test that is found has to be run by one of them.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).parents[1]
FOLDER = "HVELV_TEST_LOTS"  # see tests/side_by_side.py
MOST = 2  # a test that starts servers of its own wants a core


def main(arguments: list[str]) -> int:
    """Return the exit code of the first process that failed, else 0; 1 where a test was left to nobody."""
    command = [sys.executable, "-m", "pytest", *arguments]
    count = min(os.cpu_count() or 1, MOST)
    if count == 1:
        return subprocess.run(command, cwd=REPO, check=False).returncode
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {FOLDER: folder}
        command += ["-p", "no:cacheprovider"]
        with tempfile.TemporaryFile() as told:
            others = [
                subprocess.Popen(command, cwd=REPO, env=environment, stdout=told, stderr=subprocess.STDOUT)
                for _number in range(count - 1)
            ]
            codes = [subprocess.run(command, cwd=REPO, env=environment, check=False).returncode]
            codes += [other.wait() for other in others]
            told.seek(0)
            sys.stdout.write(told.read().decode(errors="replace"))
        return max(codes, key=abs) or _left(Path(folder))


def _left(folder: Path) -> int:
    runs = [tuple(map(int, path.read_text().split())) for path in folder.glob("run-*")]
    done, found = sum(run for run, _found in runs), {found for _run, found in runs}
    print(f"{done} tests run by {len(runs)} processes")
    return int({done} != found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
