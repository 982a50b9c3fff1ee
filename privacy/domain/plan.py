"""A query that was checked against a table's public description: what is counted, in which cells, within which bounds.

The check sees the schema and never the data, so that neither an answer nor a refusal depends on who is in the table.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import ceil, floor, prod
from typing import Literal

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.query import Bins, Count, Filter, Mean, Query, Sum
from hvelv.privacy.domain.schema import NUMERIC, Code, Column, Schema, exact

MOST_CELLS = 10_000
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
class Part:
    """One vector that is measured: an integer per cell.

    `rows`: rows counted. `present`: of these, those with a value in `column`. `sum`: of these, the sum of the values in
    units of `step`, clamped to [low, high] and moved by `origin`; a missing value adds nothing.
    """

    kind: Literal["rows", "present", "sum"]
    column: Column | None = None
    step: Fraction = Fraction(1)
    low: int = 0
    high: int = 0
    origin: int = 0

    @property
    def reach(self) -> int:
        """Return the most that one row can add, in units, up or down."""
        return max(abs(self.low - self.origin), abs(self.high - self.origin)) if self.kind == "sum" else 1


ROWS = Part("rows")


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


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


@dataclass(frozen=True)
class Answer:
    """One measure of the answer and the parts that it is computed from (`parts` are positions in the plan's)."""

    name: str
    kind: Literal["count", "sum", "mean"]
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """What a query means on one table."""

    query: Query
    conditions: tuple[Condition, ...]
    keys: tuple[Key, ...]
    parts: tuple[Part, ...]
    answers: tuple[Answer, ...]

    @property
    def cells(self) -> int:
        """Return how many cells the answer has; all of them are answered, empty or not."""
        return prod(len(key.labels) for key in self.keys)

    @property
    def max_rows(self) -> int:
        """Return how many rows of a person count in a group."""
        return self.query.max_rows

    @property
    def max_groups(self) -> int:
        """Return how many groups a person counts in."""
        return min(self.query.max_groups, self.cells)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that are read, each once."""
        names = [c.column.name for c in self.conditions] + [k.name for k in self.keys]
        return tuple(dict.fromkeys(names + [p.column.name for p in self.parts if p.column]))

    def cell_keys(self) -> Iterable[tuple[Code, ...]]:
        """Yield the cells' keys in the order of the vectors."""
        return itertools.product(*(key.labels for key in self.keys))


class _Checker:
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

    # filters -----------------------------------------------------------------------------------------------------
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
    def key(self, item: str | Bins, field: str) -> Key | None:
        if isinstance(item, Bins):
            return self.bins(item, field)
        column = self.column(item, field)
        if column is None:
            return None
        if column.keys is None:
            self.fault(
                field, _("Det grupperes bare på variabler med offentlig kodeverk, eller på oppgitte intervaller.")
            )
            return None
        return Key(column, codes=column.keys)

    def bins(self, item: Bins, field: str) -> Key | None:
        column = self.column(item.column, f"{field}.column")
        if column is None:
            return None
        if column.type not in NUMERIC:
            self.fault(f"{field}.column", _("Intervaller kan bare lages av tallvariabler."))
            return None
        scale = scale_of(column)
        if scale is None:
            self.fault(f"{field}.column", _("Intervaller krever en tallvariabel med offentlige grenser og oppløsning."))
            return None
        rule = broken_rule(scale, [exact(edge) for edge in item.edges])
        if rule:
            limits = {"low": column.low, "high": column.high, "step": _number(scale.step), "most": MOST_BINS}
            self.fault(f"{field}.edges", rule, **limits)
            return None
        return Key(column, edges=item.edges)

    # measures ----------------------------------------------------------------------------------------------------
    def bounds(self, item: Sum | Mean, field: str) -> Part | None:
        column = self.column(item.column, f"{field}.column")
        if column is None:
            return None
        scale = scale_of(column)
        if scale is None:
            self.fault(f"{field}.column", _("Sum og gjennomsnitt krever en tallvariabel med offentlige grenser."))
            return None
        low, high = exact(item.low) / scale.step, exact(item.high) / scale.step
        if not scale.low <= exact(item.low) < exact(item.high) <= scale.high:
            message = _("Grensene må være stigende og innenfor variabelens offentlige grenser, {low} til {high}.")
            self.fault(f"{field}.low", message, low=column.low, high=column.high)
            return None
        if max(abs(low), abs(high)) >= MOST_UNITS:
            self.fault(f"{field}.high", _("Grensene er for vide for oppløsningen til variabelen."))
            return None
        if not all([self.clamp(scale, low, f"{field}.low"), self.clamp(scale, high, f"{field}.high")]):
            return None
        origin = int(low + high) // 2 if isinstance(item, Mean) else 0
        return Part("sum", column, scale.step, int(low), int(high), origin)

    def clamp(self, scale: Scale, units: Fraction, field: str) -> bool:
        clamps = scale.clamps
        if units in clamps:
            return True
        nearest = min(clamps, key=lambda unit: abs(unit - units))
        message = _(
            "Grensen må være en av variabelens offentlige grenser eller en tjuedel av veien mellom dem: {nearest}."
        )
        self.fault(field, message, nearest=_number(nearest * scale.step))
        return False


def _parts_of(measure: Count | Sum | Mean, bounded: Part | None) -> tuple[Part, ...]:
    if bounded is None or bounded.column is None:
        return (ROWS,)
    if isinstance(measure, Sum):
        return (bounded,)
    counted = Part("present", bounded.column) if bounded.column.nullable else ROWS
    return (bounded, counted)


def conditions_of(where: Sequence[Filter], schema: Schema) -> tuple[Condition, ...]:
    """Return the filters checked against `schema`. Raises `Invalid`, one problem for each fault."""
    checker = _Checker(schema)
    found = [checker.condition(item, f"where.{i}") for i, item in enumerate(where)]
    checker.done()
    return tuple(condition for condition in found if condition)


def plan(query: Query, schema: Schema) -> Plan:
    """Return what `query` means on the extract that `schema` describes. Raises `Invalid`, one problem for each fault."""
    checker = _Checker(schema)
    conditions = [checker.condition(item, f"where.{i}") for i, item in enumerate(query.where)]
    keys = [key for i, item in enumerate(query.by) if (key := checker.key(item, f"by.{i}"))]
    if len({key.name for key in keys}) != len(keys):
        checker.fault("by", _("Den samme variabelen kan bare grupperes på én gang."))
    if len({measure.name for measure in query.measures}) != len(query.measures):
        checker.fault("measures", _("Det samme målet kan bare tas med én gang."))
    if prod(len(key.labels) for key in keys) > MOST_CELLS:
        checker.fault("by", _("Svaret ville fått flere enn {most} celler."), most=MOST_CELLS)
    parts: list[Part] = []
    answers: list[Answer] = []
    for i, measure in enumerate(query.measures):
        bounded = None if isinstance(measure, Count) else checker.bounds(measure, f"measures.{i}")
        needed = _parts_of(measure, bounded)
        parts.extend(part for part in needed if part not in parts)
        answers.append(Answer(measure.name, measure.kind, tuple(parts.index(part) for part in needed)))
    checker.done()
    found = tuple(condition for condition in conditions if condition)
    return Plan(query, found, tuple(keys), tuple(parts), tuple(answers))
