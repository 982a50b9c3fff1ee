"""The question for a table: filter, group by public keys, count, sum, mean and so on.

A `Query` that exists has the right form; whether it fits the project's data is `hvelv.privacy.domain.plan`'s matter.
What rows it is about says `hvelv.privacy.domain.source`; all kinds of questions are in `hvelv.privacy.domain.questions`.
"""

from typing import Annotated, Literal, Union

from pydantic import Field

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.closed import Closed, Name, Number
from hvelv.privacy.domain.source import MOST_EDGES, Asked

MOST_RHO_MICRO = 10**9
PRICE_DIGITS = 2  # the price stands in the answer, where it is to say no more than a price does


class Bins(Closed):
    """Group a numeric column by the caller's own edges: [e0, e1), [e1, e2) … the last one closed."""

    column: Name
    edges: Annotated[tuple[Number, ...], Field(min_length=2, max_length=MOST_EDGES)]


By = Annotated[tuple[Name | Bins, ...], Field(max_length=4)]
Groups = Annotated[int, Field(ge=1, le=20)]


class Count(Closed):
    """How many rows."""

    kind: Literal["count"]

    @property
    def name(self) -> str:
        """Return what the answer is called."""
        return "count"


class Persons(Closed):
    """How many persons: each counts once in a cell, whatever their rows."""

    kind: Literal["persons"]

    @property
    def name(self) -> str:
        """Return what the answer is called."""
        return "persons"


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


class Spread(Closed):
    """The variance (of a sample: over n - 1) or standard deviation of a column's values, each clamped to [low, high]."""

    kind: Literal["variance", "std"]
    column: Name
    low: Number
    high: Number

    @property
    def name(self) -> str:
        """Return what the answer is called."""
        return f"{self.kind}_{self.column}"


Measure = Annotated[Union[Count, Persons, Sum, Mean, Spread], Field(discriminator="kind")]  # noqa: UP007 - pydantic's


class Query(Asked):
    """A table of measures. `max_rows` and `max_groups` bound what any one person can add to the answer.

    `expected`: a guess from outside of how many rows a cell has, for the quote alone: it is in no hash, and not kept.
    """

    kind: Literal["table"] = "table"
    by: By = ()
    measures: Annotated[tuple[Measure, ...], Field(min_length=1, max_length=6)]
    max_groups: Groups = 1
    noise: Literal["gaussian", "laplace"] = "gaussian"
    expected: Annotated[int, Field(ge=1, le=10**9)] | None = Field(default=None, exclude=True)


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
