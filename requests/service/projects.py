"""Projects as the registry knows them: an index of the permits that the custodian has signed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.authority import authorise
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Invalid, NotFound, Problem, _
from hvelv.kernel.ids import ApplicationId, ProjectId
from hvelv.kernel.people import Person
from hvelv.kernel.signing import Signed
from hvelv.requests.domain.permit import PERMIT_LIFECYCLE, Permit, PermitAction, PermitState
from hvelv.requests.domain.permit_rights import PERMIT_POLICY, parts, permitted

LONGEST_REASON = 5000


@dataclass(frozen=True)
class Project:
    """The room a permit opens. `state` is the registry's copy; the custodian decides."""

    permit: Permit
    signed: Signed
    state: PermitState
    opened_at: datetime

    @property
    def id(self) -> ProjectId:
        """Return the project's id."""
        return self.permit.project

    @property
    def title(self) -> str:
        """Return the project's title."""
        return self.permit.title

    @property
    def application(self) -> ApplicationId:
        """Return the application that the project comes from."""
        return self.permit.application


class ProjectRows(Protocol):
    """What the index asks of its database."""

    def add(self, session: Session, project: Project) -> bool: ...
    def get(self, session: Session, project: str) -> Project | None: ...
    def of_application(self, session: Session, application: str) -> Project | None: ...
    def all(self, session: Session) -> tuple[Project, ...]: ...
    def set_state(self, session: Session, project: str, state: PermitState) -> None: ...


class StateDoor(Protocol):
    """What projects ask of the permit office."""

    def change(self, actor: str, project: ProjectId, action: PermitAction, reason: str) -> PermitState: ...


class Projects:
    """The projects that people may see, and the changes to them that people may ask for."""

    def __init__(self, database: Database, rows: ProjectRows, door: StateDoor) -> None:
        self._database = database
        self._rows = rows
        self._door = door

    def of(self, person: Person) -> tuple[Project, ...]:
        """Return the projects that the person takes part in, or is a steward or auditor of; newest first."""
        with self._database.reading() as session:
            found = [p for p in self._rows.all(session) if parts(person, p.permit)]
        return tuple(sorted(found, key=lambda p: p.opened_at, reverse=True))

    def get(self, person: Person, project: ProjectId | str) -> Project:
        """Return one project. Raises `NotFound` also for those who may not know of it."""
        with self._database.reading() as session:
            found = self._rows.get(session, project)
        if found is None or not parts(person, found.permit):
            raise NotFound(_("Prosjektet finnes ikke."))
        return found

    def takes_part(self, person: Person, project: ProjectId | str) -> bool:
        """Say whether the permit names the person (who then may open the lab)."""
        with self._database.reading() as session:
            found = self._rows.get(session, project)
        return found is not None and person.active and person.id in found.permit.people

    def may(self, person: Person, project: Project) -> frozenset[PermitAction]:
        """Return what the person may do to the project's permit in its present state."""
        return permitted(person, project.permit) & frozenset(PERMIT_LIFECYCLE[project.state])

    def change(self, person: Person, project: ProjectId | str, action: PermitAction, reason: str) -> Project:
        """Suspend, resume, revoke or close. The custodian does it; the index follows. Raises `Denied`, `NotPossible`.

        The index is written in a transaction of its own: when the portal stops in between, the custodian's answer to
        the next request (`NotPossible`) brings nothing out of step but the copy, and rights follow the custodian.
        """
        found = self.get(person, project)
        authorise(person, action, found.permit, PERMIT_POLICY)
        reason = reason.strip()
        if not reason:
            raise Invalid((Problem(_("Skriv en begrunnelse."), "reason"),))
        if len(reason) > LONGEST_REASON:
            said = _("Teksten er lengre enn {most} tegn.")
            raise Invalid((Problem(said, "reason", params={"most": LONGEST_REASON}),))
        state = self._door.change(person.id, found.id, action, reason)
        self.follow(person.id, found.id, action, state, reason)
        return self.get(person, project)

    def follow(
        self, actor: str, project: ProjectId | str, action: PermitAction, state: PermitState, reason: str
    ) -> None:
        """Write down the state that the custodian answered with."""
        with self._database.transaction() as transaction:
            self._rows.set_state(transaction.session, project, state)
            detail = {"state": state.value, "reason": reason}
            transaction.record(AuditEvent(actor, f"project.{action}", project, detail))
