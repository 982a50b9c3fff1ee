"""Whether a steward's steps can come after those that an extract was made with, judged as the extract will be made.

What counts persons is moved to the end of all steps, so steps that fit what was measured may not fit what will be made:
bands make text of a number, and a number can then not take the rare ones' place. Both are tried.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.schema import Column
from hvelv.privacy.domain.steps import (
    MOST_STEPS,
    Drop,
    Keep,
    ShiftDate,
    SuppressRare,
    Transform,
    as_documents,
    combined,
    transforms_from,
)
from hvelv.privacy.domain.transforms import ONCE, transformed

REFUSED = _("Trinnet kan ikke komme etter det som alt er gjort med variabelen.")


def follow(column: Column, done: Sequence[Transform], steps: Sequence[Transform], declared: Column | None) -> None:
    """Let pass `steps` that can be tried on `column` and that `declared` can be extracted with after `done`.

    `column`: as it was measured; `declared`: as it is in the source, None where that is not known. Raises `Invalid`.
    """
    made = combined(done, steps)
    if not _may_be_tried(done, steps) or len(made) > MOST_STEPS:
        raise Invalid((Problem(REFUSED, column.name),))
    transformed(column, steps)
    if declared is not None:
        transformed(declared, made)
    elif _counts(done) and not isinstance(made[0], Drop):
        raise Invalid((Problem(REFUSED, column.name),))


def can_follow(column: Column, done: Sequence[Transform], steps: Sequence[Transform], declared: Column | None) -> bool:
    """Say whether `follow` lets them pass."""
    try:
        follow(column, done, steps, declared)
    except Invalid:
        return False
    return True


def _counts(steps: Sequence[Transform]) -> bool:
    return any(isinstance(step, SuppressRare) for step in steps)


def _may_be_tried(done: Sequence[Transform], steps: Sequence[Transform]) -> bool:
    """Say whether the kinds may come here. The secret shift of dates is not at hand; persons are counted once."""
    kinds, more = {type(step) for step in done}, {type(step) for step in steps}
    return not (more & {ShiftDate, Keep} or more & (ONCE | {SuppressRare}) & kinds)


def shown(column: Column, done: Sequence[Transform], declared: Column | None) -> dict[str, Any]:
    """Return what is public of a column, as the JSON that is kept with a review."""
    return _public(column) | {"done": as_documents(done), "declared": _public(declared) if declared else None}


def column_shown(document: Mapping[str, Any]) -> Column:
    """Return the column as it was kept with a review."""
    known = {name: document[name] for name in ("name", "title", "type", "role", "low", "high", "step", "unit")}
    codes = document["categories"]
    return Column(**known, categories=None if codes is None else tuple(codes))


def declared_shown(document: Mapping[str, Any]) -> Column | None:
    """Return the source's column as it was kept with a review."""
    return column_shown(document["declared"]) if document.get("declared") else None


def done_shown(document: Mapping[str, Any]) -> tuple[Transform, ...]:
    """Return the steps that were done, however many declaration and permit have together."""
    return tuple(step for one in document["done"] for step in transforms_from([one]))


def _public(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "title": dict(column.title),
        "type": column.type,
        "role": column.role,
        "low": column.low,
        "high": column.high,
        "step": column.step,
        "unit": column.unit,
        "categories": list(column.categories) if column.categories is not None else None,
    }
