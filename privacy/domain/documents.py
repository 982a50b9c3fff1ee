"""Reading a JSON document that somebody sent: small, shallow, finite and without two of one key."""

import json
from collections.abc import Sequence
from typing import Any

from hvelv.kernel.errors import Invalid, Problem, _

LARGEST = 64 * 1024  # bytes; the largest sensible query is a few thousand


def refused(field: str = "") -> Invalid:
    """Return the refusal of a document that is not usable JSON."""
    message = _("Forespørselen er ikke et gyldig JSON-dokument innenfor grensene.")
    return Invalid((Problem(message, field),), message)


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the same key twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def document_from(raw: bytes, *, largest: int = LARGEST) -> dict[str, Any]:
    """Return the JSON object in `raw`.

    Raises `Invalid` for what is too large, too deep, not an object, has NaN or infinity, or one key twice.
    """
    if len(raw) > largest:
        raise refused()
    try:
        found = json.loads(raw, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise refused() from None
    if not isinstance(found, dict):
        raise refused()
    return found
