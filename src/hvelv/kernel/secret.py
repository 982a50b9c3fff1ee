"""Secrets: made at first start, one small file each, mode 0600, in the folder of the trust domain that needs it."""

import os
import secrets as random
from pathlib import Path

BYTES = 32


class Secrets:
    """The secrets of one trust domain."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the file that holds `name`."""
        return self.folder / name

    def read(self, name: str) -> str:
        """Return a secret that was made before. Raises `FileNotFoundError`, which names the file."""
        return self.path(name).read_text().strip()

    def ensure(self, name: str, value: str | None = None) -> str:
        """Return the secret `name`, made now (from `value` or at random) if there is none. Safe against two at once."""
        path = self.path(name)
        if not path.exists():
            self.write(name, value if value is not None else random.token_urlsafe(BYTES))
        return self.read(name)

    def write(self, name: str, value: str) -> Path:
        """Write `name` whole or not at all; the first of two writers wins."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.path(name)
        part = path.with_name(f".{name}.{random.token_hex(4)}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            pass
        finally:
            part.unlink()
        return path
