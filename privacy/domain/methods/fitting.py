"""A distribution that fits noisy one- and two-way margins, and whole rows that fit the distribution.

**Why not mbi, which OpenDP hands this to.** Where all pairs are measured, its graphical model is one clique: the same dense
table as here, in jax (six seconds and 230 MB before the first question). And `synthetic_data` of mbi 1.1.0, with its
rounding, gives each row its place among the rows with the same values of the columns before *in the order of the rows*,
column by column, so that columns that are independent given another come out as dependent as can be (a canary in the tests
shows it). Here every combination has its own probability and is rounded by itself; mbi's estimate is the oracle in tests.

**The fit.** It starts from independent columns and is moved by one pair at a time until its margin is that pair's: iterative
proportional fitting (Deming & Stephan 1940), which ends in the distribution that says nothing but what the margins say
(Ireland & Kullback 1968). Noisy margins cannot all be met, so each factor exp(x) is held by a spring that is as soft as
the noise is small: minimise KL(table | independent) with sum |margin - target|^2 / (2 * spring) (Dudik, Phillips & Schapire
2007); then margin + spring * x = target, which Wright's omega function solves cell by cell.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import chdtri, wrightomega

from hvelv.privacy.domain.methods.margins import Axes, Floats, Margins, part, subsets

BOTH: Axes = frozenset({0, 1})
SURE = 0.05
SPRING = 0.1  # of the noise's deviation: a factor of e may be a tenth of a deviation off
SWEEPS = 100  # at most
STILL = 1e-4  # in total variation: how little a sweep moves the table when it is the last one

Pair = tuple[int, int]
Wanted = tuple[Floats, float]  # a pair's counts, and the deviation of their noise


def ball(cells: int) -> float:
    """Return the square of how far the noise of so many cells goes in 95 of 100 draws, in deviations."""
    return float(chdtri(cells, SURE)) if cells else 0.0


def fitted_margin(margins: Margins, measured: Sequence[Floats], kept: Axes) -> Floats:
    """Return one margin of the least-squares table (see `margins`), which need not be written out for it."""
    axes = sorted(kept)
    found: Floats = np.zeros([margins.shape[axis] for axis in axes])
    for some in subsets(axes):
        summed: Floats = np.zeros([margins.shape[axis] if axis in some else 1 for axis in axes])
        for of, variance, values in zip(margins.kept, margins.variances, measured, strict=True):
            if some <= of:
                summed = summed + _component(margins, values, of, some).reshape(summed.shape) / variance
        found = found + summed / margins.strength[some]
    whole: Floats = found * margins.length(margins.dropped(kept))
    return whole


def _component(margins: Margins, values: Floats, of: Axes, some: Axes) -> Floats:
    """Return the part of a measured margin that varies along `some` of its axes, with these alone."""
    axes = sorted(of)
    table = np.reshape(values, [margins.shape[axis] for axis in axes])
    varying = part(table, frozenset(i for i, axis in enumerate(axes) if axis in some))
    found: Floats = varying[tuple(slice(None) if axis in some else 0 for axis in axes)]
    return found


def without_negatives(values: Floats, total: float) -> Floats:
    """Return the nearest values without negative ones that add up to `total`, which is above nought."""
    ordered = np.sort(values)[::-1]
    lower = (np.cumsum(ordered) - total) / np.arange(1, len(values) + 1)
    found: Floats = np.maximum(values - lower[np.flatnonzero(ordered > lower)[-1]], 0.0)
    return found


def told_apart(pair: Floats, alone: Floats, variance: float) -> tuple[Floats, float]:
    """Return a pair's counts without the dependence that noise can have made, and how much of the dependence that leaves.

    `alone`: what independence foretells. What is over is shortened by the most that noise makes of nothing in 95 of 100
    draws, in the way of James & Stein (1961): independent columns stay independent, and nothing is moved by more than that.
    """
    excess = part(pair - alone, BOTH)
    length = float((excess**2).sum())
    noise = ball((pair.shape[0] - 1) * (pair.shape[1] - 1)) * variance
    left = 1 - noise / length if noise < length else 0.0
    return alone + left * excess, left


def fitted(alone: Sequence[Floats], wanted: Mapping[Pair, Wanted]) -> Floats:
    """Return the table that fits the `wanted` pairs, nearest to columns that are independent and have the counts `alone`."""
    total = float(alone[0].sum())
    table = np.full([len(column) for column in alone], total)
    for axis, column in enumerate(alone):
        table *= _along(column / total, (axis,), table.shape)
    factors: dict[Pair, Floats] = {pair: np.zeros_like(target) for pair, (target, _deviation) in wanted.items()}
    axes = list(range(len(alone)))
    for _sweep in range(SWEEPS):
        before = table.copy()
        for pair, (target, deviation) in wanted.items():
            now: Floats = np.einsum(table, axes, list(pair))
            more = _pulled(now, target - SPRING * deviation * factors[pair], SPRING * deviation)
            factors[pair] += more
            table *= _along(np.exp(more), pair, table.shape)
        if float(np.abs(table - before).sum()) < 2 * STILL * total:
            break
    return table


def _pulled(now: Floats, left: Floats, spring: float) -> Floats:
    """Return x with now * exp(x) + spring * x = left; nought where there is nothing to multiply."""
    there = now > 0
    known = left / spring
    logs = np.log(np.where(there, now, 1.0) / spring)
    return np.where(there, known - wrightomega(known + logs), 0.0)


def _along(values: Floats, axes: Sequence[int], shape: Sequence[int]) -> Floats:
    return values.reshape([size if axis in axes else 1 for axis, size in enumerate(shape)])


def rounded(expected: Floats, draws: np.random.Generator) -> Floats:
    """Return whole numbers, each the one next above or below what is expected, which add up to the (whole) sum of that.

    Systematic sampling, in an order that is drawn: each number is right on average. In the cells' own order the steps
    would keep time with the columns, and make dependence where there is none.
    """
    order = draws.permutation(expected.size)
    total = round(float(expected.sum()))
    ends = np.minimum(np.floor(np.cumsum(expected.ravel()[order]) + draws.random()), total)
    ends[-1] = total
    found = np.empty(expected.size)
    found[order] = np.diff(ends, prepend=0.0)
    return found.reshape(expected.shape)
