"""Sessions that were stopped, by people in charge or because nobody used them, and why: read from the registry's audit, where it is written."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hvelv.kernel.database import Database

STOPPED = "session.stopped"
PLATFORM = "hvelv"  # who stops what nobody uses
UNUSED = "unused"
SHOWN_FOR = timedelta(days=7)
MOST_ROWS = 1000  # of the newest; a busier registry tells for a shorter time


@dataclass(frozen=True)
class Stop:
    """When and why."""

    at: datetime
    reason: str
    unused_since: str = ""  # when the platform stopped it for that


@dataclass(frozen=True)
class Stops:
    """What the people it happened to are told."""

    registry: Database

    def last(self, person: str, project: str, now: datetime) -> Stop | None:
        """Return the last time that this session was stopped, if it was not long ago."""
        with self.registry.reading() as session:
            for row in self.registry.trail.rows(session, newest=MOST_ROWS):
                if now - row.at > SHOWN_FOR:
                    return None
                if (row.action, row.subject, row.detail.get("person")) == (STOPPED, project, person):
                    since = str(row.detail.get("since", "")) if row.actor == PLATFORM else ""
                    return Stop(row.at, str(row.detail["reason"]), since)
        return None
