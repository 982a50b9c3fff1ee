"""The permit office, on the custodian's side: judges the evidence again, signs permits, and knows which are in force."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.catalog.domain.declaration import Declaration
from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import Denied, NotFound, Refusal, _
from hvelv.kernel.ids import ApplicationId, DatasetId, HolderId, IdSource, ProjectId
from hvelv.kernel.signing import Signed, Signer
from hvelv.requests.domain.completeness import filter_holds
from hvelv.requests.domain.evidence import Evidence, grant_of, judge
from hvelv.requests.domain.forms import forms_hold
from hvelv.requests.domain.permit import (
    KIND,
    PERMIT_STATE_NAMES,
    Permit,
    PermitAction,
    PermitState,
    next_permit_state,
)
from hvelv.requests.service.barring import BarredPeople, BarredRows

PROVISION = "provision"
FINAL = frozenset({PermitState.EXPIRED, PermitState.REVOKED, PermitState.CLOSED})
OF_PEOPLE = frozenset({PermitAction.SUSPEND, PermitAction.RESUME, PermitAction.REVOKE, PermitAction.CLOSE})


@dataclass(frozen=True)
class Issued:
    """A permit in the office's books."""

    permit: Permit
    signed: Signed
    state: PermitState


@dataclass(frozen=True)
class Grant:
    """That a person may enter a project now. What hub and gateway are told."""

    project: ProjectId
    title: str
    person: str
    permit_version: int
    expires: datetime


class PermitRows(BarredRows, Protocol):
    """What the office asks of its database."""

    def of_revision(self, session: Session, application: ApplicationId, revision: str) -> Issued | None: ...
    def of_project(self, session: Session, project: str) -> Issued | None: ...
    def all(self, session: Session) -> tuple[Issued, ...]: ...
    def add(self, session: Session, issued: Issued) -> bool: ...
    def move(self, session: Session, project: str, before: PermitState, after: PermitState, at: datetime) -> bool: ...


class Vaulted(Protocol):
    """What the office reads of a version in the vault."""

    @property
    def holder(self) -> HolderId: ...
    @property
    def declaration(self) -> Declaration: ...


class Versions(Protocol):
    """The vault's index; `hvelv.catalog.service.vault.VersionIndex` is one."""

    def find(self, dataset: DatasetId | str, content_hash: str) -> Vaulted: ...


class ProjectOpener(Protocol):
    """A project's privacy; `hvelv.privacy.service.projects.ProjectPrivacy` is one."""

    def open(self, unit: Transaction, project: str, allocations: Mapping[str, int], actor: str) -> None: ...
    def close(self, unit: Transaction, project: str) -> None: ...
    def reopen(self, unit: Transaction, project: str) -> None: ...
    def end(self, unit: Transaction, project: str, retention_days: int, actor: str) -> None: ...
    def view(self, project: str) -> Mapping[str, Any]: ...


class JobQueue(Protocol):
    """Work for the worker, as rows that commit with the permit."""

    def enqueue(self, unit: Transaction, kind: str, project: str) -> None: ...


class Office:
    """The office. Every permit and every change of one is a transaction with its audit row."""

    def __init__(
        self,
        database: Database,
        rows: PermitRows,
        *,
        signer: Signer,
        versions: Versions,
        opener: ProjectOpener,
        jobs: JobQueue,
        clock: Clock,
        ids: IdSource,
        quorum: int,
        retention_days: int = 0,
    ) -> None:
        self._database = database
        self._rows = rows
        self._signer = signer
        self._versions = versions
        self._opener = opener
        self._jobs = jobs
        self._clock = clock
        self._ids = ids
        self._quorum = quorum
        self._retention_days = retention_days
        self.barred = BarredPeople(database, rows, clock)

    def issue(self, actor: str, evidence: Mapping[str, Any], grant: Mapping[str, Any]) -> Signed:
        """Sign the permit that the evidence carries, open the project's privacy and have its data made ready.

        Asked again about the same application and revision, it answers with the same permit. Raises `Denied` with what
        the evidence lacks.
        """
        read = Evidence.from_dict(evidence)
        judge(read, quorum=self._quorum)
        content = grant_of(read)
        if content != dict(grant):
            raise Denied(_("Tildelingen er en annen enn den som følger av vedtaket."), code="other-grant")
        content |= {"datasets": self._judged(content)}
        with self._database.transaction() as transaction:
            known = self._rows.of_revision(transaction.session, read.revision.application, read.revision.hash)
            if known is None:
                return self._opened(transaction, actor, read, content)
        return known.signed

    def change(self, actor: str, project: ProjectId | str, action: PermitAction, reason: str) -> PermitState:
        """Suspend, resume, revoke or close. Rights end with the commit. Raises `NotPossible`, `NotFound`.

        A project that is resumed before its extracts were published has them made: suspending stopped that work.
        """
        if action not in OF_PEOPLE:
            raise Denied(_("Dette gjøres ikke av personer."), code=f"denied:{action}")
        waits = action is PermitAction.RESUME and not self._published(self.issued(project).permit)
        with self._database.transaction() as transaction:
            state = self._moved(transaction, self._known(transaction.session, project), action, actor, reason)
            if waits:  # one job too many does no harm: provisioning twice publishes once
                self._jobs.enqueue(transaction, PROVISION, project)
            return state

    def all(self) -> tuple[Issued, ...]:
        """Return every permit."""
        with self._database.reading() as session:
            return self._rows.all(session)

    def expire(self, now: datetime) -> int:
        """End the permits whose last day has passed; return how many. Run now and then: rights end without it too."""
        with self._database.transaction() as transaction:
            over = [
                issued
                for issued in self._rows.all(transaction.session)
                if issued.state not in FINAL | {PermitState.AMENDED} and now.date() > issued.permit.valid_until
            ]
            for issued in over:
                self._moved(transaction, issued, PermitAction.EXPIRE, "platform", "")
            return len(over)

    def grant(self, person: str, project: ProjectId | str, now: datetime) -> Grant:
        """Say that `person` may enter the project now. Raises `Denied` alike for no project, no member, no date, barred."""
        with self._database.reading() as session:
            issued = self._rows.of_project(session, project)
            barred = self._rows.is_barred(session, person)
        if barred or issued is None or not issued.permit.allows(person, now) or issued.state is not PermitState.ACTIVE:
            raise Denied(
                _("Du har ikke adgang til dette prosjektet nå."),
                remedy=_("Se på prosjektets side om tillatelsen gjelder, og om du står som medlem."),
                code="no-grant",
            )
        permit = issued.permit
        return Grant(permit.project, permit.title, person, permit.version, permit.expires)

    def active_permit(self, project: ProjectId | str, now: datetime) -> Permit:
        """Return the project's permit when it is in force now. Raises `Denied` with the state it is in, `NotFound`."""
        with self._database.reading() as session:
            issued = self._known(session, project)
        if issued.state is not PermitState.ACTIVE or not issued.permit.runs(now):
            raise Denied(
                _("Tillatelsen gjelder ikke nå: den står som «{state}»."),
                code="permit-not-active",
                state=PERMIT_STATE_NAMES[issued.state],
            )
        return issued.permit

    def issued(self, project: ProjectId | str) -> Issued:
        """Return a project's permit, in force or not. Raises `NotFound`."""
        with self._database.reading() as session:
            return self._known(session, project)

    def _published(self, permit: Permit) -> bool:
        made = {e["dataset"] for e in self._opener.view(permit.project)["extracts"]}
        return {d.dataset for d in permit.datasets} <= made

    def _known(self, session: Session, project: ProjectId | str) -> Issued:
        issued = self._rows.of_project(session, project)
        if issued is None:
            raise NotFound(_("Prosjektet finnes ikke."))
        return issued

    def _opened(self, transaction: Transaction, actor: str, read: Evidence, content: dict[str, Any]) -> Signed:
        project = ProjectId(self._ids.new("p"))
        permit = Permit.from_document(
            content
            | {
                "id": self._ids.new("permit"),
                "version": 1,
                "project": project,
                "application": read.revision.application,
                "revision": read.revision.hash,
                "retention_days": self._retention_days,
            }
        )
        signed = self._signer.sign(KIND, permit.as_dict())
        if not self._rows.add(transaction.session, Issued(permit, signed, PermitState.ACTIVE)):
            # Another request was first with this revision and has committed: its permit is the one.
            known = self._rows.of_revision(transaction.session, permit.application, permit.revision)
            if known is None:
                raise Refusal(_("Søknaden har allerede en tillatelse for en annen revisjon."), code="permit-exists")
            return known.signed
        self._opener.open(transaction, project, {d.dataset: d.rho_micro for d in permit.datasets}, actor)
        self._jobs.enqueue(transaction, PROVISION, project)
        detail = {"project": project, "application": permit.application, "revision": permit.revision}
        transaction.record(AuditEvent(actor, "permit.issued", permit.id, detail))
        return signed

    def _moved(
        self, transaction: Transaction, issued: Issued, action: PermitAction, actor: str, reason: str
    ) -> PermitState:
        project = issued.permit.project
        state = next_permit_state(issued.state, action)
        if not self._rows.move(transaction.session, project, issued.state, state, self._clock.now()):
            raise Refusal(_("Tillatelsen ble endret av en annen samtidig. Ingenting er gjort."), code="changed")
        if state in FINAL:
            self._opener.end(transaction, project, issued.permit.retention_days, actor)
        elif state is PermitState.SUSPENDED:
            self._opener.close(transaction, project)
        else:
            self._opener.reopen(transaction, project)
        detail = {"project": project, "state": state.value, "reason": reason}
        transaction.record(AuditEvent(actor, f"permit.{action}", issued.permit.id, detail))
        return state

    def _judged(self, content: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Hold what is granted against the vault: versions, holders that published them, and no identity handed out.

        Return the granted datasets, each with whether its steward looks at the extract first: the declaration in the
        vault says so, and nobody else.
        """
        permit = Permit.from_document(
            dict(content) | {"id": "", "version": 1, "project": "", "application": "", "revision": ""}
        )
        judged: list[dict[str, Any]] = []
        for wanted in permit.datasets:
            vaulted = self._versions.find(wanted.dataset, wanted.version)
            if vaulted.holder != wanted.holder:
                raise Denied(
                    _("Datainnehaveren som har svart, er ikke den som har publisert {table}."),
                    code="grant-holder",
                    table=wanted.table,
                )
            declaration = vaulted.declaration
            variables = {v.name: v for v in declaration.variables}
            known = all(name in variables and not variables[name].identifying for name in wanted.columns)
            filtered = all(filter_holds(f, variables.get(f.column)) for f in wanted.where)
            formed = known and forms_hold(wanted, declaration)
            if not (formed and filtered and wanted.columns and declaration.table == wanted.table):
                raise Denied(
                    _("Tillatelsen gjelder variabler som ikke kan utleveres fra {table}."),
                    code="grant-columns",
                    table=wanted.table,
                )
            judged.append(replace(wanted, go_ahead=declaration.review_before_release).as_dict())
        return judged
