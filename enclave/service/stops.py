"""Sessions that people in charge have stopped, and why: read from the registry's audit, where it is written."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hvelv.kernel.database import Database

STOPPED = "session.stopped"
SHOWN_FOR = timedelta(days=7)
MOST_ROWS = 1000  # of the newest; a busier registry tells for a shorter time


@dataclass(frozen=True)
class Stop:
    """When and why."""

    at: datetime
    reason: str


@dataclass(frozen=True)
class Stops:
    """What the people it happened to are told."""

    registry: Database

    def last(self, person: str, project: str, now: datetime) -> Stop | None:
        """Return the last time that somebody in charge stopped this session, if it was not long ago."""
        with self.registry.reading() as session:
            for row in self.registry.trail.rows(session, newest=MOST_ROWS):
                if now - row.at > SHOWN_FOR:
                    return None
                if (row.action, row.subject, row.detail.get("person")) == (STOPPED, project, person):
                    return Stop(row.at, str(row.detail["reason"]))
        return None
