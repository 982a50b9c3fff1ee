"""Provisioning: from a permit to extracts in the project's room.

Check the permit, fetch the sources, look at the objections once, prepare all tables, measure their risk, wait for a
steward where one is to see them, store the parts, publish. Every step can be done twice: extracts have the same bytes each
time and lie under names with their hash; they become visible all at once, in the transaction that records them. Killed
anywhere, a run leaves nothing that a project can see, and the next run goes on with what is done. A run knows only its
job's id: what it may do is read anew from the permit, whoever started it.
"""

import fcntl
import logging
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from hvelv.kernel.canonical import canonical, digest
from hvelv.kernel.errors import NotPossible, Refusal, Unavailable, _
from hvelv.kernel.settings import Settings
from hvelv.privacy.domain.rooms import BUCKET, MANIFEST, generation_of, manifest_name, part_name, prefix
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.service.extraction import Prepared, Wanted, parts_digest
from hvelv.privacy.service.extracts import Extract, Part
from hvelv.privacy.service.jobs import Job, JobState
from hvelv.privacy.service.optouts import Asked, Objections
from hvelv.privacy.service.reviews import Verdict
from hvelv.requests.domain.permit import Permit, PermitState, PermittedDataset
from hvelv.workflows.desk import Desk, as_manifest, code_version, opened, permitted_table
from hvelv.workflows.reporting import Report, reporting

ACTOR = "workflow:provision"
SOURCES = "sources"  # the folder of what extracts are made from
REGISTERS = "registers"  # of whole registers in the form of extracts, while risk is measured
RETRIES = 2
NOT_IN_FORCE = "permit-not-active"  # the code of the permit office's refusal
BOOT = Path("/proc/sys/kernel/random/boot_id")
log = logging.getLogger(__name__)


def workplace(folder: Path, project: str) -> Path:
    """Return where the project's extracts are made: below `<folder>/<project>/`, a new one after each start of the machine.

    What was written before a power failure may be in part on disk only, whatever it is called; it is removed.
    """
    boot = BOOT.read_text().strip() if BOOT.exists() else "-"
    place = folder / project / boot
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for other in place.parent.iterdir():
        if other != place:
            shutil.rmtree(other)
    return place


@contextmanager
def alone(folder: Path, project: str) -> Iterator[None]:
    """Let one run at a time work for the project on this machine. Raises `Unavailable` while another does.

    The lock dies with its process, so that a run that was taken for dead and is not keeps the next one out.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{project}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                _("Et annet arbeid med prosjektets uttrekk pågår. Det prøves igjen."), code="not-alone"
            ) from None
        yield


def source_of(entry: PermittedDataset, place: Path) -> Path:
    """Return where the local copy of the version that the permit names lies, or will lie."""
    return place / SOURCES / f"{entry.dataset}-{entry.version}.parquet"


def fetched(desk: Desk, entry: PermittedDataset, place: Path) -> None:
    """Fetch the version that the permit names, unless it is there."""
    source = source_of(entry, place)
    if source.exists():
        return
    source.parent.mkdir(exist_ok=True, mode=0o700)
    piece = source.with_suffix(f".{secrets.token_hex(4)}")
    version = desk.versions.find(entry.dataset, entry.version)
    desk.objects.get_file("vault", version.object_name, piece)
    piece.rename(source)


def wanted(desk: Desk, permit: Permit, generation: int, place: Path) -> list[Wanted]:
    """Return what is to be extracted: each table as permitted, and as its steward narrowed it."""
    found = []
    for entry in permit.datasets:
        version = desk.versions.find(entry.dataset, entry.version)
        schema = Schema.from_declaration(version.declaration.as_dict())
        extra = desk.privacy.reviews.steps(permit.project, entry.table, generation, among=entry.columns)
        found.append(Wanted(permitted_table(entry), schema, source_of(entry, place), extra))
    return found


def may_go(
    desk: Desk, permit: Permit, generation: int, prepared: Sequence[Prepared], registers: Mapping[str, tuple[Path, ...]]
) -> bool:
    """Measure the risk of what was prepared and say whether all of it may go now. Raises `NotPossible` where it may not.

    `registers`: by table, what the extract is a part of, where a steward is to see the risk.
    """
    verdicts = [
        desk.privacy.reviews.offer(
            permit.project,
            entry.table,
            generation,
            dataset=entry.dataset,
            holder=entry.holder,
            schema=one.schema,
            declared=one.declared,
            steps=one.all_steps,
            parts=[part.path for part in one.parts],
            needed=entry.go_ahead,
            fingerprint=one.fingerprint,
            population=registers.get(entry.table, ()),
        )
        for entry, one in zip(permit.datasets, prepared, strict=True)
    ]
    if Verdict.REFUSED in verdicts:
        raise NotPossible(_("Datainnehaveren har ikke sluppet uttrekket."), code="review-refused")
    return Verdict.WAITING not in verdicts


def stored(  # noqa: PLR0917 - what an extract's record is made of
    desk: Desk, permit: Permit, generation: int, mark: str, job: Job, prepared: Prepared, objections: Objections
) -> Extract:
    """Store one table's parts in the project's room, below a prefix that holds for all that the run is made from.

    Nothing is visible yet: credentials reach what is published, and a run made from anything else has another prefix.
    """
    parts = []
    for number, part in enumerate(prepared.parts):
        name = part_name(
            permit.project,
            permit.version,
            generation,
            prepared.permitted.table,
            number=number,
            sha256=part.sha256,
            mark=mark,
        )
        desk.objects.put_file(BUCKET, name, part.path)
        parts.append(Part(name, part.sha256, part.rows, part.persons))
    return Extract(
        project=permit.project,
        dataset=prepared.permitted.dataset,
        table=prepared.permitted.table,
        permit_version=permit.version,
        generation=generation,
        bucket=BUCKET,
        parts=tuple(parts),
        sha256=parts_digest([part.sha256 for part in parts]),
        steps=prepared.steps,
        objections=objections.fingerprint,
        fingerprint=prepared.fingerprint,
        job=job.id,
        code_version=code_version(),
        at=desk.clock.now(),
    )


def publish(desk: Desk, permit: Permit, mark: str, extracts: list[Extract], objections: Objections) -> None:
    """Write the manifest and make all extracts visible at once, if permit, objections and objects are what they were."""
    entries = [
        {
            "table": e.table,
            "dataset": e.dataset,
            "sha256": e.sha256,
            "rows": e.rows,
            "persons": e.persons,
            "parts": [{"object": p.name, "sha256": p.sha256, "rows": p.rows, "persons": p.persons} for p in e.parts],
        }
        for e in extracts
    ]
    manifest = canonical(as_manifest(list(entries), permit))
    desk.objects.put(BUCKET, manifest_name(permit.project, permit.version, extracts[0].generation, mark), manifest)
    if desk.office.active_permit(permit.project, desk.clock.now()).version != permit.version:
        raise Unavailable(_("Tillatelsen er endret imens; uttrekkene lages på nytt."), code="permit-changed")
    if not whole(desk, permit.project, extracts):
        raise Unavailable(_("Lageret har ikke alt som ble lagt der. Ingenting er gjort synlig."), code="store-lacks")
    desk.privacy.extracts.publish(extracts, objections, ACTOR)


def whole(desk: Desk, project: str, extracts: Sequence[Extract]) -> bool:
    """Say whether every part of the extracts is in the room."""
    return {part.name for e in extracts for part in e.parts} <= set(desk.objects.names(BUCKET, prefix(project)))


def tidy(desk: Desk, project: str, folder: Path) -> None:
    """Remove all that is not published any more, or never was: objects, local copies, and where extracts were made.

    For a run that is `alone`: what lies in the room and is not published is nobody's work any more.
    """
    desk.privacy.extracts.superseded(project)
    parts = {part.name for e in desk.privacy.extracts.in_use(project) for part in e.parts}
    kept = parts | {generation_of(name) + MANIFEST for name in parts}
    for name in desk.objects.names(BUCKET, prefix(project)):
        if name not in kept:
            desk.objects.delete(BUCKET, name)
    shutil.rmtree(folder / project, ignore_errors=True)


def provision_project(desk: Desk, job_id: str, folder: Path) -> None:
    """Do the job below `folder`. Raises `Refusal` when the permit is not in force; whatever else is raised may be tried again."""
    job = desk.jobs.job(job_id)
    if job.state is JobState.DONE:
        return
    with alone(folder, job.project):
        if not desk.privacy.extracts.made_by(job.project, job_id):
            permit = desk.office.active_permit(job.project, desk.clock.now())
            place = workplace(folder, permit.project)
            desk.jobs.started(job_id, steps=1)
            try:
                with reporting(desk.jobs, job_id) as report:
                    done = _provisioned(desk, permit, job, place, report)
            finally:
                shutil.rmtree(place / SOURCES, ignore_errors=True)  # nobody's numbers lie there while it waits
            if not done:
                desk.jobs.again(job_id, _("Venter på at datainnehaveren skal se på uttrekket."))
                return
        tidy(desk, job.project, folder)
        desk.jobs.done(job_id)


def _provisioned(desk: Desk, permit: Permit, job: Job, place: Path, report: Report) -> bool:
    """Make, measure and publish. Returns False when a steward has to see something first."""
    generation = desk.privacy.extracts.next_generation(permit.project)
    tables = wanted(desk, permit, generation, place)
    asked = [Asked(entry.dataset, entry.holder) for entry in permit.datasets]
    objections = desk.privacy.optouts.look(asked, permit.purpose)
    marks = desk.privacy.extraction.fingerprints(permit.project, tables, objections)
    in_use = desk.privacy.extracts.in_use(permit.project)
    if desk.privacy.extracts.published(permit.project, permit.version, marks) and whole(desk, permit.project, in_use):
        return True
    if any(desk.privacy.reviews.waits(permit.project, table, generation, mark) for table, mark in marks.items()):
        return False
    report.step(0, 1, _("Henter datasettene"))
    for entry in permit.datasets:
        fetched(desk, entry, place)
    mark = digest(marks)
    last = 2 * len(tables) + 1

    def told(number: int, of: int) -> None:
        report.step(number, of + last, _("Lager uttrekk av datasettene"))

    prepared = desk.privacy.extraction.prepare(permit.project, tables, objections, place, told=told)
    steps = sum(len(one.parts) for one in prepared) + last
    report.step(steps - last, steps, _("Måler risiko for gjenkjenning"))
    seen_by_stewards = {entry.table for entry in permit.datasets if entry.go_ahead}
    registers = {
        one.permitted.table: desk.privacy.extraction.register(permit.project, one, objections, place / REGISTERS)
        for one in tables
        if one.permitted.table in seen_by_stewards
    }
    try:
        if not may_go(desk, permit, generation, prepared, registers):
            return False
    finally:
        shutil.rmtree(place / REGISTERS, ignore_errors=True)
    extracts: list[Extract] = []
    for number, one in enumerate(prepared):
        report.step(steps - last + len(tables) + number, steps, _("Legger uttrekkene i prosjektets rom"))
        extracts.append(stored(desk, permit, generation, mark, job, one, objections))
    report.step(steps - 1, steps, _("Gjør uttrekkene synlige for prosjektet"))
    publish(desk, permit, mark, extracts, objections)
    return True


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
    with opened(settings) as desk:
        provision_project(desk, job, settings.domain_dir("custodian") / "work")


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
