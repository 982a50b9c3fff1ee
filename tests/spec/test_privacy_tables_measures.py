"""Persons, variances and standard deviations: what they are, how far off they are, and what else a quote tells."""

import math
import random
import statistics

import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.accounting import cell_doses, error95_of, pure_of, sensitivity, sensitivity1
from hvelv.privacy.domain.methods.values import value_of
from hvelv.privacy.domain.pricing import cost_of, payable, wished
from tests.builders_privacy import a_plan, a_query
from tests.builders_tables import HOSTILE, QUIET, ROW, a_method, answer, column, everyone, shape

VALUE = {"column": "value", "low": 0, "high": 50}
ALL = [{"kind": "count"}, {"kind": "persons"}, *({"kind": k} | VALUE for k in ("sum", "mean", "variance", "std"))]


def a_table(**changes):
    return a_method(**a_query(**changes))


def test_persons_are_counted_once_in_a_cell_whatever_their_rows():
    persons = {1: [ROW] * 5, 2: [ROW, ROW | {"sex": "m"}], 3: [ROW | {"sex": "m"}] * 2}
    method = a_table(measures=[{"kind": "count"}, {"kind": "persons"}], max_rows=3, max_groups=2)

    result = answer(method, persons)

    assert column(result, "persons") == [2, 2]
    assert column(result, "count") == [4, 3]


@pytest.mark.parametrize(("max_rows", "distance"), [(1, 1.0), (100, 1.0)])
def test_persons_cost_the_same_however_many_rows_count(max_rows, distance):
    plan = a_plan(measures=[{"kind": "persons"}], max_rows=max_rows)

    assert sensitivity(plan.parts[0], max_rows, 1) == pytest.approx(distance)


def test_spreads_agree_with_the_textbook():
    source = random.Random(3)
    values = [round(source.uniform(0, 50), 1) for _ in range(400)]
    method = a_table(by=[], measures=[{"kind": k} | VALUE for k in ("variance", "std")], max_rows=1)

    result = answer(method, everyone([ROW | {"value": value} for value in values]))

    assert column(result, "variance_value")[0] == pytest.approx(statistics.variance(values), rel=1e-3)
    assert column(result, "std_value")[0] == pytest.approx(statistics.stdev(values), rel=1e-3)


@pytest.mark.parametrize("noise", ["gaussian", "laplace"])
def test_a_spreads_interval_holds_the_truth_as_often_as_it_says(noise):
    source = random.Random(5)
    values = [
        round(source.uniform(0, 10), 1)
        for _ in range(600)  # far from the midpoint, where all terms count
    ]
    persons = everyone([ROW | {"value": value} for value in values])
    measures = [{"kind": k} | VALUE for k in ("mean", "variance", "std")]
    method = a_table(by=[], measures=measures, max_rows=1, noise=noise)
    truth = {"mean_value": statistics.mean(values), "std_value": statistics.stdev(values)}
    truth["variance_value"] = truth["std_value"] ** 2

    results = [answer(method, persons, 1_000_000) for _ in range(80)]

    for name, true in truth.items():
        held = sum(abs(r.rows[0]["values"][name] - true) <= r.rows[0]["error95"][name] for r in results)
        assert held >= 66, name  # of 80, where 76 are expected: fewer than once in ten thousand runs


def test_a_spread_of_too_few_is_not_given_and_none_is_beyond_what_the_bounds_allow():
    plan = a_plan(by=[], measures=[{"kind": "std"} | VALUE])
    used = cell_doses(plan.ask, 1_000)

    assert value_of(plan.answers[0], plan.parts, used, [0, 10**9, 3]) == (None, None)
    value, _error = value_of(plan.answers[0], plan.parts, used, [0, 10**14, 10_000])
    assert value == pytest.approx(25, rel=1e-3)
    value, error = value_of(plan.answers[0], plan.parts, used, [0, -(10**9), 10_000])
    assert value == 0
    assert error > 0


def test_squares_are_of_steps_so_wide_that_no_sum_leaves_63_bits():
    plan = a_plan(by=[], measures=[{"kind": "variance", "column": "value", "low": 0, "high": 50}])
    assert {part.step for part in plan.parts if part.kind != "present"} == {plan.parts[0].step}
    for part in plan.parts:
        assert part.reach * 2**31 < 2**63


@pytest.mark.attack("DP14")
def test_a_hostile_person_changes_no_shape():
    method = a_table(by=["sex", "test"], measures=ALL, max_rows=3, max_groups=2)
    persons = everyone([ROW] * 5)

    shapes = [shape(answer(method, p, 1_000)) for p in ({}, persons, persons | {99: HOSTILE})]

    assert shapes[0] == shapes[1] == shapes[2]


# noise -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("max_rows", "max_groups"), [(1, 1), (3, 4)])
def test_laplace_noise_is_for_what_one_person_moves_in_all(max_rows, max_groups):
    plan = a_plan(by=["sex", "test"], noise="laplace", max_rows=max_rows, max_groups=max_groups)
    (dose,) = cell_doses(plan.ask, 20_000, "laplace")

    assert dose.sensitivity == pytest.approx(max_rows * max_groups)
    assert dose.sensitivity >= sensitivity1(plan.parts[0], max_rows, max_groups)
    assert dose.sensitivity / dose.scale == pytest.approx(math.sqrt(2 * 0.02))  # epsilon


def test_a_pure_epsilon_is_told_for_laplace_noise_alone_and_rounded_up():
    plan = a_plan(measures=ALL[:2], max_rows=2)

    assert pure_of(cell_doses(plan.ask, 20_000, "laplace")) == 282_843  # two times the root of 2 * 0.01
    assert pure_of(cell_doses(plan.ask, 20_000)) is None


def test_the_quote_says_which_noise_is_smaller_at_the_price():
    method = a_table()
    (found,) = method.expected(method.doses(1_000))

    assert found["noises"]["gaussian"] == pytest.approx(found["error95"])
    assert found["noises"]["laplace"] > found["noises"]["gaussian"]
    assert found["noises"]["smaller"] == "gaussian"


# what an error would cost ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("noise", ["gaussian", "laplace"])
@pytest.mark.parametrize("error", [5, 40, 1_000])
@pytest.mark.parametrize("measures", [ALL[:1], ALL[:3], ALL])
def test_the_price_of_a_wished_error_buys_it(noise, error, measures):
    plan = a_plan(measures=measures, max_rows=2, max_groups=2, noise=noise)
    dose = cell_doses(plan.ask, 1_000, noise)[0]

    price = cost_of(error, dose, len(plan.parts))

    assert payable(price) == price
    assert error95_of(cell_doses(plan.ask, price, noise)[0]) <= error
    if price > 200 * len(plan.parts):
        assert error95_of(cell_doses(plan.ask, int(price * 0.88), noise)[0]) > error


def test_errors_that_no_price_buys_are_left_out():
    dose = cell_doses(a_plan().ask, QUIET)[0]

    assert cost_of(1e-6, dose) is None
    assert wished(37.0) == [10, 20, 50, 100]
    assert [payable(p) for p in (1, 99, 100, 101, 999, 12_345)] == [1, 99, 100, 110, 1_000, 13_000]


def test_an_expected_number_gives_per_cent_and_is_kept_nowhere():
    method, plain = a_table(expected=200), a_table()
    found = method.expected(method.doses(1_000))[0]

    assert found["error95_percent"] == pytest.approx(found["error95"] / 2)
    assert found["error95_percent_at"][0] == {"rows": 100, "percent": pytest.approx(found["error95"])}
    assert "error95_percent" not in plain.expected(plain.doses(1_000))[0]
    assert method.framed.asked.hash == plain.framed.asked.hash
    assert "expected" not in method.framed.asked.as_dict()


REFUSED = {
    "a variance without bounds": {"measures": [{"kind": "variance", "column": "value"}]},
    "a variance of codes": {"measures": [{"kind": "variance", "column": "sex", "low": 0, "high": 1}]},
    "bounds asked of the data": {"measures": [{"kind": "std", "column": "value", "low": "min", "high": "max"}]},
    "persons of a column": {"measures": [{"kind": "persons", "column": "value"}]},
    "noise of another kind": {"noise": "uniform"},
    "an expected number that says much": {"expected": 12_345},
    "nobody expected": {"expected": 0},
}


@pytest.mark.attack("DP06")
@pytest.mark.attack("DP12")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked(name):
    with pytest.raises(Invalid):
        a_table(**REFUSED[name])
