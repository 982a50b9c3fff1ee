"""Requests to lead pseudonyms back, in SQL. The pseudonyms are overwritten when a request is over."""

import json
from typing import Any

from sqlalchemy import CheckConstraint, Column, Text, insert, select, text, update
from sqlmodel import Field, Session, col

from hvelv.kernel.database import CustodianRow
from hvelv.privacy.adapters.ledger import changed
from hvelv.privacy.adapters.store import moment_from, moment_text
from hvelv.privacy.domain.reidentification import Case, Reason, State


class ReidentificationRow(CustodianRow, table=True):
    """A request."""

    __tablename__ = "privacy_reidentification"
    __table_args__ = (
        CheckConstraint("state IN ('requested', 'approved', 'executed', 'refused', 'withdrawn')", name="state"),
        CheckConstraint("state NOT IN ('approved', 'executed') OR (steward <> '' AND ethics <> '')", name="by_two"),
        CheckConstraint("steward = '' OR (steward <> ethics AND steward <> requester)", name="steward"),
        CheckConstraint("ethics = '' OR ethics <> requester", name="ethics"),
    )

    id: str = Field(primary_key=True)
    project: str = Field(index=True)
    dataset: str
    holder: str
    reason: str
    explanation: str = Field(sa_column=Column(Text, nullable=False))
    pseudonyms: str = Field(sa_column=Column(Text, nullable=False))
    count: int
    requester: str
    at: str
    state: str
    steward: str = ""
    ethics: str = ""


class SqlCases:
    """`CaseRows` on the custodian's database."""

    def add(self, session: Session, case: Case) -> None:
        """Keep a new request."""
        session.connection().execute(insert(ReidentificationRow).values(id=case.id, **_values(case)))

    def find(self, session: Session, case: str) -> Case | None:
        """Return a request."""
        return next(iter(self._where(session, col(ReidentificationRow.id) == case)), None)

    def all(self, session: Session) -> list[Case]:
        """Return every request, the newest first."""
        return sorted(self._where(session), key=lambda case: (case.at, case.id), reverse=True)

    def move(self, session: Session, before: Case, after: Case) -> bool:
        """Write what it is now, if it still is what it was. Says whether it was."""
        same = (
            col(ReidentificationRow.id) == before.id,
            col(ReidentificationRow.state) == before.state.value,
            col(ReidentificationRow.steward) == before.steward,
            col(ReidentificationRow.ethics) == before.ethics,
        )
        return changed(session, update(ReidentificationRow).where(*same).values(**_values(after)))

    def hold_still(self, session: Session) -> None:
        """Let nobody ask before the transaction ends: on SQLite, a transaction that writes is alone."""
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(f"LOCK TABLE {ReidentificationRow.__tablename__} IN SHARE ROW EXCLUSIVE MODE"))

    @staticmethod
    def _where(session: Session, *where: Any) -> list[Case]:
        query = select(ReidentificationRow).where(*where).execution_options(populate_existing=True)
        return [_case(row) for row in session.scalars(query)]


def _values(case: Case) -> dict[str, Any]:
    return {
        "project": case.project,
        "dataset": case.dataset,
        "holder": case.holder,
        "reason": case.reason.value,
        "explanation": case.text,
        "pseudonyms": json.dumps(case.pseudonyms),
        "count": case.count,
        "requester": case.requester,
        "at": moment_text(case.at),
        "state": case.state.value,
        "steward": case.steward,
        "ethics": case.ethics,
    }


def _case(row: ReidentificationRow) -> Case:
    return Case(
        id=row.id,
        project=row.project,
        dataset=row.dataset,
        holder=row.holder,
        reason=Reason(row.reason),
        text=row.explanation,
        pseudonyms=tuple(json.loads(row.pseudonyms)),
        count=row.count,
        requester=row.requester,
        at=moment_from(row.at),
        state=State(row.state),
        steward=row.steward,
        ethics=row.ethics,
    )
