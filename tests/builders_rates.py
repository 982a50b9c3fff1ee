"""Patients with follow-up, events and time: questions about rates, survival and pathways, and their answers."""

import itertools
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hvelv.privacy.adapters.aggregate import StreamingAggregator, totals
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.measuring import Ask, Method, Result
from hvelv.privacy.domain.questions import method_for, query_from
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.service.releases import measured

QUIET = 10**9  # micro-rho: noise that is next to nothing
ENGINE: Any = SimpleNamespace(aggregator=StreamingAggregator(), noise=OpenDPNoise())
PATIENTS = Schema(
    "patients",
    (
        Column("sex", "string", "attribute", categories=("f", "m")),
        Column("age", "integer", "quasi_identifier", low=0, high=110),
        Column("sick", "boolean", "sensitive"),
        Column("visits", "integer", "sensitive", low=0, high=20),
        Column("followed", "integer", "attribute", low=0, high=2000, unit="days"),
        Column("score", "decimal", "attribute", low=-5, high=5, step=0.1),
        Column("code", "string", "sensitive", categories=("a", "b", "c")),
        Column("day", "date", "date"),
    ),
)
LAYOUT = {
    "pid": pa.uint64(), "sex": pa.string(), "age": pa.int64(), "sick": pa.bool_(), "visits": pa.int64(),
    "followed": pa.int64(), "score": pa.float64(), "code": pa.string(), "day": pa.date32(),
}  # fmt: skip
ROW = {"sex": "f", "age": 50, "sick": True, "visits": 2, "followed": 400, "score": 0.1, "code": "a", "day": 11_000}
HOSTILE = [
    ROW | {"sex": sex, "age": age, "sick": sick, "visits": visits, "followed": followed, "code": code, "day": day}
    for sex, (age, visits), sick, (followed, day), code in itertools.product(
        ["f", "m", "x", None], [(50, 20), (10, 20), (None, 2**40), (110, -5)], [True, False, None],
        [(2000, 5), (2000, 8), (None, None), (-1, 2**31 - 1), (2**62, -(2**31))], ["a", "b", "c", None],
    )
] * 2  # fmt: skip
"""The rows of a person who has a thousand of them, with everything in them that can be wrong."""

# questions that can be asked
AGE = {"column": "age", "edges": [0, 20, 40, 60, 80, 100]}
RATE = {"kind": "rates", "by": ["sex", AGE], "events": "sick"}
CURVE = {"kind": "survival", "time": "followed", "event": "sick", "width": 100, "intervals": 10}
STEPS = {"kind": "pathways", "of": {"kind": "steps", "event": "code", "at": "day", "high": 360}}
PATHS = {"kind": "pathways", "of": {"kind": "paths", "event": "code", "at": "day", "length": 3}}
WEIGHTS = [10, 20, 30, 20, 20]
GOOD = {
    "a share of persons": RATE,
    "standardised by name": RATE | {"standard": {"column": "age", "population": "esp2013"}},
    "standardised by weights": RATE | {"standard": {"column": "age", "weights": WEIGHTS}},
    "compared to a code": RATE | {"compare": {"column": "sex", "reference": "m"}},
    "compared to a bin": RATE | {"compare": {"column": "age", "reference": "[20, 40)"}},
    "counts over years": RATE | {"events": "visits", "time": "followed", "over": "years"},
    "rows over time": {"kind": "rates", "time": "followed", "per": 100_000},
    "curves by group": CURVE | {"by": ["sex"]},
    "curves of whole years": CURVE | {"width": 365, "intervals": 5},
    "steps": STEPS,
    "steps with times": STEPS | {"bins": [0, 100, 200, 300, 360], "max_groups": 4, "max_rows": 2},
    "paths": PATHS | {"top": 5},
}

Persons = dict[int, list[dict[str, Any]]]


def a_method(**question: Any) -> Method:
    """Return the method of a question to the patients."""
    return method_for(query_from({"dataset": "patients"} | question), {"patients": PATIENTS})


def everyone(rows: list[dict[str, Any]]) -> Persons:
    """Return rows as those of so many persons."""
    return {number: [ROW | row] for number, row in enumerate(rows, start=1)}


def written(folder: str, persons: Persons) -> dict[str, list[Path]]:
    """Write persons' rows as an extract. Days are counted from 1970-01-01."""
    path = Path(folder) / "patients.parquet"
    rows = [{"pid": pid} | row for pid in sorted(persons) for row in persons[pid]]
    columns = {}
    for name, kind in LAYOUT.items():
        values = [row[name] for row in rows]
        columns[name] = pa.array(values, pa.int32()).cast(kind) if name == "day" else pa.array(values, kind)
    pq.write_table(pa.table(columns), path)
    return {"patients": [path]}


def answer(method: Method, persons: Persons, rho_micro: int = QUIET) -> Result:
    """Return the method's answer about the persons."""
    with tempfile.TemporaryDirectory() as folder:
        return measured(method, method.doses(rho_micro), rho_micro, written(folder, persons), ENGINE)


def asks_of(method: Method, rho_micro: int = QUIET) -> list[Ask]:
    """Return all that a method asks for, when it is told that there is nothing."""
    work, found = method.work(method.doses(rho_micro)), []
    try:
        step = next(work)
        while True:
            found.append(step.ask)
            step = work.send([[0] * length_of(step.ask) for _dose in step.doses])
    except StopIteration:
        return found


def length_of(ask: Any) -> int:
    return ask.length if hasattr(ask, "length") else int(np.prod(ask.shape))


def exact(method: Method, ask: Ask, persons: Persons, *, batch: int = 0) -> Any:
    """Return the exact totals of one ask."""
    with tempfile.TemporaryDirectory() as folder:
        return np.array(totals(written(folder, persons), method.framed, ask, batch=batch))


def simulated(method: Method, exact_vectors: list[Any], rho_micro: int, source: np.random.Generator) -> Result:
    """Return the answer from exact vectors with noise of the doses' scales, drawn fast and for tests alone."""
    doses = method.doses(rho_micro)
    work, vectors = method.work(doses), iter(zip(exact_vectors, doses, strict=True))
    try:
        step = next(work)
        while True:
            noisy = [np.rint(v + source.normal(0, d.scale, len(v))).astype(int).tolist()
                     for v, d in itertools.islice(vectors, len(step.doses))]  # fmt: skip
            step = work.send(noisy)
    except StopIteration as done:
        return done.value


def by_key(result: Result, table: str = "") -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the values of an answer's rows, or of those of one of its tables, by key."""
    rows = result.tables[table]["rows"] if table else result.rows
    return {tuple(row["key"]): row["values"] for row in rows}


def shape_of(result: Result) -> str:
    """Return what must not depend on the data: keys, names of values, tables; not which values are None."""
    rows = {"": result.rows} | {name: table["rows"] for name, table in result.tables.items()}
    return repr({
        name: [(row["key"], sorted(row["values"]), sorted(row["error95"])) for row in some] for name, some in rows.items()
    })  # fmt: skip
