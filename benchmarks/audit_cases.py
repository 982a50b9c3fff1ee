"""What is audited: each kind of question on two linked tables, with a person made to show as much as one can.

The one has many rows at the bounds, in many cells, with values that are no numbers in between; nobody else is like that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from auditing import Sources, written

from hvelv.privacy.domain.measuring import Method
from hvelv.privacy.domain.questions import method_for, query_from
from hvelv.privacy.domain.schema import Column, Schema

OTHERS, THE_ONE, DAY = 30, 10**9, date(2010, 1, 1)
SCHEMAS = {
    "persons": Schema(
        "persons",
        (
            Column("sex", "string", "attribute", categories=("f", "m"), nullable=False),
            Column("age", "integer", "quasi_identifier", low=0, high=100, nullable=False),
            Column("weight", "decimal", "sensitive", low=0, high=200, step=0.5),
            Column("dead", "boolean", "sensitive", nullable=False),
            Column("start", "date", "date", nullable=False),
            Column("stop", "date", "date", nullable=False),
        ),
    ),
    "events": Schema(
        "events",
        (
            Column("day", "date", "date", nullable=False),
            Column("code", "string", "sensitive", categories=("a", "b", "c", "d")),
            Column("place", "string", "attribute"),
            Column("amount", "decimal", "sensitive", low=-10, high=10, step=0.1),
        ),
    ),
}
LAYOUTS = {
    "persons": pa.schema(
        {
            "pid": pa.uint64(), "sex": pa.string(), "age": pa.int64(), "weight": pa.float64(), "dead": pa.bool_(),
            "start": pa.date32(), "stop": pa.date32(),
        }.items()
    ),
    "events": pa.schema(
        {
            "pid": pa.uint64(), "day": pa.date32(), "code": pa.string(), "place": pa.string(), "amount": pa.float64(),
        }.items()
    ),
}  # fmt: skip


def _others() -> Mapping[str, list[dict[str, Any]]]:
    draw = np.random.default_rng(7)
    persons, events = [], []
    for pid in range(1, OTHERS + 1):
        stop = DAY + timedelta(days=int(draw.integers(1, 3650)))
        persons.append(
            {
                "pid": pid, "sex": str(draw.choice(["f", "m"])), "age": int(draw.integers(20, 80)),
                "weight": float(draw.integers(90, 200)) / 2, "dead": bool(draw.integers(0, 2)), "start": DAY, "stop": stop,
            }
        )  # fmt: skip
        events += [
            {
                "pid": pid, "day": DAY + timedelta(days=int(draw.integers(0, 3650))), "code": str(draw.choice(list("abcd"))),
                "place": "north", "amount": float(draw.integers(-50, 50)) / 10,
            }
            for _event in range(int(draw.integers(0, 6)))
        ]  # fmt: skip
    return {"persons": persons, "events": events}


def _the_one() -> Mapping[str, list[dict[str, Any]]]:
    person = {"pid": THE_ONE, "sex": "m", "age": 100, "weight": 200.0, "dead": True, "start": DAY}
    amounts = [10.0, 1e300, 10.0, float("nan"), float("inf"), None]
    events = [
        {
            "pid": THE_ONE, "day": DAY + timedelta(days=7 * number), "code": "abcd"[number % 4], "place": "south" if number % 2 else "north",
            "amount": amounts[number % len(amounts)],
        }
        for number in range(400)
    ]  # fmt: skip
    return {"persons": [person | {"stop": DAY + timedelta(days=3650)}], "events": events}


def neighbours(folder: Path) -> tuple[Sources, Sources]:
    """Return the extracts with the one person, and without."""
    others, one = _others(), _the_one()
    both = {name: [*others[name], *one[name]] for name in others}
    return written(folder / "with", both, LAYOUTS), written(folder / "without", others, LAYOUTS)


@dataclass(frozen=True)
class Case:
    """One question to audit; `runs`: in thousands, for a whole audit."""

    name: str
    question: Mapping[str, Any]
    runs: int = 100
    rho_micro: int = 100_000

    def method(self) -> Method:
        """Return what answers it."""
        return method_for(query_from(dict(self.question)), SCHEMAS)


COUNT = {"kind": "count"}
VISITS = {"table": "events", "columns": [{"name": "x1", "kind": "count", "high": 10}]}
FOLLOWED = {"kind": "days", "name": "x1", "start": "start", "end": "stop", "high": 3650}
CASES = (
    Case("count", {"dataset": "persons", "measures": [COUNT]}, 1_000),
    Case("counts in cells", {"dataset": "events", "by": ["code"], "measures": [COUNT], "max_rows": 5, "max_groups": 3}),
    Case(
        "sum and mean",
        {
            "dataset": "events",
            "measures": [
                {"kind": "sum", "column": "amount", "low": -10, "high": 10},
                {"kind": "mean", "column": "amount", "low": -10, "high": 10},
            ],
            "max_rows": 3,
        },
    ),
    Case(
        "sum around the middle, beside count and mean",
        {
            "dataset": "persons",
            "measures": [
                COUNT,
                *({"kind": kind, "column": "weight", "low": 0, "high": 200} for kind in ("sum", "mean")),
            ],
        },
    ),
    Case(
        "linked: visits of a person",
        {"dataset": "persons", "links": [VISITS], "measures": [{"kind": "sum", "column": "x1", "low": 0, "high": 10}]},
    ),
    Case(
        "linked both ways",
        {
            "dataset": "events",
            "links": [{"table": "persons", "columns": [{"name": "x1", "kind": "value", "column": "sex"}]}],
            "by": ["x1", "code"],
            "measures": [COUNT],
            "max_rows": 2,
            "max_groups": 4,
        },
    ),
    Case(
        "steps between events",
        {
            "dataset": "events",
            "of": {"kind": "steps", "event": "code", "at": "day", "high": 365 * 2},
            "by": ["from", "to"],
            "measures": [COUNT],
            "max_rows": 3,
            "max_groups": 4,
        },
    ),
)


MOMENTS = ["age", "weight"]
TELLS_THE_ONE = "def estimate(frame):\n    return [1e300 if frame['age'].max() >= 100 else -1e300] * 2\n"
CASES += (
    Case(
        "variance",
        {"dataset": "persons", "measures": [{"kind": "variance", "column": "weight", "low": 0, "high": 200}]},
    ),
    Case(
        "persons, Laplace noise", {"dataset": "persons", "measures": [{"kind": "persons"}], "noise": "laplace"}, 1_000
    ),
    Case(
        "distribution", {"kind": "distribution", "dataset": "persons", "column": "age", "bins": 20, "quantiles": [0.5]}
    ),
    Case(
        "contingency",
        {"kind": "contingency", "dataset": "persons", "by": ["sex", {"column": "age", "edges": [0, 50, 100]}]},
    ),
    Case(
        "synthetic rows",
        {
            "kind": "synthetic",
            "dataset": "events",
            "by": ["code", {"column": "amount", "edges": [-10, 0, 10]}],
            "max_rows": 3,
        },
    ),
    Case(
        "unknown keys",
        {"kind": "open", "dataset": "events", "by": ["place"], "most": 10, "max_rows": 5, "max_groups": 2},
        rho_micro=2_000_000,
    ),
    Case("linear regression", {"kind": "linear", "dataset": "persons", "outcome": "weight", "terms": ["age", "sex"]}),
    Case("logistic regression", {"kind": "logistic", "dataset": "persons", "outcome": "dead", "terms": ["age", "sex"]}),
    Case(
        "Poisson regression",
        {"kind": "poisson", "dataset": "persons", "links": [VISITS], "outcome": "x1", "terms": ["age", "sex"]},
    ),
    Case(
        "rates",
        {
            "kind": "rates",
            "dataset": "persons",
            "links": [VISITS],
            "by": ["sex"],
            "events": "x1",
            "time": "age",
            "per": 1000,
        },
    ),
    Case(
        "survival",
        {
            "kind": "survival",
            "dataset": "persons",
            "derive": [FOLLOWED],
            "time": "x1",
            "event": "dead",
            "by": ["sex"],
            "width": 730,
            "intervals": 4,
        },
    ),
    Case(
        "pathways: steps",
        {
            "kind": "pathways",
            "dataset": "events",
            "of": {"kind": "steps", "event": "code", "at": "day", "high": 360},
            "bins": [0, 180, 360],
            "max_rows": 2,
            "max_groups": 3,
        },
    ),
    Case(
        "pathways: sequences",
        {
            "kind": "pathways",
            "dataset": "events",
            "of": {"kind": "paths", "event": "code", "at": "day", "length": 3},
            "top": 5,
        },
    ),
    Case(
        "sample and aggregate",
        {
            "kind": "blocks",
            "dataset": "persons",
            "work": {"kind": "code", "columns": ["age"], "text": TELLS_THE_ONE},
            "numbers": [{"low": 0, "high": 1}, {"low": -5, "high": 5}],
            "blocks": 50,
            "slot_ms": 100,
        },
    ),
    Case("correlation", {"kind": "correlation", "dataset": "persons", "columns": MOMENTS, "components": 2}),
    Case("clusters", {"kind": "clusters", "dataset": "persons", "columns": MOMENTS, "k": 2}),
)


def cases(chosen: str = "") -> Iterator[Case]:
    """Yield the cases whose names have `chosen` in them."""
    yield from (case for case in CASES if chosen in case.name)
