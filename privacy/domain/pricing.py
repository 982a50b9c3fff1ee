"""What a wished accuracy would cost, and what a given error means: for quotes, from public numbers alone."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hvelv.privacy.domain.accounting import LAPLACE95, MARGIN, MICRO, Z95, error95_of, scale
from hvelv.privacy.domain.measuring import Dose, NoiseName
from hvelv.privacy.domain.query import MOST_RHO_MICRO, PRICE_DIGITS

SIZES = (100, 1_000, 10_000)  # group sizes for which errors are foretold
LADDER = (1, 2, 5)
RUNGS = 2  # wished errors on each side of what is offered
HUNDRED = 100


def cost_of(error: float, dose: Dose, parts: int = 1) -> int | None:
    """Return the price in micro-rho at which a vector like `dose`'s, one of `parts` that share it, is `error` off (95 %).

    From error = z * scale * unit and scale = sensitivity / sqrt(2 rho), rounded up to a price that can be paid; None where
    none can.
    """
    point = LAPLACE95 if dose.noise == "laplace" else Z95
    each = (dose.sensitivity * MARGIN * point * float(dose.unit) / error) ** 2 / 2 * MICRO
    if each * parts > MOST_RHO_MICRO:
        return None
    found = payable(max(1, math.ceil(each)) * parts)
    return found if found <= MOST_RHO_MICRO else None


def payable(rho_micro: int) -> int:
    """Return the lowest price with two digits and noughts that is no lower than `rho_micro`."""
    unit: int = 10 ** max(0, len(str(rho_micro)) - PRICE_DIGITS)
    return -(-rho_micro // unit) * unit


def wished(error: float) -> list[float]:
    """Return some round errors around `error`, smallest first: 1, 2 or 5 with noughts."""
    if not 0 < error < math.inf:
        return []
    power = math.floor(math.log10(error))
    rungs = [step * 10.0**exponent for exponent in range(power - 1, power + 3) for step in LADDER]
    below, above = [rung for rung in rungs if rung < error], [rung for rung in rungs if rung >= error]
    return below[-RUNGS:] + above[:RUNGS]


def would_cost(dose: Dose, parts: int = 1) -> list[dict[str, Any]]:
    """Return what some other errors than `dose`'s would cost: {"error95", "rho_micro"}, the smallest error first."""
    found = ((error, cost_of(error, dose, parts)) for error in wished(error95_of(dose)))
    return [{"error95": round(error, 9), "rho_micro": price} for error, price in found if price is not None]


def per_cent(error: float, expected: int | None) -> dict[str, Any]:
    """Return a count's error in per cent of groups of some sizes, and of the expected one if that was said."""
    found: dict[str, Any] = {
        "error95_percent_at": [{"rows": rows, "percent": HUNDRED * error / rows} for rows in SIZES]
    }
    return found | ({"error95_percent": HUNDRED * error / expected} if expected else {})


def noises(dose: Dose, gaussian: float, laplace: float) -> dict[str, Any]:
    """Return both noises' 95 % errors at `dose`'s price, and which one is smaller. Sensitivities: L2 and L1, in units."""
    either: tuple[tuple[NoiseName, float], ...] = (("gaussian", gaussian), ("laplace", laplace))
    errors: dict[str, float] = {
        name: error95_of(replace(dose, noise=name, sensitivity=distance, scale=scale(distance, dose.rho_micro)))
        for name, distance in either
    }
    return compared(errors)


def compared(errors: Mapping[str, float]) -> dict[str, Any]:
    """Return errors by noise, and which noise has the smaller one."""
    return {**errors, "smaller": min(errors, key=lambda name: errors[name])}


def would_cost_in_all(error: float, rho_micro: int) -> list[dict[str, Any]]:
    """Return what other errors than `error` would cost where the whole price is `rho_micro`: errors go as its root."""
    found = ((other, payable(math.ceil(rho_micro * (error / other) ** 2))) for other in wished(error))
    return [{"error95": round(other, 9), "rho_micro": price} for other, price in found if price <= MOST_RHO_MICRO]
