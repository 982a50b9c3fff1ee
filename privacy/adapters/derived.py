"""Columns made of one row, of one person's rows, and of a person's events in time, on frames of whole persons.

Nothing here may look across persons: every expression is row by row, or grouped by the pseudonym.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import polars as pl

from hvelv.privacy.adapters.predicates import positions, rows_meeting
from hvelv.privacy.domain.checking import Condition, Key
from hvelv.privacy.domain.framing import DAYS, END, FROM, LATER, PATH, TO, Framed, Made, Reduction, Summed, Walk
from hvelv.privacy.domain.schema import PSEUDONYM, Column, exact
from hvelv.privacy.domain.source import (
    AnyRow,
    Arithmetic,
    Band,
    Boundary,
    DatePart,
    Days,
    Extreme,
    Group,
    Logic,
    Prefix,
    RowCount,
    Steps,
    Total,
)

OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
EVENT, AT = "__event", "__at"
MONTHS = 12


def arrow_of(series: pl.Series) -> Any:
    """Return a series as one Arrow array of a type that predicates know."""
    return series.to_arrow(compat_level=pl.CompatLevel.oldest())


# one row -----------------------------------------------------------------------------------------------------------
def _months(how: Days) -> pl.Expr:
    start, end = pl.col(how.start).dt, pl.col(how.end).dt
    whole = (
        (end.year() - start.year()).cast(pl.Int64) * MONTHS + end.month().cast(pl.Int64) - start.month().cast(pl.Int64)
    )
    return whole - (end.day() < start.day()).cast(pl.Int64)


def _days(how: Days, _made: Made) -> pl.Expr:
    if how.unit == "days":
        found = (pl.col(how.end) - pl.col(how.start)).dt.total_days()
    else:
        found = _months(how) if how.unit == "months" else _months(how) // MONTHS
    return found.clip(how.low, how.high)


def _date(how: DatePart, _made: Made) -> pl.Expr:
    column = pl.col(how.column).dt
    if how.part == "year":
        return column.year().cast(pl.Int64).clip(how.low, how.high)
    return (column.month() if how.part == "month" else column.weekday()).cast(pl.Int64)


def _logic(how: Logic, _made: Made) -> pl.Expr:
    columns = [pl.col(name).fill_null(value=False) for name in how.columns]
    found = pl.all_horizontal(columns) if how.op == "all" else pl.any_horizontal(columns)
    return ~found if how.op == "none" else found


def _group(how: Group, _made: Made) -> pl.Expr:
    found = pl.lit(0, pl.Int64)
    for number, codes in enumerate(how.groups, start=1):
        found = pl.when(pl.col(how.column).is_in(list(codes))).then(number).otherwise(found)
    return found


def _prefix(how: Prefix, _made: Made) -> pl.Expr:
    return pl.col(how.column).str.slice(0, how.length)


EXPRESSIONS: Mapping[type, Callable[[Any, Made], pl.Expr]] = {
    Days: _days,
    DatePart: _date,
    Logic: _logic,
    Group: _group,
    Prefix: _prefix,
}


def _held(series: pl.Series, column: Column) -> pl.Series:
    """Return numbers within the column's declared bounds, whatever is in the rows."""
    return series.cast(pl.Float64).clip(column.low, column.high)


def _arithmetic(how: Arithmetic, made: Made, frame: pl.DataFrame, known: Mapping[str, Column]) -> pl.Series:
    left, right = (_held(frame[name], known[name]) for name in (how.left, how.right))
    found: pl.Series = OPERATIONS[how.op](left, right)
    return found.cast(pl.Int64) if made.column.type == "integer" else found


def with_made(frame: pl.DataFrame, made: Sequence[Made], known: Mapping[str, Column]) -> pl.DataFrame:
    """Return the frame with the columns made, one after the other. `known`: what is publicly known of the others."""
    known = dict(known)
    for one in made:
        how, name = one.how, one.column.name
        if one.condition is not None:
            found = pl.Series(name, rows_meeting(one.condition, arrow_of(frame[one.condition.column.name])))
        elif isinstance(how, Band):
            at = positions(Key(known[how.column], edges=how.edges), arrow_of(frame[how.column]))
            found = pl.Series(name, np.where(at < 0, 0, at + 1)).replace(0, None)
        elif isinstance(how, Arithmetic):
            found = _arithmetic(how, one, frame, known)
        else:
            found = frame.select(EXPRESSIONS[type(how)](how, one).alias(name))[name]
        frame = frame.with_columns(found.alias(name))
        known[name] = one.column
    return frame


def meeting(frame: pl.DataFrame, conditions: Sequence[Condition]) -> pl.DataFrame:
    """Return the rows that meet all conditions."""
    if not conditions or not frame.height:
        return frame
    mask = np.ones(frame.height, np.bool_)
    for condition in conditions:
        mask &= rows_meeting(condition, arrow_of(frame[condition.column.name]))
    return frame.filter(pl.Series(mask))


def chosen(frame: pl.DataFrame, part: Reduction | Walk | Framed, known: Mapping[str, Column]) -> pl.DataFrame:
    """Return the rows that a part of a question keeps, with the columns that it makes."""
    return meeting(with_made(frame, part.made, known), part.conditions)


# all rows of a person ----------------------------------------------------------------------------------------------
def _summary(summed: Summed) -> pl.Expr:
    how = summed.how
    if isinstance(how, RowCount):
        return pl.len().cast(pl.Int64).clip(0, how.high)
    if isinstance(how, AnyRow):
        return pl.len() > 0
    if isinstance(how, Total):
        return _total(how, cast("Column", summed.of))
    column = pl.col(how.column)
    if isinstance(how, Boundary):
        return column.min() if how.kind == "first" else column.max()
    if isinstance(how, Extreme):
        return column.min() if how.kind == "min" else column.max()
    return column.first()


def _total(how: Total, column: Column) -> pl.Expr:
    """Return the sum in whole units, so that the order of rows changes nothing, and then in the column's own."""
    step = column.resolution or exact(1)
    units = (pl.col(column.name).clip(column.low, column.high) / float(step)).round().cast(pl.Int64)
    low, high = int(exact(how.low) / step), int(exact(how.high) / step)
    total = units.sum().clip(low, high)
    return total if step == 1 else total * step.numerator / step.denominator


def _without_rows(summed: Summed) -> Any:
    """Return what a person without rows has."""
    how = summed.how
    if isinstance(how, RowCount):
        return 0
    if isinstance(how, AnyRow):
        return False
    return min(max(0, how.low), how.high) if isinstance(how, Total) else None


def reduced(frame: pl.DataFrame, reduction: Reduction, known: Mapping[str, Column]) -> pl.DataFrame:
    """Return (pid, columns), one row for each person who has a row that the conditions keep."""
    kept = chosen(frame, reduction, known)
    names = [summed.column.name for summed in reduction.columns]
    made = [_summary(summed).alias(name) for summed, name in zip(reduction.columns, names, strict=True)]
    return kept.group_by(PSEUDONYM, maintain_order=True).agg(made)


def attached(frame: pl.DataFrame, columns: pl.DataFrame, reduction: Reduction) -> pl.DataFrame:
    """Return the frame with a reduction's columns beside each person's rows, in the same order."""
    joined = frame.join(columns, on=PSEUDONYM, how="left", maintain_order="left")
    filled = [
        pl.col(summed.column.name).fill_null(value)
        for summed in reduction.columns
        if (value := _without_rows(summed)) is not None
    ]
    return joined.with_columns(filled)


# events in time ----------------------------------------------------------------------------------------------------
def _events(frame: pl.DataFrame, walk: Walk, known: Mapping[str, Column]) -> pl.DataFrame:
    """Return (pid, event's place among its codes, day as a number), in time, of the rows that are events."""
    kept = chosen(frame, walk, known)
    codes = walk.event.keys or ()
    place = positions(Key(walk.event, codes=codes), arrow_of(kept[walk.event.name]))
    events = kept.select(
        PSEUDONYM, pl.Series(EVENT, place), pl.col(walk.at.name).cast(pl.Int64, strict=False).alias(AT)
    )
    return events.filter((pl.col(EVENT) >= 0) & pl.col(AT).is_not_null()).sort(PSEUDONYM, AT, EVENT)


def walked(frame: pl.DataFrame, walk: Walk, known: Mapping[str, Column]) -> pl.DataFrame:
    """Return the rows that a person's events make."""
    events = _events(frame, walk, known)
    codes = pl.Series([str(code) for code in walk.event.keys or ()], dtype=pl.String)
    how = walk.how
    if not isinstance(how, Steps):
        named = events.select(PSEUDONYM, codes.gather(events[EVENT]).alias(PATH))
        path = pl.col(PATH).unique(maintain_order=True) if how.distinct else pl.col(PATH)
        joined = path.head(how.length).str.join(LATER)
        return named.group_by(PSEUDONYM, maintain_order=True).agg(joined)
    same = events[PSEUDONYM] == events[PSEUDONYM].shift(-1)
    onward = pl.Series(TO, codes.gather(events[EVENT])).shift(-1)
    days = (events[AT].shift(-1) - events[AT]).clip(0, how.high)
    steps = pl.DataFrame(
        {PSEUDONYM: events[PSEUDONYM], FROM: codes.gather(events[EVENT]), TO: onward, DAYS: days},
    ).with_columns(more=same.fill_null(value=False))
    if how.end:
        last = {TO: pl.when("more").then(TO).otherwise(pl.lit(END)), DAYS: pl.when("more").then(DAYS)}
        return steps.with_columns(**last).drop("more")
    return steps.filter("more").drop("more")
