"""What asking costs beside the data: a quote, and a release on a million persons without the scan.

Through the custodian's own service on a database of SQLite. A quote is measured alone, in CPU seconds and wall clock. Of
a release (charge, noise, signature, store, record) the exact totals of the same extract are taken away, measured in turn.
"""

import hashlib
import json
import statistics
import sys
import tempfile
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

REPO = Path(__file__).parents[1]
ours = types.ModuleType("tests")  # another package installs one of that name
ours.__path__ = [str(REPO / "tests")]
sys.modules["tests"] = ours

from hvelv.privacy.adapters.aggregate import bounded_totals  # noqa: E402
from hvelv.privacy.service.extraction import parts_digest  # noqa: E402
from hvelv.privacy.service.extracts import Extract, Part  # noqa: E402
from tests.builders_privacy import (  # noqa: E402
    ASKED,
    DATASET,
    PERSON,
    PROJECT,
    PURPOSE,
    TABLE,
    World,
    a_plan,
    a_query,
    a_world,
)

PERSONS, RUNS, QUOTES, PRICE = 1_000_000, 9, 200, 100
WOMEN, SMOKERS = 0.5, 0.2
QUESTION = a_query(
    by=["sex", "test"],
    measures=[
        {"kind": "count"},
        {"kind": "sum", "column": "value", "low": 0, "high": 50},
        {"kind": "mean", "column": "value", "low": 0, "high": 50},
    ],
    max_groups=3,
)


def written(path: Path) -> int:
    """Write an extract of a million persons, with three rows each on average, and return how many rows it has."""
    source = np.random.default_rng(1)
    rows = PERSONS * 3
    pids = np.sort(source.integers(1, 2**63, PERSONS, dtype=np.uint64))
    at = np.sort(np.concatenate([np.arange(PERSONS), source.integers(0, PERSONS, rows - PERSONS)]))
    table = pa.table(
        {
            "pid": pids[at],
            "sex": pa.array(np.where(source.random(PERSONS) < WOMEN, "f", "m")[at]),
            "age": source.integers(0, 110, PERSONS)[at],
            "smoker": (source.random(PERSONS) < SMOKERS)[at],
            "day": pa.array(source.integers(15_000, 19_000, rows).astype(np.int32), pa.int32()).cast(pa.date32()),
            "value": np.round(source.uniform(0, 60, rows), 1),
            "test": source.choice([10, 20, 30], rows),
        }
    )
    pq.write_table(table, path, compression="zstd", compression_level=1, row_group_size=1 << 20)
    return rows


def published(world: World, path: Path, rows: int) -> None:
    """Put the file in the project's room as the extract in use."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    name = f"labs-0-{sha256}.parquet"
    world.store.put_file(PROJECT, name, path)
    seen = world.desk.optouts.look([ASKED], PURPOSE)
    extract = Extract(
        project=PROJECT, dataset=DATASET, table=TABLE, permit_version=1, generation=1, bucket=PROJECT,
        parts=(Part(name, sha256, rows, PERSONS),), sha256=parts_digest([sha256]), steps={},
        objections=seen.fingerprint, fingerprint="benchmark", job="job-0", code_version="benchmark", at=world.clock.now(),
    )  # fmt: skip
    world.desk.extracts.publish([extract], seen, "provision")


def took(work: Callable[[], object]) -> tuple[float, float]:
    """Return CPU seconds and wall clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def line(name: str, seconds: list[tuple[float, float]], goal: float, against: str) -> dict[str, Any]:
    """Return a result: the ratio is to the goal's own second, so that at most 1 meets it."""
    cpu, wall = (statistics.median(one) for one in zip(*seconds, strict=True))
    return {
        "bench": name, "value": round(cpu * 1000, 2), "unit": "cpu-ms", "ratio": round(cpu / goal, 3), "goal": 1.0,
        "against": against, "wall_ms": round(wall * 1000, 2), "n": len(seconds),
    }  # fmt: skip


def main() -> None:
    """Quote, release, and print both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = a_world(f"sqlite:///{folder / 'custodian.sqlite'}", folder, cap=10**8)
        world.open_project(rho_micro=10**7)
        path = folder / "extract.parquet"
        published(world, path, written(path))
        plan = a_plan(**{key: value for key, value in QUESTION.items() if key != "dataset"})
        releases = world.desk.releases

        def quote() -> object:
            return releases.quote(PROJECT, PERSON, QUESTION, PRICE)

        def release(number: int) -> object:
            return releases.release(PROJECT, PERSON, QUESTION, PRICE, f"key-{number:08d}", again=True)

        quote()
        quotes = [took(quote) for _run in range(QUOTES)]
        release(0)
        beside = []
        for number in range(1, RUNS + 1):
            scan, whole = took(lambda: bounded_totals([path], plan)), took(partial(release, number))
            beside.append((whole[0] - scan[0], whole[1] - scan[1]))
        world.database.close()
    print(json.dumps(line("quote", quotes, 0.05, "50 ms")))
    print(json.dumps(line("release beside the scan", beside, 1.0, "1 s, 1,000,000 persons")))


if __name__ == "__main__":
    main()
