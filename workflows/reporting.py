"""How far a job has come, told while it is worked on: to people who wait, and to the reaper of runs that have died."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hvelv.privacy.service.jobs import Jobs

BEAT_SECONDS = 5.0
SHORTEST_SECONDS = 0.5  # between two steps that are written down
log = logging.getLogger(__name__)


class Report:
    """Where a job is."""

    def __init__(self, jobs: Jobs, job: str) -> None:
        self._jobs, self._job = jobs, job
        self._step, self._steps, self._message = 0, 1, ""
        self._told = 0.0
        self._lock = threading.Lock()

    def step(self, number: int, of: int, message: str) -> None:
        """Say which step is reached, of how many. Steps that follow fast upon one another are not all written down."""
        with self._lock:
            news = message != self._message
            self._step, self._steps, self._message = number, of, message
            if news or time.monotonic() - self._told >= SHORTEST_SECONDS:
                self._tell()

    def again(self) -> None:
        """Say the same again. A time when it cannot be said is passed over: the next comes soon."""
        try:
            with self._lock:
                self._tell()
        except Exception as error:  # noqa: BLE001 - whatever it was, the heart has to go on beating
            log.warning("job %s could not report (%s); it goes on", self._job, type(error).__name__)

    def _tell(self) -> None:
        self._jobs.advanced(self._job, self._step, self._message, self._steps)
        self._told = time.monotonic()


@contextmanager
def reporting(jobs: Jobs, job: str) -> Iterator[Report]:
    """Report on a job every few seconds while it is worked on, so that a dead run is known by its silence."""
    report = Report(jobs, job)
    stopping = threading.Event()

    def beat() -> None:
        while not stopping.wait(BEAT_SECONDS):
            report.again()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield report
    finally:
        stopping.set()
        thread.join()
