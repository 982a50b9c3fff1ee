"""Passes that first say which rows of a person count, and then count them: in folds of one table, or by unknown keys.

The argument is the one of `hvelv.privacy.adapters.aggregate`: rows come sorted by pseudonym, what counts of a person is
decided from that person's rows alone, and the state of a person who is cut by a batch is carried over the cut.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hvelv.privacy.adapters.compiled import compiled
from hvelv.privacy.adapters.frames import wrong_order
from hvelv.privacy.adapters.predicates import Mask, Positions, encoded, is_text, look_up, numbers, positions
from hvelv.privacy.domain.checking import Key
from hvelv.privacy.domain.closed import LARGEST_NUMBER
from hvelv.privacy.domain.measuring import BETWEEN, LONGEST_KEY, Folded, OpenCells

Vector = NDArray[np.int64]
NOWHERE = -1
ROOM = 1024  # combinations that there is room for at first


def _clear_others(  # noqa: PLR0917 - compiled, where names are not kept
    person: Any, group: Any, rows: Any, met: Any, current: Any, max_rows: int, max_groups: int
) -> bool:
    """Set `group` to -1 for all rows but the first `max_rows` in each of a person's first `max_groups` groups.

    `current`, `met` and `rows` are the state as in `add_runs`. Returns False where the order of persons is wrong.
    """
    for i in range(len(person)):
        if person[i] != current[0]:
            if person[i] < current[0]:
                return False
            for j in range(met[0]):
                rows[met[1 + j]] = 0
            met[0] = 0
            current[0] = person[i]
        g = group[i]
        if g < 0:
            continue
        if rows[g] == 0:
            if met[0] >= max_groups:
                group[i] = -1
                continue
            met[0] += 1
            met[met[0]] = g
        if rows[g] >= max_rows:
            group[i] = -1
            continue
        rows[g] += 1
    return True


clear_others = compiled(_clear_others)


class Bounded:
    """The state of the person who passes: in which groups they count, and with how many rows."""

    def __init__(self, groups: int, max_rows: int, max_groups: int) -> None:
        self.rows: Vector = np.zeros(groups, np.int64)
        self.met: Vector = np.zeros(1 + max_groups, np.int64)
        self.current: NDArray[np.uint64] = np.zeros(1, np.uint64)
        self.bounds = max_rows, max_groups

    def counted(self, person: Any, group: Positions) -> Mask:
        """Return which rows count; `group` is changed."""
        if not clear_others(person, group, self.rows, self.met, self.current, *self.bounds):
            raise wrong_order()
        return np.asarray(group >= 0, dtype=np.bool_)

    def make_room(self, groups: int) -> None:
        """Know of more groups than before."""
        if groups > len(self.rows):
            more = max(groups, 2 * len(self.rows)) - len(self.rows)
            self.rows = np.concatenate((self.rows, np.zeros(more, np.int64)))


def cells_of(keys: Sequence[Key], column: Mapping[str, Any], inside: Mask) -> Positions:
    """Return each row's place among the combinations of the keys; -1 for rows on none, which leave `inside`, and the others not in it."""
    cell: Positions = np.zeros(len(inside), np.int64)
    for key in keys:
        at = positions(key, column[key.name])
        inside &= at >= 0
        cell *= len(key.labels)
        cell += at
    if not inside.all():
        cell[~inside] = NOWHERE
    return cell


class FoldedPass:
    """Folds: one table of the rows that count, and sums over its cells."""

    def __init__(self, ask: Folded) -> None:
        self.ask = ask
        self.table: Vector = np.zeros(int(np.prod(ask.shape)), np.int64)
        self.groups = int(np.prod(ask.shape[: ask.grouped], dtype=np.int64))
        self.bounded = Bounded(self.groups, ask.max_rows, ask.max_groups)

    def add(self, person: Any, column: Mapping[str, Any], inside: Mask) -> None:
        """Count the rows of a batch that count."""
        cell = cells_of(self.ask.keys, column, inside)
        group = cell // (len(self.table) // self.groups)  # nowhere stays nowhere
        counted = self.bounded.counted(person, group)
        self.table += np.bincount(cell[counted], minlength=len(self.table))

    def result(self) -> list[list[int]]:
        """Return each fold's sums."""
        return [cast("list[int]", self._folded(fold).tolist()) for fold in self.ask.folds]

    def _folded(self, fold: tuple[int, ...]) -> Vector:
        found = self.table.reshape(self.ask.shape)
        for axis, together in enumerate(fold):
            found = np.add.reduceat(found, np.arange(0, found.shape[axis], together), axis=axis)
        return found.ravel()


class OpenPass:
    """Unknown keys: how many of the rows that count there are of each combination.

    A combination in which nobody counts is left out: else a person would add more keys than `max_groups`.
    """

    def __init__(self, ask: OpenCells) -> None:
        self.ask = ask
        self.known: dict[str, int] = {}
        self.counts: Vector = np.zeros(ROOM, np.int64)
        self.bounded = Bounded(ROOM, ask.max_rows, ask.max_groups)

    def add(self, person: Any, column: Mapping[str, Any], inside: Mask) -> None:
        """Count the rows of a batch that count."""
        words, at = [""], np.zeros(len(inside), np.int64)
        for key in self.ask.keys:
            more, place = values(column[key.name])
            inside &= place >= 0
            words, at = combined(words, at, more, place, inside)
        numbers_of = np.array([self.known.setdefault(word, len(self.known)) for word in words], np.int64)
        group = np.full(len(inside), NOWHERE, np.int64)
        group[inside] = numbers_of[at[inside]]
        self.bounded.make_room(len(self.known))
        counted = self.bounded.counted(person, group)
        found = np.bincount(group[counted], minlength=len(self.counts))
        found[: len(self.counts)] += self.counts
        self.counts = found

    def result(self) -> list[Any]:
        """Return the counts by combination, none of them nought."""
        counts = cast("list[int]", self.counts.tolist())
        return [
            {word: counts[number] for word, number in self.known.items() if number < len(counts) and counts[number]}
        ]


def combined(
    words: list[str], at: Positions, more: list[str], place: Positions, inside: Mask
) -> tuple[list[str], Positions]:
    """Return the combinations of two values that rows inside have, and which one each of these rows has."""
    both = at * max(1, len(more)) + place
    there, which = np.unique(both[inside], return_inverse=True)
    found = np.zeros(len(inside), np.int64)
    found[inside] = which
    width = max(1, len(more))
    pairs = ((words[pair // width], more[pair % width]) for pair in there.tolist())
    return [f"{left}{BETWEEN}{right}" if left else right for left, right in pairs], found


def values(array: Any) -> tuple[list[str], Positions]:
    """Return a column's distinct values as texts and, for each row, which one it has; -1 for what can be no key.

    A key is a text of 1 to `LONGEST_KEY` printable characters, or a whole number: decided for each row by itself.
    """
    if is_text(array):
        words, where = encoded(array)
        good = [word is not None and 1 <= len(word) <= LONGEST_KEY and word.isprintable() for word in words]
        place = np.array([*(i if fine else NOWHERE for i, fine in enumerate(good)), NOWHERE], np.int64)
        return [word or "" for word in words], place[where]
    if pa.types.is_floating(array.type):
        return [], np.full(len(array), NOWHERE, np.int64)
    found, there = numbers(array)
    there = there & (found >= -LARGEST_NUMBER) & (found <= LARGEST_NUMBER)
    distinct, which = np.unique(found[there], return_inverse=True)
    at = np.full(len(found), NOWHERE, np.int64)
    at[there] = which
    return [str(value) for value in distinct.tolist()], at


CELL_PASSES: Mapping[type, Callable[[Any], Any]] = {Folded: FoldedPass, OpenCells: OpenPass}


def warm_up() -> None:
    """Compile the loops before the first person waits for them."""
    nobody, empty = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    look_up(empty, 0, empty, empty)
    clear_others(nobody, empty, np.zeros(1, np.int64), np.zeros(2, np.int64), np.zeros(1, np.uint64), 1, 1)
