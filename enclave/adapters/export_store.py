"""Rows of export requests and download links, in the custodian's database."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Text, func, update
from sqlalchemy import select as sql_select
from sqlmodel import Field, col, select

from hvelv.enclave.domain.exports import ExportRequest, ExportState, Finding
from hvelv.kernel.database import CustodianRow, Database, Transaction
from hvelv.kernel.errors import NotPossible, _
from hvelv.kernel.ids import ExportId, PersonId, ProjectId


class ExportRow(CustodianRow, table=True):
    """One export request."""

    __tablename__ = "enclave_export"

    id: str = Field(primary_key=True, max_length=40)
    project: str = Field(index=True, max_length=40)
    person: str = Field(max_length=100)
    title: str = Field(max_length=200)
    offered: str = Field(sa_type=Text)
    asked_at: str = Field(max_length=40)
    state: str = Field(index=True, max_length=20)
    findings: str = Field(default="[]", sa_type=Text)
    files: str = Field(default="[]", sa_type=Text)
    sha256: str = Field(default="", max_length=64)
    size: int = 0
    decided_at: str = Field(default="", max_length=40)


class BundleLinkRow(CustodianRow, table=True):
    """One download link, kept by the hash of its token."""

    __tablename__ = "enclave_bundle_link"

    token_hash: str = Field(primary_key=True, max_length=64)
    export: str = Field(index=True, max_length=40, foreign_key="enclave_export.id")
    person: str = Field(max_length=100)
    until: str = Field(max_length=40)


def _stamp(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat() if at else ""


def _request(row: ExportRow) -> ExportRequest:
    return ExportRequest(
        id=ExportId(row.id),
        project=ProjectId(row.project),
        person=PersonId(row.person),
        title=row.title,
        offered=tuple(json.loads(row.offered)),
        asked_at=datetime.fromisoformat(row.asked_at),
        state=ExportState(row.state),
        findings=tuple(Finding(**finding) for finding in json.loads(row.findings)),
        sha256=row.sha256,
        size=row.size,
        decided_at=datetime.fromisoformat(row.decided_at) if row.decided_at else None,
        files=tuple(json.loads(row.files)),
    )


def _values(request: ExportRequest) -> dict[str, Any]:
    return {
        "title": request.title,
        "state": str(request.state),
        "findings": json.dumps([finding.as_dict() for finding in request.findings], ensure_ascii=False),
        "files": json.dumps(list(request.files), ensure_ascii=False),
        "sha256": request.sha256,
        "size": request.size,
        "decided_at": _stamp(request.decided_at),
    }


class ExportTable:
    """Export requests and links in SQL."""

    def add(self, transaction: Transaction, request: ExportRequest) -> None:
        """Keep a new request."""
        row = ExportRow(
            id=request.id,
            project=request.project,
            person=request.person,
            offered=json.dumps([dict(item) for item in request.offered], ensure_ascii=False),
            asked_at=_stamp(request.asked_at),
            **_values(request),
        )
        transaction.session.add(row)

    def update(self, transaction: Transaction, request: ExportRequest) -> None:
        """Keep what became of a request, if it is still being checked: one of two who finish it wins."""
        table = CustodianRow.metadata.tables["enclave_export"]
        statement = (
            update(table)
            .where(table.c.id == request.id, table.c.state == str(ExportState.CHECKING))
            .values(**_values(request))
            .returning(table.c.id)
        )
        if transaction.session.connection().execute(statement).first() is None:
            raise NotPossible(_("Utleveringen er avsluttet og kan ikke endres."))

    def get(self, database: Database, export: ExportId) -> ExportRequest | None:
        """Return a request."""
        with database.reading() as session:
            row = session.get(ExportRow, export)
            return _request(row) if row else None

    def of_project(self, database: Database, project: ProjectId) -> list[ExportRequest]:
        """Return a project's requests, newest first."""
        query = select(ExportRow).where(ExportRow.project == project).order_by(col(ExportRow.asked_at).desc())
        with database.reading() as session:
            return [_request(row) for row in session.exec(query)]

    def released_since(self, database: Database, project: ProjectId, since: datetime) -> int:
        """Return how many of the project's bundles were released after `since`."""
        table = CustodianRow.metadata.tables["enclave_export"]
        query = sql_select(func.count()).where(
            table.c.project == project,
            table.c.state == str(ExportState.RELEASED),
            table.c.decided_at > _stamp(since),
        )
        with database.reading() as session:
            return int(session.connection().execute(query).scalar_one())

    def checking(self, database: Database) -> list[ExportRequest]:
        """Return the requests whose check was not finished, oldest first."""
        query = select(ExportRow).where(ExportRow.state == str(ExportState.CHECKING)).order_by(col(ExportRow.asked_at))
        with database.reading() as session:
            return [_request(row) for row in session.exec(query)]

    def add_link(
        self, transaction: Transaction, token_hash: str, export: ExportId, person: PersonId, until: datetime
    ) -> None:
        """Keep a download link by the hash of its token."""
        transaction.session.add(BundleLinkRow(token_hash=token_hash, export=export, person=person, until=_stamp(until)))

    def link(self, database: Database, token_hash: str) -> tuple[ExportId, PersonId, datetime] | None:
        """Return what a token opens, to whom and until when."""
        with database.reading() as session:
            row = session.get(BundleLinkRow, token_hash)
            if row is None:
                return None
            return ExportId(row.export), PersonId(row.person), datetime.fromisoformat(row.until)
