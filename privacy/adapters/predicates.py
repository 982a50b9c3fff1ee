"""Filters and keys on Arrow columns: a truth value, or a position on an axis, for each row by itself.

Everything is looked up or compared with numpy. Strings are dictionary-encoded, so that a test runs once for each
distinct value and not once for each row. A missing value or NaN meets no condition and stands in no cell.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hvelv.privacy.adapters.compiled import compiled
from hvelv.privacy.domain.checking import Condition, Key, Plain

Mask = NDArray[np.bool_]
Positions = NDArray[np.int64]
COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NOWHERE = -1
WIDEST = 1 << 16  # range of integer codes up to which a lookup table is made


def numbers(array: Any) -> tuple[NDArray[Any], Mask]:
    """Return a column's values as numbers (days for dates, 0 and 1 for booleans) and which of them are there."""
    there: Mask = np.ones(len(array), np.bool_)
    if array.null_count:
        there = np.asarray(array.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    if pa.types.is_date32(array.type):
        array = array.cast(pa.int32())
    elif pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    elif pa.types.is_null(array.type):
        array = array.cast(pa.int64())
    filled = array.fill_null(0) if array.null_count else array
    values: NDArray[Any] = filled.to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        there &= np.isfinite(values)
    return values, there


def encoded(array: Any) -> tuple[list[Any], Positions]:
    """Return a string column's distinct values and, for each row, which one it has (the one past the end: none)."""
    if not pa.types.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    words = array.dictionary.to_pylist()
    where = array.indices
    filled = where.fill_null(len(words)) if where.null_count else where
    return words, filled.to_numpy(zero_copy_only=False).astype(np.int64)


def is_text(array: Any) -> bool:
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _holds(op: str, value: Plain, wanted: tuple[Plain, ...]) -> bool:
    return value in wanted if op == "in" else bool(COMPARE[op](value, wanted[0]))


def rows_meeting(condition: Condition, array: Any) -> Mask:
    """Return which rows of `array` meet `condition`."""
    op, wanted = condition.op, condition.values
    if is_text(array):
        words, where = encoded(array)
        verdict = [word is not None and _holds(op, word, wanted) for word in words]
        return np.array([*verdict, False], dtype=np.bool_)[where]
    values, there = numbers(array)
    met = np.isin(values, np.array(wanted)) if op == "in" else COMPARE[op](values, wanted[0])
    return np.asarray(met & there, dtype=np.bool_)


def positions(key: Key, array: Any) -> Positions:
    """Return where each row stands on the key's axis; `NOWHERE` for a value that is not on it."""
    if key.edges:
        return _in_bins(key, array)
    place = {code: i for i, code in enumerate(key.codes)}
    if is_text(array):
        words, where = encoded(array)
        return np.array([*(place.get(word, NOWHERE) for word in words), NOWHERE], dtype=np.int64)[where]
    values, there = numbers(array)
    codes = np.array([int(code) for code in key.codes], dtype=np.int64)
    if codes.max() - codes.min() < WIDEST:
        return _looked_up(values, there, codes)
    order = np.argsort(codes, kind="stable")
    at = np.minimum(np.searchsorted(codes[order], values), len(codes) - 1)
    found = order[at]
    return np.where(there & (codes[found] == values), found, NOWHERE)


def _look_up(values: Any, low: int, table: Any, found: Any) -> None:
    """Write where each of `values` stands in `table`, which begins at `low`; `NOWHERE` for what is not on it."""
    for i in range(len(values)):
        at = values[i] - low
        found[i] = table[at] if 0 <= at < len(table) else NOWHERE


look_up = compiled(_look_up)


def _looked_up(values: NDArray[Any], there: Mask, codes: Positions) -> Positions:
    """Return the codes' positions by a table from the lowest code to the highest."""
    low, high = codes.min(), codes.max()
    table = np.full(high - low + 1, NOWHERE, dtype=np.int64)
    table[codes - low] = np.arange(len(codes))
    if values.dtype.kind != "i":  # no whole number, or one that int64 does not hold, is on no axis
        near = np.clip(np.where(there, values, low), low, high)
        there &= (near == values) & (near == np.rint(near))
        values = near
    found = np.empty(len(values), np.int64)
    look_up(values.astype(np.int64, copy=False), low, table, found)
    if not there.all():
        found[~there] = NOWHERE
    return found


def _in_bins(key: Key, array: Any) -> Positions:
    values, there = numbers(array)
    edges = np.array(key.edges, dtype=np.float64)
    at = np.searchsorted(edges, values.astype(np.float64), side="right") - 1
    at = np.where(values == edges[-1], len(edges) - 2, at)
    inside = there & (at >= 0) & (at < len(edges) - 1)
    return np.where(inside, at, NOWHERE).astype(np.int64)
