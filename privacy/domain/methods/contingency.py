"""Contingency tables of two to four keys, with margins that are measured for themselves and all made to fit.

**What one person moves.** Of a person the first `max_rows` rows in each of the first `max_groups` cells of the whole table
count, and margins are sums over that one table (`Folded`). So a person moves the table by at most max_rows *
sqrt(max_groups) (L2), and a margin, where all of it may fall in one place, by at most max_rows * max_groups. The table
and each margin are paid for one by one, in the shares that were asked for.

**What is made of it.** The least-squares table (`margins`) is the best linear unbiased estimate from all that was
measured; all margins are sums of it, and their errors follow from its covariance. Where negative cells are not wanted,
the table without any that fits best is told; the errors are then those of the estimate before, and on the safe side.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import error95, fold_doses, split
from hvelv.privacy.domain.checking import Checker, Key
from hvelv.privacy.domain.closed import Name
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import MOST_CELLS, Dose, Folded, Noisy, Result, Step, Work, sentence
from hvelv.privacy.domain.methods.association import association
from hvelv.privacy.domain.methods.margins import Axes, Floats, Margins, subsets
from hvelv.privacy.domain.pricing import per_cent, would_cost_in_all
from hvelv.privacy.domain.query import Bins, Groups
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import Asked

TABLE_SHARE: Mapping[str, tuple[int, int]] = {"cells": (1, 2), "margins": (1, 4)}  # of the price; "even": like a margin
PAIR, FEWEST = 2, 2
NAME_OF_ALL = "total"


class Contingency(Asked):
    """How many rows there are in each cell of a table, and along its margins."""

    kind: Literal["contingency"]
    by: Annotated[tuple[Name | Bins, ...], Field(min_length=2, max_length=4)]
    margins: (
        Annotated[tuple[Annotated[tuple[Name, ...], Field(min_length=1, max_length=3)], ...], Field(max_length=14)]
        | None
    ) = None
    shares: Literal["even", "cells", "margins"] = "even"
    non_negative: bool = True
    max_groups: Groups = 1


@dataclass(frozen=True)
class Crossed:
    """A contingency table, checked. `kept`: the axes of what is measured, the whole table first."""

    framed: Framed
    asked: Contingency
    ask: Folded
    kept: tuple[Axes, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the names of the table's axes."""
        return tuple(key.name for key in self.ask.keys)

    @property
    def summary(self) -> str:
        """Return the question in one line of names."""
        return f"{self.framed.table}: contingency / {', '.join(self.keys)}"

    @property
    def cells(self) -> int:
        """Return how many cells the table has."""
        return int(np.prod(self.ask.shape))

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count in a cell, and in how many cells."""
        return {"max_rows": self.ask.max_rows, "max_groups": self.ask.max_groups}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of the table and of each margin."""
        margins = len(self.kept) - 1
        if not margins or self.asked.shares not in TABLE_SHARE:
            return fold_doses(self.ask, split(rho_micro, 1 + margins))
        part, of = TABLE_SHARE[self.asked.shares]
        first = rho_micro * part // of
        return fold_doses(self.ask, (first, *split(rho_micro - first, margins)))

    def margins(self, doses: Sequence[Dose]) -> Margins:
        """Return what is measured, with its noise."""
        return Margins(self.ask.shape, self.kept, tuple(dose.deviation**2 for dose in doses))

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure the table and its margins at once, and make them fit."""
        noisy: Noisy = yield Step(self.ask, tuple(doses))
        margins = self.margins(doses)
        measured = [np.array(values, np.float64) for values in noisy]
        fitted = margins.fitted(measured)
        table = margins.without_negatives(measured) if self.asked.non_negative else fitted
        everything = frozenset(margins.axes)
        tables = {self._name(kept): self._table(table, kept, margins) for kept in subsets(margins.axes)}
        rows = tables.pop(self._name(everything))["rows"]
        tables["association"] = {"keys": ["left", "right"], "rows": list(self._associations(fitted, margins))}
        picture = {"mark": "heat", "x": self.keys[0], "y": self.keys[1], "colour": "count"}
        return Result(self.keys, rows, tables, tuple(self._notes()), picture)

    def _name(self, kept: Axes) -> str:
        return "_".join(self.keys[axis] for axis in sorted(kept)) or NAME_OF_ALL

    def _table(self, table: Floats, kept: Axes, margins: Margins) -> dict[str, Any]:
        error = error95(margins.variance(kept) ** 0.5)
        labels = product(*(self.ask.keys[axis].labels for axis in sorted(kept)))
        counts = np.ravel(margins.margin(table, kept)).tolist()
        rows = [
            {"key": list(key), "values": {"count": count}, "error95": {"count": error}}
            for key, count in zip(labels, counts, strict=True)
        ]
        return {"keys": [self.keys[axis] for axis in sorted(kept)], "rows": rows}

    def _associations(self, fitted: Floats, margins: Margins) -> Iterator[dict[str, Any]]:
        enough = float(fitted.sum()) > max(1.0, error95(margins.variance(frozenset()) ** 0.5))
        for left, right in combinations(margins.axes, PAIR):
            values: dict[str, float | None] = dict.fromkeys(
                ("chi_square", "cramers_v", "cramers_v_low", "cramers_v_high")
            )
            errors: dict[str, float | None] = {"chi_square": None, "cramers_v": None}
            if enough and min(self.ask.shape[left], self.ask.shape[right]) >= FEWEST:
                both = frozenset({left, right})
                added = margins.length(margins.dropped(both))
                parts = [added / margins.strength[some] for some in subsets((left, right))]
                found = association(margins.margin(fitted, both), (parts[0], parts[1], parts[2], parts[3]))
                values = {
                    "chi_square": found.chi_square,
                    "cramers_v": found.v,
                    "cramers_v_low": found.v_low,
                    "cramers_v_high": found.v_high,
                }
                errors = {
                    "chi_square": max(found.chi_high - found.chi_square, found.chi_square - found.chi_low),
                    "cramers_v": max(found.v_high - found.v, found.v - found.v_low),
                }
            yield {"key": [self.keys[left], self.keys[right]], "values": values, "error95": errors}

    def _notes(self) -> Iterator[dict[str, Any]]:
        yield sentence(_("Tabellen og randene er tilpasset hverandre, så alle summer stemmer."))
        if self.asked.non_negative:
            yield sentence(_("Ingen celle er negativ; det gjør små celler litt for store i gjennomsnitt."))
        yield sentence(
            _(
                "Kjikvadratet er regnet fra tall med støy, og støyens gjennomsnittlige bidrag er trukket fra. Intervallene "
                "tar med støyen, men ikke at radene er et utvalg: det er ingen test."
            )
        )

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the error of the table's cells, and of each margin that is measured."""
        margins, price = self.margins(doses), sum(dose.rho_micro for dose in doses)
        found = []
        for kept, dose in zip(self.kept, doses, strict=True):
            error = error95(margins.variance(kept) ** 0.5)
            whole = len(kept) == len(self.ask.shape)
            known: dict[str, Any] = {
                "name": "count" if whole else self._name(kept),
                "kind": "count" if whole else "margin",
            }
            known |= {"scale": dose.deviation, "error95": error, "would_cost": would_cost_in_all(error, price)}
            found.append(known | per_cent(error, None))
        return found

    def warnings(self) -> list[dict[str, Any]]:
        """Return what bounding does, and what would be cheaper."""
        message = _("En person teller i høyst {groups} av {cells} celler.")
        found = [sentence(message, groups=self.ask.max_groups, cells=self.cells)] * (self.ask.max_groups < self.cells)
        found.append(sentence(_("Av en persons rader teller de {rows} første i hver celle."), rows=self.ask.max_rows))
        if len(self.kept) > 1:
            found.append(sentence(_("Hver rand som måles, tar sin del av prisen: be bare om dem som trengs.")))
        return found


def _kept(asked: Contingency, names: Sequence[str], checker: Checker) -> tuple[Axes, ...]:
    """Return the axes of each margin that is to be measured."""
    whole = frozenset(range(len(names)))
    if asked.margins is None:
        return tuple(frozenset({axis}) for axis in sorted(whole))
    found = []
    for i, margin in enumerate(asked.margins):
        kept = frozenset(names.index(name) for name in margin if name in names)
        if len(kept) != len(margin) or kept == whole:
            checker.fault(f"margins.{i}", _("En rand er noen av tabellens variabler, hver av dem én gang."))
        found.append(kept)
    if len(set(found)) != len(found):
        checker.fault("margins", _("Den samme randen kan bare tas med én gang."))
    return tuple(found)


def prepare(asked: Contingency, schemas: Mapping[str, Schema]) -> Crossed:
    """Return the method for a contingency table. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(asked, schemas)
    keys: tuple[Key, ...] = tuple(key for i, item in enumerate(asked.by) if (key := checker.key(item, f"by.{i}")))
    names = [key.name for key in keys]
    if len(set(names)) != len(names):
        checker.fault("by", _("Den samme variabelen kan bare grupperes på én gang."))
    size = int(np.prod([len(key.labels) for key in keys], dtype=np.float64))
    if size > MOST_CELLS:
        checker.fault("by", _("Svaret ville fått flere enn {most} celler."), most=MOST_CELLS)
    margins = _kept(asked, names, checker) if len(keys) == len(asked.by) else ()
    checker.done()
    kept = (frozenset(range(len(keys))), *margins)
    folds = tuple(tuple(1 if a in some else len(key.labels) for a, key in enumerate(keys)) for some in kept)
    ask = Folded(keys, len(keys), folds, asked.max_rows, min(asked.max_groups, size))
    return Crossed(rows, asked, ask, kept)
