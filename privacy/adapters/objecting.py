"""Blocks of numbers in whole buffers: who objects once changed numbers are followed, and which changes cannot be."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.domain.identifiers import BLOCK_BYTES
from hvelv.privacy.service.canonical import PairFaults
from hvelv.privacy.service.register import Events, Reckoned

Row = NDArray[
    np.bytes_
]  # fixed 16 bytes each, compared whole: what numpy drops is the zeros that every one is filled with
KIND = np.dtype(f"S{BLOCK_BYTES}")


class Buffers:
    """`BlockWork` and `PairWork`."""

    def blocks(self, key: bytes, numbers: Sequence[str]) -> bytes:
        """Return a 16-byte block for each number."""
        return PersonCipher(key).blocks(pa.array(numbers, pa.string())).tobytes()

    def joined(self, old: bytes, new: bytes) -> bytes:
        """Return the blocks in pairs."""
        return np.stack([_row(old), _row(new)], axis=1).tobytes()

    def reckoned(self, events: Events, pairs: bytes, wanted: Mapping[str, Sequence[str]]) -> Reckoned:
        """Return what holds for each of `wanted`: of each person, what was said last about each scope."""
        old, new = followed(pairs)
        held = _held(events, canonical(_row(events.blocks), old, new))
        place = {name: i for i, name in enumerate(events.names)}
        against = {
            name: _together([held[place[scope]] for scope in scopes if scope in place]).tobytes()
            for name, scopes in wanted.items()
        }
        objecting = _together(held)
        leading = np.isin(new, objecting)
        return Reckoned(
            against,
            np.stack([old, new], axis=1).tobytes(),
            np.stack([old[leading], new[leading]], axis=1).tobytes(),
        )

    def fingerprint(self, key: bytes, parts: Sequence[bytes]) -> str:
        """Return a digest of `parts` under the key, in hex (HMAC-SHA-256; each part is preceded by its length)."""
        digest = hmac.new(key, b"objections", hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()

    def faults(self, stored: bytes, offered: bytes) -> PairFaults:
        """Return the offered pairs that give a number two successors, or lead back to where they began."""
        pairs = _pairs(stored + offered)
        known = len(stored) // (2 * BLOCK_BYTES)
        order = np.argsort(pairs[:, 0], kind="stable")  # of two with one old number, the stored or earlier is first
        again = pairs[order[1:], 0] == pairs[order[:-1], 0]
        forked = order[1:][again & (pairs[order[1:], 1] != pairs[order[:-1], 1])] - known
        if len(forked):
            return PairFaults(tuple(int(i) for i in np.sort(forked)), ())
        first = np.concatenate([order[:1], order[1:][~again]])
        circular = pairs[first[_in_circle(pairs[first, 0], pairs[first, 1])], 0]
        return PairFaults((), tuple(int(i) for i in np.flatnonzero(np.isin(pairs[known:, 0], circular))))


def followed(pairs: bytes) -> tuple[Row, Row]:
    """Return the old blocks in order, and for each the block at the end of its chain."""
    table = _pairs(pairs)
    table = table[np.argsort(table[:, 0])]
    old, new = table[:, 0], table[:, 1]
    while not np.array_equal(further := canonical(new, old, new), new):
        new = further
    return old, new


def canonical(blocks: Row, old: Row, new: Row) -> Row:
    """Return for each block the one that `new` has for it, else itself. `old`: in order."""
    if len(old) == 0 or len(blocks) == 0:
        return blocks
    places = _places(blocks, old)
    return np.where(places < len(old), new[np.minimum(places, len(old) - 1)], blocks)


def _places(blocks: Row, old: Row) -> NDArray[np.intp]:
    """Return where each block is among `old`, in order; `len(old)` for one that is not."""
    places = np.searchsorted(old, blocks)
    found = old[np.minimum(places, len(old) - 1)] == blocks
    return np.where(found, places, len(old))


def _in_circle(old: Row, new: Row) -> NDArray[np.bool_]:
    """Return which of `old`, each there once and in order, come back to themselves. Jumps double, so few are needed."""
    end = len(old)
    if end == 0:
        return np.zeros(0, np.bool_)
    jump = np.append(_places(new, old), end)
    for _double in range(end.bit_length()):
        jump = jump[jump]
    found = np.zeros(end + 1, np.bool_)
    found[jump] = True
    return found[:end]


def _held(events: Events, blocks: Row) -> list[Row]:
    """Return for each scope the blocks, in order and each once, that object to it."""
    scopes = np.frombuffer(events.scopes, np.dtype(events.scopes.typecode))
    days = np.frombuffer(events.days, np.dtype(events.days.typecode))
    objecting = np.frombuffer(events.objecting, np.dtype(events.objecting.typecode))
    order = np.lexsort((objecting, days, blocks, scopes))  # of one day, an objection comes last
    blocks, scopes = blocks[order], scopes[order]
    last = np.ones(len(order), np.bool_)
    last[:-1] = (blocks[1:] != blocks[:-1]) | (scopes[1:] != scopes[:-1])
    holds = last & (objecting[order] == 1)
    return [blocks[holds & (scopes == i)] for i in range(len(events.names))]


def _together(rows: Sequence[Row]) -> Row:
    return np.unique(np.concatenate(rows)) if rows else np.zeros(0, KIND)


def _row(raw: bytes) -> Row:
    return np.frombuffer(raw, KIND)


def _pairs(raw: bytes) -> Any:
    return np.frombuffer(raw, KIND).reshape(-1, 2)
