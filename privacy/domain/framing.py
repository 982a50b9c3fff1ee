"""A question's rows, checked against the public description of the tables that the project has.

What comes out is a `Framed`: what to do with which tables, and the public description of the rows that result, made from
the descriptions of the tables alone. Columns that are made have bounds or codes whenever what they are made of has.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hvelv.kernel.errors import NotFound, _
from hvelv.privacy.domain.checking import MOST_UNITS, Checker, Condition, number_of, scale_of
from hvelv.privacy.domain.closed import LARGEST_NUMBER
from hvelv.privacy.domain.schema import NUMERIC, Code, Column, Schema
from hvelv.privacy.domain.source import (
    AnyRow,
    Arithmetic,
    Asked,
    Band,
    Boundary,
    DatePart,
    Days,
    Derived,
    Extreme,
    Filter,
    Flag,
    Group,
    Link,
    Logic,
    Of,
    Paths,
    People,
    Prefix,
    RowCount,
    Steps,
    Summary,
    Total,
)

MOST_CODES = 500  # of a column that is made
MOST_PATHS = 10_000
MOST_YEARS = 120
DIGITS = 2
YEAR = 365
FROM, TO, DAYS, PATH, END = "from", "to", "days", "path", "end"
LATER = " > "
DATE = frozenset({"date"})
TIME = frozenset({"date", "integer"})  # registers may tell when by days from some beginning
NUMBERS = frozenset(NUMERIC)
TRUTH = frozenset({"boolean"})
NOT_A_DATE = _("Dette krever en dato.")
NOT_A_TIME = _("Dette krever en dato, eller et helt antall dager.")
NOT_A_NUMBER = _("Dette krever en tallvariabel.")
TOO_WIDE = _("Grensene er for vide for oppløsningen til variabelen.")
NOT_TRUE_OR_FALSE = _("Dette krever en sann/usann-variabel.")


@dataclass(frozen=True)
class Made:
    """A column made of one row's columns: how, and what is publicly known of it."""

    how: Derived
    column: Column
    condition: Condition | None = None  # of a flag

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the names of the columns that it is made of."""
        how = self.how
        if isinstance(how, Days):
            return how.start, how.end
        if isinstance(how, Logic):
            return how.columns
        return (how.left, how.right) if isinstance(how, Arithmetic) else (how.column,)


@dataclass(frozen=True)
class Summed:
    """A column made of all of a person's rows."""

    how: Summary
    column: Column
    of: Column | None = None


@dataclass(frozen=True)
class Reduction:
    """One row for each person of a table."""

    table: str
    made: tuple[Made, ...]
    conditions: tuple[Condition, ...]
    columns: tuple[Summed, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the names of the columns that are read."""
        used = [s.of.name for s in self.columns if s.of] + [c.column.name for c in self.conditions]
        return tuple(dict.fromkeys([*used, *(name for made in self.made for name in made.inputs)]))


@dataclass(frozen=True)
class Walk:
    """Rows made of a person's events in time."""

    how: Steps | Paths
    made: tuple[Made, ...]
    conditions: tuple[Condition, ...]
    event: Column
    at: Column
    columns: tuple[Column, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the names of the columns that are read."""
        used = [self.event.name, self.at.name, *(c.column.name for c in self.conditions)]
        return tuple(dict.fromkeys([*used, *(name for made in self.made for name in made.inputs)]))


@dataclass(frozen=True)
class Framed:
    """A question's rows: what to do, and what is publicly known of them (`schema`)."""

    asked: Asked
    table: str
    of: Reduction | Walk | None
    links: tuple[Reduction, ...]
    made: tuple[Made, ...]
    conditions: tuple[Condition, ...]
    schema: Schema
    sources: Mapping[str, Schema] = field(repr=False)

    @property
    def is_plain(self) -> bool:
        """Say whether the rows are those of one table as they stand, but for the filter."""
        return self.of is None and not self.links and not self.made

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the names of the columns that the last steps use, whatever is asked."""
        used = [c.column.name for c in self.conditions] + [name for made in self.made for name in made.inputs]
        return tuple(dict.fromkeys(used))

    def reads(self, wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return which columns of which tables are read when the columns `wanted` of the rows are needed."""
        names: dict[str, list[str]] = {self.table: []}
        if self.of is not None:
            names[self.table] += self.of.inputs
        else:
            names[self.table] += [*self.inputs, *wanted]
        for link in self.links:
            names.setdefault(link.table, []).extend(link.inputs)
        return {
            table: tuple(name for name in dict.fromkeys(some) if self.sources[table].find(name))
            for table, some in names.items()
        }


def few_digits(number: int) -> bool:
    """Say whether a number that somebody chose says little: two digits and noughts, or whole years in days."""
    return len(str(abs(number)).rstrip("0")) <= DIGITS or number % YEAR == 0


class _Maker:
    """Checks columns that are made, one kind at a time."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self.schema = checker.schema

    def few(self, number: int, field_name: str) -> None:
        if not few_digits(number):
            message = _("Tallet kan ha høyst to sifre som ikke er null til slutt, eller være hele år i dager.")
            self.checker.fault(field_name, message)

    def all(self, derive: Sequence[Derived], field_name: str) -> tuple[Made, ...]:
        found = []
        for i, how in enumerate(derive):
            made = self.one(how, f"{field_name}.{i}")
            if made is None:
                continue
            found.append(made)
            self.add(made.column, f"{field_name}.{i}.name")
        return tuple(found)

    def add(self, column: Column, field_name: str) -> None:
        if self.schema.find(column.name):
            self.checker.fault(field_name, _("To variabler har samme navn."))
            return
        self.schema = Schema(self.schema.table, (*self.schema.columns, column), self.schema.title)
        self.checker.schema = self.schema

    def one(self, how: Derived, place: str) -> Made | None:
        if isinstance(how, Flag):
            return self.flag(how, place)
        column = _HOW[type(how)](self, how, place)
        return Made(how, column) if column else None

    def days(self, how: Days, place: str) -> Column | None:
        start = self.checker.typed(how.start, DATE, f"{place}.start", NOT_A_DATE)
        end = self.checker.typed(how.end, DATE, f"{place}.end", NOT_A_DATE)
        if start is None or end is None:
            return None
        self.few(how.low, f"{place}.low")
        self.few(how.high, f"{place}.high")
        if how.low >= how.high:
            self.checker.fault(f"{place}.low", _("Grensene må være stigende."))
            return None
        missing = start.nullable or end.nullable
        return _made(how.name, "integer", low=how.low, high=how.high, step=1, unit=how.unit, nullable=missing)

    def date(self, how: DatePart, place: str) -> Column | None:
        column = self.checker.typed(how.column, DATE, f"{place}.column", NOT_A_DATE)
        if column is None:
            return None
        low, high = {"year": (how.low, how.high), "month": (1, 12), "weekday": (1, 7)}[how.part]
        if not low < high or (high - low > MOST_YEARS and (how.low, how.high) != (1900, 2100)):
            self.checker.fault(f"{place}.low", _("Grensene må være stigende."))
            return None
        return _coded(how.name, range(low, high + 1), nullable=column.nullable)

    def flag(self, how: Flag, place: str) -> Made | None:
        condition = self.checker.condition(Filter(column=how.column, op=how.op, value=how.value), place)
        return Made(how, _made(how.name, "boolean", nullable=False), condition) if condition else None

    def logic(self, how: Logic, place: str) -> Column | None:
        some = [
            self.checker.typed(n, TRUTH, f"{place}.columns.{i}", NOT_TRUE_OR_FALSE) for i, n in enumerate(how.columns)
        ]
        return _made(how.name, "boolean", nullable=False) if all(some) else None

    def band(self, how: Band, place: str) -> Column | None:
        column = self.checker.banded(how.column, how.edges, place)
        return _coded(how.name, range(1, len(how.edges)), nullable=True) if column else None

    def group(self, how: Group, place: str) -> Column | None:
        column = self.checker.column(how.column, f"{place}.column")
        if column is None:
            return None
        codes = [code for group in how.groups for code in group]
        public = {(type(code), code) for code in column.keys or ()}  # 1 and true are equal, and not the same
        if not {(type(code), code) for code in codes} <= public or len(set(codes)) != len(codes):
            message = _("Gruppene må være av variabelens offentlige koder, hver kode i én gruppe.")
            self.checker.fault(f"{place}.groups", message)
            return None
        return _coded(how.name, range(len(how.groups) + 1), nullable=False)

    def prefix(self, how: Prefix, place: str) -> Column | None:
        column = self.checker.column(how.column, f"{place}.column")
        if column is None:
            return None
        if column.type != "string":
            self.checker.fault(f"{place}.column", _("Dette krever en tekstvariabel."))
            return None
        codes = sorted({str(code)[: how.length] for code in column.categories or ()})
        return _made(how.name, "string", categories=tuple(codes) or None, nullable=column.nullable)

    def arithmetic(self, how: Arithmetic, place: str) -> Column | None:
        sides = [
            self.checker.typed(name, NUMBERS, f"{place}.{side}", NOT_A_NUMBER)
            for side, name in (("left", how.left), ("right", how.right))
        ]
        scales = [scale_of(side) if side else None for side in sides]
        left, right = scales
        if left is None or right is None:
            if all(sides):
                self.checker.fault(place, _("Dette krever en tallvariabel med offentlige grenser og oppløsning."))
            return None
        step = left.step * right.step if how.op == "*" else _common(left.step, right.step)
        ends = [
            {"+": a + b, "-": a - b, "*": a * b}[how.op] for a in (left.low, left.high) for b in (right.low, right.high)
        ]
        if max(abs(end) for end in ends) > LARGEST_NUMBER:
            self.checker.fault(place, TOO_WIDE)
            return None
        missing = any(side.nullable for side in sides if side)
        bounds: dict[str, Any] = {"low": number_of(min(ends)), "high": number_of(max(ends)), "step": number_of(step)}
        kind = "integer" if step.denominator == 1 and min(ends).denominator == 1 else "decimal"
        return _made(how.name, kind, nullable=missing, **bounds)

    # summaries -----------------------------------------------------------------------------------------------------
    def summaries(self, columns: Sequence[Summary], place: str) -> tuple[Summed, ...]:
        found = [self.summary(how, f"{place}.{i}") for i, how in enumerate(columns)]
        return tuple(summed for summed in found if summed)

    def summary(self, how: Summary, place: str) -> Summed | None:
        if isinstance(how, RowCount):
            self.few(how.high, f"{place}.high")
            return Summed(how, _made(how.name, "integer", low=0, high=how.high, step=1, nullable=False))
        if isinstance(how, AnyRow):
            return Summed(how, _made(how.name, "boolean", nullable=False))
        if isinstance(how, Total):
            return self.total(how, place)
        if isinstance(how, Boundary):
            column = self.checker.typed(how.column, DATE, f"{place}.column", NOT_A_DATE)
            return Summed(how, _made(how.name, "date", nullable=True), column) if column else None
        if isinstance(how, Extreme):
            column = self.checker.typed(how.column, NUMBERS, f"{place}.column", NOT_A_NUMBER)
        else:
            column = self.checker.column(how.column, f"{place}.column")
        return Summed(how, _like(column, how.name), column) if column else None

    def total(self, how: Total, place: str) -> Summed | None:
        column = self.checker.typed(how.column, NUMBERS, f"{place}.column", NOT_A_NUMBER)
        scale = scale_of(column) if column else None
        if column is None or scale is None:
            if column is not None:
                self.checker.fault(place, _("Dette krever en tallvariabel med offentlige grenser og oppløsning."))
            return None
        ends = [Fraction(str(how.low)), Fraction(str(how.high))]
        if ends[0] >= ends[1] or any((end / scale.step).denominator != 1 for end in ends):
            self.checker.fault(f"{place}.low", _("Grensene må være stigende, i hele trinn av variabelens oppløsning."))
            return None
        if max(abs(end) for end in (*ends, scale.low, scale.high)) / scale.step >= MOST_UNITS:
            self.checker.fault(place, TOO_WIDE)
            return None
        for end, name in zip(ends, ("low", "high"), strict=True):
            self.few(int(end / scale.step), f"{place}.{name}")
        made = _made(how.name, column.type, low=how.low, high=how.high, step=number_of(scale.step), nullable=False)
        return Summed(how, made, column)


_HOW: Mapping[type, Callable[[_Maker, Any, str], Column | None]] = {
    Days: _Maker.days,
    DatePart: _Maker.date,
    Logic: _Maker.logic,
    Band: _Maker.band,
    Group: _Maker.group,
    Prefix: _Maker.prefix,
    Arithmetic: _Maker.arithmetic,
}


def _common(a: Fraction, b: Fraction) -> Fraction:
    """Return the largest step of which both are whole multiples."""
    return Fraction(math.gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator)


def _made(name: str, kind: Any, **known: Any) -> Column:
    return Column(name, kind, "attribute", **known)


def _coded(name: str, codes: Sequence[int], *, nullable: bool) -> Column:
    return _made(
        name, "integer", low=codes[0], high=codes[-1], step=1, categories=tuple(codes[:MOST_CODES]), nullable=nullable
    )


def _like(column: Column, name: str) -> Column:
    """Return a column with what is known of another, which may be missing because a person has no rows."""
    known = {"low": column.low, "high": column.high, "step": column.step, "categories": column.categories}
    return _made(name, column.type, unit=column.unit, title=column.title, labels=column.labels, nullable=True, **known)


def _reduction(checker: Checker, table: str, source: Schema, part: People | Link, place: str) -> Reduction:
    maker = _Maker(checker.under(source))
    made = maker.all(part.derive, f"{place}.derive")
    conditions = maker.checker.conditions(part.where, f"{place}.where")
    return Reduction(table, made, conditions, maker.summaries(part.columns, f"{place}.columns"))


def _walk(checker: Checker, source: Schema, part: Steps | Paths) -> Walk | None:
    maker = _Maker(checker.under(source))
    made = maker.all(part.derive, "of.derive")
    conditions = maker.checker.conditions(part.where, "of.where")
    event = maker.checker.column(part.event, "of.event")
    at = maker.checker.typed(part.at, TIME, "of.at", NOT_A_TIME)
    if event is not None and event.keys is None:
        checker.fault("of.event", _("Hendelsene må ha et offentlig kodeverk."))
        return None
    if event is None or at is None:
        return None
    if any(str(code) == END or LATER in str(code) for code in event.keys or ()):
        checker.fault(
            "of.event", _("Kodene til hendelsene kan ikke brukes: «end» og « > » har en annen betydning her.")
        )
        return None
    if isinstance(part, Steps):
        maker.few(part.high, "of.high")
        return Walk(part, made, conditions, event, at, _steps(part, event))
    return Walk(part, made, conditions, event, at, (_paths(part, event),))


def _steps(part: Steps, event: Column) -> tuple[Column, ...]:
    codes: tuple[Code, ...] = event.keys or ()
    onward = tuple(str(code) for code in codes)
    last = (*onward, END) if part.end else onward
    return (
        _made(FROM, "string", categories=onward, nullable=False),
        _made(TO, "string", categories=last, nullable=False),
        _made(DAYS, "integer", low=0, high=part.high, step=1, unit="days", nullable=part.end),
    )


def _paths(part: Paths, event: Column) -> Column:
    """Return the column of paths; its codes are all that there can be, where these are not too many."""
    codes = [str(code) for code in event.keys or ()]
    paths, longer = list(codes), list(codes)
    for _more in range(part.length - 1):
        longer = [
            f"{path}{LATER}{code}"
            for path in longer
            for code in codes
            if not (part.distinct and code in path.split(LATER))
        ]
        paths += longer
        if len(paths) > MOST_PATHS:
            return _made(PATH, "string", nullable=False)
    return _made(PATH, "string", categories=tuple(paths), nullable=False)


def framed(asked: Asked, schemas: Mapping[str, Schema]) -> tuple[Framed, Checker]:
    """Return what a question's rows are, and a checker of the resulting rows to go on with; `done()` it in the end.

    `schemas`: what the project has, by table. Raises `NotFound` for a table that it does not have.
    """
    for table in asked.tables:
        if table not in schemas:
            raise NotFound(_("Prosjektet har ingen tabell med dette navnet."), code="no-table")
    source = schemas[asked.dataset]
    checker = Checker(source)
    of, rows = _base(checker, asked.of, source)
    maker = _Maker(checker.under(rows))
    links = tuple(
        _reduction(checker, link.table, schemas[link.table], link, f"links.{i}") for i, link in enumerate(asked.links)
    )
    for i, link in enumerate(links):
        for j, summed in enumerate(link.columns):
            maker.add(summed.column, f"links.{i}.columns.{j}.name")
    made = maker.all(asked.derive, "derive")
    conditions = maker.checker.conditions(asked.where, "where")
    used = {table: schemas[table] for table in asked.tables}
    return Framed(asked, asked.dataset, of, links, made, conditions, maker.schema, used), maker.checker


def _base(checker: Checker, of: Of | None, source: Schema) -> tuple[Reduction | Walk | None, Schema]:
    if of is None:
        return None, source
    if isinstance(of, People):
        reduction = _reduction(checker, source.table, source, of, "of")
        return reduction, _distinct(checker, source, [summed.column for summed in reduction.columns])
    walk = _walk(checker, source, of)
    return walk, Schema(source.table, walk.columns if walk else (), source.title)


def _distinct(checker: Checker, source: Schema, columns: Sequence[Column]) -> Schema:
    found = {column.name: column for column in columns}
    if len(found) != len(columns):
        checker.fault("of.columns", _("To variabler har samme navn."))
    return Schema(source.table, tuple(found.values()), source.title)
