"""Blocks of numbers in whole buffers: who objects once changed numbers are followed, and which changes cannot be.

Every block is first given its place among all that are there, so that what follows is done with small integers.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.service.canonical import PairFaults
from hvelv.privacy.service.register import Events, Reckoned

WORD = np.dtype(">u8")  # a block is two of them, which sort as its bytes do
Places = NDArray[np.intp]
Row = NDArray[np.bytes_]  # blocks whole: numpy drops zeros at the end, which every block is filled with alike


class Buffers:
    """`BlockWork` and `PairWork`."""

    def blocks(self, key: bytes, numbers: Sequence[str]) -> bytes:
        """Return a 16-byte block for each number."""
        return PersonCipher(key).blocks(pa.array(numbers, pa.string())).tobytes()

    def joined(self, old: bytes, new: bytes) -> bytes:
        """Return the blocks in pairs."""
        return _beside(_words(old), _words(new))

    def reckoned(self, events: Events, pairs: bytes, wanted: Mapping[str, Sequence[str]]) -> Reckoned:
        """Return what holds for each of `wanted`: of each person, what was said last about each scope."""
        known, said, ends = _ranked(events.blocks, pairs)
        old, new = ends[0::2], ends[1::2]
        now = _followed(len(known), old, new)
        held = _held(events, now[said])
        place = {name: i for i, name in enumerate(events.names)}
        against = {
            name: known.row(_together(len(known), [held[place[scope]] for scope in scopes if scope in place]))
            for name, scopes in wanted.items()
        }
        old = np.sort(old)
        objecting = np.zeros(len(known), np.bool_)
        objecting[_together(len(known), held)] = True
        leading = old[objecting[now[old]]]
        return Reckoned(against, known.pairs(old, now[old]), known.pairs(leading, now[leading]))

    def fingerprint(self, key: bytes, parts: Sequence[bytes]) -> str:
        """Return a digest of `parts` under the key, in hex (HMAC-SHA-256; each part is preceded by its length)."""
        digest = hmac.new(key, b"objections", hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()

    def faults(self, stored: bytes, offered: bytes) -> PairFaults:
        """Return the offered pairs that give a number two successors, or lead back to where they began."""
        known, earlier, later = _ranked(stored, offered)
        ends = np.concatenate([earlier, later])
        old, new, first = ends[0::2], ends[1::2], len(earlier) // 2
        order = np.argsort(old, kind="stable")  # of two with one old number, the stored or earlier is first
        again = old[order[1:]] == old[order[:-1]]
        forked = order[1:][again & (new[order[1:]] != new[order[:-1]])] - first
        if len(forked):
            return PairFaults(tuple(np.sort(forked).tolist()), ())
        circular = _in_circle(len(known), old, new)[old[first:]]
        return PairFaults((), tuple(np.flatnonzero(circular).tolist()))


@dataclass(frozen=True)
class _Known:
    """All blocks, each once and in order."""

    words: NDArray[Any]

    def __len__(self) -> int:
        return len(self.words)

    def row(self, places: Places) -> bytes:
        """Return the blocks at `places`."""
        return self.words[places].tobytes()

    def pairs(self, old: Places, new: Places) -> bytes:
        """Return the blocks at `old`, each followed by the one at `new`."""
        return _beside(self.words[old], self.words[new])


def followed(pairs: bytes) -> tuple[Row, Row]:
    """Return the old blocks of pairs in order, and for each the block at the end of its chain."""
    known, ends, _none = _ranked(pairs, b"")
    old = np.sort(ends[0::2])
    both = np.frombuffer(known.pairs(old, _followed(len(known), ends[0::2], ends[1::2])[old]), "S16").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _ranked(*raws: bytes) -> tuple[_Known, Places, Places]:
    """Return all blocks of two buffers in order, and the place of each buffer's blocks among them."""
    words = _words(b"".join(raws))
    order = np.lexsort((words[:, 1].astype(np.uint64), words[:, 0].astype(np.uint64)))
    words = words[order]
    first = np.ones(len(words), np.bool_)
    first[1:] = (words[1:] != words[:-1]).any(axis=1)
    places = np.empty(len(words), np.intp)
    places[order] = np.cumsum(first) - 1
    one, other = np.split(places, [len(raws[0]) // 16])
    return _Known(words[first]), one, other


def _followed(size: int, old: Places, new: Places) -> Places:
    """Return for each place the end of its chain. Steps double, so few are needed."""
    now = np.arange(size)
    now[old] = new
    while not np.array_equal(further := now[now], now):
        now = further
    return now


def _in_circle(size: int, old: Places, new: Places) -> NDArray[np.bool_]:
    """Return which places lead back to themselves: those that are still reached after more steps than there are places."""
    jump = np.full(size + 1, size)
    jump[old] = new
    for _double in range(size.bit_length()):
        jump = jump[jump]
    found = np.zeros(size + 1, np.bool_)
    found[jump] = True
    return found[:size]


def _held(events: Events, who: Places) -> list[Places]:
    """Return for each scope the places of those who object to it, each once."""
    scopes, days, objecting = (_numbers(column) for column in (events.scopes, events.days, events.objecting))
    when = 2 * days.astype(np.int64) + objecting  # of one day, an objection comes last
    whose = who * len(events.names) + scopes
    order = np.lexsort((when, whose))
    whose = whose[order]
    last = np.ones(len(order), np.bool_)
    last[:-1] = whose[1:] != whose[:-1]
    holds = order[last & (objecting[order] == 1)]
    return [who[holds[scopes[holds] == i]] for i in range(len(events.names))]


def _together(size: int, several: Sequence[Places]) -> Places:
    """Return the places that are in any of `several`, in order."""
    found = np.zeros(size, np.bool_)
    for places in several:
        found[places] = True
    return np.flatnonzero(found)


def _numbers(column: Any) -> NDArray[Any]:
    return np.frombuffer(column, np.dtype(column.typecode))


def _words(raw: bytes) -> NDArray[Any]:
    return np.frombuffer(raw, WORD).reshape(-1, 2)


def _beside(one: NDArray[Any], other: NDArray[Any]) -> bytes:
    return np.hstack([one, other]).astype(WORD, copy=False).tobytes()  # stacking changes the order of bytes
