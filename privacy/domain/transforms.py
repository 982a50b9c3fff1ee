"""What the steps make of a variable: the public description of the column that leaves, worked out without any data.

One small function for each kind of step, in a table. A step that does not fit its variable is refused here, so that
what is declared, what is permitted and what is made of the data cannot say different things.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Any

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.schema import NUMERIC, Code, Column, exact
from hvelv.privacy.domain.steps import (
    KINDS,
    NOTES,
    Bands,
    Clip,
    Coarsen,
    Drop,
    HashCode,
    Keep,
    Round,
    ShiftDate,
    SuppressRare,
    ToMonth,
    ToYear,
    Transform,
    Truncate,
    as_documents,
    combined,
    note,
    note_params,
    transforms_from,
)

__all__ = [
    "KINDS", "NOTES", "Bands", "Clip", "Coarsen", "Drop", "HashCode", "Keep", "Round", "ShiftDate", "SuppressRare",
    "ToMonth", "ToYear", "Transform", "Truncate", "as_documents", "band_edges", "band_names", "combined", "fits",
    "note", "note_params", "rounded", "transformed", "transforms_from",
]  # fmt: skip

Labels = tuple[Mapping[str, str], ...]


def _refused(column: Column, message: str, **params: object) -> Invalid:
    return Invalid((Problem(message, column.name, params=params),), _("Trinnet passer ikke til variabelen."))


def _typed(column: Column, *types: str) -> None:
    if column.type not in types:
        raise _refused(column, _("Trinnet passer ikke til variabelens type."))


def _amount(column: Column) -> None:
    """Let pass a number that is an amount; the numbers of a code list are names."""
    _typed(column, *NUMERIC)
    if column.categories is not None:
        raise _refused(column, _("Variabelen har et kodeverk. Bruk en grovere kodeliste."))


def _on_grid(column: Column, *numbers: float | None) -> None:
    """Let pass numbers that the column itself could have: whole ones for integers, else whole steps."""
    step = column.resolution
    for number in numbers:
        if number is not None and step is not None and (exact(number) / step).denominator != 1:
            raise _refused(column, _("Tallene må være hele trinn på variabelens oppløsning."))


def _year(column: Column, _step: Transform) -> Column:
    _typed(column, "date")
    return replace(column, type="integer", step=1, unit=None)


def _month(column: Column, _step: Transform) -> Column:
    _typed(column, "date")
    return column


def _bands(column: Column, step: Bands) -> Column:
    _amount(column)
    _on_grid(column, *step.edges)
    if any(a >= b for a, b in itertools.pairwise(step.edges)):
        raise _refused(column, _("Grensene må være stigende."))
    low, high = column.low, column.high
    if (low is not None and step.edges[0] < low) or (high is not None and step.edges[-1] > high):
        raise _refused(column, _("Grensene må ligge innenfor variabelens egne grenser."))
    names = band_names(column, step)
    return replace(
        column, type="string", low=None, high=None, step=None, categories=names, labels=tuple({} for _name in names)
    )


def band_edges(column: Column, step: Bands) -> tuple[int | float | None, ...]:
    """Return where the bands begin. None is the band below the first edge, where a number can be there."""
    if column.low is not None and column.low >= step.edges[0]:
        return step.edges
    return (None, *step.edges)


def band_names(column: Column, step: Bands) -> tuple[str, ...]:
    """Return what the bands are called, lowest first: "<18", "18–39", "40+"; "[18.5, 25)" where there is no resolution."""
    edges, size = step.edges, column.resolution
    below = (f"<{edges[0]}",) if band_edges(column, step)[0] is None else ()
    return (*below, *(_band(a, b, size) for a, b in itertools.pairwise(edges)), f"{edges[-1]}+")


def _band(low: float, high: float, size: Fraction | None) -> str:
    if size is None:
        return f"[{low}, {high})"
    last = _plain(exact(high) - size)
    return f"{low}" if last == low else f"{low}–{last}"


def _plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else float(number)


def _clip(column: Column, step: Clip) -> Column:
    _amount(column)
    _on_grid(column, step.low, step.high)
    low = max((n for n in (column.low, step.low) if n is not None), default=None)
    high = min((n for n in (column.high, step.high) if n is not None), default=None)
    if low is not None and high is not None and low > high:
        raise _refused(column, _("Grensene må ligge innenfor variabelens egne grenser."))
    return replace(column, low=low, high=high)


def rounded(number: Fraction, step: Fraction) -> Fraction:
    """Return the nearest whole number of steps; halfway goes up."""
    return floor(number / step + Fraction(1, 2)) * step


def _round(column: Column, step: Round) -> Column:
    _amount(column)
    _on_grid(column, step.step)
    size = exact(step.step)
    low, high = (None if n is None else _plain(rounded(exact(n), size)) for n in (column.low, column.high))
    return replace(column, low=low, high=high, step=step.step)


def _gathered(pairs: Iterable[tuple[str, Code, Mapping[str, str]]]) -> tuple[tuple[Code, ...], Labels]:
    """Return new codes in the order in which they come, each with the label that all it was made from agree on."""
    found: dict[str, list[Mapping[str, str]]] = {}
    own: dict[str, Mapping[str, str]] = {}
    for new, old, label in pairs:
        found.setdefault(new, []).append(label)
        if new == old:
            own[new] = label
    labels = tuple(
        own.get(new) or (given[0] if all(g == given[0] for g in given) else {}) for new, given in found.items()
    )
    return tuple(found), labels


def _labelled(column: Column) -> Iterable[tuple[Code, Mapping[str, str]]]:
    return itertools.zip_longest(column.categories or (), column.labels, fillvalue={})  # type: ignore[arg-type]


def _truncate(column: Column, step: Truncate) -> Column:
    _typed(column, "string")
    if column.categories is None:
        return column
    codes, labels = _gathered((str(code)[: step.length], code, label) for code, label in _labelled(column))
    return replace(column, categories=codes, labels=labels)


def _coarsen(column: Column, step: Coarsen) -> Column:
    _typed(column, "string", "integer")
    if column.type == "integer" and any(str(_whole(code)) != code for code, _to in step.codes):
        raise _refused(column, _("Kodelisten må ha koder av variabelens type."))
    targets = tuple(dict.fromkeys((*sorted({to for _code, to in step.codes}), step.otherwise)))
    return replace(
        column,
        type="string", low=None, high=None, step=None, unit=None,
        categories=targets, labels=tuple({} for _target in targets),
    )  # fmt: skip


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _hash(column: Column, _step: Transform) -> Column:
    _typed(column, "string", "integer")
    return replace(column, type="string", low=None, high=None, step=None, unit=None, categories=None, labels=())


def _suppress(column: Column, step: SuppressRare) -> Column:
    _typed(column, "string", "integer")
    if isinstance(step.instead, int) != (column.type == "integer"):
        raise _refused(column, _("Verdien som settes inn i stedet, må ha variabelens type."))
    low, high = _widened(column, step.instead)
    column = replace(column, low=low, high=high, depends_on_others=True)
    if column.categories is None or step.instead in column.categories:
        return column
    return replace(column, categories=(*column.categories, step.instead), labels=(*column.labels, {}))


def _widened(column: Column, instead: Code) -> tuple[int | float | None, int | float | None]:
    """Return the bounds with `instead` within them."""
    if isinstance(instead, str):
        return column.low, column.high
    low = None if column.low is None else min(column.low, instead)
    return low, None if column.high is None else max(column.high, instead)


def _shift(column: Column, _step: Transform) -> Column:
    _typed(column, "date")
    return column


FITTED: Mapping[type[Transform], Callable[[Column, Any], Column]] = {
    Keep: lambda column, _step: column,
    ToYear: _year,
    ToMonth: _month,
    ShiftDate: _shift,
    Bands: _bands,
    Clip: _clip,
    Truncate: _truncate,
    SuppressRare: _suppress,
    Coarsen: _coarsen,
    HashCode: _hash,
    Round: _round,
}
ONCE: frozenset[type[Transform]] = frozenset({ShiftDate, ToMonth, HashCode})


def _in_order(column: Column, steps: Sequence[Transform]) -> None:
    """Let pass a sequence that makes sense whatever the variable."""
    kinds = [type(step) for step in steps]
    if any(kind in {Drop, SuppressRare} for kind in kinds[:-1]):
        raise _refused(
            column, _("Etter at variabelen er utelatt eller sjeldne koder er byttet ut, kan ikke mer gjøres.")
        )
    if any(kinds.count(kind) > 1 for kind in ONCE):
        raise _refused(column, _("Trinnet kan bare gjøres én gang."))
    if ToMonth in kinds and ShiftDate in kinds[kinds.index(ToMonth) :]:
        raise _refused(column, _("En dato flyttes før den gjøres om til måned, ikke etter."))


def transformed(column: Column, steps: Sequence[Transform]) -> Column | None:
    """Return the public column of an extract after `steps`; None where it does not leave.

    Raises `Invalid`, with the column as field, for a step that does not fit and for a sequence that makes no sense.
    What never leaves can only be dropped, and is dropped whatever the steps.
    """
    if not column.leaves:
        if any(not isinstance(step, Drop) for step in steps):
            raise _refused(column, _("Variabler av denne rollen utleveres aldri, i ingen form."))
        return None
    _in_order(column, steps)
    for step in steps:
        if isinstance(step, Drop):
            return None
        column = FITTED[type(step)](column, step)
    return replace(column, transforms=())


def fits(column: Column, steps: Sequence[Transform]) -> bool:
    """Say whether `steps` can be done with the column."""
    try:
        transformed(column, steps)
    except Invalid:
        return False
    return True
