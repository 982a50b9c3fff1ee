"""Survival: Kaplan–Meier, Nelson–Aalen, restricted mean, median and log-rank from one table of noisy counts.

**What one person moves.** One row of each person counts: the first that has a group, a time from 0 up and a truth value
for whether the event came. It falls in one cell of (group, interval of time, event or not), whose number is decided from
that row and public edges alone. So a person moves one count by one: L2 = 1, for all groups and intervals together. Times
at or beyond the horizon are people who were followed to it, whatever came after.

**What is made of it** is post-processing of those counts (`curves`). That a table of noisy counts is enough for survival
curves: Gondara & Wang, "Differentially private survival function estimation" (MLHC 2020).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import cell_doses, error95
from hvelv.privacy.domain.checking import Key
from hvelv.privacy.domain.closed import Name
from hvelv.privacy.domain.framing import NOT_A_NUMBER, NOT_TRUE_OR_FALSE, NUMBERS, TRUTH, Framed, few_digits, framed
from hvelv.privacy.domain.measuring import MOST_CELLS, ROWS, Cells, Dose, Noisy, Result, Step, Work, sentence
from hvelv.privacy.domain.methods.curves import Followed, LogRank, log_rank
from hvelv.privacy.domain.methods.ratios import Estimate
from hvelv.privacy.domain.pricing import SIZES, would_cost
from hvelv.privacy.domain.query import Bins
from hvelv.privacy.domain.schema import Code, Column, Schema
from hvelv.privacy.domain.source import LONGEST_WAIT, Asked

MOST_INTERVALS = 100
FARTHEST = 2**53  # above every time: people who were followed to the horizon or beyond


class Survival(Asked):
    """Time until an event, or until follow-up ended without it, in intervals of `width` up to the horizon."""

    kind: Literal["survival"]
    by: Annotated[tuple[Name | Bins, ...], Field(max_length=2)] = ()
    time: Name
    event: Name
    width: Annotated[int, Field(ge=1, le=LONGEST_WAIT)]
    intervals: Annotated[int, Field(ge=1, le=MOST_INTERVALS)]

    @property
    def horizon(self) -> int:
        """Return the time after which nothing is looked at."""
        return self.width * self.intervals


@dataclass(frozen=True)
class Curves:
    """Survival, checked."""

    framed: Framed
    asked: Survival
    keys: tuple[Key, ...]
    ask: Cells

    @property
    def summary(self) -> str:
        """Return the question in one line of names."""
        names = ", ".join(key.name for key in self.keys)
        return f"{self.framed.table}: {self.asked.event} by {self.asked.time}" + (f" / {names}" if names else "")

    @property
    def groups(self) -> int:
        """Return how many groups there are."""
        return prod(len(key.labels) for key in self.keys)

    @property
    def cells(self) -> int:
        """Return how many rows the answer has."""
        return self.groups * self.asked.intervals

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return that one row of each person counts, in one group."""
        return {"max_rows": 1, "max_groups": 1}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of the counts."""
        return cell_doses(self.ask, rho_micro)

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure the counts, and make curves of them."""
        noisy = yield Step(self.ask, tuple(doses))
        groups = list(self._followed(noisy, doses[0]))
        keys = list(product(*(key.labels for key in self.keys)))
        rows = [row for key, group in zip(keys, groups, strict=True) for row in self._rows(key, group)]
        names = tuple(key.name for key in self.keys)
        picture: dict[str, Any] = {"mark": "step", "x": self.asked.time, "y": "survival", "band": True, "start": [0, 1]}
        if names:
            picture["colour"] = names[0]
        tables = self._tables(keys, groups)
        return Result((*names, self.asked.time), rows, tables, tuple(self._notes(groups)), picture)

    def _followed(self, noisy: Noisy, dose: Dose) -> Iterator[Followed]:
        shape = self.groups, self.asked.intervals + 1, 2
        for counts in np.array(noisy[0], np.float64).reshape(shape):
            beyond, noise = float(counts[-1].sum()), dose.deviation**2
            yield Followed(counts[:-1, 1], counts[:-1, 0], beyond, noise, float(self.asked.width))

    def _rows(self, key: Sequence[Code], group: Followed) -> Iterator[dict[str, Any]]:
        curves = {
            "survival": group.survival(),
            "cumulative_hazard": group.cumulative_hazard(),
            "hazard": group.hazards(),
        }
        for j in range(group.length):
            at_risk, events = float(group.at_risk[j]), float(group.happened[j])
            row = {
                "key": [*key, self.asked.width * (j + 1)],
                "values": {"at_risk": at_risk, "events": events},
                "error95": {
                    "at_risk": error95(float(group.at_risk_noise[j]) ** 0.5),
                    "events": error95(group.noise**0.5),
                },
            }
            yield _with(row, {name: curve[j] if j < len(curve) else None for name, curve in curves.items()})

    def _tables(self, keys: Sequence[tuple[Code, ...]], groups: Sequence[Followed]) -> dict[str, Any]:
        names = [key.name for key in self.keys]
        pairs = list(zip(keys, groups, strict=True))
        tables: dict[str, Any] = {
            "rmst": {"keys": names, "rows": [_with(_row(k), {"rmst": g.restricted_mean()}) for k, g in pairs]},
            "median": {"keys": names, "rows": [_median(k, g) for k, g in pairs]},
        }
        if len(groups) > 1:
            tested = log_rank(groups)
            values = {"chi2": tested.statistic, "df": tested.freedom, "p": tested.p}
            tables["logrank"] = {"keys": [], "rows": [_row((), values)]}
            tables["observed"] = {"keys": names, "rows": [_observed(k, tested, g) for g, k in enumerate(keys)]}
        return tables

    def _notes(self, groups: Sequence[Followed]) -> Iterator[dict[str, Any]]:
        yield sentence(
            _(
                "Intervallene for overlevelse, risiko og restgjennomsnitt tar med både støyen og at personene er et utvalg."
            )
        )
        yield sentence(_("Feilen i antall under risiko og antall hendelser er støyen alene."))
        yield sentence(
            _("Gjennomsnittlig tid uten hendelsen regnes til {horizon}, med rette linjer mellom intervallenes ender."),
            horizon=self.asked.horizon,
        )
        if any(group.known < group.length for group in groups):
            yield sentence(
                _("Kurven stopper der antallet under risiko ikke skiller seg fra støyen. Prøv en kortere tid.")
            )
        if len(groups) > 1:
            yield sentence(
                _("Log-rank-testen er tilnærmet: støyens varians, ført gjennom observert minus forventet, er lagt til.")
            )

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the errors of counts, and of survival halfway with a tenth of the people having had the event."""
        first, many = doses[0], self.asked.intervals
        error = error95(first.deviation)
        foretold = [{"rows": rows, "error95": self._foretold(rows, first)} for rows in SIZES]
        return [
            {"name": "events", "kind": "count", "scale": first.deviation, "error95": error}
            | {"would_cost": would_cost(first)},
            {
                "name": "at_risk",
                "kind": "count",
                "scale": first.deviation,
                "error95": error95(first.deviation * (2 * (many + 1)) ** 0.5),
            },
            {"name": "survival", "kind": "survival", "scale": first.deviation, "error95": None, "error95_at": foretold},
        ]

    def _foretold(self, rows: int, dose: Dose) -> float | None:
        many = self.asked.intervals
        events = np.full(many, rows / 10 / many)
        group = Followed(events, np.zeros(many), rows * 0.9, dose.deviation**2, 1.0)
        curve = group.survival()
        return curve[many // 2].error95 if many // 2 < len(curve) else None

    def warnings(self) -> list[dict[str, Any]]:
        """Return what counts, and where."""
        return [
            sentence(
                _("Av hver person teller den første raden som har gruppe, tid og sant eller usant for hendelsen.")
            ),
            sentence(
                _("Den som er fulgt til {horizon} eller lenger, telles som fulgt dit."), horizon=self.asked.horizon
            ),
            sentence(_("Færre og bredere intervaller gir mindre feil.")),
        ]


def _row(key: Sequence[Code], values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    given = dict(values or {})
    return {"key": list(key), "values": given, "error95": dict.fromkeys(given)}


def _with(row: dict[str, Any], estimates: Mapping[str, Estimate | None]) -> dict[str, Any]:
    """Return a row with estimates in it, each with its interval; the first estimate comes first."""
    values: dict[str, Any] = {}
    for name, found in estimates.items():
        ends = (None, None, None) if found is None else (found.value, found.low, found.high)
        values |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        row["error95"][name] = None if found is None else found.error95
    return row | {"values": values | row["values"]}


def _median(key: Sequence[Code], group: Followed) -> dict[str, Any]:
    value, low, high = group.median()
    row = _row(key, {"median": value, "median_low": low, "median_high": high})
    error = None if value is None or low is None or high is None else max(value - low, high - value)
    return row | {"error95": {"median": error}}


def _observed(key: Sequence[Code], tested: LogRank, group: int) -> dict[str, Any]:
    return {
        "key": list(key),
        "values": {"observed": float(tested.observed[group]), "expected": float(tested.expected[group])},
        "error95": {
            "observed": float(tested.observed_error95[group]),
            "expected": float(tested.expected_error95[group]),
        },
    }


def _usable(asked: Survival, time: Column) -> bool:
    return time.low is not None and time.low >= 0 and time.high is not None and asked.horizon <= time.high


def prepare(asked: Survival, schemas: Mapping[str, Schema]) -> Curves:
    """Return the method for survival. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(asked, schemas)
    keys = tuple(key for i, item in enumerate(asked.by) if (key := checker.key(item, f"by.{i}")))
    if len({key.name for key in keys}) != len(keys) or {asked.time, asked.event} & {key.name for key in keys}:
        checker.fault("by", _("Den samme variabelen kan bare grupperes på én gang."))
    time = checker.typed(asked.time, NUMBERS, "time", NOT_A_NUMBER)
    event = checker.typed(asked.event, TRUTH, "event", NOT_TRUE_OR_FALSE)
    if asked.max_rows != 1:
        checker.fault("max_rows", _("Av hver person teller én rad."))
    if not few_digits(asked.width):
        checker.fault(
            "width", _("Tallet kan ha høyst to sifre som ikke er null til slutt, eller være hele år i dager.")
        )
    if time is not None and not _usable(asked, time):
        checker.fault(
            "time", _("Tiden må ha offentlige grenser fra 0 eller mer, og intervallene kan ikke gå lenger enn dem.")
        )
    if prod(len(key.labels) for key in keys) * (asked.intervals + 1) * 2 > MOST_CELLS:
        checker.fault("by", _("Svaret ville fått flere enn {most} celler."), most=MOST_CELLS)
    checker.done()
    if time is None or event is None:
        raise ValueError("a fault that was not told")
    edges = (*range(0, asked.horizon + 1, asked.width), FARTHEST)
    every = (*keys, Key(time, edges=edges), Key(event, codes=(False, True)))
    return Curves(rows, asked, keys, Cells(every, (ROWS,), 1, 1))
