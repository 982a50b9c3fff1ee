"""Keys: 32 random bytes for each purpose, kept only wrapped by a key that is kept elsewhere.

Nothing is derived from a master key. A project's keys are wrapped by a *wrapping key of that project's own*, which the
`KeyCustodian` holds and the database never sees: when it is gone, every wrapped copy is dead, also those in backups.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import NotPossible, _
from hvelv.privacy.service.custody import KeyCustodian

KEY_BYTES = 32
VERSION = 1
CUSTODIAN = "custodian"


@dataclass(frozen=True)
class ProjectKeys:
    """A project's three keys, 32 random bytes each and independent of one another: for persons, date shifts and codes."""

    persons: bytes = field(repr=False)
    dates: bytes = field(repr=False)
    codes: bytes = field(repr=False)


@dataclass(frozen=True)
class KeptKey:
    """A key's row. `wrapped` is empty once it is destroyed.

    `direct`: the fingerprint of the key-encryption key that wrapped it itself, in the manner of the first version.
    """

    name: str
    version: int
    wrapped: bytes = field(repr=False)
    made: datetime
    destroyed: datetime | None = None
    direct: str = ""


class KeyRows(Protocol):
    """Where wrapped keys are kept."""

    def add(self, session: Session, name: str, version: int, wrapped: bytes, at: datetime) -> bool:
        """Keep a wrapped key unless the name has one. Says whether it was kept."""
        ...

    def find(self, session: Session, name: str) -> KeptKey | None:
        """Return the key's row, also of a destroyed one; None where there never was one."""
        ...

    def all(self, session: Session) -> list[KeptKey]:
        """Return every row, by name."""
        ...

    def rewrap(self, session: Session, before: KeptKey, wrapped: bytes, direct: str) -> bool:
        """Put `wrapped` in the place of what `before` holds. Says whether it still held it."""
        ...

    def erase(self, session: Session, kept: KeptKey, at: datetime, direct: str) -> bool:
        """Overwrite the wrapped key and keep the mark that there was one. Says whether there was."""
        ...

    def begin_destruction(self, session: Session, group: str, actor: str, reason: str, at: datetime) -> bool:
        """Write down that the group's keys are being destroyed. Says whether that was news."""
        ...

    def is_destroyed(self, session: Session, group: str) -> bool:
        """Say whether the group's keys are destroyed, or being so."""
        ...


class Keys:
    """Makes and opens keys. The names: `project:<id>`, `project:<id>:dates`, `project:<id>:codes`, `opt-outs`."""

    def __init__(self, database: Database, rows: KeyRows, custodian: KeyCustodian, clock: Clock) -> None:
        self._database, self._rows, self._custodian, self._clock = database, rows, custodian, clock

    def ensure(self, unit: Transaction, name: str, actor: str) -> None:
        """Make the key called `name` if there never was one. In the caller's transaction."""
        if self._rows.find(unit.session, name) or self._rows.is_destroyed(unit.session, group_of(name)):
            return
        wrapped = self._custodian.wrap(group_of(name), secrets.token_bytes(KEY_BYTES), context_of(name, VERSION))
        if self._rows.add(unit.session, name, VERSION, wrapped, self._clock.now()):
            unit.record(AuditEvent(actor, "key.made", name, {"version": VERSION}))

    def ensure_project(self, unit: Transaction, project: str, actor: str) -> None:
        """Make those of the project's keys that there never were. In the caller's transaction."""
        for name in project_names(project):
            self.ensure(unit, name, actor)

    def project(self, project: str) -> ProjectKeys:
        """Return the project's keys. Raises `NotPossible` where there are none any more, `Unavailable`.

        A project from before there were keys for dates and codes gets them now.
        """
        names = project_names(project)
        with self._database.reading() as session:
            whole = all(self._rows.find(session, name) for name in names)
        if not whole:
            with self._database.transaction() as unit:
                self.opened_in(unit.session, names[0])  # a key that is gone, or never was, gets no sisters
                self.ensure_project(unit, project, CUSTODIAN)
        with self._database.reading() as session:
            return ProjectKeys(*(self.opened_in(session, name) for name in names))

    def opened(self, name: str) -> bytes:
        """Return the key. Raises `NotPossible` where there is none any more, `Unavailable`."""
        with self._database.reading() as session:
            return self.opened_in(session, name)

    def opened_in(self, session: Session, name: str) -> bytes:
        """Return the key as the session sees it. Raises like `opened`."""
        found = self._rows.find(session, name)
        if found is None or not found.wrapped or self._rows.is_destroyed(session, group_of(name)):
            raise NotPossible(_("Nøkkelen finnes ikke eller er slettet."), code="no-key")
        return self._custodian.unwrap(group_of(name), found.wrapped, context_of(name, found.version))

    def destroy_project(self, unit: Transaction, project: str, actor: str, reason: str = "") -> None:
        """Destroy the project's keys, in the caller's transaction. Cannot be undone.

        With the commit the wrapped keys are gone from the database and nobody opens them. `Destructions.finish` then
        destroys the wrapping key with all its copies, and signs the certificate.
        """
        group, now = project_key(project), self._clock.now()
        erased = 0
        for name in project_names(project):
            if kept := self._rows.find(unit.session, name):
                direct = self._custodian.wrapped_directly(kept.wrapped) or kept.direct
                erased += self._rows.erase(unit.session, kept, now, direct)
        if erased and self._rows.begin_destruction(unit.session, group, actor, reason, now):
            unit.record(AuditEvent(actor, "key.destroying", group, {"keys": erased}))

    def listed(self) -> Sequence[KeptKey]:
        """Return every key there is or was, by name."""
        with self._database.reading() as session:
            return self._rows.all(session)

    def rotate(self, actor: str) -> int:
        """Renew what wraps the wrapping keys, and return how many keys were wrapped anew. Works while others use keys.

        Stopped at any moment, every key still opens, and rotating again finishes it. Raises `Unavailable`.
        """
        self._custodian.begin_rotation()
        moved = 0
        with self._database.transaction() as unit:
            for kept in self._rows.all(unit.session):
                moved += self._wrapped_anew(unit.session, kept)
        self._custodian.finish_rotation()
        with self._database.transaction() as unit:
            detail = {"by": self._custodian.state(), "keys": moved}
            unit.record(AuditEvent(actor, "keys.rotated", self._custodian.kind, detail))
        return moved

    def _wrapped_anew(self, session: Session, kept: KeptKey) -> bool:
        group = group_of(kept.name)
        if not kept.wrapped or not self._custodian.is_outdated(group, kept.wrapped):
            return False
        context = context_of(kept.name, kept.version)
        key = self._custodian.unwrap(group, kept.wrapped, context)
        direct = self._custodian.wrapped_directly(kept.wrapped) or kept.direct
        return self._rows.rewrap(session, kept, self._custodian.wrap(group, key, context), direct)


def project_key(project: str) -> str:
    """Return the name of the key for a project's persons. Raises `ValueError` for an id that could be taken for another's."""
    if not project or ":" in project:
        raise ValueError("a project's id has no colon in it")
    return f"project:{project}"


def project_names(project: str) -> tuple[str, str, str]:
    """Return the names of a project's keys: for persons, date shifts and codes."""
    persons = project_key(project)
    return persons, f"{persons}:dates", f"{persons}:codes"


def group_of(name: str) -> str:
    """Return which wrapping key a key is under: a project's keys share one, another key has its own."""
    kind, _colon, rest = name.partition(":")
    return f"{kind}:{rest.partition(':')[0]}" if rest else name


def context_of(name: str, version: int) -> str:
    """Return what a wrapped key is bound to: project, purpose and version."""
    return f"hvelv key {name} version {version}"
