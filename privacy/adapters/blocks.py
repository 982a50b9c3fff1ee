"""Blocks of persons: a question's rows dealt out by a keyed hash of the person, and what each block said, added up.

A block is told numbers and positions among public codes, and nothing that was made by looking at other blocks' rows: no
dictionary of the texts that occur, no type that was guessed.
"""

import hashlib
import itertools
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hvelv.privacy.adapters.cell_passes import NOWHERE, Bounded
from hvelv.privacy.adapters.frames import passing
from hvelv.privacy.adapters.predicates import numbers, positions
from hvelv.privacy.domain.checking import Key
from hvelv.privacy.domain.framing import Framed
from hvelv.privacy.domain.measuring import Ask
from hvelv.privacy.domain.methods.block_vectors import BlockVectors
from hvelv.privacy.domain.schema import PSEUDONYM, Column
from hvelv.privacy.service.releases import Aggregator
from hvelv.privacy.service.sampling import BlockRunner, BlockTask

KEY_BYTES = 32
NOT_A_DAY = np.iinfo(np.int64).min  # what numpy takes for no date

Eights = NDArray[Any]  # 8 bytes for each row


def _pseudonyms(array: Any) -> NDArray[np.uint8]:
    """Return the bytes of each row's pseudonym, of 8 or of 16."""
    if pa.types.is_integer(array.type):
        return np.ascontiguousarray(array.to_numpy(zero_copy_only=False)).view(np.uint8).reshape(-1, 8)
    fixed = array.cast(pa.binary()).cast(pa.binary(16)) if pa.types.is_large_binary(array.type) else array
    width = fixed.type.byte_width
    return np.frombuffer(fixed.buffers()[1], np.uint8)[width * fixed.offset :][: width * len(fixed)].reshape(-1, width)


class _Dealer:
    """Says which block each row goes to: -1 for rows that are not a person's first that count."""

    def __init__(self, ask: BlockVectors, key: bytes) -> None:
        self._ask, self._key = ask, key
        self._last = b""
        self._person, self._block = 0, 0
        self._bounded = Bounded(1, ask.max_rows, 1)

    def of(self, pseudonyms: NDArray[np.uint8], inside: NDArray[np.bool_]) -> tuple[Eights, Eights]:
        """Return each row's block, and a number that is the same for the rows of a person and of nobody else."""
        new = np.ones(len(pseudonyms), np.bool_)
        new[1:] = (pseudonyms[1:] != pseudonyms[:-1]).any(axis=1)
        new[:1] = pseudonyms[:1].tobytes() != self._last
        first = np.flatnonzero(new)
        met = [self._block, *(self._hashed(pseudonyms[i].tobytes()) for i in first)]
        which = np.cumsum(new)
        person = (self._person + which).astype(np.uint64)
        block: Eights = np.array(met, np.int64)[which]
        if len(pseudonyms):
            self._last, self._person, self._block = pseudonyms[-1].tobytes(), int(person[-1]), int(block[-1])
        block[~self._bounded.counted(person, np.where(inside, 0, NOWHERE))] = NOWHERE
        return block, person

    def _hashed(self, pseudonym: bytes) -> int:
        digest = hashlib.blake2b(pseudonym, key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "little") % self._ask.blocks


def as_sent(column: Column, kind: str, array: Any) -> Eights:
    """Return a column as a block gets it: floats with NaN, days, or positions among the public codes with -1."""
    if kind == "code":
        return positions(Key(column, codes=column.keys or ()), array)
    values, there = numbers(array)
    if kind == "date":
        return np.where(there, values.astype(np.int64), NOT_A_DAY)
    return np.where(there, values.astype(np.float64), np.nan)


def dealt(
    sources: Mapping[str, Sequence[Path]], framed: Framed, ask: BlockVectors, key: bytes, *, batch: int = 0
) -> Iterator[bytes]:
    """Yield the rows of each block: first the person's number in the block, then the columns, 8 bytes for each row.

    All rows that count are in memory at once, 8 bytes for each value.
    """
    dealer, pieces = _Dealer(ask, key), []
    kinds = [column["kind"] for column in ask.task["columns"]]
    for column, inside in passing(sources, framed, ask.columns, size=batch):
        block, person = dealer.of(_pseudonyms(column[PSEUDONYM]), inside)
        parts = [as_sent(use, kind, column[use.name]) for use, kind in zip(ask.use, kinds, strict=True)]
        pieces.append([part[block >= 0] for part in (block, person, *parts)])
    block, *parts = (np.concatenate(part) for part in zip(*pieces, strict=True)) if pieces else _nothing(len(kinds))
    order = np.argsort(block, kind="stable")
    ends = np.searchsorted(block[order], np.arange(ask.blocks + 1))
    for start, end in itertools.pairwise(ends):
        here = order[start:end]
        numbered = np.unique(parts[0][here], return_inverse=True)[1].astype(np.int64)
        yield b"".join([numbered.tobytes(), *(part[here].tobytes() for part in parts[1:])])


def _nothing(columns: int) -> list[Eights]:
    return [np.zeros(0, np.int64) for _part in range(columns + 2)]


@dataclass(frozen=True)
class SamplingAggregator:
    """The `Aggregator` that knows blocks, and leaves everything else to another one."""

    others: Aggregator
    runner: BlockRunner

    def totals(self, sources: Mapping[str, Sequence[Path]], framed: Framed, ask: Ask) -> list[Any]:
        """Return the exact, bounded totals: for the noise and for nobody else. The blocks' key is new each time."""
        if not isinstance(ask, BlockVectors):
            return self.others.totals(sources, framed, ask)
        blocks = dealt(sources, framed, ask, secrets.token_bytes(KEY_BYTES))
        task = BlockTask(dict(ask.task), len(ask.bounds), ask.seconds)
        return list(ask.totals(list(self.runner.run(task, blocks))))
