"""Keys: 32 random bytes for each purpose, kept only wrapped by a key that is kept elsewhere.

Nothing is derived from a master key, so destroying the wrapped key destroys the way back from a project's pseudonyms.
"""

import secrets
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import NotPossible, _

KEY_BYTES = 32
VERSION = 1


class KeyCustodian(Protocol):
    """Whoever holds the key that wraps keys: a file, a hardware module, a service."""

    def wrap(self, key: bytes, context: str) -> bytes:
        """Return `key` encrypted and bound to `context`."""
        ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the key. Raises `NotPossible` if it was wrapped by another key or for another context."""
        ...


class KeyRows(Protocol):
    """Where wrapped keys are kept."""

    def add(self, session: Session, name: str, version: int, wrapped: bytes, at: datetime) -> bool:
        """Keep a wrapped key unless the name has one. Says whether it was kept."""
        ...

    def find(self, session: Session, name: str) -> tuple[int, bytes] | None:
        """Return the version and the wrapped key; None where there is none, or it was destroyed."""
        ...

    def erase(self, session: Session, name: str, at: datetime) -> bool:
        """Overwrite the wrapped key and keep the mark that there was one. Says whether there was."""
        ...


class Keys:
    """Makes, opens and destroys keys. The names: `project:<id>`, `opt-outs`."""

    def __init__(self, database: Database, rows: KeyRows, custodian: KeyCustodian, clock: Clock) -> None:
        self._database, self._rows, self._custodian, self._clock = database, rows, custodian, clock

    def ensure(self, unit: Transaction, name: str, actor: str) -> None:
        """Make the key called `name` if there never was one. In the caller's transaction."""
        wrapped = self._custodian.wrap(secrets.token_bytes(KEY_BYTES), _context(name, VERSION))
        if self._rows.add(unit.session, name, VERSION, wrapped, self._clock.now()):
            unit.record(AuditEvent(actor, "key.made", name, {"version": VERSION}))

    def opened(self, name: str) -> bytes:
        """Return the key. Raises `NotPossible` where there is none any more."""
        with self._database.reading() as session:
            return self.opened_in(session, name)

    def opened_in(self, session: Session, name: str) -> bytes:
        """Return the key as the session sees it. Raises `NotPossible` where there is none any more."""
        found = self._rows.find(session, name)
        if found is None:
            raise NotPossible(_("Nøkkelen finnes ikke eller er slettet."), code="no-key")
        version, wrapped = found
        return self._custodian.unwrap(wrapped, _context(name, version))

    def destroy(self, unit: Transaction, name: str, actor: str) -> None:
        """Destroy the key: its pseudonyms can never again be led back. Backups must forget it too."""
        if self._rows.erase(unit.session, name, self._clock.now()):
            unit.record(AuditEvent(actor, "key.destroyed", name))


def project_key(project: str) -> str:
    """Return the name of a project's key."""
    return f"project:{project}"


def _context(name: str, version: int) -> str:
    return f"hvelv key {name} version {version}"
