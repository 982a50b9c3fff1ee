"""The risk report of an extract, beside pycanon's k alone: a million persons, six quasi-identifiers.

The first line is the whole report, from reading the parts to its last number: k, persons in small classes, l and t of a
sensitive variable, who is alone with any one, two and three of the variables. The second is what pycanon measures too,
and a little more: k, persons in small classes, and mean risk, read and gathered like the whole. pycanon has the rows in
memory already and measures k. The third is the first without the subsets: what a report in Polars was once timed at 37 times
as fast as pycanon for (k, l, who is alone, persons in classes of fewer than 3, 5 and 10, mean and highest risk), and t.
The fourth line has as many rows of fewer persons, five each, which pycanon cannot count.
CPU seconds after a small run that warms up. All take turns; seconds and ratios are the medians of the turns.
"""

import argparse
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import patch

import numpy as np
import polars as pl

from hvelv.privacy.adapters import risk
from hvelv.privacy.adapters.risk import PolarsMeasurer
from hvelv.privacy.adapters.risk_buckets import outlined
from hvelv.privacy.adapters.risk_table import Table
from hvelv.privacy.domain.risk import Outline, Policy, Report
from hvelv.privacy.domain.schema import Column, Schema

QUASI = ("age", "sex", "place", "education", "civil", "born")
SCHEMA = Schema(
    "persons",
    (
        Column("age", "integer", "quasi_identifier", low=0, high=110),
        Column("sex", "integer", "quasi_identifier", categories=(1, 2)),
        Column("place", "string", "quasi_identifier"),
        Column("education", "integer", "quasi_identifier"),
        Column("civil", "integer", "quasi_identifier"),
        Column("born", "integer", "quasi_identifier"),
        Column("diagnosis", "string", "sensitive"),
    ),
)
GOAL = 30.0


def cpu_seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def people(rows: int, each: int = 1) -> pl.DataFrame:
    """Return rows with margins as skewed as a country's: 356 municipalities, 200 countries of birth."""
    source = np.random.default_rng(1)
    names = [f"{number:04d}" for number in range(301, 657)]
    codes = [f"C{number:02d}" for number in range(80)]
    return pl.DataFrame(
        {
            "pid": np.repeat(np.sort(source.integers(0, 2**63, rows // each, dtype=np.uint64)), each),
            "age": source.integers(0, 100, rows),
            "sex": source.integers(1, 3, rows),
            "place": np.array(names)[np.minimum(source.zipf(1.3, rows), 356) - 1],
            "education": source.integers(0, 9, rows),
            "civil": source.integers(1, 6, rows),
            "born": np.minimum(source.zipf(1.6, rows), 200),
            "diagnosis": np.array(codes)[source.integers(0, 80, rows)],
        }
    )


def report(part: Path) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        gathered, measurer = Path(folder) / "gathered", PolarsMeasurer()
        rows = measurer.gather([part], SCHEMA, gathered)
        return measurer.measure(gathered, SCHEMA, Policy(), rows, {})


def k_alone(part: Path) -> Outline:
    with tempfile.TemporaryDirectory() as folder:
        gathered = Path(folder) / "gathered"
        PolarsMeasurer().gather([part], SCHEMA, gathered)
        return outlined(Table(gathered, SCHEMA, {}), Policy())


def in_turns(works: Mapping[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Return the CPU seconds of each, in turn: a machine whose speed drifts is then slow for all of them."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _turn in range(turns):
        for name, work in works.items():
            taken[name].append(cpu_seconds(work))
    return taken


def without_subsets(part: Path) -> Report:
    with patch.object(risk, "MOST_TOGETHER", 0):
        return report(part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    from pycanon import anonymity

    with tempfile.TemporaryDirectory() as folder:
        warm, part, each = (Path(folder) / f"{name}.parquet" for name in ("warm", "part", "each"))
        people(5_000).write_parquet(warm)
        frame = people(given.rows)
        frame.write_parquet(part)
        people(given.rows, each=5).write_parquet(each)
        report(warm)
        anonymity.k_anonymity(people(5_000).to_pandas(), list(QUASI))
        rows = frame.to_pandas()
        taken = in_turns(
            {
                "whole": lambda: report(part),
                "pycanon": lambda: anonymity.k_anonymity(rows, list(QUASI)),
                "alone": lambda: k_alone(part),
                "apart": lambda: without_subsets(part),
                "many": lambda: report(each),
            },
            given.turns,
        )
    lines = (
        ("whole report against pycanon's k alone", "whole", "pycanon", GOAL),
        ("k and mean risk against pycanon's k alone", "alone", "pycanon", GOAL),
        ("report without subsets against pycanon's k alone", "apart", "pycanon", GOAL),
        ("five rows a person against one", "many", "whole", 0.0),
    )
    for name, own, other, goal in lines:
        seconds = statistics.median(taken[own])
        ratio = statistics.median(b / a for a, b in zip(taken[own], taken[other], strict=True))
        line = {
            "bench": "risk",
            "value": round(seconds, 3),
            "unit": "cpu-s",
            "ratio": round(ratio, 2),
            "against": name,
            "goal": f">= {goal}",
            "n": given.rows,
        }
        print(json.dumps(line))


if __name__ == "__main__":
    main()
