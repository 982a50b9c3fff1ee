"""A country's registers extracted for two projects in one go, and what must hold of them looked at afterwards.

Takes the folder that `hvelv sample population` wrote (or makes a small one), its objections and changed numbers
included. Both projects get all six tables. Reported: rows, CPU seconds, wall clock and the most memory ever in use.
Looked at: who is in each extract is who should be, by decrypting all pseudonyms; no pseudonym is in both projects; the
same person has one pseudonym in all tables.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from hvelv.kernel.clock import SystemClock
from hvelv.kernel.database import custodian
from hvelv.kernel.ids import RandomIds
from hvelv.kernel.signing import Signer
from hvelv.operation import tables
from hvelv.privacy.adapters import wiring
from hvelv.privacy.adapters.keyring import LocalKeyring
from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.domain.objecting import Act
from hvelv.privacy.domain.permission import PermittedTable
from hvelv.privacy.domain.risk import Policy
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.service.extraction import Prepared, Wanted
from hvelv.privacy.service.optouts import Asked

PROJECTS = ("p-one", "p-two")
REGISTERS = ("persons", "births", "cancers", "deaths", "episodes", "prescriptions")
PURPOSE = "scientific_research"
BATCH = 1 << 20


def custodian_in(folder: Path, at_once: int) -> Any:
    """Return a custodian's services on a database and a keyring of their own."""
    tables.load()
    clock = SystemClock()
    database = custodian(f"sqlite:///{folder / 'custodian.sqlite'}", clock=clock)
    database.create_all()
    (folder / "secrets").mkdir()
    (folder / "secrets" / "kek").write_text("A" * 43)
    nobody = cast("Any", None)
    return wiring.desk(
        wiring.Surroundings(
            database=database,
            store=nobody,
            signer=Signer.generate(),
            kek=LocalKeyring(folder / "secrets", clock),
            permits=nobody,
            versions=nobody,
            clock=clock,
            ids=RandomIds(),
            cache=folder / "cache",
            delta=1e-6,
            code_version="benchmark",
            tables_at_once=at_once,
            purposes=(PURPOSE,),
            risk=Policy(),
        )
    ), database


def wanted(population: Path) -> list[Wanted]:
    """Return all that may leave of every register."""
    found = []
    for name in REGISTERS:
        schema = Schema.from_declaration(json.loads((population / f"{name}.json").read_text()))
        columns = tuple(column.name for column in schema.columns if column.leaves)
        found.append(Wanted(PermittedTable(name, name, "1", columns), schema, population / f"{name}.parquet"))
    return found


def numbers(path: Path, column: str) -> np.ndarray:
    """Return the distinct person numbers of a register, as integers, sorted."""
    seen = np.zeros(0, np.int64)
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH, columns=[column]):
            seen = np.union1d(seen, batch.column(0).cast(pa.int64()).to_numpy())
    return seen


def persons_of(folder: Path, table: str, cipher: PersonCipher) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pseudonyms and the numbers behind them, a part at a time."""
    for path in sorted((folder / "tables" / f"{table}.{table}").glob("*/persons-*.npy")):
        blocks = np.load(path)
        if len(blocks):
            yield blocks[:, 0], cipher.ids(blocks).cast(pa.int64()).to_numpy()


def checked(population: Path, folders: dict[str, Path], keys: dict[str, bytes]) -> None:
    """Look at who is in the extracts. Raises `AssertionError`."""
    text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(("old", "new", "person_number"), pa.string()))
    pairs = pyarrow.csv.read_csv(population / "canonical.csv", convert_options=text)
    old, new = (pairs.column(name).cast(pa.int64()).to_numpy() for name in ("old", "new"))
    order = np.argsort(old)
    old, new = old[order], new[order]

    def canonical(found: np.ndarray) -> np.ndarray:
        at = np.minimum(np.searchsorted(old, found), len(old) - 1)
        return np.unique(np.where(old[at] == found, new[at], found))

    objections = pyarrow.csv.read_csv(population / "objections.csv", convert_options=text)
    away = canonical(objections.column("person_number").cast(pa.int64()).to_numpy())
    everyone: dict[str, np.ndarray] = {}
    for table in REGISTERS:
        column = Schema.from_declaration(json.loads((population / f"{table}.json").read_text())).person_id.name
        expected = np.setdiff1d(canonical(numbers(population / f"{table}.parquet", column)), away)
        for project in PROJECTS:
            pids, behind = (
                np.concatenate(one)
                for one in zip(*persons_of(folders[project], table, PersonCipher(keys[project])), strict=True)
            )
            assert np.array_equal(np.sort(behind), expected), f"{table}: others are in it than should be"
            assert len(np.unique(pids)) == len(pids), f"{table}: two persons share a pseudonym"
            pair = np.stack((pids, behind.astype(np.uint64)))
            known = everyone.get(project, np.zeros((2, 0), np.uint64))
            everyone[project] = np.unique(np.concatenate((known, pair), axis=1), axis=1)
    for project in PROJECTS:
        pids, behind = everyone[project]
        assert len(np.unique(pids)) == len(np.unique(behind)) == len(pids), "a person has two pseudonyms"
    assert not len(np.intersect1d(everyone[PROJECTS[0]][0], everyone[PROJECTS[1]][0])), "a pseudonym in two projects"
    print(f"looked at {len(pids):,} persons in {len(PROJECTS)} projects: as it should be", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--population", type=Path, help="what `hvelv sample population` wrote; else 100 000 persons")
    parser.add_argument("--at-once", type=int, default=2, help="tables extracted at once")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        population = given.population
        if population is None:
            from hvelv.operation.population.figures import Wanted as People
            from hvelv.operation.population.folder import produce

            population = folder / "population"
            produce(People(100_000, 2020, 2024, 1), population, force=False, progress=lambda _done: None)
        desk, database = custodian_in(folder, given.at_once)
        begun, wall = time.process_time(), time.perf_counter()
        imports = desk.optouts.intake(Act.OBJECT, "benchmark"), desk.canonical.intake("benchmark")
        for intake, file in zip(imports, ("objections.csv", "canonical.csv"), strict=True):
            intake.feed((population / file).read_bytes())
            intake.finish()
        imported = time.process_time() - begun
        folders: dict[str, Path] = {}
        rows = source_rows = 0
        for project in PROJECTS:
            with database.transaction() as unit:
                desk.keys.ensure_project(unit, project, "benchmark")
            tables_ = wanted(population)
            seen = desk.optouts.look([Asked(one, one) for one in REGISTERS], PURPOSE)
            folders[project] = folder / project
            folders[project].mkdir()
            made: tuple[Prepared, ...] = desk.extraction.prepare(
                project, tables_, seen, folders[project], told=lambda _done, _of: None
            )
            rows += sum(one.rows for one in made)
            source_rows += sum(pq.ParquetFile(one.source).metadata.num_rows for one in tables_)
            for one in made:
                print(
                    f"{project} {one.permitted.table:<14}{one.rows:>12,} rows {one.persons:>10,} persons "
                    f"{len(one.parts):>4} parts",
                    file=sys.stderr,
                )
        cpu, wall = time.process_time() - begun, time.perf_counter() - wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        checked(population, folders, {project: desk.keys.project(project).persons for project in PROJECTS})
        database.close()
    print(
        json.dumps(
            {
                "bench": "country: two projects",
                "value": round(cpu, 1),
                "unit": "cpu-s",
                "ratio": round(cpu / (source_rows / 1e6), 3),
                "against": "a million rows read",
                "goal": "reported",
                "n": 1,
                "rows_read": source_rows,
                "rows_written": rows,
                "wall": round(wall, 1),
                "peak_gb": round(peak, 2),
                "import_cpu": round(imported, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
