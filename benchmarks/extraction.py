"""Extraction: CPU seconds of the pipeline beside reading and rewriting the same Parquet file with the same engine.

A register in the Norwegian manner is made up: person numbers in the source's order, six columns. Extracted: a filter
keeping four rows in five, 55 000 objections, one date moved for each person. Measured: spreading (all but the person
sort), the whole, what leaving out those who objected adds to a rewrite, and how much memory was ever in use. Each is a
process of its own; the ways take turns, and a ratio is the median of the turns'.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAYS = 6_000
ROWS_A_PERSON = 8
OBJECTORS = 55_000
FIRST_DAY = 13_879  # 2008-01-01
BATCH = 1 << 20
OVERNIGHT = 0.3
KEYS = [bytes([i]) * 32 for i in range(1, 5)]


def numbers(persons: np.ndarray) -> pa.Array:
    """Return a text of 11 digits for each person."""
    spread = persons.astype(np.uint64) * np.uint64(18_181) % np.uint64(10**11)
    digits = (spread[:, None] // 10 ** np.arange(10, -1, -1, dtype=np.uint64)) % np.uint64(10) + np.uint64(ord("0"))
    offsets = np.arange(0, 11 * (len(persons) + 1), 11, dtype=np.int32)
    return pa.StringArray.from_buffers(
        len(persons), pa.py_buffer(offsets), pa.py_buffer(digits.astype(np.uint8).tobytes())
    )


def make(path: Path, rows: int) -> None:
    """Write the register."""
    source = np.random.default_rng(7)
    codes = pa.array([f"{chr(65 + i % 26)}{i % 100:02d}{i % 10}" for i in range(1_200)])
    layout = pa.schema([("fnr", pa.string()), ("admitted", pa.date32()), ("discharged", pa.date32()),
                        ("code", pa.string()), ("facility", pa.int64()), ("level", pa.int64())])  # fmt: skip
    with pq.ParquetWriter(path, layout, compression="zstd", compression_level=1, write_statistics=False) as writer:
        for start in range(0, rows, BATCH):
            size = min(BATCH, rows - start)
            person = np.sort(source.integers(start // ROWS_A_PERSON, (start + size) // ROWS_A_PERSON + 1, size))
            day = FIRST_DAY + source.integers(0, DAYS, size, dtype=np.int32)
            stay = (source.exponential(1.8, size) * (source.random(size) < OVERNIGHT)).astype(np.int32)
            text = pa.DictionaryArray.from_arrays(
                pa.array(np.minimum(source.zipf(1.5, size), 1_199).astype(np.int32)), codes
            )
            writer.write_table(
                pa.table(
                    [
                        numbers(person),
                        pa.array(day).view(pa.date32()),
                        pa.array(day + stay).view(pa.date32()),
                        text.cast(pa.string()),
                        pa.array(source.integers(0, 400, size)),
                        pa.array(source.integers(1, 6, size)),
                    ],
                    schema=layout,
                )
            )


def rewrite(source: Path, folder: Path) -> None:
    """Read and write the same file with the same engine: the floor."""
    with pq.ParquetFile(source, read_dictionary=["code"], pre_buffer=False) as file, pq.ParquetWriter(
        folder / "floor.parquet", file.schema_arrow, compression="zstd", compression_level=1, write_statistics=False,
        use_dictionary=["code"], store_schema=False,
    ) as writer:  # fmt: skip
        for group in range(file.num_row_groups):
            writer.write_table(file.read_row_group(group, use_threads=False))


def order(source: Path, folder: Path, *, objections: bool = True):  # noqa: ANN201
    """Return what is extracted of the register."""
    from hvelv.privacy.adapters.pseudonyms import PersonCipher
    from hvelv.privacy.domain.schema import Column, Schema
    from hvelv.privacy.domain.source import filters_from
    from hvelv.privacy.domain.transforms import ShiftDate
    from hvelv.privacy.service.extraction import ExtractOrder
    from hvelv.privacy.service.keys import ProjectKeys

    held = b""
    if objections:
        rows = pq.ParquetFile(source).metadata.num_rows
        who = np.random.default_rng(3).choice(
            rows // ROWS_A_PERSON, min(OBJECTORS, rows // ROWS_A_PERSON // 100), False
        )
        held = PersonCipher(KEYS[3]).blocks(numbers(who)).tobytes()
    schema = Schema("episodes", (
        Column("fnr", "string", "person_id"), Column("admitted", "date", "date"), Column("discharged", "date", "date"),
        Column("code", "string", "sensitive"), Column("facility", "integer", "attribute", low=0, high=400),
        Column("level", "integer", "attribute", low=1, high=5),
    ))  # fmt: skip
    return ExtractOrder(
        source=source,
        folder=folder,
        schema=schema,
        columns=tuple(c.name for c in schema.columns),
        keys=ProjectKeys(*KEYS[:3]),
        where=filters_from([{"column": "level", "op": "<", "value": 5}]),
        extra={"admitted": (ShiftDate(kind="shift", days=180),)},
        register_key=KEYS[3],
        objections=held,
    )


def spread(source: Path, folder: Path) -> None:
    """Do all but the person sort."""
    from hvelv.privacy.adapters.spreading import Spreader

    spreader = Spreader(order(source, folder))
    for number in range(len(spreader.layout.chunks)):
        spreader.spread(number)


def whole(source: Path, folder: Path) -> None:
    """Do all of it."""
    from hvelv.privacy.adapters.extraction import ParquetExtractor

    ParquetExtractor().extract(order(source, folder), lambda _done, _of: None)


def spread_all(source: Path, folder: Path) -> None:
    """Do all but the person sort as if nobody had objected."""
    from hvelv.privacy.adapters.spreading import Spreader

    spreader = Spreader(order(source, folder, objections=False))
    for number in range(len(spreader.layout.chunks)):
        spreader.spread(number)


WAYS = {"floor": rewrite, "spread": spread, "spread without objections": spread_all, "whole": whole}
GOALS = {"spread": 1.3, "whole": 4.0, "anti-join": 1.1}


def cost(turn: dict[str, dict[str, float]], name: str) -> float:
    """Return the CPU seconds of one turn. The anti-join's are those of the rewrite and of what objections add to spreading."""
    if name != "anti-join":
        return turn[name]["cpu"]
    return turn["floor"]["cpu"] + turn["spread"]["cpu"] - turn["spread without objections"]["cpu"]


def one(way: str, source: Path) -> None:
    """Do one way in this process, and print what it took."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        tiny = Path(folder) / "tiny"
        tiny.mkdir()
        make(tiny / "s.parquet", 20_000)
        WAYS[way](tiny / "s.parquet", tiny)  # what is compiled and imported is not counted
        work = Path(folder) / "work"
        work.mkdir()
        begun, wall = time.process_time(), time.perf_counter()
        WAYS[way](source, work)
        seconds, wall = time.process_time() - begun, time.perf_counter() - wall
        written = sum(p.stat().st_size for p in work.glob("*.parquet"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"cpu": seconds, "wall": wall, "peak_gb": peak, "bytes": written}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--way", choices=WAYS)
    given = parser.parse_args()
    if given.way:
        one(given.way, given.source)
        return
    with tempfile.TemporaryDirectory() as folder:
        source = given.source or Path(folder) / "source.parquet"
        if given.source is None:
            make(source, given.rows)
        turns: list[dict[str, dict[str, float]]] = []
        for _run in range(given.runs):
            turn = {}
            for way in WAYS:
                command = [sys.executable, __file__, "--way", way, "--source", str(source)]
                told = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
                turn[way] = json.loads(told)
            turns.append(turn)
    for name, goal in GOALS.items():
        line = {
            "bench": f"extraction: {name}",
            "value": round(statistics.median(cost(turn, name) for turn in turns), 2),
            "unit": "cpu-s",
            "ratio": round(statistics.median(cost(turn, name) / turn["floor"]["cpu"] for turn in turns), 3),
            "against": f"rewriting the file, {statistics.median(turn['floor']['cpu'] for turn in turns):.2f} cpu-s",
            "goal": f"<= {goal}",
            "n": given.runs,
            "rows": given.rows,
            "peak_gb": round(max(one["peak_gb"] for turn in turns for one in turn.values()), 2),
        }
        print(json.dumps(line))


if __name__ == "__main__":
    main()
