"""Distributions: bins, cumulative shares and quantiles, and how far off they are."""

import random
from fractions import Fraction

import numpy as np
import opendp.prelude as dp
import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.checking import Amount
from hvelv.privacy.domain.methods.distribution import LEVELS, grid_of, levels_of
from hvelv.privacy.domain.methods.hierarchy import tree
from hvelv.privacy.domain.methods.quantiles import Curve
from tests.builders_privacy import EXTRACT_SCHEMA
from tests.builders_tables import HOSTILE, ROW, a_method, answer, column, everyone, shape

AGE = EXTRACT_SCHEMA.find("age")


def a_distribution(**changes):
    return a_method(**{"kind": "distribution", "column": "value", "quantiles": [0.25, 0.5, 0.75]} | changes)


def some(count=500, *, seed=7):
    source = random.Random(seed)
    return everyone([ROW | {"value": round(source.betavariate(2, 5) * 50, 1)} for _ in range(count)])


def values_of(persons):
    return np.array([row["value"] for rows in persons.values() for row in rows])


# the grid ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("low", "high", "bins", "count", "first", "last"),
    [
        (0, 110, 10, 10, "[0, 11)", "[99, 110]"),
        (0, 110, 128, 111, "[0, 1)", "[110, 111)"),
        (0, 110, 64, 55, "[0, 2)", "[108, 110]"),
        (20, 30, 10, 10, "[20, 21)", "[29, 30]"),
        (-5, 5, 20, 11, "[-5, -4)", "[5, 6)"),
    ],
)
def test_bins_are_whole_steps_from_bound_to_bound(low, high, bins, count, first, last):  # noqa: PLR0917 - a table
    grid = grid_of(Amount(AGE, Fraction(1), low, high), bins)

    assert len(grid.labels) == len(grid.key.labels) == count
    assert (grid.labels[0], grid.labels[-1]) == (first, last)


def test_every_number_of_bins_has_levels():
    assert [levels_of(n)[0] for n in range(1, 257)] == [1] * 256
    assert LEVELS[-1][0] == 256


# least squares -----------------------------------------------------------------------------------------------------
def test_the_tree_is_made_to_fit_as_opendp_does_it():
    """OpenDP's trees have a root and one branching factor; with these, both say the same."""
    source = np.random.default_rng(1)
    leaves = source.integers(0, 50, 16)
    exact = [leaves, leaves.reshape(4, 4).sum(axis=1), leaves.sum(keepdims=True)]
    noisy = [level + source.integers(-9, 10, len(level)) for level in exact]
    flat = [int(x) for level in reversed(noisy) for x in level]

    ours = tree(16, (1, 4, 16), (3.0, 3.0, 3.0)).leaves([level.astype(float) for level in noisy])

    theirs = dp.t.make_consistent_b_ary_tree(branching_factor=4)(flat)
    assert ours == pytest.approx(theirs)


def test_the_estimates_covariance_is_what_simulation_says():
    source = np.random.default_rng(2)
    estimator = tree(20, (1, 4), (2.0, 3.0))
    draws = np.array([estimator.leaves([source.normal(0, 2, 20), source.normal(0, 3, 5)]) for _ in range(20_000)])

    assert np.cov(draws.T) == pytest.approx(estimator.covariance, abs=0.15)


# the answer --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bins", [10, 32, 64, 256])
def test_without_much_noise_the_answer_is_the_datas_own(bins):
    persons = some(2_000)
    method = a_distribution(bins=bins)
    values, width = values_of(persons), 50 / len(method.grid.labels) + 0.11

    result = answer(method, persons)

    assert column(result, "value") == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]), abs=width)
    below = [row["key"][0] for row in result.tables["ecdf"]["rows"]]
    assert column(result, "share", "ecdf") == pytest.approx([(values < edge).mean() for edge in below], abs=0.001)
    counts, _edges = np.histogram(values, method.grid.edges)
    assert column(result, "count", "histogram") == pytest.approx(list(counts), abs=0.5)
    assert column(result, "count", "groups") == pytest.approx([2_000], abs=1)


def test_values_beyond_the_bounds_stand_at_the_ends():
    persons = everyone([ROW | {"value": value} for value in (-1e300, -3.0, 0.0, 49.0, 51.0, 1e308)])

    result = answer(a_distribution(bins=10, low=10, high=40), persons)

    counts = column(result, "count", "histogram")
    assert counts == pytest.approx([3, *[0] * 8, 3], abs=0.2)


@pytest.mark.parametrize("bins", [20, 64])
def test_intervals_hold_the_truth_as_often_as_they_say(bins):
    persons = some()
    method = a_distribution(bins=bins)
    true = np.quantile(values_of(persons), [0.25, 0.5, 0.75], method="inverted_cdf")
    shares = [(values_of(persons) < edge).mean() for edge in method.grid.shown[1:-1]]

    runs = [answer(method, persons, 30_000) for _ in range(60)]

    for i in range(3):
        rows = [run.rows[i]["values"] for run in runs]
        assert sum(row["value_low"] <= true[i] <= row["value_high"] for row in rows) >= 48
    middle = len(shares) // 4
    told = [run.tables["ecdf"]["rows"][middle] for run in runs]
    held = [abs(row["values"]["share"] - shares[middle]) <= row["error95"]["share"] for row in told]
    assert sum(held) >= 48


def test_noise_of_more_levels_is_worth_it():
    """The levels were chosen so; a flat histogram at the same price has wider intervals."""
    counts = np.full(256, 10.0)
    levelled = Curve(counts, tree(256, levels_of(256), [3**0.5] * 3).covariance, range(257))
    flat = Curve(counts, np.eye(256), range(257))

    assert levelled.shares()[1][128] < 0.6 * flat.shares()[1][128]


def test_too_few_say_nothing():
    """Once in forty times noise makes five persons look like many: most of six answers have to be silent."""
    results = [answer(a_distribution(bins=10), some(5), 100) for _ in range(6)]

    silent = [column(r, "value") == [None] * 3 and set(column(r, "share", "ecdf")) == {None} for r in results]
    assert sum(silent) >= 3
    assert all(None not in column(result, "count", "histogram") for result in results)


def test_quantiles_by_group_and_of_a_column_that_is_made():
    age = [{"kind": "date", "name": "x1", "column": "day", "part": "year", "low": 2000, "high": 2020}]

    assert a_distribution(column="x1", derive=age).grid.labels[0] == "[2000, 2001)"
    result = answer(a_distribution(by=["sex"], bins=10), some(100))
    assert result.keys == ("sex", "quantile")
    assert [row["key"] for row in result.rows][:4] == [["f", 0.25], ["f", 0.5], ["f", 0.75], ["m", 0.25]]


def test_the_outermost_quantiles_are_not_called_minimum_and_maximum():
    said = [note["message"] for note in answer(a_distribution(quantiles=[0.005, 0.995]), some(50)).notes]

    assert any(message.startswith("Det minste og det største tallet kan ikke gis ut") for message in said)


@pytest.mark.attack("DP14")
def test_a_hostile_person_changes_no_shape():
    method, persons = a_distribution(by=["sex"], max_rows=3, max_groups=2), some(20)

    shapes = [shape(answer(method, p, 1_000)) for p in ({}, persons, persons | {99_999: HOSTILE})]

    assert shapes[0] == shapes[1] == shapes[2]


REFUSED = {
    "bins of another number": ({"bins": 11}, "bins"),
    "bins computed from the data": ({"bins": "auto"}, "bins"),
    "edges of one's own": ({"edges": [1, 2, 3.14159]}, "edges"),
    "bounds from the data": ({"low": "min"}, "low"),
    "a bound between the twentieths": ({"low": 3.3}, "low"),
    "a quantile that says much": ({"quantiles": [0.123456]}, "quantiles"),
    "quantiles out of order": ({"quantiles": [0.5, 0.25]}, "quantiles"),
    "no quantile": ({"quantiles": []}, "quantiles"),
    "the maximum": ({"quantiles": [1]}, "quantiles"),
    "a date as it stands": ({"column": "day"}, "column"),
    "codes": ({"column": "sex"}, "column"),
    "a column without bounds": ({"column": "unbounded"}, "column"),
    "a column that never leaves": ({"column": "note"}, "column"),
    "a key without codes": ({"by": ["age"]}, "by.0"),
    "more cells than are answered": ({"bins": 256, "by": [{"column": "age", "edges": list(range(51))}]}, "by"),
}


@pytest.mark.attack("DP06")
@pytest.mark.attack("DP12")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked(name):
    question, field = REFUSED[name]

    with pytest.raises(Invalid) as refusal:
        a_distribution(**question)

    assert [problem.field for problem in refusal.value.problems] == [field]
