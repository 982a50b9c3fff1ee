"""Least squares on noisy sums that overlap: one estimate that fits them all, with its covariance.

Sums of the same counted rows, measured at several levels or margins, contradict each other by their noise alone. The
weighted least-squares estimate is the best linear unbiased one, and makes them fit (Hay, Rastogi, Miklau & Suciu 2010,
section 4). It is post-processing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimator:
    """Makes leaves of measured sums: `weights` (leaves, sums), and the leaves' covariance (leaves, leaves)."""

    weights: Floats
    covariance: Floats

    def leaves(self, measured: Sequence[Floats]) -> Floats:
        """Return the leaves that fit the measured levels, finest first, best."""
        found: Floats = self.weights @ np.concatenate(measured)
        return found


def level(leaves: int, together: int) -> Floats:
    """Return the matrix that adds so many neighbouring leaves together."""
    nodes = -(-leaves // together)
    made = np.zeros((nodes, leaves))
    made[np.arange(leaves) // together, np.arange(leaves)] = 1
    return made


def tree(leaves: int, levels: Sequence[int], deviations: Sequence[float]) -> Estimator:
    """Return the estimator for levels that add 1, 4 … leaves together, with noise of these standard deviations."""
    parts = [level(leaves, together) / deviation for together, deviation in zip(levels, deviations, strict=True)]
    design = np.vstack(parts)
    covariance: Floats = np.linalg.inv(design.T @ design).astype(np.float64)
    scales = np.concatenate([np.full(len(part), d) for part, d in zip(parts, deviations, strict=True)])
    return Estimator(covariance @ design.T / scales, covariance)
