"""A bounded aggregate over a person-sorted extract, beside plain Polars group-bys of the same file, unbounded.

Counts, sums and means of 50 groups. CPU seconds, reading included, runs interleaved; the ratio is ours over theirs: below
1 is faster. The second line has the whole answer of a release: aggregate, OpenDP's noise and its privacy map. The last
one is the most memory that a process of its own ever has for the whole answer of 50 million rows.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hvelv.privacy.adapters.aggregate import StreamingAggregator, bounded_totals
from hvelv.privacy.adapters.gathering import STORED
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.accounting import doses
from hvelv.privacy.domain.plan import Plan, plan
from hvelv.privacy.domain.questions import query_from
from hvelv.privacy.domain.schema import Column, Schema

GROUPS = 50
REPEATING = ["site", "cost"]
SCHEMA = Schema(
    "episodes",
    (
        Column("site", "integer", "attribute", categories=tuple(range(GROUPS)), nullable=False),
        Column("cost", "integer", "sensitive", low=0, high=1000, nullable=False),
    ),
)
QUERY = {
    "dataset": "episodes",
    "by": ["site"],
    "measures": [
        {"kind": "count"},
        {"kind": "sum", "column": "cost", "low": 0, "high": 1000},
        {"kind": "mean", "column": "cost", "low": 0, "high": 1000},
    ],
    "max_rows": 8,
    "max_groups": 2,
}
RHO_MICRO = 10_000
MOST_GB = 1.5


def cpu_seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def write_extract(path: Path, rows: int) -> None:
    source = np.random.default_rng(1)
    person = np.sort(source.integers(0, 2**63, rows // 4, dtype=np.uint64))[
        np.sort(source.integers(0, rows // 4, rows))
    ]
    cost = source.gamma(1.5, 200, rows).astype(np.int64)
    table = pa.table({"pid": person, "site": source.integers(0, GROUPS, rows), "cost": cost})
    pq.write_table(table, path, row_group_size=1 << 20, use_dictionary=REPEATING, **STORED)


def write_large(path: Path, rows: int, piece: int = 5_000_000) -> None:
    """Write an extract in pieces, each with persons after those of the piece before."""
    pieces = -(-rows // piece)
    each = 2**63 // pieces
    writer = None
    for number in range(pieces):
        source = np.random.default_rng(number)
        many = min(piece, rows - number * piece)
        pids = np.sort(source.integers(number * each, (number + 1) * each, many // 4, dtype=np.uint64))
        table = pa.table(
            {
                "pid": pids[np.sort(source.integers(0, many // 4, many))],
                "site": source.integers(0, GROUPS, many),
                "cost": source.gamma(1.5, 200, many).astype(np.int64),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema, use_dictionary=REPEATING, **STORED)
        writer.write_table(table, row_group_size=1 << 20)
    if writer:
        writer.close()


def peak_gb(path: Path) -> float:
    """Return the most memory that a process of its own has for the whole answer, in GB."""
    command = [sys.executable, __file__, "--answer", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def whole_answer(path: Path, asked: Plan, noise: OpenDPNoise) -> object:
    totals = bounded_totals([path], asked)
    return [noise.draw(dose, part) for dose, part in zip(doses(asked, RHO_MICRO), totals, strict=True)]


def plain(path: Path) -> object:
    frame = pl.scan_parquet(path).group_by("site")
    return frame.agg(
        pl.len().alias("n"), pl.col("cost").clip(0, 1000).sum(), pl.col("cost").clip(0, 1000).mean().alias("m")
    ).collect()


def per_person(path: Path) -> object:
    """The usual way to bound contributions: collapse to (person, group) first."""
    pairs = pl.scan_parquet(path).group_by("pid", "site")
    collapsed = pairs.agg(pl.len().clip(0, 8).alias("n"), pl.col("cost").clip(0, 1000).head(8).sum())
    return collapsed.group_by("site").agg(pl.col("n").sum(), pl.col("cost").sum()).collect()


def compare(rows: int, runs: int) -> None:
    """Print how our seconds stand to those of others."""
    asked, noise = plan(query_from(QUERY), SCHEMA), OpenDPNoise()
    StreamingAggregator().warm_up()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "extract.parquet"
        write_extract(path, rows)
        ways: dict[str, Callable[[], object]] = {
            "aggregate": lambda: bounded_totals([path], asked),
            "release": lambda: whole_answer(path, asked, noise),
            "plain polars group_by": lambda: plain(path),
            "polars by person, then group": lambda: per_person(path),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for run in range(runs + 1):
            for name, work in ways.items():
                spent = cpu_seconds(work)
                if run:  # the first warms up
                    seconds[name].append(spent)
    pairs = (
        ("aggregate", "plain polars group_by", 2.5),
        ("release", "plain polars group_by", 2.5),
        ("release", "polars by person, then group", 1.0),
    )
    for ours, against, goal in pairs:
        ratio = statistics.median(a / b for a, b in zip(seconds[ours], seconds[against], strict=True))
        line = {
            "bench": ours,
            "value": round(statistics.median(seconds[ours]), 3),
            "unit": "cpu-s",
            "ratio": round(ratio, 3),
            "against": against,
            "goal": goal,
            "n": runs,
        }
        print(json.dumps(line))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5, help="0 for memory alone")
    parser.add_argument("--large", type=int, default=50_000_000, help="rows whose memory is measured; 0 for none")
    parser.add_argument("--answer", type=Path, help="answer from this file and print the most memory in GB")
    given = parser.parse_args()
    if given.answer:
        whole_answer(given.answer, plan(query_from(QUERY), SCHEMA), OpenDPNoise())
        status = Path("/proc/self/status").read_text().splitlines()  # ru_maxrss would count the parent's, too
        print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024 / 1e9)
        return
    if given.runs:
        compare(given.rows, given.runs)
    if given.large:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "large.parquet"
            write_large(path, given.large)
            peak = peak_gb(path)
        print(
            json.dumps(
                {
                    "bench": "release: memory",
                    "value": round(peak, 3),
                    "unit": "GB",
                    "ratio": round(peak / MOST_GB, 3),
                    "against": f"{MOST_GB} GB, {given.large:,} rows",
                    "goal": 1.0,
                    "n": 1,
                }
            )
        )


if __name__ == "__main__":
    main()
