"""A query that was checked against the project's tables: what is counted, in which cells, within which bounds.

The check sees schemas and never the data, so that neither an answer nor a refusal depends on who is in a table.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

from hvelv.kernel.errors import _
from hvelv.privacy.domain.checking import Amount, Checker
from hvelv.privacy.domain.framing import Framed, few_digits, framed
from hvelv.privacy.domain.measuring import MOST_CELLS, PERSONS, ROWS, Cells, Part
from hvelv.privacy.domain.query import Mean, Query, Spread, Sum
from hvelv.privacy.domain.schema import Code, Schema

WIDEST_SQUARE = 2**16  # steps between the bounds of what is squared


@dataclass(frozen=True)
class Answer:
    """One measure of the answer and the parts that it is computed from (`parts` are positions in the plan's)."""

    name: str
    kind: Literal["count", "persons", "sum", "mean", "variance", "std"]
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """What a query means on the project's tables."""

    query: Query
    framed: Framed
    ask: Cells
    answers: tuple[Answer, ...]

    @property
    def cells(self) -> int:
        """Return how many cells the answer has; all of them are answered, empty or not."""
        return self.ask.length

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return what is measured in each cell."""
        return self.ask.parts

    def cell_keys(self) -> Iterable[tuple[Code, ...]]:
        """Yield the cells' keys in the order of the vectors."""
        return product(*(key.labels for key in self.ask.keys))


def summed(amount: Amount, origin: int = 0) -> Part:
    """Return the part that adds up an amount, measured around `origin` (units)."""
    return Part("sum", amount.column, amount.step, amount.low, amount.high, origin)


def squared(amount: Amount, origin: int) -> Part:
    """Return the part that adds up the squares of what `summed` adds."""
    return Part("square", amount.column, amount.step, amount.low, amount.high, origin)


def middle(amount: Amount) -> int:
    """Return the origin from which values go as far up as down."""
    return (amount.low + amount.high) // 2


def coarse(amount: Amount) -> Amount:
    """Return an amount in steps so wide that squares of 2^31 rows stay within 63 bits; the bounds may widen by one step.

    A value then lies within half of such a step, one part in 2^17 of the range, of what it was.
    """
    wider = -(-(amount.high - amount.low) // WIDEST_SQUARE)
    return Amount(amount.column, amount.step * wider, amount.low // wider, -(-amount.high // wider))


def _counted(amount: Amount) -> Part:
    return Part("present", amount.column) if amount.column.nullable else ROWS


def _for_mean(amount: Amount) -> tuple[Part, ...]:
    return summed(amount, middle(amount)), _counted(amount)


def _for_spread(amount: Amount) -> tuple[Part, ...]:
    wide = coarse(amount)
    return summed(wide, middle(wide)), squared(wide, middle(wide)), _counted(wide)


FROM_AMOUNT: Mapping[type, Callable[[Amount], tuple[Part, ...]]] = {
    Sum: lambda amount: (summed(amount),),
    Mean: _for_mean,
    Spread: _for_spread,
}


def _parts_of(measure: Any, query: Query, checker: Checker, field: str) -> tuple[Part, ...]:
    needed = FROM_AMOUNT.get(type(measure))
    if needed is None:  # one row of each person: rows are persons
        return (PERSONS if measure.kind == "persons" and query.max_rows > 1 else ROWS,)
    amount = checker.amount(measure.column, measure.low, measure.high, field)
    return (ROWS,) if amount is None else needed(amount)


def _around_middle(direct: tuple[Part, ...], needs: Iterable[tuple[Part, ...]]) -> tuple[Part, ...]:
    """Return what a sum is made of: itself, or what lies around the middle and a count of its rows, if that is drawn anyway.

    With a bound on values of h around the middle o, the errors are as |o| + h to the root of o^2 + h^2, so that the
    second is never larger; and where a mean of the same is asked for it costs nothing.
    """
    amount = direct[0]
    if amount.column is None:  # it could not be checked
        return direct
    moved, counted = _for_mean(Amount(amount.column, amount.step, amount.low, amount.high))
    return (moved, counted) if moved.origin and any(counted in needed for needed in needs) else direct


def plan(query: Query, schema: Schema) -> Plan:
    """Return what `query` means on the one table that `schema` describes. Raises `Invalid`."""
    return planned(query, {schema.table: schema})


def planned(query: Query, schemas: Mapping[str, Schema]) -> Plan:
    """Return what `query` means on the tables of a project. Raises `Invalid`, one problem for each fault."""
    rows, checker = framed(query, schemas)
    keys = tuple(key for i, item in enumerate(query.by) if (key := checker.key(item, f"by.{i}")))
    if len({key.name for key in keys}) != len(keys):
        checker.fault("by", _("Den samme variabelen kan bare grupperes på én gang."))
    if len({measure.name for measure in query.measures}) != len(query.measures):
        checker.fault("measures", _("Det samme målet kan bare tas med én gang."))
    ask = Cells(keys, (), query.max_rows, query.max_groups)
    if ask.length > MOST_CELLS:
        checker.fault("by", _("Svaret ville fått flere enn {most} celler."), most=MOST_CELLS)
    if query.expected is not None and not few_digits(query.expected):
        checker.fault("expected", _("Tallet kan ha høyst to sifre som ikke er null til slutt."))
    parts: list[Part] = []
    answers: list[Answer] = []
    needs = [_parts_of(measure, query, checker, f"measures.{i}") for i, measure in enumerate(query.measures)]
    for measure, direct in zip(query.measures, needs, strict=True):
        needed = _around_middle(direct, needs) if isinstance(measure, Sum) else direct
        parts.extend(part for part in needed if part not in parts)
        answers.append(Answer(measure.name, measure.kind, tuple(parts.index(part) for part in needed)))
    checker.done()
    ask = replace(ask, parts=tuple(parts), max_groups=min(query.max_groups, ask.length))
    return Plan(query, rows, ask, tuple(answers))
