"""Counting persons in classes, on whole-number codes: packed arrays, sorted and looped over. No values here.

A row is a person's running number and one code for each variable. Codes of several variables make one key by mixed
radix, which is exact; where the product of the radixes has more than 63 bits the key is a mix of 64 bits instead, in
which two of a hundred million combinations meet with probability 3e-4.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.adapters.risk_loops import NOBODY, append, claim, compare, divide, fold, lone

Codes = NDArray[np.uint16] | NDArray[np.uint32]
Persons = NDArray[np.uint32]  # running numbers
Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]
WORD = 64
NARROW = 1 << 16  # so many codes fit in two bytes
EXACT = 1 << 63  # combinations below this have a key each
DENSE = 1 << 25  # most combinations for which a table of all of them is kept: 128 MiB
FOLDED = 1 << 20  # most combinations of a table that is kept for tables of fewer variables
WIDER = 1 << 17  # most combinations of a table with one variable more than asked for, of which others can be made too
MOST_CODES = 4  # looked at together
N_LOG_N = np.arange(1 << 12) * np.log(np.maximum(np.arange(1 << 12), 1))
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio (splitmix64)


def bits(radix: int) -> int:
    """Return how many bits the numbers below `radix` need."""
    return max(radix - 1, 0).bit_length()


def product(radixes: Sequence[int]) -> int:
    """Return the number of combinations, exactly."""
    found = 1
    for radix in radixes:
        found *= radix
    return found


def mixed(keys: Keys) -> Keys:
    """Return the keys spread over 64 bits (the finaliser of splitmix64; injective)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def room_for(rows: int, below: int) -> Codes:
    """Return room for codes that are all less than `below`, in as few bytes as hold them: two or four."""
    return np.empty(rows, np.uint16) if below <= NARROW else np.empty(rows, np.uint32)


def fitted(codes: NDArray[Any], below: int) -> Codes:
    """Return codes that are all less than `below` in as few bytes as hold them."""
    found = room_for(len(codes), below)
    found[:] = codes
    return found


def keys_of(columns: Sequence[Codes], radixes: Sequence[int], rows: int) -> tuple[Keys, int]:
    """Return one key for each row, and the number below which they all are (2^64 for mixes)."""
    size = product(radixes)
    found: Keys = np.zeros(rows, np.uint64)
    if size < EXACT:
        for codes, radix in zip(columns, radixes, strict=True):
            append(found, codes, radix)
        return found, max(size, 1)
    for codes in columns:
        found = mixed(found * _ODD + codes + np.uint64(1))
    return found, 1 << WORD


@dataclass(frozen=True)
class Classes:
    """The classes among some rows, and who is in each.

    `keys`: one for each class, ascending. `person`: the persons of the first, then of the second … `begins`: where those
    of each begin, and where the last end.
    """

    keys: Keys
    begins: Counts
    person: Persons

    @property
    def sizes(self) -> Counts:
        """Return how many persons each has."""
        return np.diff(self.begins)


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Say where a run of equal values begins."""
    found = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found


def dense(keys: Keys) -> tuple[Keys, NDArray[np.uint64]]:
    """Return the distinct keys, ascending, and for each row the place of its own among them."""
    order = np.argsort(keys)
    ordered = keys[order]
    begins = _changes(ordered)
    places = np.empty(len(keys), np.uint64)
    places[order] = np.cumsum(begins) - 1
    return ordered[begins], places


def classes(keys: Keys, below: int, person: Persons, persons: int) -> Classes:
    """Return the classes of rows with `keys` (all below `below`) of `person` (all below `persons`)."""
    names: Keys | None = None
    width = bits(persons)
    if bits(below) + width > WORD:
        names, keys = dense(keys)
    packed = (keys << np.uint64(width)) | person
    packed.sort()
    found, begins = np.empty(len(packed), np.uint64), np.empty(len(packed) + 1, np.int64)
    who = np.empty(len(packed), np.uint32)
    number, held = divide(packed, width, found, begins, who)
    begins[number] = held
    found = found[:number]
    return Classes(found if names is None else names[found.astype(np.int64)], begins[: number + 1], who[:held])


@dataclass(frozen=True)
class Cells:
    """The values of each class, once for each person who has it: the first class's, then the second's.

    `begins`: where those of each begin, and where the last end. `value`: ascending in each class if asked for.
    """

    begins: Counts
    value: Codes


def cells_of_one_row(among: Classes, values: Codes) -> Cells:
    """Return the cells where every person has one row, the first person the first."""
    return Cells(among.begins, values[among.person])


def cells(  # noqa: PLR0917 - the columns of one table
    among: Classes, keys: Keys, below: int, values: Codes, radix: int, person: Persons, persons: int
) -> Cells:
    """Return the distinct (class, value, person), ascending. Rows as those of `among`."""
    width, names = bits(persons), None
    if bits(below * radix) + width > WORD:
        keys = np.searchsorted(among.keys, keys).astype(np.uint64)
        below = len(among.keys)
    cell = keys * np.uint64(radix) + values
    if bits(below * radix) + width > WORD:
        names, cell = dense(cell)
    packed = (cell << np.uint64(width)) | person
    packed.sort()
    packed = packed[_changes(packed)] >> np.uint64(width)
    found = packed if names is None else names[packed.astype(np.int64)]
    key, value = found // np.uint64(radix), (found % np.uint64(radix)).astype(np.uint32)
    return Cells(np.append(np.flatnonzero(_changes(key)), len(key)), value)


@dataclass(frozen=True)
class Spread:
    """What classes give away: distinct values of each, the least exp of an entropy, the largest distance from the whole."""

    distinct: Counts
    entropy: float
    distance: float


def spread(found: Cells, whole: Counts, *, ordered: bool) -> Spread:
    """Return diversity and closeness of classes. `whole`: how many persons have each value, over all classes.

    Values lie apart by how many others there are (total variation), or, if `ordered`, in steps of 1/(m-1) of m values: the
    earth mover's distance is then the area between two cumulative shares. A class's own is level between its values, and
    the whole's ascends, so each level stretch is two pieces around where they cross, found by bisection and summed from
    a running sum.
    """
    rank = np.cumsum(whole > 0) - 1
    share = whole[whole > 0] / whole.sum()
    up_to = np.cumsum(share)[:-1]
    running = np.concatenate(([0.0], np.cumsum(up_to)))
    distinct = np.empty(len(found.begins) - 1, np.int64)
    least, farthest = compare(found.begins, found.value, rank, share, up_to, running, N_LOG_N, ordered, distinct)
    return Spread(distinct, math.exp(least), farthest)


class Alone:
    """Counts who is alone with their codes of up to three variables, by tables of all combinations and their owners.

    The tables of fewer variables are made of those of more, where these were asked for first, or are small.
    """

    def __init__(
        self, look: Callable[[], Iterable[tuple[Sequence[Codes], Persons]]], radixes: Sequence[int], persons: int
    ) -> None:
        """`look` yields the columns of codes, and for each row whose it is; `persons` for one that is several persons'."""
        self._look, self._radixes, self._persons = look, radixes, persons
        self._shared: NDArray[np.int32] = np.empty(0, np.int32)
        self._kept: dict[tuple[int, ...], NDArray[np.int32]] = {}

    def count(self, columns: tuple[int, ...]) -> int:
        """Return how many persons are alone with some combination of their codes of these."""
        owner = self._owners(columns)
        seen = np.zeros(self._persons + 1, np.bool_)
        seen[self._persons] = True  # who is several is not to be counted
        found: int = lone(owner, seen)
        return found

    def _owners(self, columns: tuple[int, ...]) -> NDArray[np.int32]:
        made = self._folded(columns)
        if made is None:
            self._widen(columns)
            made = self._folded(columns)
        if made is None:
            made = self._made(columns)
        if made.size <= FOLDED:
            self._kept[columns] = made
        return made

    def _widen(self, columns: tuple[int, ...]) -> None:
        """Make the smallest table with one variable more, where it is small."""
        if len(columns) >= MOST_CODES:
            return
        more = [tuple(sorted((*columns, other))) for other in range(len(self._radixes)) if other not in columns]
        wider = min(more, key=self._size, default=None)
        if wider is not None and self._size(wider) <= WIDER:
            self._kept[wider] = self._made(wider)

    def _made(self, columns: tuple[int, ...]) -> NDArray[np.int32]:
        size = self._size(columns)
        made = np.empty(size, np.int32) if size <= FOLDED else self._large(size)
        made.fill(NOBODY)
        self._claim(made, columns)
        return made

    def _size(self, columns: Sequence[int]) -> int:
        return product([self._radixes[c] for c in columns])

    def _large(self, size: int) -> NDArray[np.int32]:
        """Return a table that is good until the next is asked for: new memory costs more than what is done with it."""
        if self._shared.size < size:
            self._shared = np.empty(size, np.int32)
        return self._shared[:size]

    def _folded(self, columns: tuple[int, ...]) -> NDArray[np.int32] | None:
        more = [kept for kept in self._kept if len(kept) == len(columns) + 1 and set(columns) < set(kept)]
        if not more:
            return None
        whole = min(more, key=lambda kept: self._kept[kept].size)
        place = next(i for i, c in enumerate(whole) if c not in columns)
        before, after = (product([self._radixes[c] for c in part]) for part in (whole[:place], whole[place + 1 :]))
        found = np.full((before, after), NOBODY, np.int32)
        fold(self._kept[whole].reshape(before, self._radixes[whole[place]], after), found)
        return found.reshape(-1)

    def _claim(self, owner: NDArray[np.int32], columns: tuple[int, ...]) -> None:
        padded = max(MOST_CODES - 1 - len(columns), 0)  # there is a loop for three codes and one for four
        radixes = [1] * padded + [self._radixes[c] for c in columns] + [1]
        for codes, person in self._look():
            mine = [codes[c] for c in columns]
            kind = np.result_type(*mine)
            nothing = np.zeros(len(person) if padded else 0, kind)
            four = [nothing] * padded + [one.astype(kind, copy=False) for one in mine] + [None]
            claim(owner, *four[:MOST_CODES], *radixes[1:MOST_CODES], person.view(np.int32))


def owners(found: Classes, persons: int) -> Persons:
    """Return the one person of each class, the number `persons` where there are more."""
    return np.where(found.sizes > 1, np.uint32(persons), found.person[found.begins[:-1]])


def codes_of(keys: Keys, radixes: Sequence[int]) -> list[Codes]:
    """Return the codes that keys were made of; the keys are numbers in mixed radix, not mixes."""
    found, size = [], product(radixes)
    left: NDArray[Any] = keys
    for radix in reversed(radixes):
        left = left.astype(np.min_scalar_type(size), copy=False)  # narrow words divide faster
        before = left // left.dtype.type(radix)
        found.append(fitted(left - before * left.dtype.type(radix), radix))
        left, size = before, size // radix
    return found[::-1]


def alone(keys: Keys, below: int, person: Persons, persons: int) -> Persons:
    """Return the persons who are alone with a key, by sorting; a person's number is `persons` in rows that are several's."""
    found = classes(keys, below, person, persons + 1)
    single: Persons = found.person[found.begins[:-1][found.sizes == 1]]
    own: Persons = single[single < persons]
    return own
