"""Rates: events among persons or over their time, crude, standardised to a public population, and compared.

**What one person moves.** Of a person the first `max_rows` rows in each of the first `max_groups` groups count; a group is
a place on the axes `by`, and which rows these are is decided from the person's own. A row in which the events or the time
are missing counts nowhere: each of them is an axis with one place.

* A truth value over rows: rows are counted by group and by whether they have the event, in one vector (`Folded`, groups
  kept apart). A row is in one place, so a person moves it by at most max_rows * sqrt(max_groups) (L2).
* Counts, or time: one vector of events and one of sizes (`Cells`), each held to public bounds, moved by at most
  max_rows * sqrt(max_groups) times the bound. Three quarters of the price go to the events, which are fewer.

**What is made of it** is post-processing: rates and intervals (`ratios`), direct standardisation with public weights in
which age groups too small for the noise are taken together with their neighbours, and ratios to a public reference.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Annotated, Literal

from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.checking import Amount, Checker, Key
from hvelv.privacy.domain.closed import Closed, Name, Number
from hvelv.privacy.domain.closed import Code as AnyCode
from hvelv.privacy.domain.framing import few_digits, framed
from hvelv.privacy.domain.measuring import MOST_CELLS, ROWS, Cells, Folded, Part
from hvelv.privacy.domain.methods.rate_tables import RateTable
from hvelv.privacy.domain.methods.standards import POPULATIONS, Stratum, strata_by_name, strata_by_weight
from hvelv.privacy.domain.query import By, Groups
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.domain.source import Asked

YEARS = {
    "days": 365.25,
    "day": 365.25,
    "dager": 365.25,
    "døgn": 365.25,
    "months": 12,
    "måneder": 12,
    "years": 1,
    "år": 1,
}
FARTHEST = 2**53  # above all values that are measured: the axis says that there is a value, and no more


class Standard(Closed):
    """The axis to standardise over, and the population: by name, or as a weight for each place on the axis."""

    column: Name
    population: Literal["esp2013"] | None = None
    weights: Annotated[tuple[Annotated[int, Field(ge=0, le=1_000_000)], ...], Field(max_length=101)] | None = None


class Compare(Closed):
    """The axis whose places are compared, and the place that the others are compared to."""

    column: Name
    reference: AnyCode


class Rates(Asked):
    """Events (a truth value, a count, or each row) over rows, or over the sum of `time`."""

    kind: Literal["rates"]
    by: By = ()
    events: Name | None = None
    events_high: Number | None = None
    time: Name | None = None
    time_high: Number | None = None
    over: Literal["own", "years"] = "own"
    per: Literal[100, 1_000, 10_000, 100_000] = 1_000
    standard: Standard | None = None
    compare: Compare | None = None
    max_groups: Groups = 1


def _needed(column: Column, *, high: float) -> Key:
    """Return the axis with one place on which a row stands if it has a value from 0 up."""
    return Key(column, edges=(0, high))


def _events(checker: Checker, asked: Rates) -> tuple[Column | None, Part]:
    """Return the column of events, if there is one, and the part that counts them."""
    if asked.events is None:
        if asked.time is None:
            checker.fault("events", _("Oppgi hva som er hendelser, eller tiden som de telles over."))
        return None, ROWS
    column = checker.column(asked.events, "events")
    if column is None or column.type == "boolean":
        return column, ROWS if column is None else Part("sum", column, Fraction(1), 0, 1)
    amount = checker.typed(
        asked.events, frozenset({"integer"}), "events", _("Hendelser er sant/usant eller et antall.")
    )
    counted = checker.amount(asked.events, None, asked.events_high, "events") if amount else None
    if counted is not None and counted.low < 0:
        checker.fault("events.column", _("Et antall kan ikke være negativt."))
    return column, _summed(counted) if counted else ROWS


def _summed(amount: Amount) -> Part:
    return Part("sum", amount.column, amount.step, amount.low, amount.high)


def _time(checker: Checker, asked: Rates) -> tuple[Amount | None, float]:
    """Return the time that is added up, and what one of its unit is in the unit that rates are over."""
    if asked.time is None:
        return None, 1.0
    amount = checker.amount(asked.time, None, asked.time_high, "time")
    if amount is None:
        return None, 1.0
    if amount.low < 0:
        checker.fault("time.column", _("Tid kan ikke være negativ."))
    unit = YEARS.get(amount.column.unit or "")
    if asked.over == "years" and unit is None:
        checker.fault("over", _("Variabelens enhet er ikke dager, måneder eller år."))
    return amount, 1 / unit if asked.over == "years" and unit else 1.0


def _strata(checker: Checker, standard: Standard | None, keys: Sequence[Key]) -> tuple[Stratum, ...]:
    if standard is None:
        return ()
    key = next((key for key in keys if key.name == standard.column), None)
    if key is None:
        checker.fault("standard.column", _("Det må grupperes på variabelen."))
        return ()
    if (standard.population is None) == (standard.weights is None):
        checker.fault("standard.population", _("Oppgi enten en befolkning eller vekter."))
        return ()
    if standard.weights is not None and not all(few_digits(weight) for weight in standard.weights):
        checker.fault("standard.weights", _("Tallet kan ha høyst to sifre som ikke er null til slutt."))
    found = (
        strata_by_name(key, POPULATIONS[standard.population])
        if standard.population
        else strata_by_weight(key, standard.weights or ())
    )
    if found is None:
        checker.fault(
            "standard.column", _("Befolkningen passer ikke: én vekt for hver gruppe, eller alder i hele femårsgrupper.")
        )
    return found or ()


def _reference(checker: Checker, asked: Rates, keys: Sequence[Key]) -> int:
    if asked.compare is None:
        return 0
    key = next((key for key in keys if key.name == asked.compare.column), None)
    if key is None or (asked.standard is not None and asked.standard.column == key.name):
        checker.fault(
            "compare.column", _("Det må grupperes på variabelen, og den kan ikke være den det standardiseres over.")
        )
        return 0
    wanted = asked.compare.reference
    found = [i for i, label in enumerate(key.labels) if type(label) is type(wanted) and label == wanted]
    if not found:
        checker.fault("compare.reference", _("Referansen er ikke blant gruppene."))
    return found[0] if found else 0


def prepare(asked: Rates, schemas: Mapping[str, Schema]) -> RateTable:
    """Return the method for rates. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(asked, schemas)
    keys = tuple(key for i, item in enumerate(asked.by) if (key := checker.key(item, f"by.{i}")))
    if len({key.name for key in keys}) != len(keys):
        checker.fault("by", _("Den samme variabelen kan bare grupperes på én gang."))
    column, events = _events(checker, asked)
    time, unit = _time(checker, asked)
    strata, reference = _strata(checker, asked.standard, keys), _reference(checker, asked, keys)
    cells = prod(len(key.labels) for key in keys)
    if cells * 2 > MOST_CELLS:
        checker.fault("by", _("Svaret ville fått flere enn {most} celler."), most=MOST_CELLS)
    checker.done()
    groups = min(asked.max_groups, cells)
    ask: Cells | Folded
    if column is not None and column.type == "boolean" and time is None:
        every = (*keys, Key(column, codes=(False, True)))
        ask = Folded(every, len(keys), (tuple(1 for _key in every),), asked.max_rows, groups)
    else:
        gates = [_needed(column, high=1 if column.type == "boolean" else FARTHEST)] if column else []
        gates += [_needed(time.column, high=FARTHEST)] if time else []
        ask = Cells((*keys, *gates), (events, _summed(time) if time else ROWS), asked.max_rows, groups)
    names = [key.name for key in keys]
    return RateTable(
        framed=rows,
        keys=keys,
        ask=ask,
        events=asked.events or "rows",
        size="time" if time else "persons",
        size_unit=unit,
        per=asked.per,
        axis=names.index(asked.standard.column) if asked.standard else None,
        strata=strata,
        compared=names.index(asked.compare.column) if asked.compare else None,
        reference=reference,
    )
