"""Newton's steps on noisy gradients and Hessians: post-processing of what was seen at the coefficients so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hvelv.privacy.domain.methods.design import Floats
from hvelv.privacy.domain.methods.solving import damped

FARTHEST = 4.0  # that one step may move a predictor
BALL = 32.0  # in which the coefficients are held


@dataclass(frozen=True)
class Look:
    """What was seen at some coefficients: gradient, Hessian and squared residuals with noise of one deviation."""

    here: Floats
    gradient: Floats
    matrix: Floats
    squared: float
    deviation: float


def together(looks: Sequence[Look]) -> Look:
    """Return several looks near each other as one, weighted by how exact they are."""
    deviation = together_deviation([look.deviation for look in looks])
    shares = [(deviation / look.deviation) ** 2 for look in looks]

    def mean(values: Sequence[Any]) -> Any:
        return sum(share * value for share, value in zip(shares, values, strict=True))

    return Look(
        mean([look.here for look in looks]),
        mean([look.gradient for look in looks]),
        mean([look.matrix for look in looks]),
        mean([look.squared for look in looks]),
        deviation,
    )


def together_deviation(deviations: Sequence[float]) -> float:
    """Return the deviation of a mean weighted by exactness."""
    return math.sqrt(1 / sum(1 / deviation**2 for deviation in deviations))


def stepped(look: Look, matrix_deviation: float) -> Floats:
    """Return the coefficients after a careful step from where a look was taken."""
    move = -damped(look.matrix, matrix_deviation) @ look.gradient
    return held(look.here + move * min(1.0, FARTHEST / max(float(np.abs(move).sum()), 1e-9)))


def held(coefficients: Floats) -> Floats:
    """Return coefficients within the ball."""
    return coefficients * min(1.0, BALL / max(float(np.linalg.norm(coefficients)), 1e-9))
