"""Keys: 32 random bytes for each purpose, kept only wrapped by a key that is kept elsewhere.

Nothing is derived from a master key, so destroying the wrapped key destroys the way back from a project's pseudonyms.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import NotPossible, _

KEY_BYTES = 32
VERSION = 1
CUSTODIAN = "custodian"


@dataclass(frozen=True)
class ProjectKeys:
    """A project's three keys, 32 random bytes each and independent of one another: for persons, date shifts and codes."""

    persons: bytes = field(repr=False)
    dates: bytes = field(repr=False)
    codes: bytes = field(repr=False)


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

    def known(self, session: Session, name: str) -> bool:
        """Say whether there is, or ever was, a key called `name`."""
        ...

    def erase(self, session: Session, name: str, at: datetime) -> bool:
        """Overwrite the wrapped key and keep the mark that there was one. Says whether there was."""
        ...


class Keys:
    """Makes, opens and destroys keys. The names: `project:<id>`, `project:<id>:dates`, `project:<id>:codes`, `opt-outs`."""

    def __init__(self, database: Database, rows: KeyRows, custodian: KeyCustodian, clock: Clock) -> None:
        self._database, self._rows, self._custodian, self._clock = database, rows, custodian, clock

    def ensure(self, unit: Transaction, name: str, actor: str) -> None:
        """Make the key called `name` if there never was one. In the caller's transaction."""
        wrapped = self._custodian.wrap(secrets.token_bytes(KEY_BYTES), _context(name, VERSION))
        if self._rows.add(unit.session, name, VERSION, wrapped, self._clock.now()):
            unit.record(AuditEvent(actor, "key.made", name, {"version": VERSION}))

    def ensure_project(self, unit: Transaction, project: str, actor: str) -> None:
        """Make those of the project's keys that there never were. In the caller's transaction."""
        for name in project_names(project):
            self.ensure(unit, name, actor)

    def project(self, project: str) -> ProjectKeys:
        """Return the project's keys. Raises `NotPossible` where there are none any more.

        A project from before there were keys for dates and codes gets them now.
        """
        names = project_names(project)
        with self._database.reading() as session:
            persons = self.opened_in(session, names[0])
            found = [self._rows.known(session, name) for name in names]
        if not all(found):
            with self._database.transaction() as unit:
                self.opened_in(unit.session, names[0])  # a key that was destroyed meanwhile gets no new sisters
                self.ensure_project(unit, project, CUSTODIAN)
        with self._database.reading() as session:
            return ProjectKeys(persons, *(self.opened_in(session, name) for name in names[1:]))

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

    def destroy_project(self, unit: Transaction, project: str, actor: str) -> None:
        """Destroy the project's keys, in the caller's transaction. Cannot be undone."""
        for name in project_names(project):
            self.destroy(unit, name, actor)

    def destroy(self, unit: Transaction, name: str, actor: str) -> None:
        """Destroy the key: its pseudonyms can never again be led back. Backups must forget it too."""
        if self._rows.erase(unit.session, name, self._clock.now()):
            unit.record(AuditEvent(actor, "key.destroyed", name))


def project_key(project: str) -> str:
    """Return the name of the key for a project's persons. Raises `ValueError` for an id that could be taken for another's."""
    if not project or ":" in project:
        raise ValueError("a project's id has no colon in it")
    return f"project:{project}"


def project_names(project: str) -> tuple[str, str, str]:
    """Return the names of a project's keys: for persons, date shifts and codes."""
    persons = project_key(project)
    return persons, f"{persons}:dates", f"{persons}:codes"


def _context(name: str, version: int) -> str:
    return f"hvelv key {name} version {version}"
