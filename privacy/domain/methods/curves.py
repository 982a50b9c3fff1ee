"""Survival from noisy numbers of events and of people lost to follow-up in each interval of time.

Intervals are numbered from 0. d: events, c: people whose follow-up ends without one, r: people followed to the horizon.
People at risk in interval j are all who leave in it or later, n = suffix sums. Events come before losses in an interval,
as in Kaplan & Meier (1958) for times that are equal; so the estimates are theirs for times known by interval.

The noise has one known variance s2 in every d and c, and 2 s2 in r. Every estimate here is a smooth function of these
counts; its variance is that among people (Greenwood 1926; Nelson 1972, Aalen 1978) and, by the delta method, that by the
noise: the squared gradient times the counts' noise. The gradient is exact, with noise carried on in all later n. To make
an interval the cumulative hazard is taken as a multiple of a Poisson number with its mean and variance (`ratios`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.domain.methods.ratios import Z95, Estimate, scaled_poisson

Floats = NDArray[np.float64]
HALF = 0.5
LEAST = 1.0  # people at risk below which nothing is said


def falling(values: Floats, weights: Floats) -> Floats:
    """Return the nearest sequence (weighted least squares) that never rises: pools of adjacent violators."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, heavy, length = value, weight, 1
        while blocks and blocks[-1][0] < mean:
            other, its, many = blocks.pop()
            mean, heavy, length = (mean * heavy + other * its) / (heavy + its), heavy + its, length + many
        blocks.append((mean, heavy, length))
    found: Floats = np.repeat([b[0] for b in blocks], [b[2] for b in blocks])
    return found


@dataclass(frozen=True)
class Followed:
    """A group: noisy events and losses in each interval, noisy people at the horizon, and the noise's variance."""

    events: Floats
    lost: Floats
    horizon: float
    noise: float
    width: float

    @property
    def length(self) -> int:
        """Return how many intervals there are."""
        return len(self.events)

    @cached_property
    def raw_at_risk(self) -> Floats:
        """Return suffix sums, without bias and not always falling."""
        leaving = np.append(self.events + self.lost, self.horizon)
        found: Floats = np.cumsum(leaving[::-1])[::-1]
        return found

    @cached_property
    def at_risk_noise(self) -> Floats:
        """Return the variance of the people at risk at the beginning of each interval and at the horizon."""
        found: Floats = 2 * self.noise * np.arange(self.length + 1, 0, -1, dtype=np.float64)
        return found

    @cached_property
    def at_risk(self) -> Floats:
        """Return people at risk, never rising and never below nought: the horizon last."""
        found: Floats = np.maximum(falling(self.raw_at_risk, 1 / np.maximum(self.at_risk_noise, 1e-12)), 0)
        return found

    @cached_property
    def happened(self) -> Floats:
        """Return events in each interval, none below nought: the nearest running total that never falls, in steps."""
        total = np.cumsum(self.events)
        rising = -falling(-total, np.ones(self.length))
        found: Floats = np.diff(np.maximum(rising, 0), prepend=0.0)
        return found

    @cached_property
    def known(self) -> int:
        """Return in how many intervals, from the first on, the people at risk stand out from the noise."""
        n, d = self.at_risk[:-1], self.happened
        clear = (n > Z95 * np.sqrt(self.at_risk_noise[:-1])) & (n >= LEAST) & (n - d >= LEAST / 2)
        return int(np.argmin(clear)) if not clear.all() else self.length

    @cached_property
    def hazard(self) -> Floats:
        """Return the share of those at risk who have the event, in the intervals that are known."""
        n, d = self.at_risk[: self.known], self.happened[: self.known]
        found: Floats = np.clip(d / n, 0, 1)
        return found

    @cached_property
    def _greenwood(self) -> tuple[Floats, Floats]:
        """Return the running sums of d / n(n-d), and of d / n^2."""
        n, d = self.at_risk[: self.known], self.happened[: self.known]
        return np.cumsum(d / (n * (n - d))), np.cumsum(d / n**2)

    def _gradient(self, direct: Floats, through: Floats) -> Floats:
        """Return d(estimate in interval j) / d(events | lost | horizon), a line for each j that is known.

        `direct[k]`: by the events of k itself. `through[k]`: minus the derivative by people at risk in k, per unit.
        """
        many, all_of = self.known, self.length
        reach = np.cumsum(through)  # by a person who is at risk in all intervals up to j
        upto = np.minimum(np.arange(many)[:, None], np.arange(all_of)[None, :])
        by_person = reach[np.minimum(upto, many - 1)] if many else np.zeros((0, all_of))
        own = np.tril(np.broadcast_to(direct, (many, many)))
        by_event = by_person.copy()
        by_event[:, :many] += own
        return np.hstack([by_event, by_person, reach[:, None]])

    @cached_property
    def log_gradient(self) -> Floats:
        """Return the gradient of -log S(j): by events, losses and people at the horizon."""
        n, d = self.at_risk[: self.known], self.happened[: self.known]
        return self._gradient(1 / (n - d), -d / (n * (n - d)))

    @cached_property
    def _spread(self) -> Floats:
        """Return the noise's variance in each count."""
        return np.append(np.full(2 * self.length, self.noise), 2 * self.noise)

    def _noise_of(self, gradient: Floats) -> Floats:
        found: Floats = np.square(gradient) @ self._spread
        return found

    @cached_property
    def survival_values(self) -> Floats:
        """Return S at the end of each interval that is known."""
        found: Floats = np.cumprod(1 - self.hazard, dtype=np.float64)
        return found

    def survival(self) -> list[Estimate]:
        """Return S at the end of each interval that is known, with intervals."""
        noise = self._noise_of(self.log_gradient).tolist()
        ends = [self._ends(-math.log(s), chance, extra, j) for j, (s, chance, extra) in enumerate(
            zip(self.survival_values.tolist(), self._greenwood[0].tolist(), noise, strict=True))]  # fmt: skip
        values = self.survival_values.tolist()
        return [Estimate(s, math.exp(-high), math.exp(-low)) for s, (low, high) in zip(values, ends, strict=True)]

    def cumulative_hazard(self) -> list[Estimate]:
        """Return the Nelson–Aalen estimate at the end of each interval that is known, with intervals."""
        n, d = self.at_risk[: self.known], self.happened[: self.known]
        noise = self._noise_of(self._gradient(1 / n, -d / n**2)).tolist()
        values = np.cumsum(self.hazard).tolist()
        found = zip(values, self._greenwood[1].tolist(), noise, strict=True)
        return [Estimate(v, *self._ends(v, chance, extra, j)) for j, (v, chance, extra) in enumerate(found)]

    def _ends(self, value: float, chance: float, noise: float, interval: int) -> tuple[float, float]:
        most = 1 / float(self.at_risk[interval])
        each = chance / value if value > 0 and chance > 0 else most
        return scaled_poisson(value, each, noise)

    def hazards(self) -> list[Estimate]:
        """Return the hazard of each interval that is known, with its interval."""
        found = []
        for j, value in enumerate(self.hazard.tolist()):
            n, later = float(self.at_risk[j]), float(self.at_risk_noise[j])
            noise = max(0.0, self.noise * (1 - 2 * value) + value * value * later) / n**2
            low, high = scaled_poisson(value, max(1 - value, LEAST / n) / n, noise)
            found.append(Estimate(value, min(low, value), min(1.0, max(high, value))))
        return found

    # of the whole curve --------------------------------------------------------------------------------------------
    def restricted_mean(self) -> Estimate | None:
        """Return the mean time without the event up to the horizon; None unless all intervals are known.

        The area under the curve, with straight lines between the ends of intervals.
        """
        if self.known < self.length:
            return None
        s, width = self.survival_values, self.width
        areas = np.full(self.length, width)
        areas[-1] = width / 2
        weights = areas * s
        line = weights @ self.log_gradient
        order = np.minimum.outer(np.arange(self.length), np.arange(self.length))
        chance = float(weights @ self._greenwood[0][order] @ weights)
        spread = Z95 * math.sqrt(chance + float(np.square(line) @ self._spread))
        value, most = float(weights.sum()) + width / 2, width * self.length
        return Estimate(value, max(0.0, value - spread), min(most, value + spread))

    def median(self) -> tuple[float | None, float | None, float | None]:
        """Return the time by which half have had the event, and its interval (Brookmeyer & Crowley 1982).

        None for what does not come before the horizon, or before too few are at risk.
        """
        curve = self.survival()
        return (
            self._crossing([e.value for e in curve]),
            self._crossing([e.low for e in curve]),
            self._crossing([e.high for e in curve]),
        )

    def _crossing(self, curve: Sequence[float]) -> float | None:
        before = 1.0
        for j, after in enumerate(curve):
            if after <= HALF:
                part = (before - HALF) / (before - after) if before > after else 1.0
                return self.width * (j + min(max(part, 0.0), 1.0))
            before = after
        return None


@dataclass(frozen=True)
class LogRank:
    """Observed and expected events of groups, and a test of whether they have the same hazard."""

    observed: Floats
    expected: Floats
    observed_error95: Floats
    expected_error95: Floats
    statistic: float | None
    freedom: int

    @property
    def p(self) -> float | None:
        """Return the chance of as large a statistic where there is no difference: chi-squared's upper tail."""
        if self.statistic is None:
            return None
        half, odd = self.statistic / 2, self.freedom % 2
        powers = [i + odd / 2 for i in range(self.freedom // 2)]
        terms = (
            math.exp(power * math.log(half) - half - math.lgamma(power + 1)) if half else float(not power)
            for power in powers
        )
        return min(1.0, (math.erfc(math.sqrt(half)) if odd else 0.0) + sum(terms))


def log_rank(groups: Sequence[Followed]) -> LogRank:
    """Return the log-rank test (Mantel 1966) with the noise in its variance.

    Observed minus expected are sums of the noisy counts and of products n d / n, so their noise is known by the delta
    method; it is added to the hypergeometric covariance. Counts are used as they came, without being made to fit, which
    would bias them. Intervals in which all groups together do not stand out from the noise are left out.
    """
    many = groups[0].length
    d = np.array([group.events for group in groups])
    n = np.array([group.raw_at_risk[:-1] for group in groups])
    all_d, all_n = d.sum(axis=0), n.sum(axis=0)
    noise = sum(group.at_risk_noise[:-1] for group in groups)
    clear = (all_n > 2 * Z95 * np.sqrt(noise)) & (all_n > 1)
    used = int(np.argmin(clear)) if not clear.all() else many
    d, n, all_d, all_n = d[:, :used], n[:, :used], all_d[:used], all_n[:used]
    shares = n / all_n
    observed, expected = d.sum(axis=1), (shares * all_d).sum(axis=1)
    by_noise, of_observed, of_expected = _noise(groups, shares, all_d, all_n, used)
    covariance = _hypergeometric(shares, all_d, all_n) + by_noise
    kept = slice(0, len(groups) - 1)
    difference, matrix = (observed - expected)[kept], covariance[kept, kept]
    statistic = None
    if used and np.linalg.matrix_rank(matrix, hermitian=True) == len(groups) - 1:
        found = float(difference @ np.linalg.solve(matrix, difference))
        statistic = found if math.isfinite(found) and found >= 0 else None
    errors = Z95 * np.sqrt(of_observed), Z95 * np.sqrt(of_expected)
    return LogRank(observed, expected, *errors, statistic, len(groups) - 1)


def _hypergeometric(shares: Floats, all_d: Floats, all_n: Floats) -> Floats:
    weight = np.maximum(all_d, 0) * np.maximum(all_n - all_d, 0) / np.maximum(all_n - 1, 1)
    clipped = np.clip(shares, 0, 1)
    found: Floats = np.diag(clipped @ weight) - (clipped * weight) @ clipped.T
    return found


def _noise(
    groups: Sequence[Followed], shares: Floats, all_d: Floats, all_n: Floats, used: int
) -> tuple[Floats, Floats, Floats]:
    """Return, by the noise, the covariance of observed minus expected, and the variances of observed and of expected."""
    many, length = len(groups), groups[0].length
    both, observed, expected = np.zeros((many, many)), np.zeros(many), np.zeros(many)
    for h, group in enumerate(groups):
        spread = np.append(np.full(2 * length, group.noise), 2 * group.noise)
        own = np.zeros((many, 2 * length + 1))
        own[h, :used] = 1.0
        lines = []
        for g in range(many):
            by_person = (float(g == h) - shares[g]) * all_d / all_n  # expected, by a person more at risk in h
            reach = np.concatenate([np.cumsum(by_person), np.full(length - used, by_person.sum())])
            events = reach.copy()
            events[:used] += shares[g]
            lines.append(np.concatenate([events, reach, [by_person.sum()]]))
        theirs = np.array(lines)
        both += ((own - theirs) * spread) @ (own - theirs).T
        observed += np.square(own) @ spread
        expected += np.square(theirs) @ spread
    return both, observed, expected
