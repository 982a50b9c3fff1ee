"""The parts of synthetic rows, against oracles: numpy's least squares, and the estimate of mbi, which OpenDP uses."""

from itertools import combinations

import numpy as np
import pytest

from hvelv.privacy.domain.methods import synthetic_gate
from hvelv.privacy.domain.methods.fitting import ball, fitted, fitted_margin, rounded, told_apart, without_negatives
from hvelv.privacy.domain.methods.margins import Margins

SHAPE = (2, 3, 4)
PAIRS = tuple(combinations(range(3), 2))
KEPT = (*(frozenset({axis}) for axis in range(3)), *map(frozenset, PAIRS))


def a_population(count=20_000, seed=1):
    """Return a table in which the second key depends on the first, and the third on the second."""
    source = np.random.default_rng(seed)
    first = source.integers(0, 2, count)
    second = (first + source.integers(0, 2, count) * source.integers(0, 2, count)) % 3
    third = (second + source.integers(0, 3, count)) % 4
    table = np.zeros(SHAPE)
    np.add.at(table, (first, second, third), 1)
    return table


def margin(table, *axes):
    return table.sum(axis=tuple(set(range(table.ndim)) - set(axes)))


def noisy(table, deviation, seed=2):
    source = np.random.default_rng(seed)
    return [margin(table, *kept).ravel() + source.normal(0, deviation, margin(table, *kept).size) for kept in KEPT]


def dependence(pair):
    shares = pair / pair.sum()
    return np.abs(shares - np.outer(shares.sum(axis=1), shares.sum(axis=0))).sum() / 2


# margins -----------------------------------------------------------------------------------------------------------
def test_margins_are_those_of_the_least_squares_table():
    variances = (4.0, 1.0, 9.0, 2.0, 5.0, 3.0)
    measured = noisy(a_population(), 3.0)
    rows = []
    for kept in KEPT:
        cells = np.eye(24).reshape(24, *SHAPE)
        dropped = tuple(1 + axis for axis in range(3) if axis not in kept)
        rows.append(cells.sum(axis=dropped).reshape(24, -1).T)
    weighted = np.vstack([m / v**0.5 for m, v in zip(rows, variances, strict=True)])
    target = np.concatenate([y / v**0.5 for y, v in zip(measured, variances, strict=True)])
    table = np.linalg.lstsq(weighted, target)[0]
    margins = Margins(SHAPE, KEPT, variances)

    for kept, matrix in zip(KEPT, rows, strict=True):
        assert fitted_margin(margins, measured, kept).ravel() == pytest.approx(matrix @ table)
    assert fitted_margin(margins, measured, frozenset()) == pytest.approx(table.sum())


def test_without_negatives_is_the_nearest_with_the_same_sum():
    found = without_negatives(np.array([5.0, -3.0, 1.0, 7.0]), 10.0)

    assert found == pytest.approx([4.0, 0.0, 0.0, 6.0])  # one less each; what would be negative is nought
    assert without_negatives(np.array([1.0, 3.0]), 4.0) == pytest.approx([1.0, 3.0])


def test_dependence_that_noise_makes_is_taken_off_and_no_more_than_that():
    source, alone = np.random.default_rng(3), np.full((3, 4), 100.0)
    runs = [told_apart(alone + source.normal(0, 5, alone.shape), alone, 25.0) for _run in range(400)]

    assert np.mean([left == 0 for _target, left in runs]) == pytest.approx(0.95, abs=0.03)
    pair = np.array([[150.0, 50], [50, 150]])
    target, left = told_apart(pair, np.full((2, 2), 100.0), 25.0)
    assert np.linalg.norm(target - pair) <= (ball(1) * 25.0) ** 0.5
    assert 0.98 < left < 1


# the distribution --------------------------------------------------------------------------------------------------
def test_exact_pairs_are_met():
    table = a_population()

    found = fitted([margin(table, axis) for axis in range(3)], {pair: (margin(table, *pair), 0.1) for pair in PAIRS})

    for pair in PAIRS:
        assert margin(found, *pair) == pytest.approx(margin(table, *pair), abs=5)


def test_no_pairs_are_independent_columns():
    alone = [np.array([10.0, 30.0]), np.array([20.0, 0.0, 20.0])]

    assert fitted(alone, {}) == pytest.approx(np.outer(*alone) / 40)


def test_what_cannot_be_met_stays_finite_and_not_negative():
    target = np.array([[-50.0, 60], [45, -20]])

    found = fitted([np.array([20.0, 15]), np.array([0.0, 35])], {(0, 1): (target, 5.0)})

    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert not found[:, 0].any()


def test_the_fit_is_mbis_with_noise():
    import mbi

    table, deviation = a_population(2_000), 15.0
    measured = noisy(table, deviation)
    margins = Margins(SHAPE, KEPT, (deviation**2,) * 6)
    found = {kept: fitted_margin(margins, measured, kept) for kept in (frozenset(), *KEPT)}
    total = float(found[frozenset()])
    ours = fitted([found[k] for k in KEPT[:3]], {pair: (found[frozenset(pair)], deviation) for pair in PAIRS})
    told = [
        mbi.LinearMeasurement(values, tuple("abc"[axis] for axis in sorted(kept)), stddev=deviation)
        for kept, values in zip(KEPT, measured, strict=True)
    ]

    theirs = mbi.estimation.mirror_descent(mbi.Domain("abc", SHAPE), told, known_total=total, iters=500)

    oracle = np.asarray(theirs.project(("a", "b", "c")).datavector(flatten=False))
    assert np.abs(ours - oracle).sum() / total / 2 < 0.01


# rows --------------------------------------------------------------------------------------------------------------
def test_rounding_is_to_the_next_whole_number_and_right_on_average():
    source = np.random.default_rng(4)
    expected = source.dirichlet(np.ones(24)).reshape(SHAPE) * 30

    runs = np.array([rounded(expected, source) for _run in range(3_000)])

    assert (runs.sum(axis=(1, 2, 3)) == 30).all()
    assert (np.abs(runs - expected) < 1).all()
    assert runs.mean(axis=0) == pytest.approx(expected, abs=0.05)


def test_rounding_makes_no_dependence_of_even_columns():
    """Every tenth of even cells would be one and the same place of the last key."""
    source = np.random.default_rng(5)
    table = rounded(np.full((10, 10, 10, 10), 0.1), source)

    assert margin(table, 3) == pytest.approx(np.full(10, 100), abs=40)
    assert dependence(margin(table, 0, 3)) < 0.2  # 0.12 of so few rows, whatever is drawn
    assert dependence(margin(table, 2, 3)) < 0.2


def test_mbis_own_rows_invent_dependence():
    """A canary: while it is so, rows are not to be drawn by mbi. B and C depend on A alone; half of their rows are wrong."""
    import mbi

    told = [mbi.LinearMeasurement(np.full(4, 2_500.0), ("a", other), stddev=1.0) for other in "bc"]
    model = mbi.estimation.mirror_descent(mbi.Domain("abc", (2, 2, 2)), told, known_total=10_000, iters=50)

    columns = model.synthetic_data().to_dict()

    theirs = np.zeros((2, 2))
    np.add.at(theirs, (np.asarray(columns["b"]), np.asarray(columns["c"])), 1)
    estimate = np.asarray(model.project(("b", "c")).datavector(flatten=False))
    assert dependence(estimate) < 0.01
    assert dependence(theirs) > 0.4
    assert synthetic_gate.apart(theirs, estimate, 10_000.0) > synthetic_gate.MOST_FAR  # the gate would refuse them
    ours = rounded(np.full((2, 2, 2), 1_250.0), np.random.default_rng(6))
    assert dependence(margin(ours, 1, 2)) < 0.01
