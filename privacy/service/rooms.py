"""The end of a project's room: sealed when the permit ends, emptied when its retention is over.

The permit's end and the room's are one transaction; what has to be done on disk and in the store follows as a chore,
again and again until it is done. Every step can be done twice. What a run that was still under way leaves behind after
the end is taken by later rounds, for a day.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import Refusal
from hvelv.kernel.objects import ObjectStore
from hvelv.privacy.domain.rooms import BUCKET, SEALED, prefix
from hvelv.privacy.service.keys import Keys

ACTOR = "custodian"
SWEPT_FOR = timedelta(days=1)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EndedRoom:
    """A room whose permit has ended. `kept_until`: when key and objects are destroyed."""

    project: str
    ended: datetime
    kept_until: datetime
    sealed: datetime | None = None
    emptied: datetime | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return how far it has come, for pages."""
        moments = {"at": self.ended, "kept_until": self.kept_until, "sealed": self.sealed, "emptied": self.emptied}
        return {name: moment.isoformat() if moment else None for name, moment in moments.items()}


class RoomRows(Protocol):
    """Where ended rooms are recorded."""

    def end(self, session: Session, room: EndedRoom) -> bool:
        """Keep the room's end unless it has one. Says whether it was kept."""
        ...

    def find(self, session: Session, project: str) -> EndedRoom | None:
        """Return the room's end; None while the room is open."""
        ...

    def unfinished(self, session: Session, now: datetime, ended_after: datetime) -> Sequence[EndedRoom]:
        """Return the rooms to be sealed, those to be emptied by `now`, and those that ended after the other moment."""
        ...

    def sealed(self, session: Session, project: str, at: datetime) -> bool:
        """Note that the room was sealed. Says whether that was news."""
        ...

    def emptied(self, session: Session, project: str, at: datetime) -> bool:
        """Note that the room was emptied. Says whether that was news."""
        ...


class Traces(Protocol):
    """What the custodian keeps of a project on its own disk."""

    def remove(self, project: str, names: Sequence[str]) -> int:
        """Remove cached copies of the objects called `names` and the project's work folders; return how many files."""
        ...


class Rooms:
    """Seals and empties rooms."""

    def __init__(
        self, database: Database, rows: RoomRows, *, store: ObjectStore, traces: Traces, keys: Keys, clock: Clock
    ) -> None:
        self._database, self._rows, self._store = database, rows, store
        self._traces, self._keys, self._clock = traces, keys, clock

    def end(self, unit: Transaction, project: str, retention_days: int, actor: str) -> None:
        """End the room with its permit, in the caller's transaction. Without retention the key dies in it, too."""
        now = self._clock.now()
        until = now + timedelta(days=retention_days)
        if self._rows.end(unit.session, EndedRoom(project, now, until)):
            detail = {"retention_days": retention_days, "kept_until": until.isoformat()}
            unit.record(AuditEvent(actor, "room.ended", project, detail))
        if retention_days == 0:
            self._keys.destroy_project(unit, project, actor)

    def ended(self, project: str) -> EndedRoom | None:
        """Return how far the room's end has come; None while it is open."""
        with self._database.reading() as session:
            return self._rows.find(session, project)

    def look_after(self) -> int:
        """Seal the rooms that have ended and empty those whose retention is over; return how many changed."""
        now = self._clock.now()
        with self._database.reading() as session:
            waiting = self._rows.unfinished(session, now, now - SWEPT_FOR)
        return sum(self._brought_on(room, now) for room in waiting)

    def _brought_on(self, room: EndedRoom, now: datetime) -> bool:
        try:
            return self.destroy(room.project) if room.kept_until <= now else self.seal(room.project)
        except Refusal as refusal:  # the other rooms do not wait for this one; the next round tries again
            log.warning("a room whose permit has ended waits: %s", refusal.code)
            return False

    def seal(self, project: str) -> bool:
        """Put the room's objects where no credentials but the custodian's reach. Says whether anything was there to do."""
        names = self._store.names(BUCKET, prefix(project))
        removed = self._traces.remove(project, [*names, *self._store.names(SEALED, prefix(project))])
        for name in names:
            self._store.move(BUCKET, name, SEALED)
        with self._database.transaction() as unit:
            news = self._rows.sealed(unit.session, project, self._clock.now())
            if news or names or removed:
                detail = {"objects": len(names), "local_files": removed}
                unit.record(AuditEvent(ACTOR, "room.sealed", project, detail))
        return bool(news or names or removed)

    def destroy(self, project: str) -> bool:
        """Remove the room's objects and destroy the project's key. Says whether anything was there to do.

        The certificate of the key's end is made by `Destructions.finish`. What was extracted stays known by hash and
        counts.
        """
        held = [(bucket, name) for bucket in (BUCKET, SEALED) for name in self._store.names(bucket, prefix(project))]
        removed = self._traces.remove(project, [name for _bucket, name in held])
        for bucket, name in held:
            self._store.delete(bucket, name)
        now = self._clock.now()
        with self._database.transaction() as unit:
            self._keys.destroy_project(unit, project, ACTOR)
            self._rows.sealed(unit.session, project, now)
            news = self._rows.emptied(unit.session, project, now)
            if news or held or removed:
                detail = {"objects": len(held), "local_files": removed}
                unit.record(AuditEvent(ACTOR, "room.emptied", project, detail))
        return bool(news or held or removed)
