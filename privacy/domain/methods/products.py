"""Sums of products of two columns of a design: each different product once, and the matrices that they make again.

**The sensitivity argument.** A row's columns are at most 1 in size (`hvelv.privacy.domain.methods.design`), and so is each
product. Of a factor at most one column is other than nought, so that a product of two of its columns is nought and is
not measured; the square of such a column is the column itself, which is measured once. With p numbers and f factors at
most 1 + p + f + p(p+1)/2 + pf + f(f-1)/2 products of a row are other than nought, and the root of that is the bound of
the row's vector (L2): it is reached, by a row with all numbers at a bound and no factor at its first code.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.domain.measuring import RowVectors, Units
from hvelv.privacy.domain.methods.design import ONE, Design, Floats

NOWHERE = -1
SQUARE = ONE * ONE  # what stands for 1 in a product


@dataclass(frozen=True)
class Products:
    """The products of a design's columns."""

    design: Design

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Return the two columns of each product that is measured."""
        return tuple(self._places)

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Return, for two columns, where their product stands in the vector; `NOWHERE` for one that is nought."""
        axes = self.design.axes
        found = np.full((len(axes), len(axes)), NOWHERE, dtype=np.int64)
        for i in range(len(axes)):
            for j in range(i, len(axes)):
                pair = self._pair(i, j)
                if pair is not None:
                    found[i, j] = found[j, i] = self._places[pair]
        return found

    @cached_property
    def _places(self) -> Mapping[tuple[int, int], int]:
        size = len(self.design.axes)
        pairs = [pair for i in range(size) for j in range(i, size) if (pair := self._pair(i, j)) is not None]
        return {pair: n for n, pair in enumerate(dict.fromkeys(pairs))}

    def _pair(self, i: int, j: int) -> tuple[int, int] | None:
        one, other = self.design.axes[i], self.design.axes[j]
        if one.key is None or one.key != other.key:
            return i, j
        return (0, i) if i == j else None

    @property
    def length(self) -> int:
        """Return how many products are measured."""
        return len(self.pairs)

    @property
    def most(self) -> int:
        """Return how many products of one row can be other than nought."""
        p = len(self.design.amounts)
        f = self.design.most - 1 - p
        return 1 + p + f + p * (p + 1) // 2 + p * f + f * (f - 1) // 2

    @property
    def bound(self) -> int:
        """Return the L2 bound of a row's vector, in `SQUARE`-ths."""
        return math.isqrt(self.most * SQUARE * SQUARE - 1) + 1

    def of(self, lines: Units) -> Units:
        """Return each row's products (rows, products), in `SQUARE`-ths."""
        return np.stack([lines[:, i] * lines[:, j] for i, j in self.pairs], axis=1)

    def ask(self, max_rows: int) -> RowVectors:
        """Return what is summed of each row, over the first `max_rows` rows of a person."""
        return RowVectors(self.design.amounts, self.design.keys, max_rows, self.length, self.bound, self._of_rows)

    def _of_rows(self, given: Mapping[str, Units]) -> Units:
        return self.of(self.design.lines(given))

    def matrix(self, sums: Floats) -> Floats:
        """Return the symmetric matrix (axes, axes) of sums of products."""
        return np.where(self.place >= 0, sums[np.maximum(self.place, 0)], 0.0)
