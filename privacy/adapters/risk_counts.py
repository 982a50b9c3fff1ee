"""Counting persons in classes, on whole-number codes: sorted and packed arrays, and one compiled loop. No values here.

A row is a person's running number and one code for each variable. Codes of several variables make one key by mixed
radix, which is exact; where the product of the radixes has more than 63 bits the key is a mix of 64 bits instead, in
which two of a hundred million combinations meet with probability 3e-4.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.adapters.compiled import compiled

Codes = NDArray[np.uint32]
Persons = NDArray[np.uint32]  # running numbers
Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]
WORD = 64
EXACT = 1 << 63  # combinations below this have a key each
DENSE = 1 << 25  # most combinations for which a table of all of them is kept: 128 MiB
NOBODY = -1
MOST_CODES = 3  # looked at together
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


def keys_of(columns: Sequence[Codes], radixes: Sequence[int], rows: int) -> tuple[Keys, int]:
    """Return one key for each row, and the number below which they all are (2^64 for mixes)."""
    size = product(radixes)
    found: Keys = np.zeros(rows, np.uint64)
    if size < EXACT:
        for codes, radix in zip(columns, radixes, strict=True):
            found *= np.uint64(radix)
            found += codes
        return found, max(size, 1)
    for codes in columns:
        found = mixed(found * _ODD + codes + np.uint64(1))
    return found, 1 << WORD


@dataclass(frozen=True)
class Classes:
    """The classes among some rows. `pairs` are distinct (class, person): `place` says which class, `person` who.

    `keys`: one for each class, ascending. `sizes`: persons in each.
    """

    keys: Keys
    sizes: Counts
    place: Counts
    person: Persons


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
    packed = packed[_changes(packed)]
    key, who = packed >> np.uint64(width), (packed & np.uint64((1 << width) - 1)).astype(np.uint32)
    begins = np.flatnonzero(_changes(key))
    sizes = np.diff(np.append(begins, len(key)))
    place = np.repeat(np.arange(len(begins)), sizes)
    found = key[begins]
    return Classes(found if names is None else names[found.astype(np.int64)], sizes, place, who)


@dataclass(frozen=True)
class Cells:
    """How many persons of each class have each value: parallel arrays, ascending by class, then value."""

    place: Counts
    value: Counts
    count: Counts


def cells(  # noqa: PLR0917 - the columns of one table
    among: Classes, keys: Keys, below: int, values: Codes, radix: int, person: Persons, persons: int
) -> Cells:
    """Return the distinct (class, value, person), counted by class and value. Rows as those of `among`."""
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
    begins = np.flatnonzero(_changes(packed))
    found = packed[begins] if names is None else names[packed[begins].astype(np.int64)]
    key, value = found // np.uint64(radix), (found % np.uint64(radix)).astype(np.int64)
    return Cells(np.cumsum(_changes(key)) - 1, value, np.diff(np.append(begins, len(packed))))


@dataclass(frozen=True)
class Spread:
    """What each class gives away: distinct values, exp of their entropy, distance from the whole."""

    distinct: Counts
    entropy: NDArray[np.float64]
    distance: NDArray[np.float64]


def spread(found: Cells, whole: Counts, *, ordered: bool) -> Spread:
    """Return diversity and closeness of each class. `whole`: how many persons have each value, over all classes."""
    begins = np.flatnonzero(_changes(found.place))
    lengths = np.diff(np.append(begins, len(found.place)))
    totals = np.add.reduceat(found.count, begins)
    share = found.count / np.repeat(totals, lengths)
    entropy = np.exp(-np.add.reduceat(share * np.log(share), begins))
    rank = (np.cumsum(whole > 0) - 1)[found.value]
    overall = whole[whole > 0] / whole.sum()
    measure = _by_order if ordered else _by_value
    return Spread(lengths, entropy, measure(share, rank, overall, begins, lengths))


def _by_value(
    share: NDArray[np.float64], rank: Counts, overall: NDArray[np.float64], begins: Counts, _lengths: Counts
) -> NDArray[np.float64]:
    """Return the total variation: what a class does not have of the whole counts too."""
    own = overall[rank]
    return (np.add.reduceat(np.abs(share - own), begins) + 1 - np.add.reduceat(own, begins)) / 2


def _by_order(
    share: NDArray[np.float64], rank: Counts, overall: NDArray[np.float64], begins: Counts, lengths: Counts
) -> NDArray[np.float64]:
    """Return the earth mover's distance between m ordered values, one step 1/(m-1).

    It is the area between two cumulative shares. A class's own is level between its values, and the whole's ascends, so
    each level stretch is two pieces around where they cross, found by bisection and summed from a running sum.
    """
    m = len(overall)
    if m == 1:
        return np.zeros(len(begins))
    level = np.cumsum(share)
    level -= np.repeat(level[begins] - share[begins], lengths)
    whole = np.cumsum(overall)[:-1]  # the last is 1 in both
    running = np.concatenate(([0.0], np.cumsum(whole)))
    last = np.zeros(len(share), np.bool_)
    last[np.append(begins[1:], len(share)) - 1] = True
    until = np.where(last, m - 1, np.append(rank[1:], 0))
    start = np.minimum(rank, m - 1)
    cross = np.clip(np.searchsorted(whole, level), start, until)
    below = level * (cross - start) - (running[cross] - running[start])
    above = running[until] - running[cross] - level * (until - cross)
    return (np.add.reduceat(below + above, begins) + running[rank[begins]]) / (m - 1)


def _claim_three(  # noqa: PLR0917 - compiled, where names are not kept
    owner: Any, a: Any, b: Any, c: Any, radix_b: int, radix_c: int, person: Any
) -> None:
    """Write each row's person where its combination is, -2 where another was; nobody is -1."""
    for i in range(len(person)):
        k = (a[i] * radix_b + b[i]) * radix_c + c[i]
        held = owner[k]
        if held == -1:
            owner[k] = person[i]
        elif held != person[i]:
            owner[k] = -2


claim_three = compiled(_claim_three)


def alone_dense(tables: Iterable[tuple[Sequence[Codes], Persons]], radixes: Sequence[int], persons: int) -> int:
    """Return how many persons are alone with some combination of up to three codes, by a table of all combinations.

    `tables`: columns of codes, and for each row whose it is; the number `persons` for a row that is several persons'.
    """
    owner = np.full(product(radixes), NOBODY, np.int32)
    radix_b, radix_c = ([1] * 3 + list(radixes))[-2:]
    for columns, person in tables:
        nothing = np.zeros(len(person) if len(columns) < MOST_CODES else 0, np.uint32)
        a, b, c = ([nothing] * MOST_CODES + list(columns))[-MOST_CODES:]
        claim_three(owner, a, b, c, radix_b, radix_c, person.view(np.int32))
    mask = np.zeros(persons + 1, np.bool_)
    mask[owner[owner >= 0]] = True
    return int(mask[:persons].sum())


def owners(found: Classes, persons: int) -> Persons:
    """Return the one person of each class, the number `persons` where there are more."""
    first = found.person[np.cumsum(found.sizes) - found.sizes]
    return np.where(found.sizes > 1, np.uint32(persons), first)


def codes_of(keys: Keys, radixes: Sequence[int]) -> list[Codes]:
    """Return the codes that keys were made of; the keys are numbers in mixed radix, not mixes."""
    found = []
    for radix in reversed(radixes):
        found.append((keys % np.uint64(radix)).astype(np.uint32))
        keys = keys // np.uint64(radix)
    return found[::-1]


def alone(keys: Keys, below: int, person: Persons, persons: int) -> Persons:
    """Return the persons who are alone with a key, by sorting; rows as those of `alone_dense`."""
    found = classes(keys, below, person, persons + 1)
    single: Persons = found.person[found.sizes[found.place] == 1]
    own: Persons = single[single < persons]
    return own
