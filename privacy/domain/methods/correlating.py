"""Noisy moments made into correlations: what is known, the nearest correlation matrix, and errors by simulation."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.domain.accounting import Z95, error95
from hvelv.privacy.domain.methods.design import Floats
from hvelv.privacy.domain.methods.products import Products

DRAWS = 400
SEED = 20_140_531  # the same simulation for the same noisy numbers
ROUNDS = 50  # towards the nearest correlation matrix
FLAT = 1e-9  # a variance that is nought, in scaled units


@dataclass(frozen=True)
class Sample:
    """Noisy means and covariances of scaled numbers. `known`: which variances stand out from the noise."""

    rows: float
    usable: bool
    means: Floats
    covariance: Floats
    known: NDArray[np.bool_]
    mean_errors: Floats
    spread_errors: Floats

    @classmethod
    def of(cls, products: Products, sums: Floats, deviation: float) -> "Sample":
        """Return what noisy sums of products (rows are 1 each) say."""
        rows, means, covariance = moments(products.matrix(sums))
        usable = rows > max(error95(deviation), len(means) + 1)
        rows_or_one = max(rows, 1.0)
        variances = np.diag(covariance)
        by_noise = deviation / rows_or_one * np.sqrt(1 + 4 * means**2 + (means**2 - variances) ** 2)
        known = usable & (variances > np.maximum(2 * Z95 * by_noise, FLAT))
        positive = np.maximum(variances, FLAT)
        mean_deviations = np.sqrt(positive / rows_or_one + (deviation / rows_or_one) ** 2 * (1 + means**2))
        spread_deviations = np.hypot(by_noise, positive * math.sqrt(2 / rows_or_one)) / (2 * np.sqrt(positive))
        return cls(rows, usable, means, covariance, known, Z95 * mean_deviations, Z95 * spread_deviations)


def moments(matrix: Floats) -> tuple[float, Floats, Floats]:
    """Return rows, means and covariances from sums of products whose first column is the intercept."""
    rows = float(matrix[0, 0])
    means = np.clip(matrix[0, 1:] / max(rows, 1.0), -1.0, 1.0)
    return rows, means, matrix[1:, 1:] / max(rows, 1.0) - np.outer(means, means)


def correlation_of(covariance: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return correlations within [-1, 1]; a column that is not known goes together with nothing."""
    spread = np.sqrt(np.where(known, np.maximum(np.diagonal(covariance, axis1=-2, axis2=-1), FLAT), 1.0))
    found = np.clip(covariance / (spread[..., :, None] * spread[..., None, :]), -1.0, 1.0)
    found = np.where(known[:, None] & known[None, :], found, 0.0)
    size = np.arange(len(known))
    found[..., size, size] = 1.0
    return found


def nearest(matrix: Floats) -> Floats:
    """Return the nearest correlation matrix: alternating projections with Dykstra's correction (Higham 2002)."""
    found, correction = matrix.copy(), np.zeros_like(matrix)
    for _round in range(ROUNDS):
        corrected = found - correction
        values, vectors = np.linalg.eigh(corrected)
        positive = (vectors * np.maximum(values, 0.0)) @ vectors.T
        correction = positive - corrected
        found = positive.copy()
        np.fill_diagonal(found, 1.0)
    return np.clip((found + found.T) / 2, -1.0, 1.0)


def simulated(products: Products, sums: Floats, deviation: float, sample: Sample) -> Floats:
    """Return correlation matrices (draws, columns, columns) as they would be with other noise and another sample."""
    source = np.random.default_rng(SEED)
    size = len(sample.means)
    values, vectors = np.linalg.eigh(sample.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rows = max(sample.rows, size + 2.0)
    drawn = np.empty((DRAWS, size, size))
    for i in range(DRAWS):
        noisy = sums + source.normal(0.0, deviation, len(sums))
        covariance = moments(products.matrix(noisy))[2]
        drawn[i] = covariance + root @ (_wishart(source, size, rows) - np.eye(size)) @ root.T
    return correlation_of(drawn, sample.known)


def _wishart(source: Any, size: int, rows: float) -> Floats:
    """Return a Wishart matrix over its rows, for the identity (Bartlett's decomposition)."""
    lower = np.tril(source.normal(size=(size, size)), -1)
    lower[np.diag_indices(size)] = np.sqrt(source.chisquare(rows - np.arange(size)))
    found: Floats = lower @ lower.T / rows
    return found


def within95(differences: Floats) -> Floats:
    """Return how far 95 of 100 draws are from nought at most."""
    found: Floats = np.quantile(np.abs(differences), 0.95, axis=0)
    return found
