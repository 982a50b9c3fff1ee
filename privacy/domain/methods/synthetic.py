"""Synthetic rows of two to eight keys: noisy margins of one and two keys, and rows that have these.

**What one person moves.** The first `max_rows` rows of a person count, and all margins are sums over the one table of these
(`Folded`, without groups). Each row is in one place of a margin, so a person moves each margin by at most `max_rows` (L2).
Margins are paid for one by one, in the shares that were asked for. All that follows is post-processing of noisy numbers.

**What is made of it.** Least squares brings the margins to fit each other; they are told, with their errors. A distribution
is fitted to them (`fitting`) and rows are drawn from it: what is alike in rows and data is the pairs that were measured,
and nothing else. No row is anybody's.

`synthetic_gate` compares the rows with the margins before any row is told. The answer's form is the same either way.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, prod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import error95, fold_doses, split
from hvelv.privacy.domain.checking import Checker, Key
from hvelv.privacy.domain.closed import Name
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import MOST_CELLS, Dose, Folded, Noisy, Result, Step, Work, sentence
from hvelv.privacy.domain.methods.fitting import Pair, fitted_margin
from hvelv.privacy.domain.methods.margins import Axes, Floats, Margins
from hvelv.privacy.domain.methods.synthetic_gate import MOST_FAR, SLACK, Told, noise, told_of
from hvelv.privacy.domain.pricing import per_cent, would_cost_in_all
from hvelv.privacy.domain.query import Bins
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import Asked

MOST_PLACES = 100  # of one key
MOST_COMBINATIONS = 1_000_000
MOST_ROWS = 100_000  # that can be asked for
ROW_DIGITS = 2
PAIR, FEW_PAIRS = 2, 6
SHARES: Mapping[str, tuple[int, int]] = {"one_way": (1, 2), "two_way": (1, 10)}  # of the price, to margins of one key


class Synthetic(Asked):
    """Rows that are nobody's, with the margins of one key and of `pairs` (all of them, unless said) that the data have."""

    kind: Literal["synthetic"]
    by: Annotated[tuple[Name | Bins, ...], Field(min_length=2, max_length=8)]
    pairs: Annotated[tuple[tuple[Name, Name], ...], Field(min_length=1, max_length=28)] | None = None
    rows: Annotated[int, Field(ge=10, le=MOST_ROWS)] | None = None
    shares: Literal["even", "one_way", "two_way"] = "even"


@dataclass(frozen=True)
class Drawn:
    """Synthetic rows, checked. `pairs`: the axes of the pairs that are measured."""

    framed: Framed
    asked: Synthetic
    ask: Folded
    pairs: tuple[Pair, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(key.name for key in self.ask.keys)

    @property
    def summary(self) -> str:
        """Return the question in one line of names."""
        return f"{self.framed.table}: synthetic / {', '.join(self.keys)}"

    @property
    def counted(self) -> bool:
        """Say whether the answer has a count for each combination, and not a line for each row."""
        return prod(self.ask.shape) <= MOST_CELLS

    @property
    def cells(self) -> int:
        """Return how many lines the answer has."""
        return prod(self.ask.shape) if self.counted else int(self.asked.rows or 0)

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count."""
        return {"max_rows": self.ask.max_rows}

    @property
    def kept(self) -> tuple[Axes, ...]:
        """Return the axes of each margin that is measured, in the order of the folds."""
        return (*(frozenset({axis}) for axis in range(len(self.keys))), *map(frozenset, self.pairs))

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of each margin."""
        one, two = len(self.keys), len(self.pairs)
        if self.asked.shares not in SHARES:
            return fold_doses(self.ask, split(rho_micro, one + two))
        share, of = SHARES[self.asked.shares]
        first = rho_micro * share // of
        return fold_doses(self.ask, (*split(first, one), *split(rho_micro - first, two)))

    def margins(self, doses: Sequence[Dose]) -> Margins:
        """Return what is measured, with its noise."""
        return Margins(self.ask.shape, self.kept, tuple(dose.deviation**2 for dose in doses))

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure all margins at once, fit a distribution, draw rows and compare them with the margins."""
        noisy: Noisy = yield Step(self.ask, tuple(doses))
        margins = self.margins(doses)
        measured = [np.array(values, np.float64) for values in noisy]
        found = {kept: fitted_margin(margins, measured, kept) for kept in (frozenset[int](), *self.kept)}
        told = told_of(found, margins, self.pairs, self.asked.rows)
        rows = None if told.refused else told.rows
        two = self.counted and len(self.keys) == PAIR
        picture = {"mark": "heat", "x": self.keys[0], "y": self.keys[1], "colour": "count"} if two else {}
        lines = self._counts(rows) if self.counted else self._lines(rows)
        names = self.keys if self.counted else ("row", *self.keys)
        return Result(names, list(lines), self._tables(told, margins), tuple(self._notes(told.refused)), picture)

    def _counts(self, rows: Floats | None) -> Iterator[dict[str, Any]]:
        counts: Sequence[float | None] = [None] * self.cells if rows is None else rows.ravel().tolist()
        for key, count in zip(product(*(key.labels for key in self.ask.keys)), counts, strict=True):
            yield _line(list(key), None if count is None else int(count))

    def _lines(self, rows: Floats | None) -> Iterator[dict[str, Any]]:
        labels = [key.labels for key in self.ask.keys]
        if rows is None:
            for number in range(1, self.cells + 1):
                yield _line([number, *(None for _key in labels)], None)
            return
        where = np.repeat(np.arange(rows.size), rows.ravel().astype(np.int64))
        places = np.stack(np.unravel_index(where, rows.shape), axis=1).tolist()
        for number, row in enumerate(places, start=1):
            yield _line([number, *(of[place] for of, place in zip(labels, row, strict=True))], 1)

    def _tables(self, told: Told, margins: Margins) -> dict[str, dict[str, Any]]:
        fit = [
            {"key": [self.keys[left], self.keys[right]], "values": dict(values), "error95": {}}
            for (left, right), values in told.fit.items()
        ]
        errors = {kept: error95(margins.variance(kept) ** 0.5) for kept in told.margins}
        by_size: dict[int, list[dict[str, Any]]] = {0: [], 1: [], PAIR: []}
        for kept, counts in told.margins.items():
            axes = sorted(kept)
            names, labels = [self.keys[axis] for axis in axes], product(*(self.ask.keys[axis].labels for axis in axes))
            lines = [
                {"key": [*names, *label], "values": {"count": count}, "error95": {"count": errors[kept]}}
                for label, count in zip(labels, np.ravel(counts).tolist(), strict=True)
            ]
            by_size[len(axes)] += lines
        return {
            "fit": {"keys": ["left", "right"], "rows": fit},
            "total": {"keys": [], "rows": by_size[0]},
            "one_way": {"keys": ["column", "value"], "rows": by_size[1]},
            "two_way": {"keys": ["left", "right", "left_value", "right_value"], "rows": by_size[PAIR]},
        }

    def _notes(self, refused: int) -> Iterator[dict[str, Any]]:
        yield sentence(
            _(
                "Radene er trukket tilfeldig fra en fordeling som passer til de målte randene. Ingen av dem er en person i "
                "dataene."
            )
        )
        yield sentence(
            _(
                "Det er bare parene som er målt, som ligner på dataene. Sammenhenger mellom andre par, og mellom tre eller "
                "flere variabler, er ikke målt: de er bare det som følger av parene."
            )
        )
        yield sentence(
            _(
                "Av hvert pars samvariasjon er det tatt bort så mye som støyen kan ha laget; «kept» er andelen som er igjen. "
                "Svak samvariasjon kan derfor mangle."
            )
        )
        yield sentence(
            _(
                "{refused} av {pairs} par i radene er lenger fra det som er målt («tvd»), enn grensen («limit»). Er det ett "
                "eller flere, gis ingen rader, bare randene."
            ),
            refused=refused,
            pairs=len(self.pairs),
        )

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the largest error of the margins of one key and of two, and how many rows there must be for the gate."""
        margins, price = self.margins(doses), sum(dose.rho_micro for dose in doses)
        found = []
        for name, size in (("one_way", 1), ("two_way", PAIR)):
            some = [
                (margins.variance(kept), dose) for kept, dose in zip(self.kept, doses, strict=True) if len(kept) == size
            ]
            error, scale = error95(max(some)[0] ** 0.5), max(dose.deviation for _variance, dose in some)
            known = {"name": name, "kind": "margin", "scale": scale, "error95": error}
            found.append(known | {"would_cost": would_cost_in_all(error, price)} | per_cent(error, None))
        worst = max(noise(frozenset(pair), margins) for pair in self.pairs)
        found[-1]["least_rows"] = ceil(worst / (MOST_FAR - SLACK))
        return found

    def warnings(self) -> list[dict[str, Any]]:
        """Return what bounding does, and what would be cheaper."""
        found = [sentence(_("Av en persons rader teller de {rows} første."), rows=self.ask.max_rows)]
        if len(self.pairs) > FEW_PAIRS:
            message = _("{pairs} par deler prisen: oppgi «pairs» for å måle bare dem som trengs.")
            found.append(sentence(message, pairs=len(self.pairs)))
        return found


def _line(key: list[Any], count: int | None) -> dict[str, Any]:
    return {"key": key, "values": {"count": count}, "error95": {"count": None}}


def _pairs(asked: Synthetic, names: Sequence[str], checker: Checker) -> tuple[Pair, ...]:
    """Return the axes of each pair that is to be measured, in order."""
    if asked.pairs is None:
        return tuple((left, right) for left in range(len(names)) for right in range(left + 1, len(names)))
    found = []
    for i, pair in enumerate(asked.pairs):
        axes = sorted({names.index(name) for name in pair if name in names})
        if len(axes) != PAIR:
            checker.fault(f"pairs.{i}", _("Et par er to forskjellige av variablene i «by»."))
            continue
        found.append((axes[0], axes[1]))
    if len(set(found)) != len(found):
        checker.fault("pairs", _("Det samme paret kan bare tas med én gang."))
    return tuple(sorted(found))


def _sizes(asked: Synthetic, sizes: Sequence[int], pairs: Sequence[Pair], checker: Checker) -> None:
    """Note what is too large."""
    for i, size in enumerate(sizes):
        if size > MOST_PLACES:
            checker.fault(f"by.{i}", _("En variabel kan ha høyst {most} verdier her."), most=MOST_PLACES)
    combined = prod(sizes)
    if combined > MOST_COMBINATIONS:
        message = _(
            "Det kan være høyst {most} kombinasjoner av verdier: ta færre variabler, eller bredere intervaller."
        )
        checker.fault("by", message, most=MOST_COMBINATIONS)
    if sum(sizes) + sum(sizes[left] * sizes[right] for left, right in pairs) > MOST_CELLS:
        checker.fault("by", _("Svaret ville fått flere enn {most} celler."), most=MOST_CELLS)
    if asked.rows is not None and len(str(asked.rows).rstrip("0")) > ROW_DIGITS:
        checker.fault("rows", _("Antallet kan ha høyst to sifre som ikke er null til slutt."))
    if combined > MOST_CELLS and not 0 < (asked.rows or 0) <= MOST_CELLS:
        message = _("Med flere enn {most} kombinasjoner gis radene én for én: oppgi hvor mange, høyst {most}.")
        checker.fault("rows", message, most=MOST_CELLS)


def prepare(asked: Synthetic, schemas: Mapping[str, Schema]) -> Drawn:
    """Return the method for synthetic rows. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(asked, schemas)
    keys: tuple[Key, ...] = tuple(key for i, item in enumerate(asked.by) if (key := checker.key(item, f"by.{i}")))
    names, sizes = [key.name for key in keys], [len(key.labels) for key in keys]
    if len(set(names)) != len(names):
        checker.fault("by", _("Den samme variabelen kan bare grupperes på én gang."))
    checker.done()
    pairs = _pairs(asked, names, checker)
    _sizes(asked, sizes, pairs, checker)
    checker.done()
    kept = [{axis} for axis in range(len(keys))] + [set(pair) for pair in pairs]
    folds = tuple(tuple(1 if axis in some else size for axis, size in enumerate(sizes)) for some in kept)
    return Drawn(rows, asked, Folded(keys, 0, folds, asked.max_rows, 1), pairs)
