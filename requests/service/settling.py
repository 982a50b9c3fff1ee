"""From an approval to a permit: asks the custodian's office to sign, and records what it signed. Safe to repeat."""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Refusal, _
from hvelv.kernel.signing import Signed, Verifier
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.evidence import Evidence, grant_of
from hvelv.requests.domain.lifecycle import State
from hvelv.requests.domain.permit import Permit, PermitState
from hvelv.requests.service.projects import Project, ProjectRows

log = logging.getLogger(__name__)


class PermitOffice(Protocol):
    """The custodian's permit office, as the portal knows it. Idempotent by application and revision."""

    def issue(self, actor: str, evidence: Mapping[str, Any], grant: Mapping[str, Any]) -> Signed: ...


class Settling:
    """Turns approvals into projects."""

    def __init__(
        self,
        database: Database,
        projects: ProjectRows,
        *,
        office: PermitOffice,
        verifier: Verifier,
        clock: Clock,
    ) -> None:
        self._database = database
        self._projects = projects
        self._office = office
        self._verifier = verifier
        self._clock = clock

    def project_of(self, application: Application) -> Project | None:
        """Return the project that the application has become, if its permit is recorded."""
        if application.state is not State.APPROVED:
            return None
        with self._database.reading() as session:
            return self._projects.of_application(session, application.id)

    def settled(self, actor: str, application: Application) -> Project | None:
        """Return the project of an approved application, made now if need be; None while the office does not sign.

        The approval stands whatever happens here: it was committed before, and the next look tries again.
        """
        project = self.project_of(application)
        if application.state is not State.APPROVED or project is not None:
            return project
        try:
            return self._settle(actor, application)
        except Refusal as refusal:
            log.warning("no permit for %s yet: %s", application.id, refusal.code)
            return None

    def _settle(self, actor: str, application: Application) -> Project:
        """Ask with the votes that the approval was made by: who has left the committee since does not undo it."""
        revision, conclusion = application.revision, application.conclusion
        if revision is None or conclusion is None or conclusion.revision != revision.hash:
            raise Refusal(_("Søknaden har ingen revisjon."))
        evidence = Evidence.of(application, conclusion.voters, revision, conclusion.chair)
        signed = self._office.issue(actor, evidence.as_dict(), grant_of(evidence))
        permit = Permit.verified(signed, self._verifier)
        if (permit.application, permit.revision) != (application.id, revision.hash):
            raise Refusal(_("Tillatelsen gjelder en annen søknad enn den som ble innvilget."), code="other-permit")
        project = Project(permit, signed, PermitState.ACTIVE, self._clock.now())
        with self._database.transaction() as transaction:
            if self._projects.add(transaction.session, project):
                detail = {"application": application.id, "permit": permit.id}
                transaction.record(AuditEvent(actor, "project.opened", permit.project, detail))
        return project
