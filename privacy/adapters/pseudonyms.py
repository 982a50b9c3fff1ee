"""Pseudonyms: one AES-256 block for each id, over whole Arrow buffers.

A block is 5 tag bytes and 11 ASCII digits, so an id is exactly one block: no mode, padding or IV, and equal ids give
equal pseudonyms, which is what joins tables within a project. AES is a permutation, so no two ids share one. The key
is random for each project and never leaves the custodian; with it, and only with it, all ids can be computed.
Why this and not a hash: docs/adr and ENISA (2019); measured: about 40 million ids a CPU second.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from hvelv.privacy.domain.identifiers import BLOCK_BYTES, DIGITS, PERSON, TAG_BYTES, BadIdentifiers, IdKind
from hvelv.privacy.service.keys import KEY_BYTES

CHUNK = 1 << 16  # a chunk's words fit the processor's second cache
HIGH_HALVES = np.uint64(0xF0F0F0F0F0F0F0F0)
THREES = np.uint64(0x3030303030303030)  # the high half of every ASCII digit
SIXES = np.uint64(0x0606060606060606)  # added to a byte above "9", carries into its high half
DIGITS_SHIFT = np.uint64(8 * TAG_BYTES)

Blocks = NDArray[np.uint64]  # (n, 2), little-endian: a block's first and last 8 bytes
NO_BLOCKS: Blocks = np.zeros((0, 2), np.uint64)


class PersonCipher:
    """Turns ids of one kind into blocks, and back, under one key."""

    def __init__(self, key: bytes, kind: IdKind = PERSON) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a key has 32 bytes")
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - one block is one message, see above
        self._tag = np.uint64(int.from_bytes(kind.tag, "little"))

    def blocks(self, ids: Any) -> Blocks:
        """Return the blocks of an Arrow array of strings.

        Raises `BadIdentifiers` if any is missing or not 11 ASCII digits; the refusal does not say which.
        """
        if isinstance(ids, pa.ChunkedArray):
            ids = ids.combine_chunks()
        if len(ids) == 0:
            return NO_BLOCKS
        if ids.null_count or not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)):
            raise BadIdentifiers
        return self._encrypted(ids)

    def _encrypted(self, ids: Any) -> Blocks:
        offsets, base, data = _buffers(ids)
        count = len(ids)
        out = np.empty(BLOCK_BYTES * (count + 1), np.uint8)  # the cipher wants one spare block
        work = np.empty((min(CHUNK, count), 2), "<u8")
        encryptor, view = self._cipher.encryptor(), out.data
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            if not (np.diff(offsets[start : start + size + 1]) == DIGITS).all():
                raise BadIdentifiers
            place = base + DIGITS * start
            first, last = _eights(data, place, size), _eights(data, place + DIGITS - 8, size)
            if (_not_digits(first) | _not_digits(last)).any():
                raise BadIdentifiers
            np.bitwise_or(first << DIGITS_SHIFT, self._tag, out=work[:size, 0])
            work[:size, 1] = last
            _run(encryptor, work[:size], view[BLOCK_BYTES * start : BLOCK_BYTES * (start + size + 1)])
        return out[: BLOCK_BYTES * count].view("<u8").reshape(count, 2)

    def ids(self, blocks: Blocks) -> Any:
        """Return the ids of `blocks` as an Arrow array. Raises `BadIdentifiers` for blocks of another key or kind."""
        plain = self._decrypted(blocks)
        digits = np.ascontiguousarray(plain.view(np.uint8).reshape(-1, BLOCK_BYTES)[:, TAG_BYTES:])
        offsets = np.arange(0, DIGITS * (len(blocks) + 1), DIGITS, dtype=np.int64)
        return pa.LargeStringArray.from_buffers(len(blocks), pa.py_buffer(offsets), pa.py_buffer(digits))

    def rekeyed(self, blocks: Blocks, other: "PersonCipher") -> Blocks:
        """Return the blocks that the same ids have under the key of `other`; ids are in memory only, as numbers."""
        plain = self._decrypted(blocks)
        return other.encrypted(plain)

    def encrypted(self, plain: Blocks) -> Blocks:
        """Return plain blocks (tag and digits) encrypted."""
        return _whole(self._cipher.encryptor(), plain)

    def _decrypted(self, blocks: Blocks) -> Blocks:
        plain = _whole(self._cipher.decryptor(), blocks)
        if ((plain[:, 0] << np.uint64(24)) != (self._tag << np.uint64(24))).any():
            raise BadIdentifiers
        return plain


def _buffers(ids: Any) -> tuple[NDArray[Any], int, Any]:
    _validity, places, data = ids.buffers()
    width = np.dtype(np.int64 if pa.types.is_large_string(ids.type) else np.int32)
    offsets = np.frombuffer(places, width, len(ids) + 1, ids.offset * width.itemsize)
    return offsets, int(offsets[0]), data


def _eights(data: Any, place: int, count: int) -> NDArray[np.uint64]:
    """Return 8 bytes of each id, ids lying 11 bytes apart."""
    first = np.frombuffer(data, np.uint8, 8, place).view("<u8")
    return np.array(as_strided(first, (count,), (DIGITS,)))


def _not_digits(eight: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return ((eight & HIGH_HALVES) ^ THREES) | (((eight + SIXES) & HIGH_HALVES) ^ THREES)


def _run(context: Any, work: Blocks, out: memoryview) -> None:
    context.update_into(work.data.cast("B"), out)


def _whole(context: Any, blocks: Blocks) -> Blocks:
    if len(blocks) == 0:
        return NO_BLOCKS
    out = np.empty(BLOCK_BYTES * (len(blocks) + 1), np.uint8)
    _run(context, np.ascontiguousarray(blocks), out.data)
    return out[: BLOCK_BYTES * len(blocks)].view("<u8").reshape(-1, 2)


def among(blocks: Blocks, wanted: Blocks) -> NDArray[np.bool_]:
    """Return which of `blocks` are in `wanted`, whole blocks compared."""
    if len(wanted) == 0:
        return np.zeros(len(blocks), np.bool_)
    found = np.isin(blocks[:, 0], wanted[:, 0])
    for i in np.flatnonzero(found):  # few: those who opted out, and a chance of 2^-44 for anybody else
        found[i] = (wanted[wanted[:, 0] == blocks[i, 0], 1] == blocks[i, 1]).any()
    return found
