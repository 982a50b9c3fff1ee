"""What one person can change, and what noise hides it: worked by hand."""

import math
from dataclasses import replace

import pytest

from hvelv.privacy.domain.accounting import doses, error95_of, micro, sensitivity, split
from hvelv.privacy.domain.methods.values import value_of
from hvelv.privacy.domain.plan import plan
from hvelv.privacy.domain.questions import query_from
from hvelv.privacy.domain.schema import Schema
from tests.builders_privacy import EXTRACT_SCHEMA, a_plan, a_query


def a_measure(kind, low, high):
    return {"measures": [{"kind": kind, "column": "value", "low": low, "high": high}], "by": ["sex", "test"]}


def wide_plan(measures, **more):
    """Return a plan on a table whose values may be below nought."""
    wide = [replace(column, low=-50) if column.name == "value" else column for column in EXTRACT_SCHEMA.columns]
    return plan(query_from(a_query(measures=measures, by=["sex"], **more)), Schema("labs", tuple(wide)))


# measure, max_rows, max_groups, the parts' sensitivities in the column's unit
REACH = [
    ({"measures": [{"kind": "count"}], "by": ["sex", "test"]}, 1, 1, [1]),
    ({"measures": [{"kind": "count"}], "by": ["sex", "test"]}, 3, 4, [6]),
    ({"measures": [{"kind": "count"}], "by": ["sex"]}, 3, 20, [3 * math.sqrt(2)]),  # two cells only
    ({"measures": [{"kind": "count"}], "by": []}, 5, 20, [5]),
    (a_measure("sum", 0, 50), 1, 1, [50]),
    (a_measure("sum", 10, 50), 2, 4, [200]),
    (a_measure("mean", 0, 50), 1, 1, [25, 1]),
    (a_measure("mean", 10, 50), 2, 4, [80, 4]),
    (a_measure("mean", 0, 2.5), 1, 1, [1.3, 1]),  # 25 steps: the midpoint is not on the grid
]


@pytest.mark.parametrize(("query", "max_rows", "max_groups", "expected"), REACH)
def test_one_person_changes_no_more_than_this(query, max_rows, max_groups, expected):
    plan = a_plan(**query, max_rows=max_rows, max_groups=max_groups)

    found = [sensitivity(p, plan.ask.max_rows, plan.ask.max_groups) * float(p.step) for p in plan.parts]

    assert found == pytest.approx(expected)


def test_a_mean_counts_the_rows_that_have_a_value():
    assert [part.kind for part in a_plan(**a_measure("mean", 0, 50)).parts] == ["sum", "present"]


def test_measures_share_the_parts_they_have_in_common():
    measures = [{"kind": "count"}, {"kind": "mean", "column": "age", "low": 0, "high": 110}]
    measures += [{"kind": "sum", "column": "age", "low": 0, "high": 110}]

    found = a_plan(measures=measures)

    assert [part.kind for part in found.parts] == ["rows", "sum", "present"]
    assert [answer.parts for answer in found.answers] == [(0,), (1, 2), (1, 2)]


@pytest.mark.parametrize(("low", "high"), [(0, 50), (10, 50), (0, 20), (40, 50), (-50, 10), (-10, 50)])
@pytest.mark.parametrize("noise", ["gaussian", "laplace"])
def test_a_sum_beside_a_mean_costs_nothing_and_is_nearer_than_one_that_is_drawn_by_itself(low, high, noise):
    both = [{"kind": kind, "column": "value", "low": low, "high": high} for kind in ("sum", "mean")]
    alone, among, mean = (wide_plan(measures, noise=noise) for measures in (both[:1], both, both[1:]))
    noted = [  # of a third of the price each, as the three were once
        value_of(alone.answers[0], alone.parts, doses(alone, 1_000), [0])[1],
        value_of(among.answers[0], among.parts, doses(among, 3_000), [0, 0])[1],
    ]

    assert among.parts == mean.parts
    assert noted[1] < noted[0]


def test_a_sum_around_the_middle_is_the_sum():
    both = [{"kind": kind, "column": "value", "low": 10, "high": 50} for kind in ("sum", "mean")]
    plan = a_plan(measures=both, by=[])
    used = doses(plan, 1_000)
    total, error = value_of(plan.answers[0], plan.parts, used, [-300 + 50, 4])  # tenths around 30: of four rows

    assert total == pytest.approx(4 * 30 - 25)
    assert error == pytest.approx(math.hypot(error95_of(used[0]), 30 * error95_of(used[1])))


def test_a_sum_whose_middle_is_nought_needs_no_count():
    both = [{"kind": kind, "column": "value", "low": -50, "high": 50} for kind in ("sum", "mean")]

    assert [answer.parts for answer in wide_plan(both).answers] == [(0,), (0, 1)]


@pytest.mark.parametrize(("rho", "parts"), [(10, 3), (7, 7), (1_000_000, 6), (5, 1)])
def test_a_price_is_shared_without_loss(rho, parts):
    shares = split(rho, parts)

    assert sum(shares) == rho
    assert max(shares) - min(shares) <= 1


def test_a_price_is_rounded_up():
    assert micro(0.1) == 100_001  # the double next to one tenth is above it
    assert micro(1e-12) == 1


def test_a_mean_of_too_few_is_not_given():
    plan = a_plan(**a_measure("mean", 0, 50))
    used = doses(plan, 1_000)

    assert value_of(plan.answers[0], plan.parts, used, [10**9, 3]) == (None, None)
    value, error = value_of(plan.answers[0], plan.parts, used, [0, 100_000])
    assert value == pytest.approx(25)
    assert error > 0


def test_a_mean_stays_within_its_bounds():
    plan = a_plan(**a_measure("mean", 0, 50))

    value, _error = value_of(plan.answers[0], plan.parts, doses(plan, 1_000), [10**9, 10_000])

    assert value == 50
