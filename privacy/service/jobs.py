"""Work in the background as durable rows: a dispatcher starts it, people see how far it has come.

A job's id is the idempotency key of the workflow run that does it, so that starting one twice starts it once.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import NotFound, _


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


UNFINISHED = (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Job:
    """One piece of work; `message` is a sentence for people, without data."""

    id: str
    kind: str
    project: str
    state: JobState
    step: int
    steps: int
    message: str
    attempts: int
    updated: datetime

    def as_dict(self) -> dict[str, object]:
        """Return the form that pages show."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state.value,
            "step": self.step,
            "steps": self.steps,
            "message": self.message,
            "updated": self.updated.isoformat(),
        }


class JobRows(Protocol):
    """Where jobs are kept."""

    def add(self, session: Session, job: Job) -> bool:
        """Keep a new job unless there is one with its id."""
        ...

    def update(self, session: Session, job: Job, *, unless: JobState | None = None) -> bool:
        """Write the job as it is now, unless its row is in the state `unless`. Says whether it was written."""
        ...

    def find(
        self, session: Session, *, job: str | None = None, project: str | None = None, states: Sequence[JobState] = ()
    ) -> list[Job]:
        """Return the jobs that are asked for, newest first."""
        ...


class Jobs:
    """The list of work."""

    def __init__(self, database: Database, rows: JobRows, clock: Clock) -> None:
        self._database, self._rows, self._clock = database, rows, clock

    def queue(self, unit: Transaction, job_id: str, kind: str, project: str) -> None:
        """Put a job on the list, in the caller's transaction. One that is there stays as it is."""
        now = self._clock.now()
        self._rows.add(unit.session, Job(job_id, kind, project, JobState.QUEUED, 0, 0, "", 0, now))

    def started(self, job_id: str, steps: int) -> Job:
        """Say that an attempt has begun. Raises `NotFound`."""
        job = self.job(job_id)
        begun = dataclasses.replace(job, state=JobState.RUNNING, step=0, steps=steps, message="")
        return self._write(dataclasses.replace(begun, attempts=job.attempts + 1))

    def advanced(self, job_id: str, step: int, message: str, steps: int | None = None) -> Job:
        """Say that a step is reached, of how many if that is known by now; also the heartbeat that a reaper looks for."""
        job = self.job(job_id)
        of = job.steps if steps is None else steps
        return self._write(dataclasses.replace(job, state=JobState.RUNNING, step=step, steps=of, message=message))

    def done(self, job_id: str) -> Job:
        """Say that all is done."""
        job = self.job(job_id)
        return self._write(dataclasses.replace(job, state=JobState.DONE, step=job.steps, message=""))

    def failed(self, job_id: str, message: str) -> Job:
        """Say that the attempt failed, in words for people. What is done stays done."""
        return self._write(dataclasses.replace(self.job(job_id), state=JobState.FAILED, message=message))

    def again(self, job_id: str, message: str = "") -> Job:
        """Put a failed or stopped job back on the list; with a `message` that says what it waits for, for later."""
        job = self.job(job_id)
        attempts = 0 if message else job.attempts  # one that waits has not failed
        return self._write(dataclasses.replace(job, state=JobState.QUEUED, message=message, attempts=attempts))

    def hurry(self, project: str) -> None:
        """Have the project's job done now, if it waits: what it waited for has come."""
        job = self.newest(project)
        if job is not None and job.state is JobState.QUEUED:
            self.again(job.id)

    def job(self, job_id: str) -> Job:
        """Return the job. Raises `NotFound`."""
        with self._database.reading() as session:
            found = self._rows.find(session, job=job_id)
        if not found:
            raise NotFound(_("Jobben finnes ikke."), code="no-job")
        return found[0]

    def newest(self, project: str) -> Job | None:
        """Return the project's newest job. Jobs of other kinds than provisioning belong to no project."""
        with self._database.reading() as session:
            return next(iter(self._rows.find(session, project=project)), None)

    def unfinished(self) -> list[Job]:
        """Return the jobs that somebody should be working on, newest first."""
        with self._database.reading() as session:
            return self._rows.find(session, states=UNFINISHED)

    def _write(self, job: Job) -> Job:
        fresh = dataclasses.replace(job, updated=self._clock.now())
        with self._database.transaction() as unit:
            written = self._rows.update(unit.session, fresh, unless=JobState.DONE)
        return fresh if written else self.job(job.id)
