"""Pseudonyms: one AES-256 block for each id, over whole Arrow buffers.

A block is 5 tag bytes and 11 ASCII digits, so an id is exactly one block: no mode, padding or IV, and equal ids give
equal pseudonyms, which is what joins tables within a project. AES is a permutation, so no two ids share one. The key
is random for each project and never leaves the custodian; with it, and only with it, all ids can be computed.
Why this and not a hash: docs/adr and ENISA (2019); what it costs: benchmarks/pseudonyms.py.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from hvelv.privacy.adapters.compiled import compiled
from hvelv.privacy.domain.identifiers import BLOCK_BYTES, DIGITS, PERSON, TAG_BYTES, BadIdentifiers, IdKind
from hvelv.privacy.service.keys import KEY_BYTES

CHUNK = 1 << 15  # ids: their words fit the second cache of a processor, and the calls for each chunk are few
ZEROS = np.uint64(0x3030303030303030)  # taken from a byte below "0", sets its highest bit
ABOVE_NINE = np.uint64(0x4646464646464646)  # added to a byte above "9", sets its highest bit
HIGHEST_BITS = np.uint64(0x8080808080808080)
DIGITS_SHIFT = np.uint64(8 * TAG_BYTES)

Blocks = NDArray[np.uint64]  # (n, 2), little-endian: a block's first and last 8 bytes
NO_BLOCKS: Blocks = np.zeros((0, 2), np.uint64)


def _pack(first: Any, last: Any, offsets: Any, base: int, tag: Any, words: Any) -> bool:  # noqa: PLR0917
    """Write tag and digits of each id as two words. Returns whether all ids are 11 ASCII digits, end to end.

    `first` and `last` are the 8 bytes at each id's beginning and end; `offsets` where each id should begin.
    """
    lengths = np.int64(0)
    for i in range(len(first)):
        lengths |= offsets[i] - (base + DIGITS * i)
    digits = np.uint64(0)  # a carry out of a byte comes only from one that is no digit, which has set its bit already
    for i in range(len(first)):
        one, other = first[i], last[i]
        digits |= (one + ABOVE_NINE) | (one - ZEROS) | (other + ABOVE_NINE) | (other - ZEROS)
        words[2 * i] = (one << DIGITS_SHIFT) | tag
        words[2 * i + 1] = other
    return bool(lengths == 0 and (digits & HIGHEST_BITS) == 0)


pack = compiled(_pack)


class PersonCipher:
    """Turns ids of one kind into blocks, and back, under one key."""

    def __init__(self, key: bytes, kind: IdKind = PERSON) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a key has 32 bytes")
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - one block is one message, see above
        self._tag = np.uint64(int.from_bytes(kind.tag, "little"))

    def blocks(self, ids: Any, into: NDArray[np.uint8] | None = None) -> Blocks:
        """Return the blocks of an Arrow array of strings; written to `into` if that has 16 * (length + 1) bytes.

        Raises `BadIdentifiers` if any is missing or not 11 ASCII digits; the refusal does not say which.
        """
        if isinstance(ids, pa.ChunkedArray):
            ids = ids.combine_chunks()
        if len(ids) == 0:
            return NO_BLOCKS
        if ids.null_count or not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)):
            raise BadIdentifiers
        size = BLOCK_BYTES * (len(ids) + 1)  # the cipher wants one spare block
        return self._encrypted(ids, np.empty(size, np.uint8) if into is None or len(into) < size else into)

    def _encrypted(self, ids: Any, out: NDArray[np.uint8]) -> Blocks:
        offsets, base, data = _buffers(ids)
        count = len(ids)
        if offsets[-1] - base != DIGITS * count:
            raise BadIdentifiers
        words = np.empty(2 * min(CHUNK, count), np.uint64)
        encryptor, view = self._cipher.encryptor(), out.data
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            place = base + DIGITS * start
            first, last = _eights(data, place, size), _eights(data, place + DIGITS - 8, size)
            if not pack(first, last, offsets[start : start + size], place, self._tag, words):
                raise BadIdentifiers
            encryptor.update_into(words[: 2 * size].data.cast("B"), view[BLOCK_BYTES * start :])
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
    """Return 8 bytes of each id, ids lying 11 bytes apart, without copying."""
    first = np.frombuffer(data, np.uint8, 8, place).view("<u8")
    return as_strided(first, (count,), (DIGITS,))


def _whole(context: Any, blocks: Blocks) -> Blocks:
    if len(blocks) == 0:
        return NO_BLOCKS
    out = np.empty(BLOCK_BYTES * (len(blocks) + 1), np.uint8)
    context.update_into(np.ascontiguousarray(blocks).data.cast("B"), out.data)
    return out[: BLOCK_BYTES * len(blocks)].view("<u8").reshape(-1, 2)
