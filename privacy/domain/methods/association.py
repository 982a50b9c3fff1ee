"""How far two keys depend on each other, from a table of noisy counts: chi-square without the noise's share, Cramér's V.

The sum of (count - expected)^2 / expected over a table of noisy counts is too large by the noise alone; what the noise adds
on average is known and taken off. The interval comes of adding noise of the same kind once more, many times over, with a
fixed public seed: post-processing. It accounts for the noise, not for the rows being a sample, so that no p-value is given.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.domain.methods.margins import part, subsets

Floats = NDArray[np.float64]
DRAWS = 400
SEED = 20_240_229  # public, and the same whatever the data
ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class Association:
    """Chi-square and Cramér's V of two keys, each with its 95 % interval."""

    chi_square: float
    chi_low: float
    chi_high: float
    v: float
    v_low: float
    v_high: float


def association(table: Floats, variances: tuple[float, float, float, float]) -> Association:
    """Return the association in a table of two keys.

    `variances`: of a cell's noise in each part of the table: constant, down only, across only, and both (per unit of a
    projection). Cells that are expected to hold less than one deviation of noise count as if they held that.
    """
    deviation = float(np.sqrt(sum(v * d / table.size for v, d in zip(variances, _dimensions(table), strict=True))))
    draws = np.random.default_rng(SEED)
    found = _chi_square(table, variances[3], 1, deviation)
    again = np.array(
        [_chi_square(table + _noise(table, variances, draws), variances[3], 2, deviation) for _draw in range(DRAWS)]
    )
    low, high = np.quantile(again, ENDS)
    low, high = min(float(low), found), max(float(high), found)
    scale = max(float(table.sum()), 1.0) * (min(table.shape) - 1)
    v, v_low, v_high = (min(1.0, (x / scale) ** 0.5) for x in (found, low, high))
    return Association(found, low, high, v, v_low, v_high)


def _dimensions(table: Floats) -> tuple[int, int, int, int]:
    rows, columns = table.shape
    return 1, rows - 1, columns - 1, (rows - 1) * (columns - 1)


def _noise(table: Floats, variances: tuple[float, float, float, float], draws: np.random.Generator) -> Floats:
    plain = draws.standard_normal(table.shape)
    made: Floats = np.zeros(table.shape)
    for some, variance in zip(subsets((0, 1)), variances, strict=True):
        made = made + part(plain, some) * variance**0.5
    return made


def _chi_square(table: Floats, variance: float, times: int, deviation: float) -> float:
    """Return chi-square without what noise of `times` the variance adds to it on average; never below nought."""
    total = max(float(table.sum()), 1.0)
    rows, columns = (np.maximum(table.sum(axis=axis), 0) for axis in (1, 0))
    expected = np.maximum(np.outer(rows, columns) / total, max(deviation, np.finfo(float).tiny))
    share = _dimensions(table)[3] / table.size
    raw = float(((table - np.outer(rows, columns) / total) ** 2 / expected).sum())
    return max(0.0, raw - times * share * variance * float((1 / expected).sum()))
