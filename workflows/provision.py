"""Provisioning: from a permit to extracts in the project's room.

Every step can be done twice: extracts have the same bytes each time and are stored under names with their hash; they
become visible all at once, in the transaction that records them. Killed anywhere, a run leaves nothing that a project
can see, and the next run does the whole again. A run knows only its job's id: what it may do is read anew from the
permit, whoever started it.
"""

import logging
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from hvelv.kernel.canonical import canonical
from hvelv.kernel.errors import Refusal, Unavailable, _
from hvelv.kernel.settings import Settings
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.service.extraction import Extract
from hvelv.privacy.service.jobs import JobState
from hvelv.privacy.service.optouts import Asked, Objections
from hvelv.requests.domain.permit import Permit, PermitState, PermittedDataset
from hvelv.workflows.desk import Desk, as_manifest, code_version, opened, permitted_table

ROOMS = "rooms"
ACTOR = "workflow:provision"
BEAT_SECONDS = 5.0
RETRIES = 2
NOT_IN_FORCE = "permit-not-active"  # the code of the permit office's refusal
log = logging.getLogger(__name__)


@contextmanager
def reporting(desk: Desk, job: str) -> Iterator["Report"]:
    """Report on a job every few seconds while it is worked on, so that a dead run is known by its silence."""
    report = Report(desk, job)
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


class Report:
    """Where a job is."""

    def __init__(self, desk: Desk, job: str) -> None:
        self._desk, self._job = desk, job
        self._step, self._message = 0, ""
        self._lock = threading.Lock()

    def step(self, number: int, message: str) -> None:
        """Say which step begins."""
        with self._lock:
            self._step, self._message = number, message
            self._desk.jobs.advanced(self._job, number, message)

    def again(self) -> None:
        """Say the same again. A time when it cannot be said is passed over: the next comes soon."""
        try:
            with self._lock:
                self._desk.jobs.advanced(self._job, self._step, self._message)
        except Exception as error:  # noqa: BLE001 - whatever it was, the heart has to go on beating
            log.warning("job %s could not report (%s); it goes on", self._job, type(error).__name__)


def extract(desk: Desk, permit: Permit, entry: PermittedDataset, scratch: Path, objections: Objections) -> Extract:
    """Make one table's extract and store it; nothing is visible yet."""
    source, target = scratch / f"{entry.table}.source", scratch / f"{entry.table}.parquet"
    version = desk.versions.find(entry.dataset, entry.version)
    desk.objects.get_file("vault", version.object_name, source)
    schema = Schema.from_declaration(version.declaration.as_dict())
    made = desk.privacy.extraction.extract(
        permit.project, permitted_table(entry), schema, source, target, objections=objections
    )
    source.unlink()
    name = f"{permit.project}/v{permit.version}/{entry.table}-{made.sha256[:16]}.parquet"
    desk.objects.ensure_bucket(ROOMS)
    desk.objects.put_file(ROOMS, name, target)
    target.unlink()
    return Extract(
        project=permit.project,
        dataset=entry.dataset,
        table=entry.table,
        permit_version=permit.version,
        bucket=ROOMS,
        name=name,
        sha256=made.sha256,
        rows=made.rows,
        persons=made.persons,
        code_version=code_version(),
        at=desk.clock.now(),
    )


def publish(desk: Desk, permit: Permit, extracts: list[Extract], objections: Objections) -> None:
    """Write the manifest and make all extracts visible at once, if permit and objections are still the same."""
    entries = [
        {
            "table": e.table,
            "dataset": e.dataset,
            "object": e.name,
            "sha256": e.sha256,
            "rows": e.rows,
            "persons": e.persons,
        }
        for e in extracts
    ]
    manifest = canonical(as_manifest(list(entries), permit))
    desk.objects.put(ROOMS, f"{permit.project}/v{permit.version}/manifest.json", manifest)
    desk.office.active_permit(permit.project, desk.clock.now())
    desk.privacy.extracts.publish(extracts, objections, ACTOR)


def is_done(desk: Desk, permit: Permit) -> bool:
    """Say whether everything that the permit gives is published: a run may be killed after that and before it says so."""
    return desk.privacy.extracts.complete(permit.project, permit.version, [d.table for d in permit.datasets])


def provision_project(desk: Desk, job_id: str, scratch: Path) -> None:
    """Do the job. Raises `Refusal` when the permit is not in force; whatever else is raised may be tried again."""
    job = desk.jobs.job(job_id)
    if job.state is JobState.DONE:
        return
    if is_done(desk, desk.office.issued(job.project).permit):
        desk.jobs.done(job_id)
        return
    permit = desk.office.active_permit(job.project, desk.clock.now())
    desk.jobs.started(job_id, steps=len(permit.datasets) + 1)
    with reporting(desk, job_id) as report:
        extracts: list[Extract] = []
        asked = [Asked(entry.dataset, entry.holder) for entry in permit.datasets]
        objections = desk.privacy.optouts.look(asked, permit.purpose)
        for number, entry in enumerate(permit.datasets):
            report.step(number, _("Lager uttrekk av datasettene"))
            extracts.append(extract(desk, permit, entry, scratch, objections))
        report.step(len(permit.datasets), _("Gjør uttrekkene synlige for prosjektet"))
        publish(desk, permit, extracts, objections)
    desk.jobs.done(job_id)


def will_run(desk: Desk, project: str) -> bool:
    """Say whether a permit that is not in force may yet be: its first day is to come, or it is suspended."""
    issued, now = desk.office.issued(project), desk.clock.now()
    if now >= issued.permit.expires:
        return False
    early = issued.state is PermitState.ACTIVE and not issued.permit.runs(now)
    return early or issued.state is PermitState.SUSPENDED


def settle(desk: Desk, job_id: str, refusal: Refusal) -> None:
    """Write down a job that was refused: failed, or back on the list while the permit may yet come into force."""
    if refusal.code == NOT_IN_FORCE and will_run(desk, desk.jobs.job(job_id).project):
        desk.jobs.again(job_id, _("Venter på at tillatelsen skal gjelde."))
    else:
        desk.jobs.failed(job_id, str(refusal))


@task(name="provision-project", retries=RETRIES, retry_delay_seconds=2, cache_policy=NO_CACHE, persist_result=False)
def provision_task(job: str) -> None:
    """Do the job once; Prefect tries again when a store or database was away."""
    settings = Settings()
    scratch = Path(tempfile.mkdtemp(prefix="provision-"))
    try:
        with opened(settings) as desk:
            provision_project(desk, job, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@flow(name="provision", log_prints=False, persist_result=False)
def provision(job: str) -> None:
    """Provision the project that the job is for."""
    try:
        provision_task(job)
    except Unavailable:
        raise  # the dispatcher tries again
    except Refusal as refusal:
        log.warning("job %s was refused: %s", job, refusal.code)
        with opened(Settings()) as desk:
            settle(desk, job, refusal)
