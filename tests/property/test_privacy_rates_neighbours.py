"""Rates, survival and pathways: one person in or out moves every vector by no more than is paid for."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders_rates import GOOD, HOSTILE, ROW, a_method, answer, asks_of, exact, shape_of

METHODS = {
    **{name: GOOD[name] for name in ("standardised by name", "counts over years", "rows over time", "curves by group")},
    "truth values over rows": GOOD["a share of persons"] | {"max_rows": 3, "max_groups": 2},
    "truth values over time": GOOD["a share of persons"] | {"time": "followed", "max_rows": 2, "max_groups": 3},
    "many steps": GOOD["steps with times"] | {"max_rows": 2, "max_groups": 3},
    "steps to the end": {
        "kind": "pathways",
        "of": {"kind": "steps", "event": "code", "at": "day", "high": 360, "end": True},
    },
    "paths": GOOD["paths"],
}
row = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["f", "m", "x", None]),
        "age": st.sampled_from([None, -5, 0, 19, 20, 99, 110, 2**40]),
        "sick": st.sampled_from([True, False, None]),
        "visits": st.sampled_from([None, -1, 0, 3, 20, 2**40]),
        "followed": st.sampled_from([None, -1, 0, 99, 100, 1999, 2000, 2**62]),
        "code": st.sampled_from(["a", "b", "c", "ø", None]),
        "day": st.sampled_from([None, 0, 1, 100, 11_000, 2**31 - 1, -(2**31)]),
    }
).map(lambda drawn: ROW | drawn)
PEOPLE = st.dictionaries(st.integers(0, 2**64 - 1), st.lists(row, min_size=1, max_size=6), min_size=1, max_size=5)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.attack("DP11")
@pytest.mark.attack("DP14")
@FEW
@given(PEOPLE, st.sampled_from(sorted(METHODS)), st.data(), st.sampled_from([0, 1, 2]))
def test_one_person_moves_no_vector_further_than_its_sensitivity(people, name, data, batch):
    method, away = a_method(**METHODS[name]), data.draw(st.sampled_from(sorted(people)))
    others = {pid: own for pid, own in people.items() if pid != away}
    doses = iter(method.doses(1_000))

    for ask in asks_of(method):
        moved = exact(method, ask, people, batch=batch) - exact(method, ask, others, batch=batch)
        alone = exact(method, ask, {away: people[away]})

        assert (moved == alone).all()
        for vector, dose in zip(moved.tolist(), doses, strict=False):
            assert math.hypot(*vector) <= dose.sensitivity


@pytest.mark.attack("DP11")
@pytest.mark.attack("DP14")
@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_person_with_a_thousand_impossible_rows_changes_neither_shape_nor_bound(name):
    method = a_method(**METHODS[name])
    few = {1: [ROW], 2: [ROW | {"code": "b", "sex": "m"}, ROW]}
    shapes = {shape_of(answer(method, people, 1_000)) for people in ({}, few, few | {3: HOSTILE})}
    doses = iter(method.doses(1_000))

    assert len(HOSTILE) > 1000
    if name != "paths":
        assert len(shapes) == 1
    for ask in asks_of(method):
        for vector, dose in zip(exact(method, ask, {3: HOSTILE}).tolist(), doses, strict=False):
            assert math.hypot(*vector) <= dose.sensitivity


def test_the_most_frequent_paths_are_as_many_whoever_is_in_the_data():
    method = a_method(**METHODS["paths"])

    for people in ({}, {1: [ROW]}, {1: HOSTILE}):
        result = answer(method, people, 1_000)
        assert [row["key"][0] for row in result.rows] == [1, 2, 3, 4, 5]
        assert len({row["key"][1] for row in result.rows}) == len(result.rows)


def test_answers_are_plain_numbers_that_stand_in_json():
    for question in METHODS.values():
        result = answer(a_method(**question), {pid: [ROW] for pid in range(300)}, 10**7)
        for some in (result.rows, *(table["rows"] for table in result.tables.values())):
            for each in (value for row in some for part in ("values", "error95") for value in row[part].values()):
                assert each is None or type(each) in {int, float}
                assert each is None or np.isfinite(each)
