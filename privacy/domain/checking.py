"""Checking what somebody asks against a table's public description: columns, values, bins and bounds.

The check sees the schema and never the data, so that neither an answer nor a refusal depends on who is in the table.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil, floor
from typing import Protocol

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.schema import NUMERIC, Code, Column, Schema, exact
from hvelv.privacy.domain.source import Filter

MOST_BINS = 50
CLAMPS = 20  # bounds of a measure stand at twentieths of the way between the declared ones
MOST_UNITS = 2**31  # grid units of one value; with fewer than 2^31 rows no sum leaves 63 bits
EQUAL: frozenset[str] = frozenset({"==", "!=", "in"})
FITS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),
    "decimal": (int, float),
    "date": (str,),
    "boolean": (bool,),
}
DEPENDS = _(
    "Sjeldne koder i variabelen er byttet ut etter hvor mange som har dem, så verdien i én rad avhenger av andre personer. "
    "Derfor kan den ikke brukes i spørringer. Be om variabelen i en annen form: avkortet, eller med en grovere, "
    "offentlig kodeliste."
)

Plain = bool | int | float | str


@dataclass(frozen=True)
class Condition:
    """A filter on a column whose type is known. Days are counted from 1970-01-01."""

    column: Column
    op: str
    values: tuple[Plain, ...]


@dataclass(frozen=True)
class Key:
    """One axis of the answer: public codes, or public edges."""

    column: Column
    codes: tuple[Code, ...] = ()
    edges: tuple[int | float, ...] = ()

    @property
    def labels(self) -> tuple[Code, ...]:
        """Return what the positions on the axis are called in the answer."""
        if self.codes:
            return self.codes
        pairs = list(itertools.pairwise(self.edges))
        return (*(f"[{a}, {b})" for a, b in pairs[:-1]), f"[{pairs[-1][0]}, {pairs[-1][1]}]")

    @property
    def name(self) -> str:
        """Return the column's name."""
        return self.column.name


@dataclass(frozen=True)
class Scale:
    """A numeric column's public grid: whole steps from its declared low to its declared high.

    All numbers that an asker chooses and that stand in an answer are taken from it, so that an answer says little else
    than what was asked of the data.
    """

    low: Fraction
    high: Fraction
    step: Fraction

    @property
    def clamps(self) -> tuple[int, ...]:
        """Return the bounds that a measure can have, in steps: the whole steps next to each twentieth of the way."""
        low, high = self.low / self.step, self.high / self.step
        points = [low + (high - low) * k / CLAMPS for k in range(CLAMPS + 1)]
        return tuple(sorted({unit for p in points for unit in (floor(p), ceil(p)) if low <= unit <= high}))

    def has(self, number: Fraction) -> bool:
        """Say whether `number` is on the grid, the two ends included."""
        return self.low <= number <= self.high and ((number - self.low) / self.step).denominator == 1


def scale_of(column: Column) -> Scale | None:
    """Return the column's grid; None for a column that was declared without one."""
    step = column.resolution
    if column.type not in NUMERIC or step is None or column.low is None or column.high is None:
        return None
    return Scale(exact(column.low), exact(column.high), step)


def broken_rule(scale: Scale, edges: Sequence[Fraction]) -> str | None:
    """Return the first rule that the bins between `edges` break, as a sentence; None for bins that can be asked for."""
    widths = [b - a for a, b in itertools.pairwise(edges)]
    rules = (
        (min(widths) > 0, _("Grensene må være stigende.")),
        (len(widths) <= MOST_BINS, _("Det kan være høyst {most} intervaller.")),
        (
            all(scale.has(edge) for edge in edges),
            _("Grensene må ligge fra {low} til {high}, i hele trinn på {step} regnet fra {low}."),
        ),
        (
            all(width == widths[0] for width in widths[:-1]) and widths[-1] <= widths[0],
            _("Intervallene må være like brede; bare det siste kan være smalere."),
        ),
    )
    return next((message for kept, message in rules if not kept), None)


def number_of(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


@dataclass(frozen=True)
class Amount:
    """A numeric column in whole units of `step`, each value clamped to [low, high] (units)."""

    column: Column
    step: Fraction
    low: int
    high: int

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the bounds in the column's own unit."""
        return float(self.low * self.step), float(self.high * self.step)


class Banded(Protocol):
    """A column and the edges at which it is cut."""

    @property
    def column(self) -> str:
        """Return the column's name."""
        ...

    @property
    def edges(self) -> tuple[int | float, ...]:
        """Return the edges, ascending."""
        ...


class Checker:
    """Collects what is wrong, so that a person can mend everything at once."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.problems: list[Problem] = []

    def fault(self, field: str, message: str, **params: object) -> None:
        self.problems.append(Problem(message, field, params=params))

    def column(self, name: str, field: str) -> Column | None:
        column = self.schema.find(name)
        if column is None or not column.leaves:
            self.fault(field, _("Uttrekket har ingen slik variabel som kan brukes her."))
            return None
        if column.depends_on_others:
            self.fault(field, DEPENDS)
            return None
        return column

    def done(self) -> None:
        if self.problems:
            raise Invalid(tuple(self.problems), _("Spørringen kan ikke brukes slik den er."))

    def under(self, schema: Schema) -> "Checker":
        """Return a checker of another schema with the same list of faults."""
        other = Checker(schema)
        other.problems = self.problems
        return other

    # filters -----------------------------------------------------------------------------------------------------
    def conditions(self, where: Sequence[Filter], field: str) -> tuple[Condition, ...]:
        """Return the filters that can be used."""
        found = [self.condition(item, f"{field}.{i}") for i, item in enumerate(where)]
        return tuple(condition for condition in found if condition)

    def condition(self, item: Filter, field: str) -> Condition | None:
        column = self.column(item.column, f"{field}.column")
        if column is None:
            return None
        several = isinstance(item.value, tuple)
        if several != (item.op == "in"):
            self.fault(f"{field}.value", _("«in» tar en liste; de andre sammenligningene tar én verdi."))
            return None
        if item.op not in EQUAL and column.type in {"string", "boolean"}:
            self.fault(f"{field}.op", _("Denne variabelen kan bare sammenlignes med «==», «!=» og «in»."))
            return None
        values = item.value if isinstance(item.value, tuple) else (item.value,)
        plain = [self.plain(column, value, f"{field}.value") for value in values]
        found = tuple(value for value in plain if value is not None)
        return Condition(column, item.op, found) if len(found) == len(plain) else None

    def plain(self, column: Column, value: Plain, field: str) -> Plain | None:
        fits = isinstance(value, FITS[column.type]) and (column.type == "boolean" or not isinstance(value, bool))
        if not fits:
            self.fault(field, _("Verdien passer ikke med variabelens type."))
            return None
        if column.type == "date":
            return self.days(str(value), field)
        if column.categories is not None and value not in column.categories:
            self.fault(field, _("Verdien er ikke i variabelens kodeverk."))
            return None
        return value

    def days(self, text: str, field: str) -> int | None:
        try:
            return (date.fromisoformat(text) - date(1970, 1, 1)).days
        except ValueError:
            self.fault(field, _("Datoen må skrives som ÅÅÅÅ-MM-DD."))
            return None

    # keys --------------------------------------------------------------------------------------------------------
    def key(self, item: "str | Banded", field: str) -> Key | None:
        """Return the axis that a column's public codes, or bins of it, make."""
        if not isinstance(item, str):
            column = self.banded(item.column, item.edges, field)
            return Key(column, edges=tuple(item.edges)) if column else None
        column = self.column(item, field)
        if column is None:
            return None
        if column.keys is None:
            self.fault(
                field, _("Det grupperes bare på variabler med offentlig kodeverk, eller på oppgitte intervaller.")
            )
            return None
        return Key(column, codes=column.keys)

    def banded(self, name: str, edges: Sequence[int | float], field: str) -> Column | None:
        """Return the column, if it can be cut at `edges`."""
        column = self.column(name, f"{field}.column")
        if column is None:
            return None
        if column.type not in NUMERIC:
            self.fault(f"{field}.column", _("Intervaller kan bare lages av tallvariabler."))
            return None
        scale = scale_of(column)
        if scale is None:
            self.fault(f"{field}.column", _("Intervaller krever en tallvariabel med offentlige grenser og oppløsning."))
            return None
        rule = broken_rule(scale, [exact(edge) for edge in edges])
        if rule:
            limits = {"low": column.low, "high": column.high, "step": number_of(scale.step), "most": MOST_BINS}
            self.fault(f"{field}.edges", rule, **limits)
            return None
        return column

    # amounts -----------------------------------------------------------------------------------------------------
    def typed(self, name: str, types: frozenset[str], field: str, message: str) -> Column | None:
        """Return the column if it is of one of `types`; else `message` is the fault."""
        column = self.column(name, field)
        if column is not None and column.type not in types:
            self.fault(field, message)
            return None
        return column

    def amount(self, name: str, low: float | None, high: float | None, field: str) -> "Amount | None":
        """Return a numeric column between two of its public bounds; None for `low` and `high` is the declared ones."""
        at = f"{field}." if field else ""
        column = self.column(name, f"{at}column")
        if column is None:
            return None
        scale = scale_of(column)
        if scale is None:
            self.fault(f"{at}column", _("Dette krever en tallvariabel med offentlige grenser og oppløsning."))
            return None
        least = scale.low if low is None else exact(low)
        most = scale.high if high is None else exact(high)
        if not scale.low <= least < most <= scale.high:
            message = _("Grensene må være stigende og innenfor variabelens offentlige grenser, {low} til {high}.")
            self.fault(f"{at}low", message, low=column.low, high=column.high)
            return None
        units = least / scale.step, most / scale.step
        if max(abs(units[0]), abs(units[1])) >= MOST_UNITS:
            self.fault(f"{at}high", _("Grensene er for vide for oppløsningen til variabelen."))
            return None
        if not all([self.clamp(scale, units[0], f"{at}low"), self.clamp(scale, units[1], f"{at}high")]):
            return None
        return Amount(column, scale.step, int(units[0]), int(units[1]))

    def clamp(self, scale: Scale, units: Fraction, field: str) -> bool:
        clamps = scale.clamps
        if units in clamps:
            return True
        nearest = min(clamps, key=lambda unit: abs(unit - units))
        message = _(
            "Grensen må være en av variabelens offentlige grenser eller en tjuedel av veien mellom dem: {nearest}."
        )
        self.fault(field, message, nearest=number_of(nearest * scale.step))
        return False


def conditions_of(where: Sequence[Filter], schema: Schema) -> tuple[Condition, ...]:
    """Return the filters checked against `schema`. Raises `Invalid`, one problem for each fault."""
    checker = Checker(schema)
    found = checker.conditions(where, "where")
    checker.done()
    return found
