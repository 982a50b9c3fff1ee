"""In which form a variable leaves: the steward's steps, kept word for word, and the forms that pages offer.

What a step does with data is the privacy package's, which judges whether it fits; here it is a small JSON object that
says its kind.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hvelv.kernel.canonical import canonical
from hvelv.kernel.errors import _

MOST_STEPS = 12
LARGEST_STEP = 256 * 1024  # bytes: a code list with every municipality fits many times
MOST_BANDS = 100
Document = dict[str, Any]


class FormCheck(Protocol):
    """Says whether the steps of a declaration can be done with its variables."""

    def check(self, declaration: Mapping[str, Any]) -> None:
        """Raise `Invalid` for a step that is no step, or that does not fit its variable."""
        ...


@dataclass(frozen=True)
class Step:
    """One step, as canonical JSON."""

    text: str

    def as_dict(self) -> Document:
        """Return the JSON object."""
        found: Document = json.loads(self.text)
        return found


def step_from(document: object) -> Step | None:
    """Return the step in `document`; None for what is not a small JSON object with a kind."""
    if not isinstance(document, Mapping) or not isinstance(document.get("kind"), str):
        return None
    try:
        raw = canonical(document)
    except (ValueError, TypeError, RecursionError):
        return None
    return Step(raw.decode()) if len(raw) <= LARGEST_STEP else None


def steps_from(documents: object) -> tuple[Step, ...] | None:
    """Return the steps in `documents`; None for what is not a short list of steps."""
    if not isinstance(documents, list | tuple) or len(documents) > MOST_STEPS:
        return None
    found = tuple(step_from(document) for document in documents)
    return tuple(step for step in found if step) if all(found) else None


def as_documents(steps: Sequence[Step]) -> list[Document]:
    """Return the JSON form."""
    return [step.as_dict() for step in steps]


@dataclass(frozen=True)
class Offer:
    """A form that pages offer by name. `made` gets the variable's declared bounds; None where it needs them."""

    key: str
    name: str
    types: frozenset[str]
    made: Callable[[float | None, float | None], list[Document] | None]


def _fixed(**step: Any) -> Callable[[float | None, float | None], list[Document]]:
    return lambda _low, _high: [dict(step)]


def _bands(width: int) -> Callable[[float | None, float | None], list[Document] | None]:
    """Return bands `width` wide, from the first whole one within the bounds to the last."""

    def made(low: float | None, high: float | None) -> list[Document] | None:
        if low is None or high is None:
            return None
        edges = list(range(-int(-low // width) * width, int(high) + 1, width))
        edges = edges if len(edges) == 1 or edges[-1:] != [int(high)] else edges[:-1]
        return [{"kind": "bands", "edges": edges}] if 1 <= len(edges) <= MOST_BANDS else None

    return made


DATE, AMOUNT, CODE, ANY = (
    frozenset({"date"}),
    frozenset({"integer", "decimal"}),
    frozenset({"string"}),
    frozenset({"date", "integer", "decimal", "string", "boolean"}),
)
OFFERS: tuple[Offer, ...] = (
    Offer("month", _("År og måned"), DATE, _fixed(kind="month")),
    Offer("year", _("Bare årstall"), DATE, _fixed(kind="year")),
    Offer("shift30", _("Dato flyttet inntil 30 dager"), DATE, _fixed(kind="shift", days=30)),
    Offer("bands5", _("Grupper på 5"), AMOUNT, _bands(5)),
    Offer("bands10", _("Grupper på 10"), AMOUNT, _bands(10)),
    Offer("truncate3", _("De 3 første tegnene i koden"), CODE, _fixed(kind="truncate", length=3)),
    Offer("truncate2", _("De 2 første tegnene i koden"), CODE, _fixed(kind="truncate", length=2)),
    Offer("rare5", _("Koder som færre enn 5 personer har, samles"), CODE, _fixed(kind="suppress", persons=5, instead="*")),
    Offer("hash", _("Et merke i stedet for koden"), CODE | {"integer"}, _fixed(kind="hash")),
    Offer("drop", _("Utleveres ikke"), ANY, _fixed(kind="drop")),
)  # fmt: skip
BY_KEY: Mapping[str, Offer] = {offer.key: offer for offer in OFFERS}


def key_of(documents: Sequence[Document], low: float | None, high: float | None) -> str:
    """Return what a form is called where it is one of those offered; "" for none, else its JSON."""
    if not documents:
        return ""
    found = next((offer.key for offer in OFFERS if offer.made(low, high) == list(documents)), None)
    return found or canonical(list(documents)).decode()


def documents_of(key: str, low: float | None, high: float | None) -> list[Document] | None:
    """Return the form called `key`, or written as JSON; None for no such form, or one that lacks the bounds it needs."""
    if not key:
        return []
    if key in BY_KEY:
        return BY_KEY[key].made(low, high)
    try:
        steps = steps_from(json.loads(key))
    except (ValueError, RecursionError):
        return None
    return None if steps is None else as_documents(steps)
