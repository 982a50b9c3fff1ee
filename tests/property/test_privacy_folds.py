"""Trees, margins and unknown keys: one person moves them by no more than the price assumes, and nobody else's count moves."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvelv.kernel.errors import Unavailable
from hvelv.privacy.domain.accounting import fold_distance
from hvelv.privacy.domain.measuring import Cells
from tests.builders_tables import INF, NAN, ROW, a_method, exact

rows = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["f", "m", "x", "", "a\x1fb", "y" * 101, None]),
        "age": st.sampled_from([None, -5, 0, 17, 18, 66, 67, 110, 2**40, -(2**62)]),
        "value": st.sampled_from([None, NAN, INF, -INF, -0.0, 0.05, 12.3, 49.99, 50.0, 1e300, -1e300, 5e-324]),
        "test": st.sampled_from([10, 20, 30, 40, None]),
    }
)
people = st.dictionaries(st.integers(0, 2**64 - 1), st.lists(rows, min_size=1, max_size=12), min_size=1, max_size=6)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
bounds = st.fixed_dictionaries({"max_rows": st.integers(1, 4), "max_groups": st.integers(1, 4)})
FOLDED = st.sampled_from(
    [
        {"kind": "distribution", "column": "value", "bins": 64},
        {"kind": "distribution", "column": "age", "bins": 32, "by": ["sex", "test"]},
        {"kind": "distribution", "column": "value", "bins": 10, "by": [{"column": "value", "edges": [0, 25, 50]}]},
        {"kind": "contingency", "by": ["sex", "test"], "margins": [["test"], ["sex"]]},
        {"kind": "contingency", "by": ["sex", {"column": "age", "edges": [0, 18, 36, 54]}, "test"]},
    ]
)
OPEN = st.sampled_from([["age"], ["age", "sex"], ["sex", "age"], ["age", "test"]])


def without(persons, away):
    return {pid: own for pid, own in persons.items() if pid != away}


@pytest.mark.attack("DP11")
@pytest.mark.attack("DP14")
@FEW
@given(people, st.data(), FOLDED, bounds)
def test_one_person_moves_no_fold_further_than_its_distance(persons, data, question, bounds):
    method = a_method(**question, **bounds)
    away = data.draw(st.sampled_from(sorted(persons)))

    everybody, others, alone = (
        exact(method, method.ask, some) for some in (persons, without(persons, away), {away: persons[away]})
    )

    for fold, all_of, rest, own in zip(method.ask.folds, everybody, others, alone, strict=True):
        moved = np.array(all_of, dtype=object) - np.array(rest, dtype=object)
        assert math.sqrt(sum(int(d) ** 2 for d in moved)) <= fold_distance(method.ask, fold)
        assert sum(abs(int(d)) for d in moved) <= method.ask.max_rows * method.ask.max_groups
        assert moved.tolist() == own  # what the others add is the same


@pytest.mark.attack("DP11")
def test_a_person_can_move_a_margin_by_all_that_counts_of_them():
    """The distance is reached: it can be no smaller."""
    method = a_method(kind="contingency", by=["sex", "test"], margins=[["sex"]], max_rows=2, max_groups=3)
    rows = [ROW | {"test": test} for test in (10, 20, 30)] * 50

    table, margin = exact(method, method.ask, {1: rows})

    assert (max(table), margin) == (2, [6, 0])
    assert [round(fold_distance(method.ask, fold), 9) for fold in method.ask.folds] == [round(12**0.5, 9), 6]


@FEW
@given(people, FOLDED, bounds)
def test_all_folds_are_sums_of_one_table(persons, question, bounds):
    method = a_method(**question, **bounds)
    finest = [1] * len(method.ask.keys)
    (table,) = [
        f for fold, f in zip(method.ask.folds, exact(method, method.ask, persons), strict=True) if [*fold] == finest
    ]

    for fold, found in zip(method.ask.folds, exact(method, method.ask, persons), strict=True):
        assert sum(found) == sum(table)
        assert len(found) == math.prod(method.ask.folded(fold))


@FEW
@given(people, bounds, st.sampled_from([["sex", "test"], ["test", "sex"]]))
def test_a_table_of_all_keys_counts_as_cells_do(persons, bounds, by):
    """The oracle: the pass of ordinary tables."""
    method = a_method(kind="contingency", by=by, margins=[], **bounds)
    table = a_method(by=by, measures=[{"kind": "count"}], **bounds)

    (folded,) = exact(method, method.ask, persons)
    (cells,) = exact(table, table.plan.ask, persons)

    assert isinstance(table.plan.ask, Cells)
    assert folded == cells


@FEW
@given(people, FOLDED, bounds, st.integers(1, 5))
def test_a_person_cut_by_a_batch_is_one_person(persons, question, bounds, batch):
    method = a_method(**question, **bounds)

    assert exact(method, method.ask, persons, batch=batch) == exact(method, method.ask, persons)


# unknown keys ------------------------------------------------------------------------------------------------------
@pytest.mark.attack("DP11")
@pytest.mark.attack("DP14")
@FEW
@given(people, st.data(), OPEN, bounds, st.integers(0, 5))
def test_one_person_moves_so_many_unknown_keys_and_no_more(persons, data, by, bounds, batch):
    method = a_method(kind="open", by=by, **bounds)
    away = data.draw(st.sampled_from(sorted(persons)))

    (everybody,), (others,), (alone,) = (
        exact(method, method.ask, some, batch=batch)
        for some in (persons, without(persons, away), {away: persons[away]})
    )

    moved = {key: everybody.get(key, 0) - others.get(key, 0) for key in everybody | others}
    assert {key: by for key, by in moved.items() if by} == alone
    assert len(alone) <= bounds["max_groups"]
    assert all(1 <= count <= bounds["max_rows"] for count in alone.values())
    assert set(everybody) == set(others) | set(alone)  # a key that nobody counts in is not there


@FEW
@given(people, OPEN, bounds)
def test_unknown_keys_are_counted_as_a_plain_loop_does_it(persons, by, bounds):
    """The oracle: written from the text of the rule."""
    expected = {}
    for own in persons.values():
        counted = {}
        for row in own:
            key = plain_key(row, by)
            if key is None or (key not in counted and len(counted) == bounds["max_groups"]):
                continue
            counted[key] = min(counted.get(key, 0) + 1, bounds["max_rows"])
        for key, count in counted.items():
            expected[key] = expected.get(key, 0) + count
    method = a_method(kind="open", by=by, **bounds)

    assert exact(method, method.ask, persons) == [expected]


def plain_key(row, by):
    parts = []
    for name in by:
        value = row[name]
        text = str(value)
        if value is None or not 1 <= len(text) <= 100 or not text.isprintable():
            return None
        if isinstance(value, int) and abs(value) > 2**53:
            return None
        parts.append(text)
    return "\x1f".join(parts)


@pytest.mark.parametrize("question", [{"kind": "open", "by": ["age"]}, {"kind": "contingency", "by": ["sex", "test"]}])
def test_a_file_in_another_order_is_refused(question, tmp_path):
    from hvelv.privacy.adapters.aggregate import totals
    from tests.builders_privacy import TABLE, an_extract_file

    method = a_method(**question)
    row = {"sex": "f", "age": 50, "value": 1.0, "test": 10}
    path = an_extract_file(tmp_path / "x.parquet", [{"pid": pid} | row for pid in (1, 2, 1)])

    for batch in (0, 2):
        with pytest.raises(Unavailable):
            totals({TABLE: [path]}, method.framed, method.ask, batch=batch)
