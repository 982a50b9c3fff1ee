"""The closed query model: filter, group by public keys, count, sum, mean. All that can be asked of private data.

Nothing here is code, an expression or a plan. A `Query` that exists has the right form; whether it fits a table is
`hvelv.privacy.domain.plan`'s matter.
"""

from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from hvelv.kernel.canonical import canonical, digest
from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.documents import LARGEST, refused

LARGEST_NUMBER = 2**53  # beyond it, a JSON number is not one and the same integer in every language
SMALLEST_NUMBER = 1e-9  # closer to zero than any resolution that is declared
LONGEST_TEXT = 200
MOST_VALUES = 200
MOST_EDGES = 101
MOST_RHO_MICRO = 10**9
PRICE_DIGITS = 2  # the price stands in the answer, where it is to say no more than a price does

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
Values = Annotated[Scalar | tuple[Scalar, ...], BeforeValidator(_scalars)]


class Closed(BaseModel):
    """A frozen part of a query: exactly these fields, of exactly these types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Filter(Closed):
    """Keep the rows whose `column` stands so to `value`; a missing value stands so to nothing."""

    column: Name
    op: Literal["==", "!=", "<", "<=", ">", ">=", "in"]
    value: Values


class Bins(Closed):
    """Group a numeric column by the caller's own edges: [e0, e1), [e1, e2) … the last one closed."""

    column: Name
    edges: Annotated[tuple[Number, ...], Field(min_length=2, max_length=MOST_EDGES)]


class Count(Closed):
    """How many rows."""

    kind: Literal["count"]

    @property
    def name(self) -> str:
        """Return what the answer is called."""
        return "count"


class Sum(Closed):
    """The sum of a column's values, each clamped to [low, high]."""

    kind: Literal["sum"]
    column: Name
    low: Number
    high: Number

    @property
    def name(self) -> str:
        """Return what the answer is called."""
        return f"sum_{self.column}"


class Mean(Closed):
    """The mean of a column's values, each clamped to [low, high]."""

    kind: Literal["mean"]
    column: Name
    low: Number
    high: Number

    @property
    def name(self) -> str:
        """Return what the answer is called."""
        return f"mean_{self.column}"


Measure = Annotated[Union[Count, Sum, Mean], Field(discriminator="kind")]  # noqa: UP007 - pydantic's discriminator


class Query(Closed):
    """One question. `max_rows` and `max_groups` bound what any one person can add to the answer."""

    dataset: Name
    where: Annotated[tuple[Filter, ...], Field(max_length=8)] = ()
    by: Annotated[tuple[Name | Bins, ...], Field(max_length=3)] = ()
    measures: Annotated[tuple[Measure, ...], Field(min_length=1, max_length=6)]
    max_rows: Annotated[int, Field(ge=1, le=100)] = 1
    max_groups: Annotated[int, Field(ge=1, le=20)] = 1

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return self.model_dump(mode="json")

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the canonical form: the question's name."""
        return digest(self.as_dict())


MESSAGES = {
    "missing": _("Feltet mangler."),
    "extra_forbidden": _("Feltet finnes ikke i spørringen."),
    "too_long": _("Det er for mange verdier her."),
    "too_short": _("Det er for få verdier her."),
    "greater_than_equal": _("Tallet er for lite."),
    "less_than_equal": _("Tallet er for stort."),
    "string_pattern_mismatch": _("Navnet kan bare ha små bokstaver, sifre, «_» og «-»."),
    "union_tag_invalid": _("Målet må være «count», «sum» eller «mean»."),
    "literal_error": _("Verdien er ikke blant dem som kan brukes her."),
}
OTHERWISE = _("Feltet har en verdi som ikke kan brukes.")


def _place(location: tuple[int | str, ...]) -> str:
    """Return where the fault is, in names of the model and numbers only: the sender's own words are not repeated."""
    return ".".join(str(part) for part in location if isinstance(part, int) or part in KNOWN)


def _problems(error: ValidationError) -> tuple[Problem, ...]:
    return tuple(
        Problem(MESSAGES.get(fault["type"], OTHERWISE), _place(fault["loc"]))
        for fault in error.errors(include_url=False, include_context=False, include_input=False)[:20]
    )


def _bytes(document: object) -> bytes:
    try:
        raw = canonical(document)
    except (ValueError, TypeError, RecursionError):
        raise refused("query") from None
    if len(raw) > LARGEST:
        raise refused("query")
    return raw


def query_from(document: object) -> Query:
    """Return the query in `document`. Raises `Invalid` with the field of each fault, never with its value."""
    raw = _bytes(document)
    try:
        return Query.model_validate_json(raw)
    except ValidationError as error:
        raise Invalid(_problems(error), _("Spørringen kan ikke brukes slik den er.")) from None


def filters_from(document: object) -> tuple[Filter, ...]:
    """Return the filters in `document`, as they stand in permits. Raises `Invalid`."""
    raw = _bytes(document)
    try:
        return FILTERS.validate_json(raw, strict=True)
    except ValidationError as error:
        raise Invalid(_problems(error), _("Filteret kan ikke brukes slik det er.")) from None


def rho_from(value: object) -> int:
    """Return a price in micro-rho: from 1 to 10^9, with two significant digits at most. Raises `Invalid`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_RHO_MICRO:
        message = _("Prisen må være et helt antall mikro-rho, fra 1 til {most}.")
        raise Invalid((Problem(message, "rho_micro", params={"most": MOST_RHO_MICRO}),))
    if len(str(value).rstrip("0")) > PRICE_DIGITS:
        down = int(str(value)[:PRICE_DIGITS]) * 10 ** (len(str(value)) - PRICE_DIGITS)
        message = _("Prisen kan ha høyst to sifre som ikke er null til slutt, for eksempel {down} mikro-rho.")
        raise Invalid((Problem(message, "rho_micro", params={"down": down}),))
    return value


FILTERS: TypeAdapter[tuple[Filter, ...]] = TypeAdapter(Annotated[tuple[Filter, ...], Field(max_length=8)])
KNOWN = frozenset(name for model in (Query, Filter, Bins, Sum) for name in model.model_fields)
