"""Refreshing: a project's extracts are made again when other people object than when they were made.

How long it may take is the setting `optout_days`: extracts that are older are made again in the next round, so that who
objects is in no extract in use after that many days at most. Making them again withdraws the earlier ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.ids import RandomIds
from hvelv.privacy.service.jobs import UNFINISHED, Job, JobState
from hvelv.privacy.service.optouts import Asked, Objections, same_objectors
from hvelv.requests.domain.permit import Permit, PermitState
from hvelv.requests.service.office import PROVISION, JobQueue
from hvelv.workflows.desk import Desk, Queue

ACTOR = "platform"
AFTER_A_FAILURE = timedelta(days=1)


class Issued(Protocol):
    """A permit and where it stands."""

    @property
    def permit(self) -> Permit: ...
    @property
    def state(self) -> PermitState: ...


class Permits(Protocol):
    """The permit office; `hvelv.requests.service.office.Office` is one."""

    def all(self) -> Sequence[Issued]: ...


class Published(Protocol):
    """What is asked of a published extract."""

    @property
    def permit_version(self) -> int: ...
    @property
    def objections(self) -> str: ...
    @property
    def at(self) -> datetime: ...


class Extracts(Protocol):
    """What was published; `hvelv.privacy.service.extracts.ExtractRegistry` is one."""

    def in_use(self, project: str) -> Sequence[Published]: ...


class Register(Protocol):
    """The register of objections; `hvelv.privacy.service.optouts.OptOuts` is one."""

    def look(self, asked: Sequence[Asked], purpose: str) -> Objections: ...
    def state(self) -> str: ...


class Jobs(Protocol):
    """The list of work; `hvelv.privacy.service.jobs.Jobs` is one."""

    def newest(self, project: str) -> Job | None: ...


@dataclass
class Refresh:
    """Finds the projects whose extracts are due. A register that says the same as before is not read again."""

    database: Database
    permits: Permits
    extracts: Extracts
    register: Register
    jobs: Jobs
    queue: JobQueue
    clock: Clock
    days: int
    _same: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def run(self) -> int:
        """Put a job on the list for each project that is due, and return how many there were."""
        now, state = self.clock.now(), self.register.state()
        due = [permit for permit in self._active(now) if self._is_due(permit, now, state)]
        for permit in due:
            with self.database.transaction() as unit:
                self.queue.enqueue(unit, PROVISION, permit.project)
                unit.record(AuditEvent(ACTOR, "extract.refresh_due", permit.project, {"days": self.days}))
        return len(due)

    def _active(self, now: datetime) -> Iterable[Permit]:
        issued = self.permits.all()
        return (one.permit for one in issued if one.state is PermitState.ACTIVE and one.permit.runs(now))

    def _is_due(self, permit: Permit, now: datetime, state: str) -> bool:
        used = [e for e in self.extracts.in_use(permit.project) if e.permit_version == permit.version]
        if not used:  # being made for the first time, with the objections of that day
            return False
        made = min(e.at for e in used)
        if now - made < timedelta(days=self.days) or self._same.get(permit.project) == (state, made):
            return False
        if self._is_worked_on(permit.project, now):
            return False
        asked = [Asked(entry.dataset, entry.holder) for entry in permit.datasets]
        seen = self.register.look(asked, permit.purpose).fingerprint
        if all(same_objectors(e.objections, seen) for e in used):
            self._same[permit.project] = state, made
            return False
        return True

    def _is_worked_on(self, project: str, now: datetime) -> bool:
        """Say whether a job is under way, or failed so lately that trying again would only fail."""
        job = self.jobs.newest(project)
        if job is None:
            return False
        return job.state in UNFINISHED or (job.state is JobState.FAILED and now - job.updated < AFTER_A_FAILURE)


def refresher(desk: Desk) -> Refresh:
    """Return the chore for a custodian's services."""
    privacy = desk.privacy
    return Refresh(
        desk.database,
        permits=desk.office,
        extracts=privacy.extracts,
        register=privacy.optouts,
        jobs=privacy.jobs,
        queue=Queue(privacy.jobs, RandomIds()),
        clock=desk.clock,
        days=desk.settings.optout_days,
    )
