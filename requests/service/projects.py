"""Projects as the registry knows them: an index of the permits that the custodian has signed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.database import Database
from hvelv.kernel.ids import ApplicationId, ProjectId
from hvelv.kernel.people import Person
from hvelv.kernel.signing import Signed
from hvelv.requests.domain.permit import Permit, PermitAction, PermitState


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

    def __init__(self, database: Database, rows: ProjectRows, door: StateDoor) -> None: ...

    def of(self, person: Person) -> tuple[Project, ...]:
        """Return the projects that the person takes part in, or is a steward or auditor of; newest first."""

    def get(self, person: Person, project: ProjectId | str) -> Project:
        """Return one project. Raises `NotFound` also for those who may not know of it."""

    def takes_part(self, person: Person, project: ProjectId | str) -> bool:
        """Say whether the permit names the person (who then may open the lab)."""

    def may(self, person: Person, project: Project) -> frozenset[PermitAction]:
        """Return what the person may do to the project's permit in its present state."""

    def change(self, person: Person, project: ProjectId | str, action: PermitAction, reason: str) -> Project:
        """Suspend, resume, revoke or close. The custodian does it; the index follows. Raises `Denied`, `NotPossible`."""
