"""Who among many rows is one of a few: those who objected, and those who have changed their number.

Blocks are as good as random, so a few of their bits are a hash already: a map of those bits says for nearly every row
that it is not concerned, and only the rest is looked up.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.adapters.compiled import compiled
from hvelv.privacy.adapters.pseudonyms import Blocks

LEAST_BITS, MOST_BITS = 12, 24
SPARSE = 16  # places in the map for each member: one row in sixteen is looked up for nothing


def _drop(blocks: Any, bitmap: Any, first: Any, last: Any, keep: Any) -> None:
    """Set `keep` to False for the rows whose whole block is a member's. Members are sorted by their first half."""
    mask = np.uint64(len(bitmap) - 1)
    for i in range(len(blocks)):
        one = blocks[i, 0]
        if bitmap[one & mask]:
            at = np.searchsorted(first, one)
            while at < len(first) and first[at] == one:
                if last[at] == blocks[i, 1]:
                    keep[i] = False
                    break
                at += 1


def _replace(blocks: Any, bitmap: Any, first: Any, last: Any, new: Any) -> None:
    """Put the new block in the place of every row's whose whole block is a member's."""
    mask = np.uint64(len(bitmap) - 1)
    for i in range(len(blocks)):
        one = blocks[i, 0]
        if bitmap[one & mask]:
            at = np.searchsorted(first, one)
            while at < len(first) and first[at] == one:
                if last[at] == blocks[i, 1]:
                    blocks[i, 0] = new[at, 0]
                    blocks[i, 1] = new[at, 1]
                    break
                at += 1


drop, replace = compiled(_drop), compiled(_replace)


class Members:
    """A few blocks among which others are looked up."""

    def __init__(self, blocks: Blocks, new: Blocks | None = None) -> None:
        """Take the members' blocks; `new`: for each the one that stands for the same person."""
        order = np.argsort(blocks[:, 0], kind="stable")
        self._first, self._last = np.ascontiguousarray(blocks[order, 0]), np.ascontiguousarray(blocks[order, 1])
        self._new = np.ascontiguousarray((blocks if new is None else new)[order])
        bits = min(max(int(SPARSE * len(blocks)).bit_length(), LEAST_BITS), MOST_BITS)
        self._map: NDArray[np.bool_] = np.zeros(1 << bits, np.bool_)
        self._map[self._first & np.uint64((1 << bits) - 1)] = True

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._first)

    def drop(self, blocks: Blocks, keep: NDArray[np.bool_]) -> None:
        """Set `keep` to False for every row that belongs to a member."""
        if len(self):
            drop(blocks, self._map, self._first, self._last, keep)

    def replace(self, blocks: Blocks) -> None:
        """Put the new block in the place of every member's."""
        if len(self):
            replace(blocks, self._map, self._first, self._last, self._new)
