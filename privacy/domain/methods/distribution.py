"""Distributions: histogram, cumulative shares and quantiles of a number, all from one small tree of noisy counts.

**What one person moves.** Values fall into public bins, equally wide, between public bounds; the outermost ones take what
lies beyond. Of a person the first `max_rows` rows in each of the first `max_groups` groups count (`Folded`). A level of
the tree adds 1, 4, 16 … neighbouring bins together, and never two groups, so that each counted row is in one node of
each level: a person moves a level by at most max_rows * sqrt(max_groups) (L2). Levels are paid for one by one.

**What is made of it.** The levels of a group are brought to fit each other by least squares (`hierarchy`). The quantile q
of a group lies in the first bin at whose end D = C - q N is not below nought, where C counts the rows below an edge and N
all of them. D is a sum of noisy counts with a variance that is known, so edges at which D is not distinguishable from
nought make an interval that holds the quantile of the group's rows with at least 95 %: the lower end is wrong only if
noise makes D look negative at the end of the quantile's bin (2.5 %), the upper end only if it makes D look positive at
the beginning (2.5 %). Within a bin the point is interpolated. Which levels there are was chosen for the least average
variance of D, from the number of bins alone.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import fold_doses, split
from hvelv.privacy.domain.checking import Amount, Key, number_of
from hvelv.privacy.domain.closed import Name, Number
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import MOST_CELLS, Dose, Folded, Noisy, Result, Step, Work, sentence
from hvelv.privacy.domain.methods.hierarchy import Estimator, tree
from hvelv.privacy.domain.methods.quantiles import Curve
from hvelv.privacy.domain.pricing import SIZES
from hvelv.privacy.domain.query import Bins, Groups
from hvelv.privacy.domain.schema import Code, Schema
from hvelv.privacy.domain.source import Asked

QUANTILES = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.2,
    0.25,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.75,
    0.8,
    0.9,
    0.95,
    0.975,
    0.99,
    0.995,
)
EXTREME = 0.025  # quantiles this close to the ends are no minimum and no maximum
USUAL = (0.05, 0.25, 0.5, 0.75, 0.95)
LEVELS: tuple[tuple[int, tuple[int, ...]], ...] = ((16, (1,)), (40, (1, 4)), (128, (1, 4, 16)), (256, (1, 4, 32)))
FARTHEST = sys.float_info.max
HALF = Fraction(1, 2)


class Distribution(Asked):
    """How the values of a number are spread, each clamped to [low, high]: by default the declared bounds."""

    kind: Literal["distribution"]
    column: Name
    low: Number | None = None
    high: Number | None = None
    bins: Literal[10, 20, 32, 64, 128, 256] = 64
    by: Annotated[tuple[Name | Bins, ...], Field(max_length=3)] = ()
    quantiles: Annotated[tuple[Number, ...], Field(min_length=1, max_length=len(QUANTILES))] = USUAL
    max_groups: Groups = 1


@dataclass(frozen=True)
class Grid:
    """Public bins between `edges` in the column's unit, and the key that finds them; the last bin may hold its end."""

    edges: tuple[float, ...]
    key: Key
    is_closed: bool

    @property
    def shown(self) -> list[int | float]:
        """Return the edges as people write them."""
        return [int(edge) if edge.is_integer() else edge for edge in self.edges]

    @property
    def labels(self) -> list[str]:
        """Return the bins' names."""
        shown = self.shown
        ends = [")"] * (len(shown) - 2) + ["]" if self.is_closed else ")"]
        return [f"[{a}, {b}{end}" for a, b, end in zip(shown[:-1], shown[1:], ends, strict=True)]


def grid_of(amount: Amount, bins: int) -> Grid:
    """Return at most so many bins of whole steps; where there is room for it, every step has its own.

    The cuts lie half a step below the edges, so that rounding of decimals decides nothing.
    """
    reach = amount.high - amount.low
    each = reach + 1 <= bins
    width = -(-(reach + each) // bins)
    units = [*range(amount.low, amount.high + each, width), amount.high + each]
    edges = tuple(float(number_of(unit * amount.step)) for unit in units)
    cuts = [float((unit - HALF) * amount.step) for unit in units[1:-1]]
    return Grid(edges, Key(amount.column, edges=(-FARTHEST, *cuts, FARTHEST)), not each)


def levels_of(bins: int) -> tuple[int, ...]:
    """Return how many bins each level of the tree takes together."""
    return next(levels for most, levels in LEVELS if bins <= most)


@dataclass(frozen=True)
class Distributed:
    """A distribution, checked."""

    framed: Framed
    asked: Distribution
    amount: Amount
    grid: Grid
    groups: tuple[Key, ...]
    ask: Folded

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the names of the groups' keys."""
        return tuple(key.name for key in self.groups)

    @property
    def summary(self) -> str:
        """Return the question in one line of names."""
        return f"{self.framed.table}: distribution_{self.asked.column}" + (
            f" / {', '.join(self.keys)}" * bool(self.keys)
        )

    @property
    def cells(self) -> int:
        """Return how many rows the answer has."""
        return len(self.asked.quantiles) * len(list(self.group_keys()))

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count in a group, and in how many groups."""
        return {"max_rows": self.ask.max_rows, "max_groups": self.ask.max_groups}

    def group_keys(self) -> Iterator[tuple[Code, ...]]:
        """Yield the groups' keys in the order of the vectors."""
        return product(*(key.labels for key in self.groups))

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of each level."""
        return fold_doses(self.ask, split(rho_micro, len(self.ask.folds)))

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure all levels at once, and read curves and quantiles off them."""
        noisy = yield Step(self.ask, tuple(doses))
        curves = list(zip(self.group_keys(), self._curves(noisy, doses), strict=True))
        rows = [row for key, curve in curves for row in self._quantiles(key, curve)]
        tables = {
            "histogram": {"keys": [*self.keys, "bin"], "rows": [r for k, c in curves for r in self._histogram(k, c)]},
            "ecdf": {"keys": [*self.keys, "below"], "rows": [r for k, c in curves for r in self._ecdf(k, c)]},
            "groups": {"keys": list(self.keys), "rows": [_group(key, curve) for key, curve in curves]},
        }
        picture = {"mark": "line", "x": "quantile", "y": "value", "band": True}
        if self.keys:
            picture["colour"] = self.keys[0]
        return Result((*self.keys, "quantile"), rows, tables, tuple(self._notes()), picture)

    def estimator(self, doses: Sequence[Dose]) -> Estimator:
        """Return what makes bins that fit of a group's levels."""
        return tree(len(self.grid.labels), [fold[-1] for fold in self.ask.folds], [dose.deviation for dose in doses])

    def _curves(self, noisy: Noisy, doses: Sequence[Dose]) -> Iterator[Curve]:
        estimator, groups = self.estimator(doses), prod(self.ask.shape[: self.ask.grouped])
        levels = [np.array(level, np.float64).reshape(groups, -1) for level in noisy]
        for group in range(groups):
            yield Curve(estimator.leaves([level[group] for level in levels]), estimator.covariance, self.grid.edges)

    def _quantiles(self, key: Sequence[Code], curve: Curve) -> Iterator[dict[str, Any]]:
        lowest, highest = self.amount.bounds
        for share in self.asked.quantiles:
            row: dict[str, Any] = {"value": None, "value_low": None, "value_high": None}
            error = None
            if curve.says_something:
                found = curve.quantile(share, lowest, highest)
                row, error = {"value": found.value, "value_low": found.low, "value_high": found.high}, found.error95
            yield {"key": [*key, share], "values": row, "error95": {"value": error}}

    def _histogram(self, key: Sequence[Code], curve: Curve) -> Iterator[dict[str, Any]]:
        for label, count, error in zip(self.grid.labels, curve.counts, curve.counts_error95, strict=True):
            yield {"key": [*key, label], "values": {"count": float(count)}, "error95": {"count": float(error)}}

    def _ecdf(self, key: Sequence[Code], curve: Curve) -> Iterator[dict[str, Any]]:
        shares, errors = curve.shares() if curve.says_something else (None, None)
        for i, edge in enumerate(self.grid.shown[1:-1], start=1):
            share = None if shares is None else float(shares[i])
            error = None if errors is None else float(errors[i])
            yield {"key": [*key, edge], "values": {"share": share}, "error95": {"share": error}}

    def _notes(self) -> Iterator[dict[str, Any]]:
        yield sentence(
            _("Kvantilene gjelder radene i uttrekket; intervallene tar med støyen, men ikke at radene er et utvalg.")
        )
        if any(not EXTREME < share < 1 - EXTREME for share in self.asked.quantiles):
            yield sentence(
                _("Det minste og det største tallet kan ikke gis ut. Kvantilene ytterst er det nærmeste en kommer.")
            )

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the error of a bin's count, and of the share below an edge in the middle, for groups of some sizes."""
        estimator = self.estimator(doses)
        bins = len(estimator.covariance)
        even = Curve(np.full(bins, 1 / bins), estimator.covariance, self.grid.edges)
        error = float(even.shares()[1][bins // 2])
        return [
            {
                "name": "value",
                "kind": "distribution",
                "scale": doses[0].deviation,
                "error95": None,
                "bins": bins,
                "count_error95": float(even.counts_error95[bins // 2]),
                "share_error95_at": [{"rows": rows, "error95": error / rows} for rows in SIZES],
            }
        ]

    def warnings(self) -> list[dict[str, Any]]:
        """Return what the bins and bounds do."""
        message = _("Et kvantil kan ikke leses av finere enn intervallene: {bins} fra {low} til {high}.")
        low, high = self.grid.shown[0], self.grid.shown[-1]
        found = [sentence(message, bins=len(self.grid.labels), low=low, high=high)]
        found.append(sentence(_("Feilen i et kvantil avhenger av hvor mange rader gruppen har.")))
        found.append(sentence(_("Av en persons rader teller de {rows} første i hver gruppe."), rows=self.ask.max_rows))
        return found


def _group(key: Sequence[Code], curve: Curve) -> dict[str, Any]:
    return {"key": list(key), "values": {"count": curve.total}, "error95": {"count": curve.total_error95}}


def prepare(asked: Distribution, schemas: Mapping[str, Schema]) -> Distributed:
    """Return the method for a distribution. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(asked, schemas)
    groups = tuple(key for i, item in enumerate(asked.by) if (key := checker.key(item, f"by.{i}")))
    if len({key.name for key in groups}) != len(groups):
        checker.fault("by", _("Den samme variabelen kan bare grupperes på én gang."))
    if any(share not in QUANTILES for share in asked.quantiles) or list(asked.quantiles) != sorted(
        set(asked.quantiles)
    ):
        checker.fault("quantiles", _("Kvantilene må være blant dem som kan brukes, i stigende rekkefølge."))
    amount = checker.amount(asked.column, asked.low, asked.high, "")
    grid = grid_of(amount, asked.bins) if amount else None
    size = prod(len(key.labels) for key in groups)
    if grid is not None and size * len(grid.labels) > MOST_CELLS:
        checker.fault("by", _("Svaret ville fått flere enn {most} celler."), most=MOST_CELLS)
    checker.done()
    if amount is None or grid is None:
        raise ValueError("a fault that was not told")
    folds = tuple((*(1 for _key in groups), together) for together in levels_of(len(grid.labels)))
    ask = Folded((*groups, grid.key), len(groups), folds, asked.max_rows, min(asked.max_groups, size))
    return Distributed(rows, asked, amount, grid, groups, ask)
