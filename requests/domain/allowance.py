"""Privacy allowance in the two measures people meet: zCDP rho, in whole micro-rho, and epsilon at a delta.

The conversion is epsilon = rho + 2 * sqrt(rho * ln(1/delta)) (Bun and Steinke 2016, proposition 1.3).
"""

import math

MICRO = 1_000_000


def epsilon_of(rho_micro: int, delta: float) -> float:
    """Return the epsilon at `delta` of an allowance in micro-rho."""
    rho = rho_micro / MICRO
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


def rho_micro_of(epsilon: float, delta: float) -> int:
    """Return the largest allowance in micro-rho whose epsilon at `delta` is at most `epsilon`; 0 for none."""
    if not math.isfinite(epsilon) or epsilon <= 0:
        return 0
    log = math.log(1 / delta)
    root = math.sqrt(log + epsilon) - math.sqrt(log)
    return math.floor(root * root * MICRO)
