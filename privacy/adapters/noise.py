"""Noise, privacy maps and conversions by OpenDP, with its feature flag `contrib` and no other.

Integers only, so that no floating-point weakness applies; the scale is ours and explicit; OpenDP's Polars plans are
never used (findings: five open privacy bugs, and deserialising one runs code). Randomness is OpenDP's own, from the
operating system: there is no seed to set.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import opendp.prelude as dp

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import MICRO
from hvelv.privacy.domain.charging import FEMTO
from hvelv.privacy.domain.measuring import Dose
from hvelv.privacy.service.releases import NotCovered

dp.enable_features("contrib")


class OpenDPNoise:
    """Discrete Gaussian and Laplace noise for vectors of integers, and for counts whose keys are not known."""

    def draw(self, dose: Dose, totals: Sequence[int]) -> list[int]:
        """Return `totals` with noise. Raises `NotCovered` unless the privacy map is within the dose's price."""
        measurement, price = MEASUREMENTS[dose.noise](dose.scale), Fraction(dose.rho_micro, MICRO)
        loss = measurement.map(dose.sensitivity)
        if not math.isfinite(loss) or _rho(dose, Fraction(loss)) > price:
            raise NotCovered(_("Støyen dekker ikke prisen. Ingenting er regnet ut."))
        return [int(value) for value in measurement([int(total) for total in totals])]

    def draw_keys(self, dose: Dose, counts: Mapping[str, int]) -> dict[str, int]:
        """Return the counts with noise that pass the dose's threshold, and their keys in order; of the others nothing.

        Raises `NotCovered` unless the privacy map is within the dose's price and its delta.
        """
        measurement = THRESHOLDS[dose.noise](dose.scale, dose.threshold)
        loss, delta = measurement.map((dose.groups, dose.sensitivity, float(dose.each)))
        good = math.isfinite(loss) and math.isfinite(delta) and dose.delta_femto > 0
        if not good or _rho(dose, Fraction(loss)) > Fraction(dose.rho_micro, MICRO) or delta * FEMTO > dose.delta_femto:
            raise NotCovered(_("Støyen dekker ikke prisen. Ingenting er regnet ut."))
        found = measurement({str(key): int(count) for key, count in counts.items()})
        return {str(key): int(found[key]) for key in sorted(found)}

    def epsilon(self, rho_micro: int, delta: float) -> float:
        """Return the epsilon, at `delta`, of a loss in micro-rho: OpenDP's curve, tighter than the closed form."""
        return _epsilon(rho_micro, delta)

    def versions(self) -> dict[str, str]:
        """Return the versions of what decides the noise."""
        return {"opendp": version("opendp")}


@lru_cache(maxsize=256)
def _gaussian(scale: float) -> Any:
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
    return dp.m.make_gaussian(*space, scale=scale)


@lru_cache(maxsize=256)
def _laplace(scale: float) -> Any:
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="f64")
    return dp.m.make_laplace(*space, scale=scale)


@lru_cache(maxsize=64)
def _gaussian_threshold(scale: float, threshold: int) -> Any:
    metric = dp.l02inf_distance(dp.absolute_distance(T="f64"))
    return dp.m.make_gaussian_threshold(_counts(), metric, scale=scale, threshold=threshold)


@lru_cache(maxsize=64)
def _laplace_threshold(scale: float, threshold: int) -> Any:
    metric = dp.l01inf_distance(dp.absolute_distance(T="f64"))
    return dp.m.make_laplace_threshold(_counts(), metric, scale=scale, threshold=threshold)


def _counts() -> Any:
    return dp.map_domain(dp.atom_domain(T="String"), dp.atom_domain(T="i64"))


MEASUREMENTS = {"gaussian": _gaussian, "laplace": _laplace}
THRESHOLDS = {"gaussian": _gaussian_threshold, "laplace": _laplace_threshold}


def _rho(dose: Dose, loss: Fraction) -> Fraction:
    """Return a loss as zCDP: pure epsilon costs epsilon squared over two (Bun & Steinke 2016, proposition 1.4)."""
    return loss**2 / 2 if dose.noise == "laplace" else loss


@lru_cache(maxsize=4096)
def _epsilon(rho_micro: int, delta: float) -> float:
    if rho_micro <= 0:
        return 0.0
    distance = math.nextafter(math.sqrt(2 * rho_micro / MICRO), math.inf)
    converted: Any = dp.c.make_zCDP_to_approxDP(_gaussian(1.0))
    return float(converted.map(distance).epsilon(delta))
