"""What one person can change, and what noise hides it: worked by hand."""

import math

import pytest

from hvelv.privacy.domain.accounting import doses, micro, sensitivity, split
from hvelv.privacy.domain.methods.values import value_of
from tests.builders_privacy import a_plan


def a_measure(kind, low, high):
    return {"measures": [{"kind": kind, "column": "value", "low": low, "high": high}], "by": ["sex", "test"]}


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

    assert len(a_plan(measures=measures).parts) == 4  # rows, moved sum, present, sum


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
