"""A table and margins of it, measured apart and brought to fit: weighted least squares in closed form.

Let x be the table's cells and y_i = M_i x + noise of variance s_i, where M_i adds up all places of some axes D_i. The
normal matrix N = sum_i M_i' M_i / s_i is a sum of Kronecker products of identities and matrices of ones. All of these are
diagonal in the same subspaces: one for each set S of axes, of tables that add up to nought along every axis of S and
are constant along the others (the decomposition of the analysis of variance; Barak et al. 2007; McKenna et al. 2018).
There N is the number

    l(S) = sum over the i whose D_i has no axis of S of (product of the lengths of D_i's axes) / s_i

so that x = sum_S P_S (sum_i M_i' y_i / s_i) / l(S), and a cell of the margin that drops D has the variance

    (product of the lengths of D's axes) * sum over S without axes of D of
        (1 / l(S)) * product over kept axes a of (1 - 1/n_a if a is in S, else 1/n_a).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Axes = frozenset[int]
ROUNDS = 300  # of the search for a table without negative cells


def subsets(axes: Sequence[int]) -> Iterator[Axes]:
    """Yield all sets of some axes, the empty one first."""
    for size in range(len(axes) + 1):
        yield from (frozenset(some) for some in combinations(axes, size))


def part(table: Floats, axes: Axes) -> Floats:
    """Return the part of a table that adds up to nought along `axes` and is constant along the others."""
    for axis in range(table.ndim):
        mean = table.mean(axis=axis, keepdims=True)
        table = table - mean if axis in axes else np.broadcast_to(mean, table.shape)
    return table


@dataclass(frozen=True)
class Margins:
    """What was measured of a table of `shape`: the axes that each measurement keeps, and its noise's variance."""

    shape: tuple[int, ...]
    kept: tuple[Axes, ...]
    variances: tuple[float, ...]

    @property
    def axes(self) -> range:
        """Return the table's axes."""
        return range(len(self.shape))

    def dropped(self, kept: Axes) -> tuple[int, ...]:
        """Return the axes that are added up."""
        return tuple(axis for axis in self.axes if axis not in kept)

    def length(self, axes: Sequence[int] | Axes) -> int:
        """Return the product of the lengths of some axes."""
        return prod(self.shape[axis] for axis in axes)

    @cached_property
    def strength(self) -> Mapping[Axes, float]:
        """Return l(S) of every S: nought where nothing was measured."""
        return {
            some: sum(
                self.length(self.dropped(kept)) / variance
                for kept, variance in zip(self.kept, self.variances, strict=True)
                if some <= kept
            )
            for some in subsets(self.axes)
        }

    def variance(self, kept: Axes) -> float:
        """Return the variance of a cell of a margin, or of the table itself."""
        return self.length(self.dropped(kept)) * sum(
            prod(1 - 1 / self.shape[a] if a in some else 1 / self.shape[a] for a in kept) / self.strength[some]
            for some in subsets(sorted(kept))
        )

    def margin(self, table: Floats, kept: Axes) -> Floats:
        """Return a margin of a table."""
        found: Floats = table.sum(axis=self.dropped(kept)) if len(kept) < len(self.shape) else table
        return found

    def _spread(self, measured: Sequence[Floats]) -> Floats:
        """Return the sum over measurements of M' y / s."""
        found = np.zeros(self.shape)
        for kept, variance, values in zip(self.kept, self.variances, measured, strict=True):
            places = tuple(self.shape[axis] if axis in kept else 1 for axis in self.axes)
            found = found + np.reshape(values, places) / variance
        return found

    def fitted(self, measured: Sequence[Floats]) -> Floats:
        """Return the table that fits what was measured best."""
        spread = self._spread(measured)
        found: Floats = np.zeros(self.shape)
        for some, strength in self.strength.items():
            found = found + part(spread, some) / strength
        return found

    def without_negatives(self, measured: Sequence[Floats]) -> Floats:
        """Return the table without negative cells that fits best: accelerated projected gradients, a fixed number."""
        target = self._spread(measured)
        step = 1 / max(self.strength.values())
        table = ahead = np.maximum(self.fitted(measured), 0)
        speed = 1.0
        for _round in range(ROUNDS):
            wrong = self._spread([self.margin(ahead, kept) for kept in self.kept]) - target
            following = np.maximum(ahead - step * wrong, 0)
            faster = (1 + (1 + 4 * speed**2) ** 0.5) / 2
            ahead = following + (speed - 1) / faster * (following - table)
            table, speed = following, faster
        return table
