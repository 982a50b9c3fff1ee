"""Sign-in sessions: an opaque signed name in a cookie, everything else in the registry."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, update
from sqlmodel import Field, col

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, RegistryRow
from hvelv.kernel.ids import PersonId

LIFETIME = timedelta(hours=8)
IDLE = timedelta(minutes=60)
SEEN_EVERY = timedelta(minutes=1)  # a page view does not write; the first after a minute does


class PortalSessionRow(RegistryRow, table=True):
    """One sign-in. Holds the hash of the cookie's name, so that a copy of the database signs nobody in."""

    __tablename__ = "portal_session"

    name_hash: str = Field(primary_key=True, max_length=64)
    person: str = Field(max_length=64, index=True)
    created_at: str = Field(max_length=32)
    seen_at: str = Field(max_length=32)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Sessions:
    """The sign-ins that are alive: at most 8 hours, at most 60 minutes idle."""

    database: Database
    clock: Clock
    key: bytes

    def begin(self, person: PersonId, *, instead_of: str = "") -> str:
        """Sign `person` in and return the cookie's value; a session that the browser brought along ends."""
        name, now = secrets.token_urlsafe(32), _text(self.clock.now())
        with self.database.transaction() as unit:
            if old := self._name(instead_of):
                unit.session.execute(delete(PortalSessionRow).where(col(PortalSessionRow.name_hash) == _hash(old)))
            unit.session.execute(
                delete(PortalSessionRow).where(col(PortalSessionRow.created_at) < _text(self.clock.now() - LIFETIME))
            )
            unit.session.add(PortalSessionRow(name_hash=_hash(name), person=person, created_at=now, seen_at=now))
            unit.record(AuditEvent(person, "person.signed_in", person))
        return f"{name}.{self._mac(name)}"

    def person(self, cookie: str) -> PersonId | None:
        """Return who the cookie signs in, or None."""
        name = self._name(cookie)
        if not name:
            return None
        with self.database.reading() as session:
            row = session.get(PortalSessionRow, _hash(name))
            if row is None:
                return None
            person, created, seen = PersonId(row.person), _moment(row.created_at), _moment(row.seen_at)
        now = self.clock.now()
        if now - created >= LIFETIME or now - seen >= IDLE:
            return None
        if now - seen >= SEEN_EVERY:
            with self.database.transaction() as unit:
                unit.session.execute(
                    update(PortalSessionRow)
                    .where(col(PortalSessionRow.name_hash) == _hash(name))
                    .values(seen_at=_text(now))
                )
        return person

    def end(self, cookie: str) -> None:
        """Sign the cookie's person out."""
        if not (name := self._name(cookie)):
            return
        with self.database.transaction() as unit:
            row = unit.session.get(PortalSessionRow, _hash(name))
            if row is not None:
                unit.session.delete(row)
                unit.record(AuditEvent(row.person, "person.signed_out", row.person))

    def end_all(self, actor: str, person: PersonId | str) -> None:
        """Sign a person out everywhere: a new password, a deactivated person."""
        with self.database.transaction() as unit:
            unit.session.execute(delete(PortalSessionRow).where(col(PortalSessionRow.person) == person))
            unit.record(AuditEvent(actor, "person.signed_out", person))

    def _name(self, cookie: str) -> str:
        name, _dot, mac = cookie.partition(".")
        return name if name and hmac.compare_digest(mac.encode(), self._mac(name).encode()) else ""

    def _mac(self, name: str) -> str:
        return hmac.new(self.key, b"session:" + name.encode(), hashlib.sha256).hexdigest()
