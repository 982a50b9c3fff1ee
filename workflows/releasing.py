"""A release in the background: charged, measured and stored by a worker, with steps that people can follow."""

import logging

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from hvelv.kernel.errors import Refusal, Unavailable
from hvelv.kernel.settings import Settings
from hvelv.privacy.service.jobs import JobState
from hvelv.workflows.desk import Desk, opened
from hvelv.workflows.reporting import reporting

RETRIES = 2
log = logging.getLogger(__name__)


def made(desk: Desk, job_id: str) -> None:
    """Make the release that the job is for. Killed anywhere, the next run finishes the same charge."""
    job = desk.jobs.job(job_id)
    if job.state is JobState.DONE:
        return
    desk.jobs.started(job_id, 1)
    with reporting(desk.jobs, job_id) as report:
        desk.privacy.background.work(job, report.step)
    desk.jobs.done(job_id)


@task(name="make-release", retries=RETRIES, retry_delay_seconds=2, cache_policy=NO_CACHE, persist_result=False)
def release_task(job: str) -> None:
    """Do the job once; Prefect tries again when a store or database was away."""
    with opened(Settings()) as desk:
        made(desk, job)


@flow(name="release", log_prints=False, persist_result=False)
def release(job: str) -> None:
    """Make the release that the job is for."""
    try:
        release_task(job)
    except Unavailable:
        raise  # the dispatcher tries again
    except Refusal as refusal:
        log.warning("job %s was refused: %s", job, refusal.code)
        with opened(Settings()) as desk:
            desk.jobs.failed(job, str(refusal))
