"""Rates from noisy numbers of events and noisy sizes, with intervals for both the noise and chance among people.

Events are taken to be Poisson around rate * size (binomial where sizes are rows that either have the event or not), and
the noise adds to that variance. For one rate r the interval is where (E - rN)^2 <= z^2 V(r): Wilson's (1927) and Fieller's
(1954) way of solving for the rate with V at the rate in question and not at the estimate, so that it holds with few
events too. A weighted sum of rates is taken as a multiple k of a Poisson number with the same mean and variance (Dobson,
Kuulasmaa, Eberle & Scherer 1991), whose interval is solved for in the same way, with the noise's variance added.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959963984540054
ENOUGH = 2.0  # how many times its own 95 % error a size must be to stand alone in a weighted sum


@dataclass(frozen=True)
class Estimate:
    """A number and the ends of its 95 % interval. `noise`: the part of its variance that is noise; `variance`: all."""

    value: float
    low: float
    high: float
    variance: float = 0.0
    noise: float = 0.0

    def times(self, factor: float) -> "Estimate":
        """Return the same in another unit."""
        square = factor * factor
        return Estimate(
            self.value * factor, self.low * factor, self.high * factor, self.variance * square, self.noise * square
        )

    @property
    def error95(self) -> float:
        """Return how far it is to the farther end."""
        return max(self.value - self.low, self.high - self.value)


@dataclass(frozen=True)
class Counted:
    """Noisy events among a noisy size, and their noise: variances of each, and covariance.

    `binomial`: each of the size either has the event or not.
    """

    events: float
    size: float
    events_noise: float
    size_noise: float
    covariance: float = 0.0
    binomial: bool = False

    def __add__(self, other: "Counted") -> "Counted":
        """Return two groups taken as one."""
        return Counted(
            self.events + other.events,
            self.size + other.size,
            self.events_noise + other.events_noise,
            self.size_noise + other.size_noise,
            self.covariance + other.covariance,
            self.binomial,
        )

    @property
    def size_error95(self) -> float:
        """Return the 95 % error of the size."""
        return Z95 * math.sqrt(self.size_noise)

    @property
    def says_something(self) -> bool:
        """Say whether the size is more than noise makes of nothing."""
        return self.size > self.size_error95

    @property
    def rate(self) -> float:
        """Return events over size, which noise may have made negative."""
        return self.events / self.size

    @property
    def noise(self) -> float:
        """Return the rate's variance by noise (delta method)."""
        r = self.rate
        return max(0.0, self.events_noise - 2 * r * self.covariance + r * r * self.size_noise) / self.size**2

    @property
    def chance(self) -> float:
        """Return the rate's variance among people."""
        r = max(0.0, self.rate)
        return r * max(0.0, 1 - r if self.binomial else 1.0) / self.size


def rate_of(counted: Counted) -> Estimate | None:
    """Return the rate and its interval; None where the size is not above its own error."""
    if not counted.says_something:
        return None
    e, n, z2 = max(0.0, counted.events), counted.size, Z95**2
    square = n * n - z2 * counted.size_noise + (z2 * n if counted.binomial else 0.0)
    linear = 2 * e * n + z2 * (n - 2 * counted.covariance)
    root = math.sqrt(max(0.0, linear**2 - 4 * square * (e * e - z2 * counted.events_noise)))
    most = 1.0 if counted.binomial else math.inf
    value = min(e / n, most)
    low, high = max(0.0, (linear - root) / (2 * square)), min(most, (linear + root) / (2 * square))
    return Estimate(value, min(low, value), max(high, value), counted.chance + counted.noise, counted.noise)


def scaled_poisson(value: float, each: float, noise: float) -> tuple[float, float]:
    """Return the 95 % interval of a number that is `each` times a Poisson number, but for noise of variance `noise`."""
    number, spread = max(0.0, value) / each, noise / each**2
    middle, half = number + Z95**2 / 2, Z95 * math.sqrt(number + spread + Z95**2 / 4)
    return max(0.0, middle - half) * each, (middle + half) * each


def pooled(strata: Sequence[tuple[float, Counted]]) -> list[tuple[float, Counted]]:
    """Return the strata with neighbours taken together until each size is well above its noise.

    Decided on noisy numbers. Empty where even all of them together are too few.
    """
    found: list[tuple[float, Counted]] = []
    weight, waiting = 0.0, None
    for share, counted in strata:
        weight, waiting = weight + share, counted if waiting is None else waiting + counted
        if waiting.size > ENOUGH * waiting.size_error95:
            found.append((weight, waiting))
            weight, waiting = 0.0, None
    if waiting is not None and found:
        last, before = found[-1]
        found[-1] = last + weight, before + waiting
    return found


def weighted(strata: Sequence[tuple[float, Counted]]) -> Estimate | None:
    """Return the weighted mean of the rates of strata, with its interval; None where there are none."""
    whole = sum(weight for weight, _counted in strata)
    if not whole:
        return None
    shares = [(weight / whole, counted) for weight, counted in strata if weight]
    value = sum(share * counted.rate for share, counted in shares)
    chance = sum(share**2 * counted.chance for share, counted in shares)
    noise = sum(share**2 * counted.noise for share, counted in shares)
    most = max(share / counted.size for share, counted in shares)
    each = min(chance / value, most) if value > 0 and chance > 0 else most
    low, high = scaled_poisson(value, each, noise)
    value = max(0.0, value)
    return Estimate(value, min(low, value), max(high, value), chance + noise, noise)


def ratio_of(one: Estimate | None, other: Estimate | None) -> Estimate | None:
    """Return one rate over another, its interval on the log scale; None unless both stand out from the noise."""
    if one is None or other is None:
        return None
    if any(estimate.value <= Z95 * math.sqrt(estimate.noise) or estimate.value <= 0 for estimate in (one, other)):
        return None
    value = one.value / other.value
    spread = Z95 * math.sqrt(one.variance / one.value**2 + other.variance / other.value**2)
    if spread > math.log(1e9):
        return None
    return Estimate(value, value * math.exp(-spread), value * math.exp(spread))
