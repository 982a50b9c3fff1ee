"""Logistic and Poisson models of one row, in whole numbers: what is expected, and how much a row weighs.

A row's linear predictor is a whole number of 2^-34, worked out from whole numbers; what it means is looked up in a table
that is the same for all. So a row's part of a sum is exact and is nobody else's matter.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from hvelv.privacy.domain.checking import Amount
from hvelv.privacy.domain.measuring import Units
from hvelv.privacy.domain.methods.design import GRID, Floats

FINE = 24  # bits of an expected value
COEFFICIENT = 20  # bits of a coefficient
PREDICTOR = GRID + COEFFICIENT
STEP = 13  # bits of a place in the table
SPAN = 32  # of the predictors that are told apart
PLACES = SPAN << STEP
MOST_LOGS = 1 << 20


@dataclass(frozen=True)
class Link:
    """How the mean of an outcome hangs on the predictor. The outcome and its mean are in parts of `most`.

    `damping`: two to minus this is what weights are multiplied by when measured, to keep their share of the bound small.
    """

    kind: Literal["logistic", "poisson"]
    most: float = 1.0
    damping: int = 0

    @property
    def lowest(self) -> float:
        """Return the lowest predictor that is told apart."""
        return -SPAN / 2 if self.kind == "logistic" else math.log(self.most) - SPAN

    def mean(self, predictor: Floats) -> Floats:
        """Return the mean, from 0 to 1 (`most`)."""
        if self.kind == "logistic":
            return 1 / (1 + np.exp(-predictor))
        return np.minimum(np.exp(predictor - math.log(self.most)), 1.0)

    def predictor(self, mean: float) -> float:
        """Return the predictor of a mean, from 0 to 1 (`most`)."""
        return math.log(mean / (1 - mean)) if self.kind == "logistic" else math.log(mean * self.most)

    @property
    def spreads(self) -> int:
        """Return 1 where outcomes can vary more than the model says, so that squared residuals are measured, else 0."""
        return int(self.kind == "poisson")

    def slope(self, mean: float) -> float:
        """Return how fast the mean grows with the predictor."""
        return mean * (1 - mean) if self.kind == "logistic" else mean

    def square(self, axes: int, products: int) -> float:
        """Return the most that the squared length of a row's part can be: residual, weight, and of counts the squared residual.

        `axes` and `products`: how many columns and products of a row can be other than nought.
        Logistic, where the mean is m for an outcome of 0: m^2 axes + (m(1-m))^2 products, whose maximum is at m = 1 or
        where the derivative is nought. Poisson: the residual is 1 at most, and so are the mean and the squared residual.
        """
        if self.kind == "poisson":
            return float(axes + 1 + products / 4**self.damping)
        ratio = 1 - 8 * axes / products
        if ratio <= 0:
            return float(axes)
        mean = (3 - math.sqrt(ratio)) / 4
        return max(float(axes), mean**2 * (axes + (1 - mean) ** 2 * products))

    def looked_up(self, predictor: Units) -> tuple[Units, Units]:
        """Return the mean and the weight for predictors in 2^-34, in 2^-24 of `most`."""
        means, weights = _table(self)
        start, shift = round(self.lowest * (1 << STEP)), PREDICTOR - STEP
        at = np.clip(((predictor + (1 << (shift - 1))) >> shift) - start, 0, PLACES)
        return means[at], weights[at]


@lru_cache(maxsize=16)
def _table(link: Link) -> tuple[Units, Units]:
    """Return mean and weight at each place."""
    start = round(link.lowest * (1 << STEP))
    means = link.mean((start + np.arange(PLACES + 1)) / (1 << STEP))
    weights = means * (1 - means) if link.kind == "logistic" else means
    whole = (1 << FINE) - 1
    return np.rint(means * whole).astype(np.int64), (weights / 2**link.damping * whole).astype(np.int64)


def logs(amount: Amount) -> Units:
    """Return the logs of an amount's units from the lowest to the highest, `MOST_LOGS` of them at most, in 2^-34."""
    return _logs(amount.low, amount.high, float(amount.step))


@lru_cache(maxsize=16)
def _logs(low: int, high: int, step: float) -> Units:
    values: Floats = np.linspace(low, high, min(high - low, MOST_LOGS) + 1) * step
    found: Units = np.rint(np.log(values) * (1 << PREDICTOR)).astype(np.int64)
    return found


def log_of(amount: Amount, units: Units) -> Units:
    """Return the log of each row's amount, in 2^-34."""
    table = logs(amount)
    width, size = amount.high - amount.low, len(table) - 1
    found: Units = table[(2 * (units - amount.low) * size + width) // (2 * width)]
    return found
