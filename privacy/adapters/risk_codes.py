"""A variable's values as whole numbers: the list of those that are there, and each row's place in it. 0 is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hvelv.privacy.adapters.risk_counts import Codes, fitted, room_for
from hvelv.privacy.adapters.risk_loops import counted_from

TEXT = pa.large_string()


@dataclass(frozen=True)
class Coding:
    """The values that have codes, ascending: the first has 1. `radix`: the number of codes, with that of a missing one."""

    values: Any

    @property
    def radix(self) -> int:
        """Return the number of codes."""
        return len(self.values) + 1

    def codes(self, values: Any) -> Codes:
        """Return the code of each of `values`; `radix` for one that was not there when the coding was made."""
        place = pc.fill_null(pc.index_in(values, value_set=self.values, skip_nulls=True), len(self.values))
        found = np.asarray(place).astype(np.int64) + 1
        found[np.asarray(values.is_null())] = 0
        return fitted(found, self.radix + 1)


def coding(lists: Sequence[Any]) -> Coding:
    """Return the coding of all values in some lists."""
    values = pc.unique(pa.chunked_array(lists)) if len(lists) > 1 else pc.unique(lists[0])
    values = values.drop_null()
    return Coding(values.take(pc.array_sort_indices(values)))


def plain(values: Any) -> Any:
    """Return values of the same kind as the same type, whoever wrote them."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return values.cast(TEXT)
    if pa.types.is_floating(kind):
        return pc.add(values, 0.0)  # minus zero is zero
    return values


def is_text(kind: Any) -> bool:
    """Say whether a column of type `kind` holds strings, as they are or by their place in a list."""
    held = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(ask(held) for ask in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def listed(column: Any, widest: int) -> Any:
    """Return a column as a dictionary array whose list is missing, then the values ascending; no index is missing.

    `widest`: whole numbers and days that lie no farther apart than this are counted from the lowest, without looking.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if pa.types.is_integer(column.type) or pa.types.is_date32(column.type):
        found = _counted(column, widest)
        if found is not None:
            return found
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(plain(column))
    values = plain(column.dictionary)
    made = coding([values])
    codes = np.append(made.codes(values), made.codes(pa.nulls(1, values.type)))
    return _dictionary(codes[np.asarray(_filled(column.indices, len(values)))], made.values, values.type)


def _counted(column: Any, widest: int) -> Any:
    """Return the column listed from its lowest to its highest; None where they are too far apart, or not there."""
    is_day, there = pa.types.is_date32(column.type), np.asarray(column.is_valid()) if column.null_count else None
    whole = np.asarray(_filled(column.view(pa.int32()) if is_day else column, 0)).astype(np.int64, copy=False)
    held = whole if there is None else whole[there]
    low, high = (int(held.min()), int(held.max())) if len(held) else (0, widest + 1)
    if high - low > widest:
        return None
    codes = room_for(len(whole), high - low + 2)
    counted_from(whole, low, codes)
    if there is not None:
        codes[~there] = 0
    return _dictionary(
        codes, pa.array(np.arange(low, high + 1)).cast(pa.int32() if is_day else column.type), column.type
    )


def _filled(column: Any, value: int) -> Any:
    return pc.fill_null(column, value) if column.null_count else column


def _dictionary(codes: Codes, values: Any, kind: Any) -> Any:
    values = values.view(kind)
    missing = pa.nulls(1, kind)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.concat_arrays([missing, values]), safe=False)
