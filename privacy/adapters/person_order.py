"""The order of an extract's rows: by person, and a person's rows by dates, then by the other columns.

Pseudonyms are as good as random, so a bucket for each few rows by the pseudonym's next bits, and a merge sort of each
bucket, sorts in one pass over memory. What two rows are compared by is the whole of them: rows that stand equal are
equal, so the order depends on the rows alone and not on the order in which they came.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.adapters.compiled import compiled

ROWS_A_BUCKET = 16
MOST_BUCKET_BITS = 22
RUN = 12  # a bucket's first runs are sorted by insertion
SIGN = np.uint64(1 << 63)

Words = NDArray[np.uint64]


def ordered_words(values: NDArray[Any], there: NDArray[np.bool_] | None) -> list[Words]:
    """Return words that sort as `values` do (integers, floats, booleans); missing ones, if any, last."""
    if values.dtype.kind == "f":
        plain = np.ascontiguousarray(values, np.float64).view(np.uint64)
        words = np.where(plain & SIGN, ~plain, plain | SIGN)
    elif values.dtype.kind == "u":
        words = values.astype(np.uint64)
    else:
        words = values.astype(np.int64).view(np.uint64) ^ SIGN
    if there is None:
        return [words]
    return [(~there).astype(np.uint64), np.where(there, words, np.uint64(0))]


def _buckets(pid: Any, key: Any, shift: Any, mask: Any, starts: Any, rows: Any) -> None:  # noqa: PLR0917
    """Put rows (pid, first key, number) in buckets. `starts`: a place for each bucket and one more, all zero before."""
    for i in range(len(pid)):
        starts[((pid[i] >> shift) & mask) + np.uint64(1)] += 1
    for b in range(1, len(starts)):
        starts[b] += starts[b - 1]
    for i in range(len(pid)):
        b = (pid[i] >> shift) & mask
        at = starts[b]
        rows[at, 0] = pid[i]
        rows[at, 1] = key[i]
        rows[at, 2] = i
        starts[b] += 1
    for b in range(len(starts) - 1, 0, -1):
        starts[b] = starts[b - 1]
    starts[0] = 0


buckets = compiled(_buckets)


def _earlier(one: Any, other: Any, keys: Any) -> bool:
    """Say whether a row (pid, first key, number) comes before another."""
    if one[0] != other[0]:
        return bool(one[0] < other[0])
    if one[1] != other[1]:
        return bool(one[1] < other[1])
    for k in range(1, len(keys)):
        if keys[k, one[2]] != keys[k, other[2]]:
            return bool(keys[k, one[2]] < keys[k, other[2]])
    return False


earlier = compiled(_earlier)


def _insert(rows: Any, low: int, high: int, keys: Any) -> None:
    """Sort a short run by insertion."""
    for i in range(low + 1, high):
        row = (rows[i, 0], rows[i, 1], rows[i, 2])
        j = i - 1
        while j >= low and earlier(row, (rows[j, 0], rows[j, 1], rows[j, 2]), keys):
            rows[j + 1, 0], rows[j + 1, 1], rows[j + 1, 2] = rows[j, 0], rows[j, 1], rows[j, 2]
            j -= 1
        rows[j + 1, 0], rows[j + 1, 1], rows[j + 1, 2] = row


insert = compiled(_insert)


def _merge(rows: Any, spare: Any, low: int, middle: int, high: int, keys: Any) -> None:  # noqa: PLR0917
    """Merge two sorted runs that lie side by side."""
    spare[low:middle] = rows[low:middle]
    i, j = low, middle
    for to in range(low, high):
        if i == middle:
            break  # the rest of the second run lies where it should
        first = (spare[i, 0], spare[i, 1], spare[i, 2])
        if j < high and earlier((rows[j, 0], rows[j, 1], rows[j, 2]), first, keys):
            rows[to, 0], rows[to, 1], rows[to, 2] = rows[j, 0], rows[j, 1], rows[j, 2]
            j += 1
        else:
            rows[to, 0], rows[to, 1], rows[to, 2] = first
            i += 1


merge = compiled(_merge)


def _sort_buckets(rows: Any, spare: Any, keys: Any, starts: Any) -> None:
    """Sort the rows of each bucket: short runs by insertion, longer ones merged."""
    for b in range(len(starts) - 1):
        low, high = starts[b], starts[b + 1]
        for begin in range(low, high, RUN):
            insert(rows, begin, min(begin + RUN, high), keys)
        width = RUN
        while width < high - low:
            for begin in range(low, high - width, 2 * width):
                merge(rows, spare, begin, begin + width, min(begin + 2 * width, high), keys)
            width *= 2


sort_buckets = compiled(_sort_buckets)


def person_order(pid: Words, keys: Sequence[Words], *, prefix_bits: int) -> NDArray[np.int64]:
    """Return the order of rows whose pseudonyms agree in their first `prefix_bits` bits.

    `pid`: the first 8 bytes of each row's pseudonym; `keys`: what rows with one of these are ordered by, in turn.
    """
    count = len(pid)
    matrix = np.array(keys, np.uint64) if keys else np.zeros((1, count), np.uint64)
    bits = min(max((count // ROWS_A_BUCKET).bit_length(), 1), MOST_BUCKET_BITS)
    starts: NDArray[np.int64] = np.zeros((1 << bits) + 1, np.int64)
    rows: Words = np.empty((count, 3), np.uint64)
    buckets(pid, matrix[0], np.uint64(64 - prefix_bits - bits), np.uint64((1 << bits) - 1), starts, rows)
    sort_buckets(rows, np.empty_like(rows), matrix, starts)
    return rows[:, 2].astype(np.int64)
