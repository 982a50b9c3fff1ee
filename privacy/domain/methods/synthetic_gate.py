"""Rows drawn from noisy margins, and the gate that they pass before anybody sees them.

Methods like this one have been seen to invent dependence. So each pair of columns is compared with the margin as it is told,
both in the fitted distribution and in the drawn rows: half the sum of |share - share| (total variation, TVD) may be SLACK and
what noise explains, together MOST_FAR at most, and in rows what rounding explains. If one pair is farther off, no row is told.

Noise of variance v in n cells moves them by no more than r = (v * chi-square95(n))^(1/2) in 95 of 100 draws, and half the
sum of what it moves them by is at most n^(1/2) * r / 2 (Cauchy & Schwarz). Rounding moves each combination by less than a
row; and to m rows it moves a pair no more than a multinomial draw does, the mean of which and more than two deviations are
(n^(1/2) + 2) / (2 * m^(1/2)).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hvelv.privacy.domain.accounting import error95
from hvelv.privacy.domain.methods.fitting import Pair, Wanted, ball, fitted, rounded, told_apart, without_negatives
from hvelv.privacy.domain.methods.margins import Axes, Floats, Margins

SLACK, MOST_FAR = 0.02, 0.25  # in total variation
Fit = Mapping[str, float | None]
GATES = (("tvd", "limit"), ("tvd_fitted", "limit_fitted"))
NOBODY: Fit = dict.fromkeys([*sum(GATES, ()), "kept"])


@dataclass(frozen=True)
class Told:
    """What the answer is made of: margins that fit each other, by axes; the rows as a table of counts; how each pair fits.

    `fit`: `tvd` and `limit` of the rows, `tvd_fitted` and `limit_fitted` of the distribution; `kept`: how much of the pair's dependence is left, from 0 to 1.
    """

    margins: Mapping[Axes, Floats]
    rows: Floats | None
    fit: Mapping[Pair, Fit]

    @property
    def refused(self) -> int:
        """Return how many pairs do not pass."""
        return sum(not _passes(fit) for fit in self.fit.values())


def _passes(fit: Fit) -> bool:
    both = [(fit[far], fit[most]) for far, most in GATES]
    return all(far is not None and most is not None and far <= most for far, most in both)


def told_of(found: Mapping[Axes, Floats], margins: Margins, pairs: Sequence[Pair], asked: int | None) -> Told:
    """Return as many rows as were `asked` for, or as there seem to be, made of margins that fit each other."""
    total = float(found[frozenset()])
    if total <= max(1.0, error95(margins.variance(frozenset()) ** 0.5)):
        return Told(found, None, dict.fromkeys(pairs, NOBODY))
    alone = [without_negatives(found[frozenset({axis})], total) for axis in margins.axes]
    wanted: dict[Pair, Wanted] = {}
    kept = dict.fromkeys(pairs, 0.0)
    for left, right in pairs:
        axes = frozenset({left, right})
        variance = margins.length(margins.dropped(axes)) / margins.strength[axes]  # as it was drawn
        target, kept[left, right] = told_apart(found[axes], np.outer(alone[left], alone[right]) / total, variance)
        if kept[left, right]:
            wanted[left, right] = target, variance**0.5
    table = fitted(alone, wanted)
    count = asked or round(total)
    rows = rounded(table * (count / table.sum()), np.random.default_rng())
    fit = {}
    for pair in pairs:
        axes = frozenset(pair)
        fit[pair] = {
            "tvd": apart(margins.margin(rows, axes), found[axes], total),
            "limit": limit(axes, margins, total) + rounding(axes, margins, count),
            "tvd_fitted": apart(margins.margin(table, axes), found[axes], total),
            "limit_fitted": limit(axes, margins, total),
            "kept": kept[pair],
        }
    return Told(found, rows, fit)


def noise(axes: Axes, margins: Margins) -> float:
    """Return how far noise moves a margin of two keys in 95 of 100 draws: half the sum of what it moves its cells."""
    cells = margins.length(axes)
    return math.sqrt(cells * ball(cells) * margins.variance(axes)) / 2


def apart(counts: Floats, measured: Floats, total: float) -> float:
    """Return the total variation between counts and what was measured, each over its own total."""
    return float(np.abs(counts / counts.sum() - measured / total).sum()) / 2


def limit(axes: Axes, margins: Margins, total: float) -> float:
    """Return how far a pair of columns of the distribution may be from what was measured."""
    return min(MOST_FAR, SLACK + noise(axes, margins) / total)


def rounding(axes: Axes, margins: Margins, rows: int) -> float:
    """Return how much farther a pair of columns may be in so many rows."""
    return min((math.sqrt(margins.length(axes)) + 2) / math.sqrt(rows), margins.length(margins.axes) / rows) / 2
