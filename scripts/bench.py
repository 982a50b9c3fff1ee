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
BY_NAME = frozenset({"audit_dp", "peers"})  # long, or in need of more than the platform's own environment


def programs(names: list[str]) -> list[Path]:
    """Return the benchmarks to run; without names all that print results, but those that run by name only."""
    found = sorted(path for path in (REPO / "benchmarks").glob("*.py") if '"bench":' in path.read_text())
    return [path for path in found if path.stem in names or (not names and path.stem not in BY_NAME)]


def lines(program: Path) -> Iterator[dict[str, Any]]:
    """Run one benchmark and yield its results. Raises `CalledProcessError`."""
    done = subprocess.run([sys.executable, str(program)], cwd=REPO, stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        if line.startswith("{") and "bench" in (found := json.loads(line)):
            yield found


def goal_of(result: dict[str, Any]) -> tuple[float, bool] | None:
    """Return a result's goal and whether more is better. A goal is a number, or a text such as `>= 4`; others are none."""
    goal, more = result.get("goal"), result.get("better", "less") == "more"
    if isinstance(goal, str):
        sign, _space, number = goal.partition(" ")
        if sign not in {"<=", ">="} or not number.replace(".", "", 1).isdigit():
            return None
        return float(number), sign == ">="
    return None if goal is None else (float(goal), more)


def met(result: dict[str, Any]) -> str:
    """Say whether the ratio meets its goal: less is better unless the result says `"better": "more"`, or its goal `>=`."""
    goal, ratio = goal_of(result), result.get("ratio")
    if goal is None or ratio is None:
        return "-"
    number, more_is_better = goal
    return "yes" if (ratio >= number if more_is_better else ratio <= number) else "no"


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
        ratio, goal = one.get("ratio"), goal_of(one)
        print(
            f"{one['bench']:<34}{one.get('value', 0):>12.4g} {one.get('unit', ''):<10}"
            f"{'-' if ratio is None else format(ratio, '.2f'):>8}{'-' if goal is None else format(goal[0], '.2f'):>8}"
            f"  {met(one):<4} {one.get('against', '')}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
