"""Sessions that nobody uses: who is warned, who says that it is to stay open, and what is closed."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hvelv.enclave.domain.idle import IdleLimits, Standing, Use, Verdict, judge
from hvelv.enclave.service.rooms import Rooms, Running
from hvelv.enclave.service.stops import PLATFORM, STOPPED, UNUSED
from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Refusal

KEPT_OPEN = "session.kept_open"
MOST_ROWS = (
    50_000  # of the newest, looked through for what was kept open; as a rule fewer: back to the limit's beginning
)
Name = tuple[str, str]  # a person and a project
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unused:
    """Judges by what the gateway tells of use, and by what people said in the portal, whichever is later."""

    registry: Database
    rooms: Rooms
    clock: Clock
    limits: IdleLimits

    def judged(self, person: str, project: str, use: Use | None) -> Verdict:
        """Say how a session stands."""
        now = self.clock.now()
        verdict = judge(now, use, self.limits)
        if use is None or verdict.standing is Standing.KEEP:
            return verdict
        kept = self._kept_open(now).get((person, project), use.at)
        return judge(now, Use(max(kept, use.at), use.busy), self.limits)

    def keep_open(self, person: str, project: str) -> None:
        """Count a person's word as use."""
        with self.registry.transaction() as unit:
            unit.record(AuditEvent(person, KEPT_OPEN, project))

    def _kept_open(self, now: datetime) -> Mapping[Name, datetime]:
        found: dict[Name, datetime] = {}
        with self.registry.reading() as session:
            for row in self.registry.trail.rows(session, newest=MOST_ROWS):
                if row.at < now - self.limits.after:
                    break
                if row.action == KEPT_OPEN:
                    found.setdefault((row.actor, row.subject), row.at)
        return found

    def close_unused(self) -> int:
        """Close what has not been used for too long, as a person in charge would; return how many."""
        if not self.limits.after:
            return 0
        closed = 0
        for one in self.rooms.running():
            if one.closing or judge(self.clock.now(), one.use, self.limits).standing is not Standing.CLOSE:
                continue
            try:
                closed += self._close(one)
            except Refusal as refusal:  # the others are looked at all the same, and this one again in the next round
                log.warning("a session that is not used could not be closed: %s", type(refusal).__name__)
        return closed

    def _close(self, one: Running) -> bool:
        verdict = self.judged(one.person, one.project, one.use)
        if verdict.standing is not Standing.CLOSE or verdict.closes_at is None:
            return False
        since = verdict.closes_at - self.limits.after
        told = {"person": one.person, "reason": UNUSED, "since": since.isoformat(timespec="seconds")}
        with self.registry.transaction() as unit:  # what the hub refuses is not written
            unit.record(AuditEvent(PLATFORM, STOPPED, one.project, told))
            self.rooms.close_room(one.person, one.project)
        return True
