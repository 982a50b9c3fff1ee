"""Columns that are made: of one row (`days`, `year`, `flag` …), or of all rows of a person (`any_row`, `first` …).

You give them names of your own. On the way out they are called x1, x2 … in the order in which they are made, so that no
name in an answer that leaves is anybody's words; what comes back is called what you called it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hvelv.enclave.lab.door import Refused

OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in")
Scalar = str | int | float | bool
Condition = tuple[Any, str, Scalar | Sequence[Scalar]]


class Col(str):
    """The name of a column, where a text could also be a value."""

    __slots__ = ()


@dataclass(frozen=True)
class Formula:
    """How a column is made of one row's columns, which may be made themselves."""

    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    """How a column is made of all of a person's rows, and which of these count."""

    fields: Mapping[str, Any]
    where: tuple[Condition, ...] = ()


Column = str | Formula


# of one row --------------------------------------------------------------------------------------------------------
def days(start: Column, end: Column, *, high: int, low: int = 0, unit: str = "days") -> Formula:
    """Return how long from one date to another, held within [low, high]; `unit`: days, months or years."""
    return Formula(
        {"kind": "days", "start": column_of(start), "end": column_of(end), "unit": unit, "low": low, "high": high}
    )


def year(column: Column, low: int = 1900, high: int = 2100) -> Formula:
    """Return the year of a date, held within [low, high]."""
    return Formula({"kind": "date", "column": column_of(column), "part": "year", "low": low, "high": high})


def month(column: Column) -> Formula:
    """Return the month of a date, 1 to 12."""
    return Formula({"kind": "date", "column": column_of(column), "part": "month"})


def weekday(column: Column) -> Formula:
    """Return the day of the week of a date, 1 (Monday) to 7."""
    return Formula({"kind": "date", "column": column_of(column), "part": "weekday"})


def flag(column: Column, op: str, value: Scalar | Sequence[Scalar]) -> Formula:
    """Return whether a column stands so to a value; false where it is missing."""
    return Formula({"kind": "flag"} | condition((column, op, value)))


def all_of(*columns: Column) -> Formula:
    """Return whether all of some truth values hold."""
    return Formula({"kind": "logic", "op": "all", "columns": [column_of(each) for each in columns]})


def any_of(*columns: Column) -> Formula:
    """Return whether any of some truth values holds."""
    return Formula({"kind": "logic", "op": "any", "columns": [column_of(each) for each in columns]})


def none_of(*columns: Column) -> Formula:
    """Return whether none of some truth values holds."""
    return Formula({"kind": "logic", "op": "none", "columns": [column_of(each) for each in columns]})


def band(column: Column, edges: Sequence[float]) -> Formula:
    """Return which of the bands between `edges` a number is in, as 1, 2, 3 and so on."""
    return Formula({"kind": "band", "column": column_of(column), "edges": list(edges)})


def group(column: Column, *groups: Sequence[Scalar]) -> Formula:
    """Return which of some groups of codes a code is in: 1, 2, 3 …; 0 for any other."""
    return Formula({"kind": "group", "column": column_of(column), "groups": [list(each) for each in groups]})


def prefix(column: Column, length: int) -> Formula:
    """Return the first characters of a text with public codes."""
    return Formula({"kind": "prefix", "column": column_of(column), "length": length})


def plus(left: Column, right: Column) -> Formula:
    """Return the sum of two numbers of a row."""
    return Formula({"kind": "arithmetic", "op": "+", "left": column_of(left), "right": column_of(right)})


def minus(left: Column, right: Column) -> Formula:
    """Return the difference of two numbers of a row."""
    return Formula({"kind": "arithmetic", "op": "-", "left": column_of(left), "right": column_of(right)})


def times(left: Column, right: Column) -> Formula:
    """Return the product of two numbers of a row."""
    return Formula({"kind": "arithmetic", "op": "*", "left": column_of(left), "right": column_of(right)})


def clamp(column: Column, low: float, high: float) -> dict[str, Any]:
    """Return a number held within [low, high], for the kinds of question that take one: narrower, and less noise."""
    return {"column": column_of(column), "low": low, "high": high}


# of all rows of a person ---------------------------------------------------------------------------------------------
Where = Condition | Sequence[Condition]


def any_row(where: Where = ()) -> Summary:
    """Return whether the person has any row (that meets `where`)."""
    return Summary({"kind": "any"}, conditions(where))


def count_rows(high: int, where: Where = ()) -> Summary:
    """Return how many rows the person has, `high` at most."""
    return Summary({"kind": "count", "high": high}, conditions(where))


def first(column: Column, where: Where = ()) -> Summary:
    """Return the person's first date."""
    return Summary({"kind": "first", "column": column_of(column)}, conditions(where))


def last(column: Column, where: Where = ()) -> Summary:
    """Return the person's last date."""
    return Summary({"kind": "last", "column": column_of(column)}, conditions(where))


def total(column: Column, *, low: float, high: float, where: Where = ()) -> Summary:
    """Return the sum of a number over the person's rows, held within [low, high]."""
    return Summary({"kind": "sum", "column": column_of(column), "low": low, "high": high}, conditions(where))


def lowest(column: Column, where: Where = ()) -> Summary:
    """Return the person's lowest number."""
    return Summary({"kind": "min", "column": column_of(column)}, conditions(where))


def highest(column: Column, where: Where = ()) -> Summary:
    """Return the person's highest number."""
    return Summary({"kind": "max", "column": column_of(column)}, conditions(where))


def value(column: Column, where: Where = ()) -> Summary:
    """Return the value in the person's first row, of a column that is the same in all."""
    return Summary({"kind": "value", "column": column_of(column)}, conditions(where))


# conditions ----------------------------------------------------------------------------------------------------------
def conditions(where: Where) -> tuple[Condition, ...]:
    """Return conditions as a tuple, also where one alone was given."""
    if not where:
        return ()
    one = isinstance(where[1], str) if len(where) > 1 else False
    return cast("tuple[Condition, ...]", (where,) if one else tuple(where))


def condition(asked: Condition) -> dict[str, Any]:
    """Return a condition as it is sent. Raises `Refused` for an operator that there is not."""
    column, op, wanted = asked
    if op not in OPERATORS:
        raise Refused(f"Operatoren finnes ikke. Bruk en av {', '.join(OPERATORS)}.")
    plain = wanted if isinstance(wanted, str | int | float | bool) else list(wanted)
    return {"column": column_of(column), "op": op, "value": plain}


def column_of(column: Column) -> Any:
    """Return a column as it stands in a question until its name is known: made on the spot, or named."""
    return column if isinstance(column, Formula) else Col(column)
