"""Centres to begin k-means with, from a noisy histogram: post-processing, with a randomness of its own and always the same."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from hvelv.privacy.domain.methods.design import Floats

BEGINNINGS = 30
ROUNDS = 40
SEED = 20_160_309
STANDS_OUT = 2.0  # deviations: what a cell must count to be a point


@dataclass(frozen=True)
class Points:
    """The middles of cells (points, columns) and how much each weighs."""

    places: Floats
    weights: Floats

    @classmethod
    def of(cls, counts: Floats, deviation: float, bins: int, size: int) -> "Points":
        """Return the cells whose noisy count stands out; all of them, alike, where none does."""
        along = -1 + (2 * np.arange(bins) + 1) / bins
        places = np.array(list(itertools.product(along, repeat=size)))
        stands = counts > max(STANDS_OUT * deviation, 0.5)
        if not stands.any():
            return cls(places, np.ones(len(places)))
        return cls(places[stands], counts[stands])


def begun(points: Points, k: int) -> Floats:
    """Return `k` centres: the best of some beginnings of weighted k-means (k-means++, Arthur & Vassilvitskii 2007)."""
    source = np.random.default_rng(SEED)
    found = [_settled(points, _spread(points, k, source)) for _beginning in range(BEGINNINGS)]
    return min(found, key=lambda pair: pair[0])[1]


def _spread(points: Points, k: int, source: Any) -> Floats:
    """Return centres far from each other, drawn by weight times squared distance."""
    chosen = [source.choice(len(points.places), p=points.weights / points.weights.sum())]
    for _centre in range(k - 1):
        mass = points.weights * _squares(points.places, points.places[chosen]).min(axis=1)
        even = points.weights / points.weights.sum()
        chosen.append(source.choice(len(points.places), p=mass / mass.sum() if mass.sum() > 0 else even))
    centres = points.places[chosen].copy()
    apart: Floats = np.clip(centres + source.normal(0.0, 1e-3, centres.shape), -1.0, 1.0)  # no two are the same
    return apart


def _settled(points: Points, centres: Floats) -> tuple[float, Floats]:
    """Return the weighted squared distance and the centres after Lloyd's rounds without noise."""
    for _round in range(ROUNDS):
        nearest = _squares(points.places, centres).argmin(axis=1)
        mass = np.bincount(nearest, points.weights, len(centres))
        moved = np.stack(
            [np.bincount(nearest, points.weights * column, len(centres)) for column in points.places.T], axis=1
        )
        new = np.where((mass > 0)[:, None], moved / np.maximum(mass, 1e-9)[:, None], centres)
        if np.allclose(new, centres):
            break
        centres = new
    return float((points.weights * _squares(points.places, centres).min(axis=1)).sum()), centres


def _squares(places: Floats, centres: Floats) -> Floats:
    found: Floats = ((places[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return found
