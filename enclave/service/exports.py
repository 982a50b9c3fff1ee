"""Exports: from what a researcher offers to a bundle whose bytes the gate wrote, or a refusal that says the way.

A request is on record before it is checked; what it becomes is recorded in one transaction with its audit row, after
the bundle's bytes are in the store. A crash in between leaves a request in `checking`, which `resume` finishes: the
bytes are the same whoever makes them.
"""

import hashlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from hvelv.enclave.domain.exports import ExportRequest, ExportState, Finding
from hvelv.enclave.domain.gate import Evidence, Offer, artifacts, findings_on, plain_items
from hvelv.enclave.domain.naming import bundle_title
from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import Denied, NotFound, NotPossible, Refusal, Unavailable, _
from hvelv.kernel.ids import ExportId, IdSource, PersonId, ProjectId
from hvelv.kernel.objects import ObjectStore
from hvelv.kernel.signing import Signer

BUCKET = "bundles"
FAULT = Finding(
    "G00-fault", 0, _("Kontrollen stoppet av en feil. Ingenting er utlevert."), _("Prøv igjen, og meld fra til drift.")
)
log = logging.getLogger(__name__)


class ReleaseEvidence(Protocol):
    """What the privacy engine holds on releases."""

    def evidence(self, project: ProjectId, release: str) -> Evidence | None:
        """Return the evidence on a release of the project; None where there is no such release."""
        ...


class Rights(Protocol):
    """Who may act in a project now."""

    def require(self, person: PersonId, project: ProjectId) -> Mapping[str, Any]:
        """Return the permit's document if it is active and names the person. Raises `Denied`."""
        ...


class BundleWriter(Protocol):
    """Makes the bytes of a bundle."""

    def write(
        self,
        request: ExportRequest,
        permit: Mapping[str, Any],
        artifacts: Sequence[tuple[Any, Mapping[str, Any]]],
        at: datetime,
    ) -> tuple[bytes, tuple[str, ...]]:
        """Return the archive and the names of the files in it; the same input gives the same bytes."""
        ...


class ExportRows(Protocol):
    """Where requests and links are kept."""

    def add(self, transaction: Transaction, request: ExportRequest) -> None:
        """Keep a new request."""
        ...

    def update(self, transaction: Transaction, request: ExportRequest) -> None:
        """Keep what became of a request that was `checking`. Raises `NotPossible` if it no longer is."""
        ...

    def get(self, database: Database, export: ExportId) -> ExportRequest | None:
        """Return a request."""
        ...

    def of_project(self, database: Database, project: ProjectId) -> list[ExportRequest]:
        """Return a project's requests, newest first."""
        ...

    def released_since(self, database: Database, project: ProjectId, since: datetime) -> int:
        """Return how many of the project's bundles were released after `since`."""
        ...

    def checking(self, database: Database) -> list[ExportRequest]:
        """Return the requests whose check was not finished."""
        ...

    def add_link(
        self, transaction: Transaction, token_hash: str, export: ExportId, person: PersonId, until: datetime
    ) -> None:
        """Keep a download link by the hash of its token."""
        ...

    def link(self, database: Database, token_hash: str) -> tuple[ExportId, PersonId, datetime] | None:
        """Return what a token opens, to whom and until when."""
        ...


@dataclass(frozen=True)
class Exports:
    """The export desk of the custodian."""

    database: Database
    rows: ExportRows
    objects: ObjectStore
    releases: ReleaseEvidence
    rights: Rights
    writer: BundleWriter
    clock: Clock
    ids: IdSource
    link_life: timedelta

    def ask(self, person: PersonId, project: ProjectId, title: str, offered: Sequence[Any]) -> ExportRequest:
        """Put a request on record, check it and release or refuse it. Raises `Denied` without a right in the project."""
        self.rights.require(person, project)
        request = ExportRequest(
            id=ExportId(self.ids.new("exp")),
            project=project,
            person=person,
            title="".join(c for c in title if c.isprintable())[:200],
            offered=plain_items(offered),
            asked_at=self.clock.now(),
        )
        with self.database.transaction() as unit:
            self.rows.add(unit, request)
            unit.record(AuditEvent(person, "export.asked", request.id, {"project": project, "items": len(offered)}))
        return self.check(request)

    def check(self, request: ExportRequest) -> ExportRequest:
        """Take a request that is `checking` to its end. Any fault leaves it where it is, and nothing leaves."""
        permit = self.rights.require(request.person, request.project)
        offers = tuple(self._offer(request.project, item) for item in request.offered)
        now = self.clock.now()
        today = self.rows.released_since(self.database, request.project, now - timedelta(days=1))
        if findings := findings_on(offers, released_today=today):
            done = request.refused(findings, now)
            detail: dict[str, Any] = {"project": request.project, "rules": sorted({f.rule for f in findings})}
            return self._finish(done, "export.refused", detail)
        chosen = artifacts(offers)
        data, files = self.writer.write(request, permit, chosen, request.asked_at)
        sha256 = hashlib.sha256(data).hexdigest()
        self.objects.put(BUCKET, _object_name(request, sha256), data)
        done = request.released(bundle_title(chosen), sha256, len(data), files, now)
        detail = {
            "project": request.project,
            "sha256": sha256,
            "size": len(data),
            "releases": sorted({item.release for item, _document in chosen}),
        }
        return self._finish(done, "export.released", detail)

    def resume(self, *, before: datetime | None = None) -> int:
        """Finish every check that a crash cut short (asked for `before` this process began); return how many there were.

        A request without rights now, or one that the gate stumbles on, is refused; while a part of the platform is
        away, it waits for the next time. One request never keeps the others, or the custodian, from going on.
        """
        waiting = [r for r in self.rows.checking(self.database) if before is None or r.asked_at < before]
        for request in waiting:
            try:
                self.check(request)
            except (Unavailable, NotPossible) as refusal:
                log.warning("the check of %s is put off: %s", request.id, refusal.code)
            except Denied as denial:
                self._give_up(request, (), denial.code)
            except Exception as error:  # any error closes, and says so once
                log.exception("the gate stumbles on %s", request.id)
                self._give_up(request, (FAULT,), type(error).__name__)
        return len(waiting)

    def _give_up(self, request: ExportRequest, findings: tuple[Finding, ...], why: str) -> None:
        with self.database.transaction() as unit:
            self.rows.update(unit, request.refused(findings, self.clock.now()))
            unit.record(AuditEvent("hvelv", "export.refused", request.id, {"project": request.project, "why": why}))

    def of_project(self, project: ProjectId) -> list[ExportRequest]:
        """Return a project's requests, newest first."""
        return self.rows.of_project(self.database, project)

    def get(self, export: ExportId) -> ExportRequest:
        """Return one request. Raises `NotFound`."""
        if (request := self.rows.get(self.database, export)) is None:
            raise NotFound(_("Utleveringen finnes ikke."))
        return request

    def link(self, person: PersonId, export: ExportId) -> tuple[str, datetime]:
        """Return a token with which `person` alone can fetch the bundle, and when it dies."""
        request = self._fetchable(person, export)
        token, until = secrets.token_urlsafe(32), self.clock.now() + self.link_life
        with self.database.transaction() as unit:
            self.rows.add_link(unit, _hash(token), request.id, person, until)
            unit.record(AuditEvent(person, "bundle.link_made", request.id, {"until": until.isoformat()}))
        return token, until

    def fetch(self, person: PersonId, token: str) -> tuple[ExportRequest, bytes]:
        """Return the bundle that a token opens, whole and equal to what was checked.

        Raises `Denied` for a token that is unknown, another person's or too old, all in the same words.
        """
        found = self.rows.link(self.database, _hash(token))
        if found is None or found[1] != person or found[2] <= self.clock.now():
            raise Denied(
                _("Lenken virker ikke lenger."), remedy=_("Be om en ny lenke på siden til utleveringen."), code="link"
            )
        request = self._fetchable(person, found[0])
        data = self.objects.get(BUCKET, _object_name(request, request.sha256))
        if hashlib.sha256(data).hexdigest() != request.sha256:
            raise Refusal(
                _("Filen i lageret er ikke den som ble kontrollert. Den leveres ikke ut."),
                remedy=_("Meld fra til drift."),
            )
        with self.database.transaction() as unit:
            unit.record(AuditEvent(person, "bundle.fetched", request.id, {"sha256": request.sha256, "size": len(data)}))
        return request, data

    def _offer(self, project: ProjectId, item: Mapping[str, Any]) -> Offer:
        name = item.get("release")
        evidence = self.releases.evidence(project, name) if isinstance(name, str) else None
        return Offer(item, evidence)

    def _fetchable(self, person: PersonId, export: ExportId) -> ExportRequest:
        request = self.get(export)
        self.rights.require(person, request.project)
        if request.state is not ExportState.RELEASED:
            raise Denied(_("Utleveringen er ikke frigitt."), code="not-released")
        return request

    def _finish(self, request: ExportRequest, action: str, detail: Mapping[str, Any]) -> ExportRequest:
        with self.database.transaction() as unit:
            self.rows.update(unit, request)
            unit.record(AuditEvent(request.person, action, request.id, detail))
        return request


def certificate(signer: Signer, document: dict[str, Any]) -> dict[str, Any]:
    """Return a signed certificate of a bundle's contents."""
    return signer.sign("certificate", document).as_dict()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _object_name(request: ExportRequest, sha256: str) -> str:
    return f"{request.project}/{request.id}/{sha256}.zip"
