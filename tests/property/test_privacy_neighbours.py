"""From the source to the total: take any one person away from the source, and nothing that another person adds changes.

Extracts are made by the whole pipeline, with any steps, so that what a step makes of the rows is part of what is tested.
"""

import math
import tempfile
from datetime import date
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hvelv.kernel.errors import Invalid
from hvelv.privacy.adapters import spreading
from hvelv.privacy.adapters.aggregate import bounded_totals
from hvelv.privacy.adapters.extraction import ParquetExtractor
from hvelv.privacy.domain.accounting import sensitivity
from hvelv.privacy.domain.plan import plan
from hvelv.privacy.domain.questions import query_from
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.domain.transforms import transforms_from
from hvelv.privacy.service.extraction import ExtractOrder
from tests.builders_privacy import PROJECT_KEYS, TABLE, a_person_number, a_query

SCHEMA = Schema(
    TABLE,
    (
        Column("nr", "string", "person_id", nullable=False),
        Column("ward", "integer", "attribute", low=1, high=9, categories=(1, 2, 3)),
        Column("code", "string", "quasi_identifier", categories=("A1", "A2", "B1")),
        Column("day", "date", "date"),
        Column("age", "integer", "quasi_identifier", low=0, high=110),
        Column("value", "decimal", "sensitive", low=0, high=50, step=0.1),
    ),
)
NAMES = tuple(column.name for column in SCHEMA.columns[1:])
LAYOUT = pa.schema(
    {
        "nr": pa.string(),
        "ward": pa.int64(),
        "code": pa.string(),
        "day": pa.date32(),
        "age": pa.int64(),
        "value": pa.float64(),
    }.items()
)
RARE = [{"kind": "suppress", "persons": persons, "instead": instead} for persons in (2, 3) for instead in ("*", 9)]
STEPS = {
    "ward": [[], *([step] for step in RARE if step["instead"] == 9), [{"kind": "hash"}]],
    "code": [
        [],
        *([step] for step in RARE if step["instead"] == "*"),
        [{"kind": "truncate", "length": 1}],
        [{"kind": "truncate", "length": 1}, RARE[0]],
        [{"kind": "coarsen", "codes": {"A1": "a", "B1": "b"}, "otherwise": "c"}],
    ],
    "day": [
        [],
        [{"kind": "shift", "days": 40}],
        [{"kind": "shift", "days": 365}, {"kind": "year"}],
        [{"kind": "shift", "days": 20}, {"kind": "month"}],
        [{"kind": "month"}],
    ],
    "age": [
        [],
        [{"kind": "bands", "edges": [18, 67]}],
        [{"kind": "bands", "edges": [18, 67]}, {"kind": "suppress", "persons": 2, "instead": "18–66"}],
        [{"kind": "clip", "low": 20, "high": 80}],
        [{"kind": "round", "step": 10}, {"kind": "suppress", "persons": 2, "instead": 50}],
    ],
    "value": [[], [{"kind": "clip", "high": 30}], [{"kind": "round", "step": 5}]],
}
BY = [
    "ward", "code", "age", {"column": "age", "edges": [0, 22, 44, 66]}, {"column": "age", "edges": [20, 40, 80]},
    {"column": "value", "edges": [0, 10, 20]},
]  # fmt: skip
WHERE = [
    {"column": "ward", "op": "!=", "value": 1},
    {"column": "code", "op": "in", "value": ["A1", "B1"]},
    {"column": "code", "op": "==", "value": "A"},
    {"column": "day", "op": ">=", "value": "2000-06-01"},
    {"column": "day", "op": "<=", "value": 2000},
    {"column": "age", "op": ">", "value": 40},
    {"column": "age", "op": "!=", "value": "18–66"},
]
MEASURES = [
    {"kind": "count"},
    {"kind": "sum", "column": "value", "low": 0, "high": 50},
    {"kind": "mean", "column": "value", "low": 0, "high": 30},
    {"kind": "sum", "column": "age", "low": 0, "high": 110},
    {"kind": "mean", "column": "age", "low": 20, "high": 80},
    {"kind": "sum", "column": "ward", "low": 1, "high": 9},
]
rows = st.fixed_dictionaries(
    {
        "ward": st.sampled_from([1, 2, 3, None]),
        "code": st.sampled_from(["A1", "A2", "B1", None]),
        "day": st.sampled_from([date(2000, 5, 20), date(2000, 6, 2), date(1999, 12, 31), None]),
        "age": st.sampled_from([3, 17, 18, 50, 70, None]),
        "value": st.sampled_from([0.0, 12.3, 50.0, float("nan"), None]),
    }
)
people = st.lists(st.lists(rows, min_size=1, max_size=4), min_size=2, max_size=5)
steps = st.fixed_dictionaries({name: st.sampled_from(some) for name, some in STEPS.items()})
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def totals(persons, plan_of, chosen):
    """Return the plan of the extract that is made of `persons` (number -> rows), and its exact totals."""
    extra = {name: transforms_from(documents) for name, documents in chosen.items() if documents}
    written = [{"nr": a_person_number(number)} | row for number, own in persons.items() for row in own]
    with tempfile.TemporaryDirectory() as name, patch.multiple(spreading, CHUNK_ROWS=8, PART_ROWS=8):
        folder = Path(name)
        pq.write_table(pa.Table.from_pylist(written, LAYOUT), folder / "source.parquet", row_group_size=5)
        order = ExtractOrder(folder / "source.parquet", folder, SCHEMA, NAMES, PROJECT_KEYS, extra=extra)
        made = ParquetExtractor().extract(order, lambda _done, _of: None)
        meant = plan_of(order.extracted)
        return meant, np.array(bounded_totals([part.path for part in made], meant), dtype=object)


def allowed(schema, **query):
    """Say whether a query may be asked of the extract."""
    try:
        plan(query_from(a_query(**query)), schema)
    except Invalid:
        return False
    return True


def check_neighbours(persons, away, chosen, query):
    def plan_of(schema):
        return plan(query_from(a_query(**query)), schema)

    meant, everybody = totals(persons, plan_of, chosen)
    _same, without = totals({n: own for n, own in persons.items() if n != away}, plan_of, chosen)
    _same, alone = totals({away: persons[away]}, plan_of, chosen)

    for part, difference in zip(meant.parts, everybody - without, strict=True):
        moved = math.sqrt(sum(int(d) ** 2 for d in difference))
        assert moved <= sensitivity(part, meant.ask.max_rows, meant.ask.max_groups)
    assert (everybody - without == alone).all()  # what the others add is the same, to the unit


@pytest.mark.attack("DP11")
@FEW
@given(people, steps, st.data(), st.integers(1, 3), st.integers(1, 3))
def test_one_person_fewer_in_the_source_changes_only_what_that_person_adds(people, chosen, data, max_rows, max_groups):
    extra = {name: transforms_from(documents) for name, documents in chosen.items()}
    schema = SCHEMA.extracted(NAMES, extra)
    by = data.draw(st.sampled_from([[], *([key] for key in BY if allowed(schema, by=[key]))]))
    where = data.draw(st.sampled_from([[], *([one] for one in WHERE if allowed(schema, by=[], where=[one]))]))
    measures = [one for one in MEASURES if allowed(schema, by=[], measures=[one])]
    query = {"by": by, "where": where, "measures": measures, "max_rows": max_rows, "max_groups": max_groups}
    assume(allowed(schema, **query))

    check_neighbours(dict(enumerate(people)), data.draw(st.integers(0, len(people) - 1)), chosen, query)


@pytest.mark.attack("DP11")
@pytest.mark.parametrize("max_rows", [1, 2])
@pytest.mark.parametrize("name", ["ward", "code"])
def test_which_row_of_a_person_comes_first_is_not_decided_by_how_many_others_have_its_code(max_rows, name):
    """Person 1 has a common code and one that only person 0 shares: without person 0 it would move in the order."""
    values = (1, 2, 9) if name == "ward" else ("A1", "B1", "A2")
    instead = 9 if name == "ward" else "Z"
    plain = {"ward": None, "code": None, "day": None, "age": 50}
    low, high, _other = values
    persons = {
        0: [plain | {name: low, "value": 0.0}],
        1: [
            plain | {name: low, "value": 50.0},
            plain | {name: high, "value": 12.3},
            plain | {name: high, "value": 0.0},
        ],
        2: [plain | {name: high, "value": 12.3}],
    }
    chosen = {name: [{"kind": "suppress", "persons": 2, "instead": instead}]}
    query = {"by": [], "measures": MEASURES[:2], "max_rows": max_rows}

    check_neighbours(persons, 0, chosen, query)


@pytest.mark.attack("DP11")
@pytest.mark.parametrize("persons", [2, 5])
def test_a_code_at_the_limit_cannot_be_asked_for(persons):
    """With one person fewer all of the others' rows would change their code."""
    extra = {"code": transforms_from([{"kind": "suppress", "persons": persons, "instead": "*"}])}
    schema = SCHEMA.extracted(NAMES, extra)

    assert not allowed(schema, by=["code"])
    assert allowed(schema, by=["ward"])
