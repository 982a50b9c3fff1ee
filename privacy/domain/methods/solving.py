"""Solving noisy equations: which directions noise leaves standing, and how far the noise moves the solution.

All of it works on noisy numbers. `matrix` is a sum of products over rows to which each product's noise of one standard
deviation was added. The noise of a symmetric matrix of d columns is about twice the deviation times the root of d in
its largest direction; a direction whose own size does not stand well over that says nothing, and is left out: the
equations are solved in the others (a pseudo-inverse), so that a constant column, an empty level or an empty table
make some coefficients impossible and not the answer. Which, is decided on noisy numbers. How far noise moves the rest
is worked out to first order (the delta method), as in the parametric bootstrap of Ferrando, Wang & Sheldon 2022 and in
Evans, King, Schwenzfeier & Thakurta 2023, without drawing anything.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.domain.methods.design import Floats

STANDING = 2.0  # deviations: what a direction must be to be used,
SPREADING = 1.2  # and times the root of how many directions there are
ROUNDING = 1e-7  # of the largest direction: what is less is nought
SEEN = 0.1  # how much of a coefficient may lie in directions that are left out


@dataclass(frozen=True)
class Solver:
    """A noisy matrix, turned around in the directions that stand. `lost`: the others, as columns."""

    inverse: Floats
    lost: Floats
    least: float  # what a direction had to be

    def sees(self, direction: Floats) -> bool:
        """Say whether a combination of coefficients can be told from the directions that stand."""
        size = float(np.linalg.norm(direction))
        return size > 0 and float(np.linalg.norm(direction @ self.lost)) <= SEEN * size


def threshold(matrix: Floats, deviation: float) -> float:
    """Return how large a direction of a noisy matrix must be to be used."""
    largest = float(np.abs(np.linalg.eigvalsh(matrix)).max())
    return max(deviation * (STANDING + SPREADING * math.sqrt(len(matrix))), ROUNDING * largest, 1e-9)


def solver(matrix: Floats, deviation: float) -> Solver:
    """Return what solves equations in `matrix` in the directions that stand."""
    values, vectors = np.linalg.eigh(matrix)
    least = threshold(matrix, deviation)
    stands = values > least
    kept = vectors[:, stands]
    return Solver((kept / values[stands]) @ kept.T, vectors[:, ~stands], least)


def damped(matrix: Floats, deviation: float) -> Floats:
    """Return the inverse of a noisy matrix in which no direction is smaller than its noise: for a careful step."""
    values, vectors = np.linalg.eigh(matrix)
    careful: Floats = (vectors / np.maximum(values, threshold(matrix, deviation))) @ vectors.T
    return careful


def moved(inverse: Floats, place: NDArray[np.int64], solution: Floats, length: int) -> Floats:
    """Return how far one unit of noise in each product moves a solution (axes, products), by way of the matrix.

    To first order, a solution of (A + N) b = c moves by -A^-1 N b. `place`: where each entry of the matrix stands.
    """
    found = np.zeros((len(inverse), length))
    for i, j in zip(*np.nonzero(place >= 0), strict=True):
        found[:, place[i, j]] -= inverse[:, i] * solution[j]
    return found
