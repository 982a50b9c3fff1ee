"""Rows of the permit office, in the custodian's database."""

import json
from datetime import datetime

from sqlalchemy import Text, UniqueConstraint, delete, update
from sqlalchemy.engine import CursorResult
from sqlmodel import Field, Session, col, select

from hvelv.kernel.canonical import canonical
from hvelv.kernel.database import CustodianRow
from hvelv.kernel.ids import ApplicationId
from hvelv.kernel.rows import insert_once, iso
from hvelv.kernel.signing import Signed
from hvelv.requests.domain.permit import Permit, PermitState
from hvelv.requests.service.office import Issued


class PermitRow(CustodianRow, table=True):
    """A permit: the signed document, and the state that is the office's to say."""

    __tablename__ = "requests_permit"
    __table_args__ = (UniqueConstraint("application"), UniqueConstraint("project"))

    id: str = Field(primary_key=True, max_length=64)
    project: str = Field(max_length=64)
    application: str = Field(max_length=64)
    revision: str = Field(max_length=64)
    state: str = Field(max_length=20)
    signed: str = Field(sa_type=Text)
    changed_at: str = Field(max_length=40)


class BarredRow(CustodianRow, table=True):
    """A person whom no permit lets in."""

    __tablename__ = "requests_barred"

    person: str = Field(primary_key=True, max_length=64)
    at: str = Field(max_length=40)
    reason: str = Field(sa_type=Text)


def _issued(row: PermitRow) -> Issued:
    signed = Signed.from_dict(json.loads(row.signed))
    return Issued(Permit.from_document(signed.document), signed, PermitState(row.state))


class SqlPermitRows:
    """The office's books in SQL."""

    def of_revision(self, session: Session, application: ApplicationId, revision: str) -> Issued | None:
        """Return the permit that was issued on a revision."""
        query = select(PermitRow).where(PermitRow.application == application, PermitRow.revision == revision)
        row = session.exec(query).first()
        return _issued(row) if row else None

    def of_project(self, session: Session, project: str) -> Issued | None:
        """Return a project's permit."""
        row = session.exec(select(PermitRow).where(PermitRow.project == project)).first()
        return _issued(row) if row else None

    def all(self, session: Session) -> tuple[Issued, ...]:
        """Return every permit."""
        return tuple(_issued(row) for row in session.exec(select(PermitRow).order_by(PermitRow.id)))

    def add(self, session: Session, issued: Issued) -> bool:
        """Enter a permit; False when the application has one."""
        return insert_once(
            session,
            PermitRow(
                id=issued.permit.id,
                project=issued.permit.project,
                application=issued.permit.application,
                revision=issued.permit.revision,
                state=issued.state.value,
                signed=canonical(issued.signed.as_dict()).decode(),
                changed_at=iso(issued.permit.decided_at),
            ),
        )

    def move(self, session: Session, project: str, before: PermitState, after: PermitState, at: datetime) -> bool:
        """Change the state if it still is `before`; False when another was first."""
        result = session.execute(
            update(PermitRow)
            .where(col(PermitRow.project) == project, col(PermitRow.state) == before.value)
            .values(state=after.value, changed_at=iso(at))
        )
        return isinstance(result, CursorResult) and result.rowcount == 1

    def is_barred(self, session: Session, person: str) -> bool:
        """Say whether no permit lets the person in."""
        return session.get(BarredRow, person) is not None

    def bar(self, session: Session, person: str, at: datetime, reason: str) -> bool:
        """Put the person on the list; False when they are on it."""
        return insert_once(session, BarredRow(person=person, at=iso(at), reason=reason))

    def unbar(self, session: Session, person: str) -> bool:
        """Take the person off the list; False when they are not on it."""
        result = session.execute(delete(BarredRow).where(col(BarredRow.person) == person))
        return isinstance(result, CursorResult) and result.rowcount == 1
