"""Rows of the index of projects, in the registry's database."""

import json

from sqlalchemy import Text, UniqueConstraint, update
from sqlmodel import Field, Session, col, select

from hvelv.kernel.canonical import canonical
from hvelv.kernel.database import RegistryRow
from hvelv.kernel.rows import insert_once, iso, moment
from hvelv.kernel.signing import Signed
from hvelv.requests.domain.permit import Permit, PermitState
from hvelv.requests.service.projects import Project


class ProjectRow(RegistryRow, table=True):
    """A project with its signed permit."""

    __tablename__ = "requests_project"
    __table_args__ = (UniqueConstraint("application"),)

    id: str = Field(primary_key=True, max_length=64)
    application: str = Field(max_length=64, foreign_key="requests_application.id")
    state: str = Field(max_length=20)
    signed: str = Field(sa_type=Text)
    opened_at: str = Field(max_length=40)


def _project(row: ProjectRow) -> Project:
    signed = Signed.from_dict(json.loads(row.signed))  # its signature was verified before it was recorded
    return Project(Permit.from_document(signed.document), signed, PermitState(row.state), moment(row.opened_at))


class SqlProjectRows:
    """The index in SQL."""

    def add(self, session: Session, project: Project) -> bool:
        """Record a project; False when it is there."""
        return insert_once(
            session,
            ProjectRow(
                id=project.id,
                application=project.application,
                state=project.state.value,
                signed=canonical(project.signed.as_dict()).decode(),
                opened_at=iso(project.opened_at),
            ),
        )

    def get(self, session: Session, project: str) -> Project | None:
        """Return one project."""
        row = session.get(ProjectRow, project)
        return _project(row) if row else None

    def of_application(self, session: Session, application: str) -> Project | None:
        """Return the project that an application became."""
        row = session.exec(select(ProjectRow).where(ProjectRow.application == application)).first()
        return _project(row) if row else None

    def all(self, session: Session) -> tuple[Project, ...]:
        """Return every project, oldest first."""
        return tuple(_project(row) for row in session.exec(select(ProjectRow).order_by(ProjectRow.opened_at)))

    def set_state(self, session: Session, project: str, state: PermitState) -> None:
        """Copy the state that the custodian answered."""
        session.execute(update(ProjectRow).where(col(ProjectRow.id) == project).values(state=state.value))
