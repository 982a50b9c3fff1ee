"""Steps as Polars expressions: one small function for each kind, and the steps of a column make one expression.

A missing value stays missing through every step; what is no number is missing, and so is a date outside the years 1 to
9999. Rows are looked at one by one, so a column gives the same values however it is cut into batches.
"""

import hmac
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from hvelv.privacy.domain.schema import Column, exact
from hvelv.privacy.domain.transforms import (
    Bands,
    Clip,
    Coarsen,
    HashCode,
    Keep,
    Round,
    ShiftDate,
    SuppressRare,
    ToMonth,
    ToYear,
    Transform,
    Truncate,
    band_edges,
    band_names,
    transformed,
)

SHIFT = "__shift"  # Int32: the days by which this row's person is moved, in [-365, 365]
MOST_DAYS = 365
FIRST_DAY, LAST_DAY = date.min, date.max
MARK_BYTES = 10  # 80 bits: two of a million codes meet with probability 4e-13
MARK = b"hvelv code 1\x00"
DTYPES: Mapping[str, type[pl.DataType]] = {
    "string": pl.String,
    "integer": pl.Int64,
    "decimal": pl.Float64,
    "date": pl.Date,
    "boolean": pl.Boolean,
}


def _keep(expr: pl.Expr, _column: Column, _step: Transform, _key: bytes) -> pl.Expr:
    return expr


def _dated(expr: pl.Expr) -> pl.Expr:
    """Leave out days beyond the years 1 to 9999, with which not everything that reads dates can work."""
    return pl.when(expr.is_between(FIRST_DAY, LAST_DAY)).then(expr)


def _year(expr: pl.Expr, _column: Column, _step: ToYear, _key: bytes) -> pl.Expr:
    return expr.dt.year().cast(pl.Int64)


def _month(expr: pl.Expr, _column: Column, _step: ToMonth, _key: bytes) -> pl.Expr:
    return expr.dt.month_start()


def _shift(expr: pl.Expr, _column: Column, step: ShiftDate, _key: bytes) -> pl.Expr:
    """Add the person's days, brought from [-365, 365] to [-d, d] so that each of the 2d + 1 is as likely as another."""
    days = (pl.col(SHIFT).cast(pl.Int32) + MOST_DAYS) * (2 * step.days + 1) // (2 * MOST_DAYS + 1) - step.days
    return _dated((expr.cast(pl.Int32) + days).cast(pl.Date))


def _bands(expr: pl.Expr, column: Column, step: Bands, _key: bytes) -> pl.Expr:
    """Look the band up. A number below the declared bounds, which has no band, becomes missing."""
    names: list[str | None] = list(band_names(column, step))
    if band_edges(column, step)[0] is not None:
        names = [None, *names]
    number = DTYPES[column.type]
    place = pl.lit(pl.Series(step.edges, dtype=number)).search_sorted(expr, side="right")
    found = pl.lit(pl.Series(names, dtype=pl.String)).gather(place)
    return pl.when(expr.is_not_null()).then(found)


def _clip(expr: pl.Expr, column: Column, step: Clip, _key: bytes) -> pl.Expr:
    made = transformed(column, (step,))
    return expr if made is None else expr.clip(made.low, made.high)


def _truncate(expr: pl.Expr, _column: Column, step: Truncate, _key: bytes) -> pl.Expr:
    return expr.str.slice(0, step.length)


def _coarsen(expr: pl.Expr, column: Column, step: Coarsen, _key: bytes) -> pl.Expr:
    codes = [int(code) if column.type == "integer" else code for code, _to in step.codes]
    old = pl.Series([*codes, None], dtype=DTYPES[column.type])
    new = pl.Series([*(to for _code, to in step.codes), None], dtype=pl.String)
    return expr.replace_strict(old, new, default=step.otherwise, return_dtype=pl.String)


def _hash(expr: pl.Expr, column: Column, _step: HashCode, key: bytes) -> pl.Expr:
    kind = column.type.encode()
    return expr.map_batches(lambda codes: _marks(codes, kind, key), return_dtype=pl.String, is_elementwise=True)


def _marks(codes: pl.Series, kind: bytes, key: bytes) -> pl.Series:
    """Return a mark for each code, worked out once for each distinct one.

    HMAC-SHA256 (RFC 2104) under the project's key for codes, over the type and the code and not the variable's name:
    a facility has one mark in all of a project's tables, whatever its column is called there.
    """
    rows = pc.dictionary_encode(codes.to_arrow())
    marks = pa.array([_mark(code, kind, key) for code in rows.dictionary.to_pylist()], pa.large_string())
    return pl.Series(codes.name, pc.take(marks, rows.indices), dtype=pl.String)


def _mark(code: Any, kind: bytes, key: bytes) -> str:
    return hmac.digest(key, MARK + kind + b"\x00" + str(code).encode(), "sha256")[:MARK_BYTES].hex()


def _round(expr: pl.Expr, column: Column, step: Round, _key: bytes) -> pl.Expr:
    """Round to the nearest step, halfway up; in whole units of the declared resolution, where there is one, so exactly."""
    size, unit = exact(step.step), Fraction(1) if column.type == "integer" else column.resolution
    if unit is None:
        return _quotient(
            (_quotient(expr * size.denominator, size.numerator) + 0.5).floor() * size.numerator, size.denominator
        )
    each = int(size / unit)
    units = expr
    if column.type == "decimal":
        units = (expr * unit.denominator / unit.numerator).round().cast(pl.Int64, strict=False)
    whole = (units + each // 2) // each * size.numerator
    return whole if column.type == "integer" else _quotient(whole.cast(pl.Float64), size.denominator)


def _quotient(expr: pl.Expr, by: int) -> pl.Expr:
    """Return the nearest number to the quotient: by a scalar Polars divides by multiplying with 1 / `by`, a bit off."""
    return expr / (expr * 0.0 + by)


COMPILED: Mapping[type[Transform], Callable[[pl.Expr, Column, Any, bytes], pl.Expr]] = {
    Keep: _keep,
    ToYear: _year,
    ToMonth: _month,
    ShiftDate: _shift,
    Bands: _bands,
    Clip: _clip,
    Truncate: _truncate,
    Coarsen: _coarsen,
    HashCode: _hash,
    Round: _round,
    SuppressRare: _keep,  # counts persons: `suppressing` does it once the others are done
}


def expression(column: Column, steps: Sequence[Transform], codes_key: bytes) -> pl.Expr:
    """Return all steps but suppression as one expression, named as the column; reads `SHIFT` where a date is moved.

    Raises `Invalid` as `transformed` does, `ValueError` for a column that does not leave.
    """
    if transformed(column, steps) is None:
        raise ValueError("a column that does not leave has no expression")
    expr = pl.col(column.name).cast(DTYPES[column.type])
    if column.type == "decimal":
        expr = pl.when(expr.is_finite()).then(expr + 0.0)  # and minus zero becomes zero
    if column.type == "date":
        expr = _dated(expr)
    for step in steps:
        expr = COMPILED[type(step)](expr, column, step, codes_key)
        column = transformed(column, (step,)) or column
    return expr.alias(column.name)


def suppressing(column: Column, step: SuppressRare, rare: Collection[str | int]) -> pl.Expr:
    """Return the last step on a column that all others are done with: codes in `rare` become `instead`."""
    dtype = pl.String if isinstance(step.instead, str) else pl.Int64
    found = pl.col(column.name)
    held = found.is_in(pl.Series(list(rare), dtype=dtype).implode())
    return pl.when(held).then(pl.lit(step.instead, dtype=dtype)).otherwise(found).alias(column.name)
