"""People whom no permit lets in: the custodian's own list, so that who is deactivated loses the lab, too.

The custodian does not know people. What the portal or the operator tells it here holds against every permit that names
the person, from the commit on.
"""

from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database


class BarredRows(Protocol):
    """What the list asks of its database."""

    def is_barred(self, session: Session, person: str) -> bool: ...
    def bar(self, session: Session, person: str, at: datetime, reason: str) -> bool: ...
    def unbar(self, session: Session, person: str) -> bool: ...


class BarredPeople:
    """The list. Each change is a transaction with its audit row; a change that is made already changes nothing."""

    def __init__(self, database: Database, rows: BarredRows, clock: Clock) -> None:
        self._database = database
        self._rows = rows
        self._clock = clock

    def bar(self, actor: str, person: str, reason: str) -> bool:
        """Let no permit let the person in. Return False when that was so before."""
        with self._database.transaction() as transaction:
            done = self._rows.bar(transaction.session, person, self._clock.now(), reason)
            if done:
                transaction.record(AuditEvent(actor, "person.barred", person, {"reason": reason}))
            return done

    def unbar(self, actor: str, person: str, reason: str) -> bool:
        """Let the permits that name the person let them in again. Return False when they did before."""
        with self._database.transaction() as transaction:
            done = self._rows.unbar(transaction.session, person)
            if done:
                transaction.record(AuditEvent(actor, "person.unbarred", person, {"reason": reason}))
            return done
