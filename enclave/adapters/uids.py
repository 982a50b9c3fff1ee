"""Which host user id each session runs as, and which group each project has: given once, kept in a table, never computed."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hvelv.enclave.domain.sessions import SessionName

MOST = 60_000


@dataclass(frozen=True)
class UidTable:
    """The table, in a file that only the hub can read. Two hubs at once wait for each other."""

    path: Path
    base: int

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def uid_of(self, name: SessionName) -> int:
        """Return the session's user id, given now if it has none. Raises `RuntimeError` when all are given."""
        return self._number_of(f"{name.person}/{name.project}")

    def group_of(self, project: str) -> int:
        """Return the group of what the project's members share. It is no session's user id. Raises `RuntimeError`."""
        return self._number_of(f"/{project}")

    def _number_of(self, key: str) -> int:
        with self._locked():
            table: dict[str, int] = json.loads(self.path.read_text()) if self.path.exists() else {}
            if key not in table:
                free = max(table.values(), default=self.base - 1) + 1
                if free >= self.base + MOST:
                    raise RuntimeError("all user ids for sessions are given")
                table[key] = free
                self._write(table)
            return table[key]

    def _write(self, table: dict[str, int]) -> None:
        part = self.path.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(table, file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.path)
