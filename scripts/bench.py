"""Run the benchmarks, gather their lines in build/bench.jsonl and print them as a table.

python scripts/bench.py [NAME …]
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[1]
OUT = REPO / "build" / "bench.jsonl"


def programs(names: list[str]) -> list[Path]:
    """Return the benchmarks to run, all without names."""
    found = sorted(path for path in (REPO / "benchmarks").glob("*.py") if not path.name.startswith("_"))
    return [path for path in found if not names or path.stem in names]


def lines(program: Path) -> Iterator[dict[str, Any]]:
    """Run one benchmark and yield its results. Raises `CalledProcessError`."""
    done = subprocess.run([sys.executable, str(program)], cwd=REPO, stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        if line.startswith("{") and "bench" in (found := json.loads(line)):
            yield found


def met(result: dict[str, Any]) -> str:
    """Say whether the ratio meets its goal: less is better unless the result says `"better": "more"`."""
    goal, ratio = result.get("goal"), result.get("ratio")
    if goal is None or ratio is None:
        return "-"
    more_is_better = result.get("better", "less") == "more"
    return "yes" if (ratio >= goal if more_is_better else ratio <= goal) else "no"


def main(names: list[str]) -> int:
    """Run them. Returns 1 when one fails or there is none of that name."""
    chosen = programs(names)
    failed = not chosen
    results: list[dict[str, Any]] = []
    for program in chosen:
        print(f"running {program.stem}", file=sys.stderr)
        try:
            results += lines(program)
        except subprocess.CalledProcessError as error:
            print(f"{program.stem} failed with {error.returncode}", file=sys.stderr)
            failed = True
    OUT.parent.mkdir(exist_ok=True)
    with OUT.open("a") as file:
        file.writelines(json.dumps(result) + "\n" for result in results)
    print(f"{'name':<34}{'value':>12} {'unit':<10}{'ratio':>8}{'goal':>8}  met  against")
    for one in results:
        ratio, goal = one.get("ratio"), one.get("goal")
        print(
            f"{one['bench']:<34}{one.get('value', 0):>12.4g} {one.get('unit', ''):<10}"
            f"{'-' if ratio is None else format(ratio, '.2f'):>8}{'-' if goal is None else format(goal, '.2f'):>8}"
            f"  {met(one):<4} {one.get('against', '')}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
