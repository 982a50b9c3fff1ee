"""Cumulative shares and quantiles from bins whose counts are noisy, with a covariance that is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.domain.accounting import Z95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quantile:
    """A quantile, and the ends of an interval that holds it with at least 95 %."""

    value: float
    low: float
    high: float

    @property
    def error95(self) -> float:
        """Return how far it is to the farther end."""
        return max(self.value - self.low, self.high - self.value)


@dataclass(frozen=True)
class Curve:
    """A group's bins: noisy counts that fit each other, their covariance, and the bins' public edges."""

    counts: Floats
    covariance: Floats
    edges: Sequence[float]

    @cached_property
    def cumulative(self) -> Floats:
        """Return the counts below each edge, from nought to all."""
        return np.concatenate(([0.0], np.cumsum(self.counts)))

    @cached_property
    def _moments(self) -> Floats:
        """Return the covariance of the cumulative counts."""
        found = np.zeros((len(self.counts) + 1,) * 2)
        found[1:, 1:] = self.covariance.cumsum(axis=0).cumsum(axis=1)
        return found

    @property
    def total(self) -> float:
        """Return how many rows there are."""
        return float(self.cumulative[-1])

    @property
    def total_error95(self) -> float:
        """Return the 95 % error of how many rows there are."""
        return Z95 * float(np.sqrt(self._moments[-1, -1]))

    @property
    def says_something(self) -> bool:
        """Say whether there are more rows than noise makes of nothing."""
        return self.total >= 1 and self.total > self.total_error95

    @cached_property
    def counts_error95(self) -> Floats:
        """Return the 95 % error of each bin's count."""
        found: Floats = Z95 * np.sqrt(np.diagonal(self.covariance))
        return found

    def shares(self) -> tuple[Floats, Floats]:
        """Return the share of rows below each edge, rising from 0 to 1, and the 95 % errors (delta method)."""
        raw = self.cumulative / self.total
        up, down = np.maximum.accumulate(raw), np.minimum.accumulate(raw[::-1])[::-1]
        rising: Floats = np.clip((up + down) / 2, 0, 1)
        return rising, self._reach(rising) / self.total

    def _reach(self, share: Floats | float) -> Floats:
        """Return the 95 % error of C - share * N at each edge."""
        everything, ours = self._moments[-1, -1], np.diagonal(self._moments)
        square = ours - 2 * share * self._moments[-1] + np.square(share) * everything
        found: Floats = Z95 * np.sqrt(np.maximum(square, 0))
        return found

    def quantile(self, share: float, lowest: float, highest: float) -> Quantile:
        """Return a quantile of the rows, which lies from `lowest` to `highest`."""
        rising, _errors = self.shares()
        difference, reach = self.cumulative - share * self.total, self._reach(share)
        edges = np.asarray(self.edges, np.float64)
        beyond = np.flatnonzero((difference + reach)[1:] >= 0)  # edges below which it may be
        before = np.flatnonzero((difference - reach)[:-1] <= 0)  # edges above which it may be
        low = edges[beyond[0]] if len(beyond) else edges[-2]
        high = edges[before[-1] + 1] if len(before) else edges[1]
        last = int(np.clip(np.searchsorted(rising, share, side="left"), 1, len(edges) - 1))
        step = rising[last] - rising[last - 1]
        part = (share - rising[last - 1]) / step if step > 0 else 0.5
        point = edges[last - 1] + np.clip(part, 0, 1) * (edges[last] - edges[last - 1])
        low, high = max(float(low), lowest), min(float(high), highest)
        return Quantile(float(np.clip(point, low, high)) if low <= high else float(point), low, max(low, high))
