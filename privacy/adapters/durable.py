"""Small secret files: replaced whole or not at all, and what they held before overwritten.

Overwriting is as good as the file system makes it: one that copies on write, or a disk that spreads its writes, may keep
the old bytes. That is why what lies in such a file is sealed, too (hvelv.privacy.adapters.keyring).
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Reached = Callable[[str], None]
"""Called with the name of each step that has been reached: tests stop there."""


def nothing(_step: str) -> None:
    """Go on."""


@contextmanager
def locked(path: Path, *, alone: bool) -> Iterator[None]:
    """Hold the lock on the file `path`, which is made if missing: `alone`, or along with other readers."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _own(descriptor, path)
        fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def replace(path: Path, data: bytes, reached: Reached = nothing) -> None:
    """Put `data` in the place of what `path` holds, on disk, and overwrite what it held. Raises `OSError`.

    Killed at any step, `path` has the old content or the new one; `sweep` removes what is left beside it.
    """
    sweep(path)
    part, old = _beside(path)
    write(part, data)
    reached("written")
    _swap(part, path, old, reached)


def write(path: Path, data: bytes) -> None:
    """Write a new file of mode 0600 that belongs to its folder's owner, and have it on disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        _own(file.fileno(), path)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def rename(part: Path, path: Path, reached: Reached = nothing) -> None:
    """Let `part`, which is on disk, take the place of `path`, and overwrite what that held."""
    sweep(path)
    _part, old = _beside(path)
    _swap(part, path, old, reached)


def sweep(path: Path) -> None:
    """Overwrite and remove what a killed `replace` of `path` left."""
    part, old = _beside(path)
    shred(part)
    if old.exists() and path.exists() and old.samefile(path):
        old.unlink()  # it was killed before the new content came: this is the present one under a second name
    shred(old)


def shred(path: Path) -> None:
    """Overwrite a file and remove it, if there is one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(bytes(os.fstat(file.fileno()).st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    _settle(path.parent)


def _swap(part: Path, path: Path, old: Path, reached: Reached) -> None:
    if path.exists():
        os.link(path, old)
        reached("kept")
    part.replace(path)
    _settle(path.parent)
    reached("replaced")
    shred(old)
    reached("overwritten")


def _beside(path: Path) -> tuple[Path, Path]:
    return path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.old")


def _own(descriptor: int, path: Path) -> None:
    """Give a file that root makes to whoever owns the folder, so that the custodian can read it."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
