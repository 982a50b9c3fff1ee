"""Where the rows of a question come from: one table, or its persons, or steps between their events, with other tables linked.

Every part looks at one row, or at the rows of one person, and at nobody else's. That is what makes the person the unit:
a person's rows after all of this are made of that person's rows before it, so what bounds the former bounds the latter.

The order is always the same: rows of `dataset`, through `of` if there is one; `links` attach columns by the person;
`derive` makes columns, one after the other; `where` keeps rows. New columns are called x1, x2 … x99: the names stand in
answers that leave, and are nobody's words.
"""

from typing import Annotated, Any, Literal, Union

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from hvelv.kernel.canonical import digest
from hvelv.kernel.errors import Invalid, _
from hvelv.privacy.domain.closed import Closed, Code, Name, Number, Values, faults, field_names, plain_bytes

MOST_FILTERS = 12
MOST_EDGES = 101
MOST_ROWS = 100  # rows of one person that may count
MOST_EVENTS = 1_000  # that a count of a person's rows can tell
LONGEST_WAIT = 40_000  # days, months or years between two dates
LONGEST_PATH = 4

Made = Annotated[str, StringConstraints(pattern=r"^x[1-9][0-9]?$")]


class Filter(Closed):
    """Keep the rows whose `column` stands so to `value`; a missing value stands so to nothing."""

    column: Name
    op: Literal["==", "!=", "<", "<=", ">", ">=", "in"]
    value: Values


Where = Annotated[tuple[Filter, ...], Field(max_length=MOST_FILTERS)]


# columns made of one row's columns ---------------------------------------------------------------------------------
class Days(Closed):
    """How long from one date to another in whole days, months or years, held within [low, high]; missing if either is."""

    kind: Literal["days"]
    name: Made
    start: Name
    end: Name
    unit: Literal["days", "months", "years"] = "days"
    low: Annotated[int, Field(ge=-LONGEST_WAIT, le=LONGEST_WAIT)] = 0
    high: Annotated[int, Field(ge=1, le=LONGEST_WAIT)]


class DatePart(Closed):
    """The year of a date, held within [low, high], or its month (1–12) or weekday (1–7, Monday first)."""

    kind: Literal["date"]
    name: Made
    column: Name
    part: Literal["year", "month", "weekday"]
    low: Annotated[int, Field(ge=1800, le=2200)] = 1900
    high: Annotated[int, Field(ge=1800, le=2200)] = 2100


class Flag(Closed):
    """Whether a column stands so to a value; false where it is missing."""

    kind: Literal["flag"]
    name: Made
    column: Name
    op: Literal["==", "!=", "<", "<=", ">", ">=", "in"]
    value: Values


class Logic(Closed):
    """All, any or none of some truth values; a missing one counts as false."""

    kind: Literal["logic"]
    name: Made
    op: Literal["all", "any", "none"]
    columns: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)]


class Band(Closed):
    """Which of the bands between public edges a number is in, as 1, 2, 3 …; missing outside. Edges as for bins."""

    kind: Literal["band"]
    name: Made
    column: Name
    edges: Annotated[tuple[Number, ...], Field(min_length=2, max_length=MOST_EDGES)]


class Group(Closed):
    """Which of some groups of public codes a code is in, as 1, 2, 3 …; 0 for any other, and for a missing one."""

    kind: Literal["group"]
    name: Made
    column: Name
    groups: Annotated[
        tuple[Annotated[tuple[Code, ...], Field(min_length=1, max_length=200)], ...], Field(min_length=1, max_length=20)
    ]


class Prefix(Closed):
    """The first characters of a text with public codes."""

    kind: Literal["prefix"]
    name: Made
    column: Name
    length: Annotated[int, Field(ge=1, le=10)]


class Arithmetic(Closed):
    """The sum, difference or product of two numbers of a row; missing if either is. Its bounds follow from theirs."""

    kind: Literal["arithmetic"]
    name: Made
    op: Literal["+", "-", "*"]
    left: Name
    right: Name


Derived = Annotated[
    Union[Days, DatePart, Flag, Logic, Band, Group, Prefix, Arithmetic],  # noqa: UP007 - pydantic's discriminator
    Field(discriminator="kind"),
]
Derive = Annotated[tuple[Derived, ...], Field(max_length=24)]


# columns made of all of one person's rows --------------------------------------------------------------------------
class RowCount(Closed):
    """How many rows the person has, `high` at most; 0 for a person without any."""

    kind: Literal["count"]
    name: Made
    high: Annotated[int, Field(ge=1, le=MOST_EVENTS)]


class AnyRow(Closed):
    """Whether the person has any row."""

    kind: Literal["any"]
    name: Made


class Boundary(Closed):
    """The first or the last of the person's dates."""

    kind: Literal["first", "last"]
    name: Made
    column: Name


class Total(Closed):
    """The sum of a number over the person's rows, held within [low, high]; 0 brought into it for a person without any."""

    kind: Literal["sum"]
    name: Made
    column: Name
    low: Number
    high: Number


class Extreme(Closed):
    """The person's lowest or highest number."""

    kind: Literal["min", "max"]
    name: Made
    column: Name


class Value(Closed):
    """The value in the person's first row, in the order that the extract has; of a column that is the same in all."""

    kind: Literal["value"]
    name: Made
    column: Name


Summary = Annotated[
    Union[RowCount, AnyRow, Boundary, Total, Extreme, Value],  # noqa: UP007 - pydantic's discriminator
    Field(discriminator="kind"),
]
Summaries = Annotated[tuple[Summary, ...], Field(min_length=1, max_length=24)]


class Chosen(Closed):
    """Rows of a table: columns made one after the other, then the rows that `where` keeps."""

    derive: Derive = ()
    where: Where = ()


class People(Chosen):
    """One row for each person of the table, with columns made of the rows that `where` keeps. Others' columns are gone."""

    kind: Literal["people"]
    columns: Summaries


class Steps(Chosen):
    """One row for each step from a person's event to the next in time: `from`, `to` and `days` between (`high` at most).

    `at` is a date, or a whole number of days from some beginning. Events without it or without a public code are no
    events; of those of one day the order is that of the codes. With `end`, the last event has a step too, to the code
    `end`, with `days` missing.
    """

    kind: Literal["steps"]
    event: Name
    at: Name
    high: Annotated[int, Field(ge=1, le=LONGEST_WAIT)]
    end: bool = False


class Paths(Chosen):
    """One row for each person: `path`, the codes of the first `length` events in time, joined by " > "."""

    kind: Literal["paths"]
    event: Name
    at: Name
    length: Annotated[int, Field(ge=2, le=LONGEST_PATH)]
    distinct: bool = True


Of = Annotated[Union[People, Steps, Paths], Field(discriminator="kind")]  # noqa: UP007 - pydantic's discriminator


class Link(Chosen):
    """Columns of the person from another table of the permit, attached to each of the person's rows.

    A person without rows there has count 0, any false, sum 0 (brought within its bounds) and otherwise missing values.
    """

    table: Name
    columns: Summaries


class Asked(Chosen):
    """The rows that a question is about, and how many rows of one person count (in each group, where there are groups)."""

    kind: str = "table"
    dataset: Name
    of: Of | None = None
    links: Annotated[tuple[Link, ...], Field(max_length=8)] = ()
    max_rows: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 1

    @property
    def tables(self) -> tuple[str, ...]:
        """Return the names of the tables that are read, each once, the first one first."""
        return tuple(dict.fromkeys([self.dataset, *(link.table for link in self.links)]))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return self.model_dump(mode="json")

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the canonical form: the question's name."""
        return digest(self.as_dict())


FILTERS: TypeAdapter[tuple[Filter, ...]] = TypeAdapter(Where)
FILTER_FIELDS = frozenset(field_names(Filter))


def filters_from(document: object) -> tuple[Filter, ...]:
    """Return the filters in `document`, as they stand in permits. Raises `Invalid`."""
    raw = plain_bytes(document)
    try:
        return FILTERS.validate_json(raw, strict=True)
    except ValidationError as error:
        raise Invalid(faults(error, FILTER_FIELDS), _("Filteret kan ikke brukes slik det er.")) from None
