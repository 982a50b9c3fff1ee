"""Pathways: how often one event follows another, how long it takes, and which sequences are the most frequent.

**What one person moves.** Rows are made of one person's events in time (`Steps`, `Paths`), so a person's rows are nobody
else's matter. Steps: of a person the first `max_rows` steps of each of the first `max_groups` kinds (group, from, to)
count; a person moves the vector of counts by at most max_rows * sqrt(max_groups) (L2), and that of counts by time, in
which each step is in one place, by the same (`Folded`, kinds of step kept apart). Paths: one row for each person, and so
one count that moves by one.

**What is made of it** is post-processing: shares with errors by the delta method; medians from `quantiles`; the sequences
with the highest noisy counts among all that there can be, by public codes. All of these are measured, whoever has them.
Errors of the most frequent hold for all sequences at once (Bonferroni), because choosing the highest favours those that
noise has lifted.
"""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Literal

from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.checking import Checker, Key
from hvelv.privacy.domain.closed import Name, Number
from hvelv.privacy.domain.framing import DAYS, FROM, PATH, TO, Framed, framed
from hvelv.privacy.domain.measuring import MOST_CELLS, ROWS, Cells, Folded
from hvelv.privacy.domain.methods.sequences import Sequences
from hvelv.privacy.domain.methods.transitions import Transitions
from hvelv.privacy.domain.query import Bins, Groups
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import MOST_EDGES, Asked, Paths, Steps

MOST_TOP = 50


class Pathways(Asked):
    """Steps between events, or the most frequent paths through them."""

    kind: Literal["pathways"]
    of: Annotated[Steps | Paths, Field(discriminator="kind")]
    by: Annotated[tuple[Name | Bins, ...], Field(max_length=1)] = ()
    bins: Annotated[tuple[Number, ...], Field(min_length=2, max_length=MOST_EDGES)] | None = None
    top: Annotated[int, Field(ge=1, le=MOST_TOP)] = 10
    max_groups: Groups = 1


def _coded(rows: Framed, name: str) -> Key:
    column = rows.schema.find(name)
    if column is None or column.keys is None:
        raise ValueError("a fault that was not told")
    return Key(column, codes=column.keys)


def _transitions(asked: Pathways, rows: Framed, checker: Checker, groups: tuple[Key, ...]) -> Transitions:
    axis = checker.key(Bins(column=DAYS, edges=asked.bins), "bins") if asked.bins else None
    if "top" in asked.model_fields_set:
        checker.fault("top", _("Bare forløp («paths») har en rekkefølge."))
    checker.done()
    keys = (*groups, _coded(rows, FROM), _coded(rows, TO))
    length = prod(len(key.labels) for key in keys)
    if length * (len(axis.labels) if axis else 1) > MOST_CELLS:
        checker.fault("by", _("Svaret ville fått flere enn {most} celler."), most=MOST_CELLS)
    checker.done()
    bounds = asked.max_rows, min(asked.max_groups, length)
    times = None
    if axis is not None:
        times = Folded((*keys, axis), len(keys), (tuple(1 for _key in (*keys, axis)),), *bounds)
    return Transitions(rows, keys, Cells(keys, (ROWS,), *bounds), times)


def _sequences(asked: Pathways, rows: Framed, checker: Checker, groups: tuple[Key, ...]) -> Sequences:
    path = rows.schema.find(PATH)
    if path is not None and path.keys is None:
        checker.fault("of.length", _("Det er for mange mulige forløp. Velg kortere forløp eller færre koder."))
    if asked.bins is not None:
        checker.fault("bins", _("Bare steg («steps») har tid imellom."))
    if asked.max_rows != 1 or asked.max_groups != 1:
        checker.fault("max_rows", _("Av hver person teller én rad."))
    checker.done()
    keys = (*groups, _coded(rows, PATH))
    ask = Cells(keys, (ROWS,), 1, 1)
    if ask.length > MOST_CELLS:
        checker.fault("by", _("Svaret ville fått flere enn {most} celler."), most=MOST_CELLS)
    checker.done()
    return Sequences(rows, keys, ask, asked.top)


def prepare(asked: Pathways, schemas: Mapping[str, Schema]) -> Transitions | Sequences:
    """Return the method for pathways. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(asked, schemas)
    groups = tuple(key for i, item in enumerate(asked.by) if (key := checker.key(item, f"by.{i}")))
    if {key.name for key in groups} & {FROM, TO, DAYS, PATH}:
        checker.fault("by", _("Den samme variabelen kan bare grupperes på én gang."))
    return (_transitions if isinstance(asked.of, Steps) else _sequences)(asked, rows, checker, groups)
