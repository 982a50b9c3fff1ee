"""From the list of jobs to Prefect runs, and back to the list when a run has died.

The job row in the custodian's database is the truth. A run is started with the job's id and the moment at which it was
put on the list as idempotency key, so that two dispatchers start it once, and one that is put on the list again, because
a steward has answered or a run has died, is started again at once. One that waits for something is started again after a
minute. A job whose run has stopped reporting goes back on the list. Prefect itself leaves such runs `Running`.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from hvelv.kernel.clock import Clock
from hvelv.privacy.service.jobs import Job, Jobs, JobState

log = logging.getLogger(__name__)

SILENCE = timedelta(seconds=45)  # a running job reports every few seconds
STARTING = timedelta(seconds=120)  # a run that has not begun by then is taken for lost
MOST_ATTEMPTS = 5
WAITING = timedelta(seconds=60)  # a job that waits for something is looked at again no more often
ROUND_SECONDS = 1.0


class Starter(Protocol):
    """Starts a workflow run for a job."""

    def start(self, job: Job, key: str) -> bool:
        """Start a run unless one was started with `key`; says whether that run can still do the job."""
        ...


@dataclass
class Dispatcher:
    """Looks through the list of jobs."""

    jobs: Jobs
    starter: Starter
    clock: Clock
    _tries: dict[str, int] = field(default_factory=dict)
    _asked: dict[str, object] = field(default_factory=dict)

    def look(self) -> None:
        """Start what is queued, and put back on the list what has died."""
        for job in self.jobs.unfinished():
            if job.state is JobState.QUEUED:
                self._start(job)
            elif self.clock.now() - job.updated > SILENCE:
                self._revive(job)

    def _start(self, job: Job) -> None:
        if job.message and self.clock.now() - job.updated < WAITING:  # a run put it back and said what it waits for
            return
        attempt = f"{job.id}-{job.updated:%Y%m%dT%H%M%S%f}"
        number = self._tries.get(attempt, 0)
        key = f"{attempt}-{number}"
        if self._asked.get(job.id) == key and self.clock.now() - job.updated < STARTING * (number + 1):
            return
        if self._asked.get(job.id) == key or not self.starter.start(job, key):
            self._tries[attempt] = number + 1  # that run is lost; the next look asks for another
        else:
            self._asked[job.id] = key

    def _revive(self, job: Job) -> None:
        if job.attempts >= MOST_ATTEMPTS:
            log.error("job %s has died %d times and is given up", job.id, job.attempts)
            self.jobs.failed(job.id, "Arbeidet stanset gang på gang. Drift må se på det.")
        else:
            log.warning("job %s has been silent; it goes back on the list", job.id)
            self.jobs.again(job.id)


def run(dispatcher: Dispatcher, stopping: threading.Event, *, ready: Callable[[], None]) -> None:
    """Look again and again until asked to stop. A round that fails is logged and tried again."""
    ready()
    while not stopping.wait(ROUND_SECONDS):
        try:
            dispatcher.look()
        except Exception:  # the dispatcher has to outlive a store, database or server that is away for a while
            log.exception("a look through the list of jobs failed; it is tried again")


class PrefectStarter:
    """Starts runs of the deployments that the worker serves."""

    def start(self, job: Job, key: str) -> bool:
        """Ask Prefect for a run and do not wait for it."""
        from prefect.deployments import run_deployment

        run = run_deployment(
            name=f"{job.kind}/{job.kind}",
            parameters={"job": job.id},
            idempotency_key=key,
            timeout=0,
            as_subflow=False,
        )
        return not (run.state is not None and run.state.is_final())  # type: ignore[union-attr]
