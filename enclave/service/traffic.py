"""What sessions have passed, as rows in the custodian's audit: how much, by kind and day, and when it was unusual."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from hvelv.enclave.domain.traffic import NOT_VIEWED
from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database

PASSED = "session.passed"
UNUSUAL = "session.unusual_volume"
MOST_ROWS = 50_000  # of one day, all sessions together


@dataclass(frozen=True)
class Passed:
    """What the gateway tells of one session and day. Bytes; nothing of what they were."""

    person: str
    project: str
    day: str
    viewed: Mapping[str, int]
    sent: int
    held_back: int
    alarms: int
    ended: bool


@dataclass
class Volume:
    """What a session has passed in a day."""

    viewed: int = 0
    sent: int = 0
    held_back: int = 0
    alarms: list[str] = field(default_factory=list)  # when


@dataclass(frozen=True)
class TrafficBook:
    """Writes and sums the rows."""

    database: Database
    clock: Clock

    def write(self, passed: Passed) -> None:
        """Write a row, and one more for each alarm."""
        detail = {
            "day": passed.day,
            "viewed": dict(sorted(passed.viewed.items())),
            "sent": passed.sent,
            "held_back": passed.held_back,
            "ended": passed.ended,
        }
        with self.database.transaction() as unit:
            unit.record(AuditEvent(passed.person, PASSED, passed.project, detail))
            for _alarm in range(passed.alarms):
                unit.record(AuditEvent(passed.person, UNUSUAL, passed.project, {"day": passed.day}))

    def today(self) -> dict[tuple[str, str], Volume]:
        """Return what each session has passed today (UTC), by person and project."""
        day = self.clock.now().astimezone(UTC).date()
        begun = datetime.combine(day, time(), tzinfo=UTC)
        found: dict[tuple[str, str], Volume] = {}
        with self.database.reading() as session:
            for row in self.database.trail.rows(session, newest=MOST_ROWS):
                if row.at < begun:
                    break
                if row.action in {PASSED, UNUSUAL}:
                    self._add(found.setdefault((row.actor, row.subject), Volume()), row.action, row.at, row.detail, day)
        return found

    @staticmethod
    def _add(volume: Volume, action: str, at: datetime, detail: Mapping[str, object], day: date) -> None:
        if detail.get("day") != day.isoformat():
            return
        if action == UNUSUAL:
            volume.alarms.append(at.isoformat())
            return
        viewed = detail["viewed"]
        assert isinstance(viewed, dict)  # noqa: S101 - our own row
        volume.viewed += sum(size for kind, size in viewed.items() if kind not in NOT_VIEWED)
        volume.sent += int(str(detail["sent"]))
        volume.held_back += int(str(detail["held_back"]))
