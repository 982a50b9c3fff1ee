"""Questions about tables, measured on rows that are written for the test, with noise as the price says."""

import itertools
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hvelv.privacy.adapters.aggregate import StreamingAggregator, totals
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.measuring import Ask, Method, Result
from hvelv.privacy.domain.questions import method_for, query_from
from hvelv.privacy.service.releases import measured
from tests.builders_privacy import EXTRACT_SCHEMA, TABLE, an_extract_file

QUIET = 10**9  # micro-rho: noise that is next to nothing
ENGINE: Any = SimpleNamespace(aggregator=StreamingAggregator(), noise=OpenDPNoise())
ROW = {"sex": "f", "age": 50, "value": 1.0, "test": 10}
NAN, INF = float("nan"), float("inf")
HOSTILE = [
    ROW | {"sex": sex, "age": age, "value": value, "test": test}
    for sex, (age, value), test in itertools.product(
        ["f", "m", "x", None], [(None, NAN), (2**40, INF), (-5, -1e300), (110, 50.0)], [10, 30, 77, None]
    )
] * 16
"""The rows of a person who has a thousand of them, with everything in them that can be wrong."""

Persons = dict[int, list[dict[str, Any]]]


def a_method(schema: Any = EXTRACT_SCHEMA, **question: Any) -> Method:
    """Return the method of a question to the laboratory table."""
    return method_for(query_from({"dataset": TABLE} | question), {TABLE: schema})


def everyone(rows: list[dict[str, Any]]) -> Persons:
    """Return rows as those of so many persons."""
    return {number: [row] for number, row in enumerate(rows, start=1)}


def written(folder: str, persons: Persons) -> dict[str, list[Path]]:
    """Write persons' rows as an extract."""
    rows = [{"pid": pid} | row for pid in sorted(persons) for row in persons[pid]]
    return {TABLE: [an_extract_file(Path(folder) / "x.parquet", rows)]}


def answer(method: Method, persons: Persons, rho_micro: int = QUIET) -> Result:
    """Return the method's answer about the persons."""
    with tempfile.TemporaryDirectory() as folder:
        return measured(method, method.doses(rho_micro), rho_micro, written(folder, persons), ENGINE)


def exact(method: Method, ask: Ask, persons: Persons, *, batch: int = 0) -> Any:
    """Return the exact totals of one ask."""
    with tempfile.TemporaryDirectory() as folder:
        return totals(written(folder, persons), method.framed, ask, batch=batch)


def column(result: Result, name: str, table: str = "") -> list[Any]:
    """Return a value of every row of the answer, or of one of its tables."""
    rows = result.tables[table]["rows"] if table else result.rows
    return [row["values"][name] for row in rows]


def shape(result: Result) -> Any:
    """Return what an answer looks like without its numbers."""

    def looks(rows: Any) -> Any:
        return [(row["key"], sorted(row["values"]), sorted(row["error95"])) for row in rows]

    tables = {name: (table["keys"], looks(table["rows"])) for name, table in result.tables.items()}
    return result.keys, looks(result.rows), tables, [note["message"] for note in result.notes], result.picture
