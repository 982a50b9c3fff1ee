"""Synthetic person numbers by the thousand: valid in form, nobody's, and never twice.

Skatteetaten, «fødselsnummer»: day, month, year, a three-digit serial whose range tells the century and whose last digit
the sex (even: women), two control digits modulus 11. Synthetic ones have 80 added to the month (Tenor), D-numbers 40 to
the day. For each birth day the serials are gone through once, so numbers are distinct without ever being compared.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[Any]

LENGTH = 11
SYNTHETIC_MONTH = 80
D_NUMBER_DAY = 40
FIRST = (3, 7, 6, 1, 8, 9, 4, 5, 2)
SECOND = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
ELEVEN = 11
EPOCH = 1970
DAYS_AT_ONCE = 256  # some 60,000 candidates: they stay in the processor's cache
# First year, last year, serials. Skatteetaten's table.
SERIALS: tuple[tuple[int, int, tuple[tuple[int, int], ...]], ...] = (
    (1854, 1899, ((500, 749),)),
    (1900, 1939, ((0, 499),)),
    (1940, 1999, ((0, 499), (900, 999))),
    (2000, 2039, ((500, 999),)),
)
ORDER = 20_240_601  # one fixed order of the serials, so that a serial does not tell when in the day someone came


def calendar(days: Ints) -> tuple[Ints, Ints, Ints]:
    """Return year, month and day of the month of `days` since 1970-01-01."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    year = dates.astype("datetime64[Y]").astype(np.int64) + EPOCH
    month = months.astype(np.int64) % 12 + 1
    return year, month, (dates - months).astype(np.int64) + 1


def person_numbers(days: Ints, counts: Ints, *, women: bool, d_numbers: bool = False) -> Ints:
    """Return `counts[i]` distinct numbers for each of the ascending, distinct `days` (since 1970), day after day.

    A second call for the same day, sex and kind begins with the same numbers. Raises `OverflowError` when a day has
    more people than numbers (203 of each sex at least; 245 in 1940-1999, 101 before 1900).
    """
    days, counts = days[counts > 0], counts[counts > 0]
    years, _months, _days = calendar(days)
    parts = [np.empty(0, np.int64)]
    for first, last, ranges in SERIALS:
        lo, hi = np.searchsorted(years, (first, last + 1))
        if lo < hi:
            serials = np.concatenate([np.arange(a + (0 if women else 1), b + 1, 2) for a, b in ranges])
            serials = np.random.default_rng(ORDER).permutation(serials)
            cuts = range(lo, hi, DAYS_AT_ONCE)
            slices = [slice(cut, min(cut + DAYS_AT_ONCE, hi)) for cut in cuts]
            parts += [_of_one_range(days[one], counts[one], serials, D_NUMBER_DAY * d_numbers) for one in slices]
    numbers = np.concatenate(parts)
    if len(numbers) != int(counts.sum()):
        raise OverflowError("more people than person numbers on one birth day")
    return numbers


def _of_one_range(days: Ints, counts: Ints, serials: Ints, added: int) -> Ints:
    year, month, day = (part.astype(np.int64) for part in calendar(days))
    date = (day + added) * 10_000 + (month + SYNTHETIC_MONTH) * 100 + year % 100
    nine = date[:, None] * 1000 + serials[None, :]
    sums = [_weighted(date, w[:6])[:, None] + _weighted(serials, w[6:9])[None, :] for w in (FIRST, SECOND)]
    one = -sums[0] % ELEVEN
    two = -(sums[1] + SECOND[9] * one) % ELEVEN
    good = (one < 10) & (two < 10)  # noqa: PLR2004 - ten is no digit
    chosen = good & (np.cumsum(good, axis=1) <= counts[:, None])
    return np.asarray((nine * 100 + one * 10 + two)[chosen])


def _weighted(numbers: Ints, weights: tuple[int, ...]) -> Ints:
    places = [10 ** (len(weights) - 1 - i) for i in range(len(weights))]
    return np.asarray(sum(numbers // p % 10 * w for p, w in zip(places, weights, strict=True)))


def as_texts(numbers: Ints) -> pa.Array:
    """Return the numbers as texts of eleven digits."""
    digits = np.empty((len(numbers), LENGTH), np.uint8)
    left = numbers.astype(np.int64)
    for place in range(LENGTH - 1, -1, -1):
        left, digit = np.divmod(left, 10)
        digits[:, place] = digit + ord("0")
    offsets = np.arange(0, (len(numbers) + 1) * LENGTH, LENGTH, dtype=np.int32)
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(digits))
