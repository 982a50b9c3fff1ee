"""Somebody with everything that is left on disk, who tries to open a key with whatever looks like one."""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = 32
TEXT = re.compile(rb"[A-Za-z0-9+/_-]{43,}={0,2}")
HEX = re.compile(rb"(?:[0-9a-f]{2}){32,}")
MARKS = ((b"HVW2", 0), (b"HVKR1\n", 8))  # how a wrapped key and a keyring begin, and how much stands before the nonce
SHORT = 64
SMALL = 4096  # bytes: every place in a file of that size is taken for the beginning of something


def everything(*places: Path) -> dict[Path, bytes]:
    """Return the bytes of every file below `places`."""
    files = (path for place in places for path in ([place] if place.is_file() else place.rglob("*")))
    return {path: path.read_bytes() for path in files if path.is_file()}


def spelled(key: bytes) -> Iterator[bytes]:
    """Yield the key as it could stand in a file: raw, in hex, in base64 at any of its three places."""
    yield key
    yield key.hex().encode()
    yield key.hex().upper().encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for ahead in range(3):
            yield encode(bytes(ahead) + key)[4:-4]  # without the ends, which depend on what stands beside


def written(key: bytes, found: Iterable[bytes]) -> bool:
    """Say whether the key itself stands anywhere."""
    return any(spelling in data for data in found for spelling in spelled(key))


def materials(data: bytes) -> set[bytes]:
    """Return what the bytes say: themselves, and what is in them as hex and base64."""
    found = {data}
    for run in TEXT.findall(data):
        text = run.rstrip(b"=")
        text += b"=" * (-len(text) % 4)
        for decode in (base64.b64decode, base64.urlsafe_b64decode):
            try:
                found.add(decode(text))
            except (binascii.Error, ValueError):
                continue
    found |= {bytes.fromhex(run.decode()) for run in HEX.findall(data)}
    return {piece for piece in found if len(piece) >= 16}


def random_looking(piece: bytes) -> bool:
    """Say whether a key or a sealed box could look so: of 32 random bytes some 30 differ, and never fewer than 20 do."""
    return len(set(piece)) >= min(len(piece), 60) * 5 // 8


def windows(pieces: Iterable[bytes], size: int) -> set[bytes]:
    """Return every run of `size` bytes in the pieces that could be random."""
    found = {piece[at : at + size] for piece in pieces for at in range(len(piece) - size + 1)}
    return {window for window in found if random_looking(window)}


def boxes(pieces: Iterable[bytes]) -> set[bytes]:
    """Return what could be nonce, sealed content and tag: what stands after our marks, and anything of 60 bytes."""
    found = set()
    for piece in pieces:
        for mark, head in MARKS:
            for at in re.finditer(re.escape(mark), piece):
                rest = piece[at.end() + head :]
                found |= {rest, rest[:60]}
        if len(piece) <= SHORT:
            found |= windows([piece], 60)
    return {box for box in found if len(box) >= 60}


def opened(found: Iterable[bytes], contexts: Iterable[bytes], where: Iterable[bytes]) -> set[bytes]:
    """Return what every run of 32 bytes as a key opens of all boxes in `where`, and then with that again.

    Keys are looked for in all that is `found`: in small files, and in whatever stands encoded in large ones.
    """
    pieces = {piece for data in found for piece in materials(data) if len(piece) <= SMALL}
    sealed, contexts = (
        boxes({piece for data in where for piece in materials(data) if len(piece) <= SMALL}),
        tuple(contexts),
    )
    got: set[bytes] = set()
    fresh, tried = windows(pieces, KEY), set[bytes]()
    while fresh:
        more: set[bytes] = set()
        for key in fresh:
            more |= _tried(AESGCM(key), sealed, contexts)
        got |= more
        tried |= fresh
        fresh = windows({part for one in more for part in materials(one)}, KEY) - tried
    return got


def _tried(aead: AESGCM, sealed: Iterable[bytes], contexts: tuple[bytes, ...]) -> set[bytes]:
    got = set()
    for box in sealed:
        for context in contexts:
            try:
                got.add(aead.decrypt(box[:12], box[12:], context))
            except (InvalidTag, ValueError):
                continue
    return got


def leads_back(found: Iterable[bytes], block: bytes, pseudonym: bytes) -> bool:
    """Say whether any 16 or 32 bytes on disk, taken for the project's key, make `pseudonym` of a known person's block."""
    for size in (32, 16):
        for key in windows({piece for data in found for piece in materials(data)}, size):
            encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block
            if encryptor.update(block) == pseudonym:
                return True
    return False
