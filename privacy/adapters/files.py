"""What is done with whole files."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def written(target: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `target` when all went well: nobody ever sees half a file.

    Two who write the same file at once do not meet: each has a path of its own, and the last one's file stays.
    """
    piece = target.with_name(f".{secrets.token_hex(6)}-{target.name}")
    try:
        yield piece
        piece.replace(target)
    finally:
        piece.unlink(missing_ok=True)
