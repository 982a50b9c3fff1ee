"""Noise, privacy maps and conversions by OpenDP, with its feature flag `contrib` and no other.

Integers only, so that no floating-point weakness applies; the scale is ours and explicit; OpenDP's Polars plans are
never used (findings: five open privacy bugs, and deserialising one runs code). Randomness is OpenDP's own, from the
operating system: there is no seed to set.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import opendp.prelude as dp

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import MICRO
from hvelv.privacy.domain.measuring import Dose
from hvelv.privacy.service.releases import NotCovered

dp.enable_features("contrib")


class OpenDPNoise:
    """Discrete Gaussian noise for vectors of integers."""

    def draw(self, dose: Dose, totals: Sequence[int]) -> list[int]:
        """Return `totals` with noise. Raises `NotCovered` unless the privacy map is within the dose's price."""
        measurement, price = MEASUREMENTS[dose.noise](dose.scale), Fraction(dose.rho_micro, MICRO)
        loss = measurement.map(dose.sensitivity)
        if not math.isfinite(loss) or _rho(dose, Fraction(loss)) > price:
            raise NotCovered(_("Støyen dekker ikke prisen. Ingenting er regnet ut."))
        return [int(value) for value in measurement([int(total) for total in totals])]

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


MEASUREMENTS = {"gaussian": _gaussian, "laplace": _laplace}


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
