"""What every document of ours is made of: closed parts with exactly the fields they have, and plain values.

Nothing here is code, an expression or a plan. Faults are told by the field they are in, never by what was sent.
"""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from hvelv.kernel.canonical import canonical
from hvelv.kernel.errors import Problem, _
from hvelv.privacy.domain.documents import LARGEST, refused

LARGEST_NUMBER = 2**53  # beyond it, a JSON number is not one and the same integer in every language
SMALLEST_NUMBER = 1e-9  # closer to zero than any resolution that is declared
LONGEST_TEXT = 200
MOST_VALUES = 200

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


def _number(value: Any) -> int | float:
    """Return a plain finite number, integral ones as integers; booleans are not numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("number")  # noqa: TRY004 - pydantic collects ValueError
    if not abs(value) <= LARGEST_NUMBER or 0 < abs(value) < SMALLEST_NUMBER:  # also what is not a number
        raise ValueError("number")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _scalar(value: Any) -> bool | int | float | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT or not value.isprintable():
            raise ValueError("text")
        return value
    return _number(value)


def _scalars(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return _scalar(value)
    if not 1 <= len(value) <= MOST_VALUES:
        raise ValueError("list")
    return tuple(_scalar(item) for item in value)


Number = Annotated[int | float, BeforeValidator(_number)]
Scalar = bool | int | float | str
Code = Annotated[Scalar, BeforeValidator(_scalar)]
Values = Annotated[Scalar | tuple[Scalar, ...], BeforeValidator(_scalars)]


class Closed(BaseModel):
    """A frozen part of a document: exactly these fields, of exactly these types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


MESSAGES = {
    "missing": _("Feltet mangler."),
    "extra_forbidden": _("Feltet finnes ikke i spørringen."),
    "too_long": _("Det er for mange verdier her."),
    "too_short": _("Det er for få verdier her."),
    "greater_than_equal": _("Tallet er for lite."),
    "less_than_equal": _("Tallet er for stort."),
    "string_pattern_mismatch": _("Navnet kan bare ha små bokstaver, sifre, «_» og «-»."),
    "union_tag_invalid": _("Slaget («kind») finnes ikke her."),
    "literal_error": _("Verdien er ikke blant dem som kan brukes her."),
}
OTHERWISE = _("Feltet har en verdi som ikke kan brukes.")


def field_names(model: type[BaseModel]) -> Iterator[str]:
    """Yield the names of a model's fields and of those of the models in it."""
    for name, field in model.model_fields.items():
        yield name
        for inner in _models_in(field.annotation):
            yield from field_names(inner)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def faults(error: ValidationError, known: frozenset[str]) -> tuple[Problem, ...]:
    """Return what is wrong, each with its place in names of the model and numbers: the sender's own words are not repeated."""
    return tuple(
        Problem(MESSAGES.get(fault["type"], OTHERWISE), _place(fault["loc"], known))
        for fault in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    )


def _place(location: tuple[int | str, ...], known: frozenset[str]) -> str:
    return ".".join(str(part) for part in location if isinstance(part, int) or part in known)


def plain_bytes(document: object) -> bytes:
    """Return the canonical bytes of a document from outside. Raises `Invalid` for what is no JSON, or too much of it."""
    try:
        raw = canonical(document)
    except (ValueError, TypeError, RecursionError):
        raise refused("query") from None
    if len(raw) > LARGEST:
        raise refused("query")
    return raw
