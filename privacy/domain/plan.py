"""A query that was checked against the project's tables: what is counted, in which cells, within which bounds.

The check sees schemas and never the data, so that neither an answer nor a refusal depends on who is in a table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from hvelv.kernel.errors import _
from hvelv.privacy.domain.checking import Amount, Checker
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import MOST_CELLS, ROWS, Cells, Part
from hvelv.privacy.domain.query import Count, Mean, Query, Sum
from hvelv.privacy.domain.schema import Code, Schema


@dataclass(frozen=True)
class Answer:
    """One measure of the answer and the parts that it is computed from (`parts` are positions in the plan's)."""

    name: str
    kind: Literal["count", "sum", "mean"]
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


def _bounded(checker: Checker, measure: Sum | Mean, field: str) -> Part | None:
    amount = checker.amount(measure.column, measure.low, measure.high, field)
    if amount is None:
        return None
    origin = (amount.low + amount.high) // 2 if isinstance(measure, Mean) else 0
    return summed(amount, origin)


def summed(amount: Amount, origin: int = 0) -> Part:
    """Return the part that adds up an amount, measured around `origin` (units)."""
    return Part("sum", amount.column, amount.step, amount.low, amount.high, origin)


def _parts_of(measure: Count | Sum | Mean, bounded: Part | None) -> tuple[Part, ...]:
    if bounded is None or bounded.column is None:
        return (ROWS,)
    if isinstance(measure, Sum):
        return (bounded,)
    counted = Part("present", bounded.column) if bounded.column.nullable else ROWS
    return (bounded, counted)


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
    parts: list[Part] = []
    answers: list[Answer] = []
    for i, measure in enumerate(query.measures):
        bounded = None if isinstance(measure, Count) else _bounded(checker, measure, f"measures.{i}")
        needed = _parts_of(measure, bounded)
        parts.extend(part for part in needed if part not in parts)
        answers.append(Answer(measure.name, measure.kind, tuple(parts.index(part) for part in needed)))
    checker.done()
    ask = replace(ask, parts=tuple(parts), max_groups=min(query.max_groups, ask.length))
    return Plan(query, rows, ask, tuple(answers))
