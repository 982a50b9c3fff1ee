"""The reference page of transforms, drawn from the steps themselves (docs/reference/transforms.md)."""

import json
from collections.abc import Mapping
from typing import Any

from hvelv.privacy.domain.schema import TYPES, Column
from hvelv.privacy.domain.transforms import KINDS, NOTES, as_documents, fits, transforms_from

EXAMPLES: tuple[Mapping[str, Any], ...] = (
    {"kind": "keep"},
    {"kind": "drop"},
    {"kind": "year"},
    {"kind": "month"},
    {"kind": "shift", "days": 30},
    {"kind": "bands", "edges": [0, 18, 40, 90]},
    {"kind": "clip", "low": 18, "high": 90},
    {"kind": "truncate", "length": 3},
    {"kind": "suppress", "persons": 5, "instead": "*"},
    {"kind": "coarsen", "codes": {"0301": "Oslo", "4601": "Vestland"}, "otherwise": "Andre"},
    {"kind": "hash"},
    {"kind": "round", "step": 5},
)
NUMBERED: Mapping[str, Mapping[str, Any]] = {  # as they are written for a variable whose codes are numbers
    "suppress": {"kind": "suppress", "persons": 5, "instead": 9999},
    "coarsen": {"kind": "coarsen", "codes": {"301": "Oslo"}, "otherwise": "Andre"},
}
HEAD = """# Transforms

Generated from `privacy/domain` by `make docs`; do not edit.

A variable leaves through a list of steps. The steward declares the least coarse form that anyone gets (`transforms` of
the variable); a permit may add steps that make it coarser; the steward who looks at an extract before it is delivered
may add more. They are done in that order, each on what the one before made. Steps are data: whether one fits its
variable is decided on the public description alone, by the catalogue's vault when a version is published and by the
permit office when a permit is issued.

| kind | fits | what it does | written as | said of it |
|---|---|---|---|---|
"""
RULES = """
* `person_id`, `direct_identifier` and `free_text` never leave: for them only `drop` can be declared, and is what happens.
* Missing values stay missing; what is no number is missing.
* `bands`: each edge begins a band, the last is open upwards. Below the first edge there is a band `<edge` where the
  declared bounds let a number be there; a number outside the declared bounds that has no band is missing. Edges are whole steps of the variable's resolution, within its bounds.
* `clip` and `bands` are for amounts; numbers that are codes (a code list is declared) are made coarser by `coarsen`.
* `shift` moves all of a person's dates in a project by equally many days when `days` is the same, so that what lies
  between two dates is kept; it comes before `month`, not after. It hides the day, not the season.
* `truncate` keeps the label of a code that is in the list itself, or that all codes behind it share.
* `hash` is HMAC-SHA256 under the project's own key for codes, cut to 80 bits. It is made of the type and the code, not
  of the variable's name, so that a facility has one mark in all tables of a project, and none in common between two
  projects. How often a mark occurs can still be seen.
* `suppress` counts persons in the extract that is being made, after all other steps, so it is always moved to the end;
  where several are asked for, the largest number of persons holds. What stands instead may itself be rare.
  Whether a code is replaced depends on how many others have it, so that no bound holds for what one person changes:
  rows can be looked at, but a query that filters, groups or measures by the variable is refused. Where answers are
  wanted, use `truncate`, or `coarsen` with a public list.
* `coarsen` gives a text, `otherwise` for codes that the list does not have.
* A date outside the years 1 to 9999 is missing, also one that `shift` moves there.
* At most 12 steps a variable; nothing after `drop`.
"""


def _types(document: Mapping[str, Any]) -> str:
    """Return the types that the step fits."""
    found = []
    for kind in TYPES:
        bounds: dict[str, Any] = {"low": 0, "high": 110} if kind in {"integer", "decimal"} else {}
        written = NUMBERED.get(document["kind"], document) if kind == "integer" else document
        column = Column("v", kind, "attribute", **bounds)  # type: ignore[arg-type]
        if fits(column, transforms_from([written])):
            found.append(kind)
    return "all" if len(found) == len(TYPES) else ", ".join(found)


def render() -> str:
    """Return the page."""
    lines = []
    for document in EXAMPLES:
        (step,) = transforms_from([document])
        said = (KINDS[step.kind].__doc__ or "").strip().splitlines()[0]
        written = json.dumps(as_documents([step])[0], ensure_ascii=False)
        lines.append(f"| `{step.kind}` | {_types(document)} | {said} | `{written}` | {NOTES[step.kind]} |\n")
    return HEAD + "".join(lines) + RULES
