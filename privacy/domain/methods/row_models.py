"""What is measured of a row for logistic and Poisson regression: moments first, then gradients and Hessians.

**The sensitivity argument.** All columns are held between public bounds and moved to [-1, 1], the outcome to [0, 1], each
row by itself. What is measured is, first, the sum over rows of all products of two columns, of each column with the
outcome, and of the offset; then, several times, of each row's gradient (m - y) x and weighted products w x x' at
coefficients made of earlier noisy sums alone. The length of a row's vector is bounded by `Products.most` and
`Link.square`, whatever the coefficients: |m - y| <= 1, w <= 1/4 (logistic) or m = w <= 1 (Poisson, whose mean is held
below the outcome's upper bound). A person with `max_rows` rows moves each sum by `max_rows` times the bound (L2).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from hvelv.privacy.domain.checking import Amount, Key
from hvelv.privacy.domain.measuring import RowVectors, Units
from hvelv.privacy.domain.methods.design import GRID, ONE, Design, Floats, raised
from hvelv.privacy.domain.methods.links import COEFFICIENT, FINE, Link, log_of, logs
from hvelv.privacy.domain.methods.products import Products

WHOLE = 1 << 30  # what stands for 1 in a step's vector
ONES = ONE * ONE  # and in the moments


@dataclass(frozen=True)
class RowModel:
    """Design, outcome, offset and link of a row."""

    design: Design
    outcome: Key | Amount
    offset: Amount | None
    link: Link
    max_rows: int

    @cached_property
    def products(self) -> Products:
        """Return the products of two columns."""
        return Products(self.design)

    @property
    def cells(self) -> int:
        """Return how many coefficients there are."""
        return len(self.design.axes)

    def _asked(self, length: int, bound: int, make: Any) -> RowVectors:
        numbers: list[Amount] = [*self.design.amounts, *([self.offset] if self.offset else [])]
        keys = list(self.design.keys)
        (keys if isinstance(self.outcome, Key) else numbers).append(cast("Any", self.outcome))
        return RowVectors(tuple(numbers), tuple(keys), self.max_rows, length, bound, make)

    def observed(self, given: Mapping[str, Units], one: int) -> Units:
        """Return the outcomes in `one`-ths."""
        if isinstance(self.outcome, Key):
            return given[self.outcome.name] * one
        return raised(self.outcome, given[self.outcome.column.name], one)

    def added(self, given: Mapping[str, Units]) -> Units | int:
        """Return the logs of the offset, in 2^-34."""
        return 0 if self.offset is None else log_of(self.offset, given[self.offset.column.name])

    def moments(self) -> RowVectors:
        """Return the first look: products, columns times the outcome, and how far the offset is up its range."""

        def make(given: Mapping[str, Units]) -> Units:
            lines = self.design.lines(given)
            offset = np.broadcast_to(np.asarray(self._raised_offset(given)), (len(lines),))
            towards = lines * self.observed(given, ONE)[:, None]
            return np.concatenate([self.products.of(lines), towards, offset[:, None]], axis=1)

        most = self.products.most + self.design.most + 1
        bound = math.isqrt(most * ONES * ONES - 1) + 1
        return self._asked(self.products.length + self.cells + 1, bound, make)

    def _raised_offset(self, given: Mapping[str, Units]) -> Units | int:
        if self.offset is None:
            return 0
        table, found = logs(self.offset), log_of(self.offset, given[self.offset.column.name])
        up: Units = ((found - table[0]) >> GRID) * ONES // max(int(table[-1] - table[0]) >> GRID, 1)
        return up

    def step(self, coefficients: Floats) -> RowVectors:
        """Return a look at gradient and weighted products at some coefficients, and of counts at the squared residuals."""
        whole = np.rint(coefficients * (1 << COEFFICIENT)).astype(np.int64)

        def make(given: Mapping[str, Units]) -> Units:
            lines = self.design.lines(given)
            predictor = self.added(given) + sum(lines[:, i] * whole[i] for i in range(len(whole)))
            mean, weight = self.link.looked_up(np.asarray(predictor))
            residual = mean - self.observed(given, (1 << FINE) - 1)
            shift = FINE + GRID - 30
            gradient = (residual[:, None] * lines) >> shift
            weighted = (weight[:, None] * (self.products.of(lines) >> GRID)) >> shift
            squared = (residual * residual * self.link.spreads) >> (2 * FINE - 30)
            return np.concatenate([gradient, weighted, squared[:, None]], axis=1)

        length = self.cells + self.products.length + 1
        return self._asked(length, self._bound(), make)

    def _bound(self) -> int:
        square = self.link.square(self.design.most, self.products.most)
        rounded = self.cells + self.products.length + 1  # each number is rounded down by less than one
        return math.ceil(math.sqrt(square) * WHOLE) + rounded
