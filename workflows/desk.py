"""The custodian's services, put together: for its doors and for its worker, which are one trust domain.

This is where the custodian's adapters are chosen.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hvelv.catalog.adapters.reading import FileReader
from hvelv.catalog.adapters.store_vault import SqlVersionRows
from hvelv.catalog.adapters.waiting_room import DiskRoom
from hvelv.catalog.service.vault import BUCKET as VAULT
from hvelv.catalog.service.vault import Vault, VersionIndex
from hvelv.enclave.adapters.bundle import ZipBundle
from hvelv.enclave.adapters.certified import CertifiedReleases, OfficeRights
from hvelv.enclave.adapters.export_store import ExportTable
from hvelv.enclave.service.exports import Exports
from hvelv.enclave.service.lab_project import LabProject
from hvelv.kernel.clock import Clock, SystemClock
from hvelv.kernel.database import Database, Transaction, custodian
from hvelv.kernel.ids import IdSource, ProjectId, RandomIds
from hvelv.kernel.objects import ObjectStore, store_of
from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings
from hvelv.kernel.signing import Signer
from hvelv.privacy.adapters import wiring
from hvelv.privacy.adapters.block_sandbox import BlockSandbox
from hvelv.privacy.adapters.cluster import Cluster, DaskMapper
from hvelv.privacy.adapters.custodians import key_custodian
from hvelv.privacy.adapters.passes import room_passes
from hvelv.privacy.domain.permission import Permission, PermittedTable
from hvelv.privacy.domain.risk import Policy
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import Filter
from hvelv.privacy.service.desk import Desk as Privacy
from hvelv.privacy.service.jobs import Jobs
from hvelv.privacy.service.reidentification import Reidentification
from hvelv.privacy.service.releases import SourceVersion
from hvelv.requests.adapters.store_office import SqlPermitRows
from hvelv.requests.domain.draft import Purpose
from hvelv.requests.domain.permit import Permit, PermittedDataset
from hvelv.requests.service.office import Office, ProjectOpener
from hvelv.workflows.forms import Forms
from hvelv.workflows.reidentifying import reidentifying

MICRO = 1_000_000
NOBODYS = 9  # the last of the ten user ids for domains: it owns nothing, and runs blocks where the custodian is root


def code_version() -> str:
    """Return the version of Hvelv that makes what is made."""
    try:
        return version("hvelv")
    except PackageNotFoundError:
        return "unknown"


def cluster_of(settings: Settings) -> DaskMapper | None:
    """Return the cluster that makes extracts, if there is one in the settings."""
    if not settings.dask_scheduler:
        return None
    files = settings.dask_ca_file, settings.dask_certificate, settings.dask_key
    return DaskMapper(Cluster(settings.dask_scheduler, *files))


@dataclass(frozen=True)
class Versions:
    """The vault's index in the form that privacy asks for."""

    index: VersionIndex

    def version(self, dataset: str, content_hash: str) -> SourceVersion:
        """Return a version's schema, and where its table lies. Raises `NotFound`."""
        found = self.index.find(dataset, content_hash)
        return SourceVersion(Schema.from_declaration(found.declaration.as_dict()), VAULT, found.object_name)


def permitted_table(entry: PermittedDataset) -> PermittedTable:
    """Return one of a permit's datasets in the form that privacy asks for."""
    where = tuple(Filter.model_validate(f.as_dict()) for f in entry.where)
    return PermittedTable(entry.dataset, entry.table, entry.version, entry.columns, where, entry.transforms)


def permission_of(permit: Permit, person: str) -> Permission:
    """Return what a permit gives a person, in the form that privacy asks for."""
    return Permission(permit.project, person, permit.version, tuple(permitted_table(d) for d in permit.datasets))


@dataclass
class Permits:
    """The permit office in the form that privacy asks for. Joined to the office once that is made."""

    clock: Clock
    office: Office | None = None

    def takes_part(self, project: str, person: str) -> bool:
        """Say whether the project's permit names the person, in whatever state; yes where that is not known."""
        if self.office is None:
            return True
        return person in self.office.issued(ProjectId(project)).permit.people

    def permission(self, project: str, person: str) -> Permission:
        """Return what the active permit gives the person. Raises `Denied`."""
        if self.office is None:
            raise RuntimeError("the permit office was not joined")
        now = self.clock.now()
        self.office.grant(person, project, now)
        return permission_of(self.office.active_permit(project, now), person)


def risk_policy(settings: Settings) -> Policy:
    """Return the limits that the risk of an extract is held against."""
    return Policy(
        min_k=settings.risk_min_k,
        max_small=settings.risk_max_small,
        max_average=settings.risk_max_average,
        max_highest=settings.risk_max_highest,
        min_l=settings.risk_min_l,
        max_t=settings.risk_max_t,
        hold=settings.risk_hold,
    )


@dataclass(frozen=True)
class Queue:
    """The list of jobs in the form that the permit office asks for: one provisioning of a project at a time."""

    jobs: Jobs
    ids: IdSource

    def enqueue(self, unit: Transaction, kind: str, project: str) -> None:
        """Put a new job on the list, in the caller's transaction."""
        self.jobs.queue(unit, self.ids.new("job"), kind, project)


@dataclass(frozen=True)
class Desk:
    """All of the custodian's services."""

    settings: Settings
    database: Database
    objects: ObjectStore
    clock: Clock
    signer: Signer
    versions: VersionIndex
    vault: Vault
    privacy: Privacy
    office: Office
    exports: Exports
    lab_project: LabProject
    reidentification: Reidentification

    @property
    def jobs(self) -> Jobs:
        """Return the list of jobs."""
        return self.privacy.jobs


def desk(settings: Settings, objects: ObjectStore | None = None, *, clock: Clock | None = None) -> Desk:
    """Put the services together."""
    clock, ids = clock or SystemClock(), RandomIds()
    secrets = Secrets(settings.secrets_dir("custodian"))
    database = custodian(settings.custodian_url, clock=clock)
    passes = None if objects else room_passes(settings)
    objects = objects or store_of(settings)
    signer = Signer.load(secrets.path("signing.pem"))
    versions = VersionIndex(database, SqlVersionRows())
    permits = Permits(clock)
    home = settings.domain_dir("custodian")
    privacy = wiring.desk(
        wiring.Surroundings(
            database=database,
            store=objects,
            signer=signer,
            kek=key_custodian(settings, clock, database),
            permits=permits,
            versions=Versions(versions),
            clock=clock,
            ids=ids,
            cache=home / "cache",
            passes=passes,
            work=home / "work",
            blocks=BlockSandbox(
                settings.session_environment.absolute(), settings.domain_uid_base + NOBODYS, home / "blocks.lock"
            ),
            delta=settings.account_delta,
            slot=settings.release_slot_seconds,
            own_share=settings.account_own_share,
            topup_authority=settings.topup_authority,
            code_version=code_version(),
            tables_at_once=settings.extract_tables,
            mapper=cluster_of(settings),
            purposes=tuple(Purpose),
            holders=versions.holders,
            risk=risk_policy(settings),
            takes_part=permits.takes_part,
        )
    )
    opener: ProjectOpener = privacy.projects
    office = permits.office = Office(
        database,
        SqlPermitRows(),
        signer=signer,
        versions=versions,
        opener=opener,
        jobs=Queue(privacy.jobs, ids),
        clock=clock,
        ids=ids,
        quorum=settings.quorum,
        retention_days=settings.retention_days,
    )
    vault = Vault(
        database,
        SqlVersionRows(),
        objects=objects,
        room=DiskRoom(home / "uploads", settings.upload_limit),
        reader=FileReader(),
        forms=Forms(),
        accounts=privacy.accounts,
        clock=clock,
        default_cap=round(settings.account_rho * MICRO),
    )
    exports = Exports(
        database=database,
        rows=ExportTable(),
        objects=objects,
        releases=CertifiedReleases(privacy.releases, privacy.accounts, office, signer.verifier),
        rights=OfficeRights(office, clock),
        writer=ZipBundle(signer),
        clock=clock,
        ids=ids,
        link_life=timedelta(seconds=settings.link_seconds),
    )
    return Desk(
        settings, database, objects, clock, signer, versions, vault, privacy, office, exports,
        LabProject(office, privacy, versions, clock),
        reidentifying(database, office, versions, privacy, objects, clock, ids, folder=home / "finding"),
    )  # fmt: skip


@contextmanager
def opened(settings: Settings) -> Iterator[Desk]:
    """Put the services together and close the database in the end."""
    made = desk(settings)
    try:
        yield made
    finally:
        made.database.close()


def as_manifest(entries: list[Mapping[str, Any]], permit: Permit) -> dict[str, Any]:
    """Return the manifest of a project's extracts: what was made, from which permit, by which code."""
    return {
        "project": permit.project,
        "permit": permit.id,
        "permit_version": permit.version,
        "code": code_version(),
        "extracts": sorted(entries, key=lambda entry: str(entry["table"])),
    }
