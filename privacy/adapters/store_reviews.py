"""Reviews of extracts in SQL: reports as canonical JSON, one row for each table of each generation."""

import json
from typing import Any

from sqlalchemy import CheckConstraint, Column, Text, select, update
from sqlmodel import Field, Session, col

from hvelv.kernel.canonical import canonical
from hvelv.kernel.database import CustodianRow
from hvelv.privacy.adapters.ledger import changed, insert_new
from hvelv.privacy.adapters.store import moment_from, moment_text
from hvelv.privacy.domain.reviewing import WENT, Review, ReviewState, extra_documents, extra_from

STATES = ", ".join(f"'{state.value}'" for state in ReviewState)


class ReviewRow(CustodianRow, table=True):
    """How one table of one generation of a project's extracts was measured and judged. Counts and shares only."""

    __tablename__ = "privacy_review"
    __table_args__ = (CheckConstraint(f"state IN ({STATES})", name="state"),)

    project: str = Field(primary_key=True)
    table_name: str = Field(primary_key=True)
    generation: int = Field(primary_key=True)
    dataset: str
    holder: str = Field(index=True)
    fingerprint: str
    state: str
    report: str = Field(sa_column=Column(Text, nullable=False))
    before: str = Field(sa_column=Column(Text, nullable=False))
    extra: str = Field(sa_column=Column(Text, nullable=False))
    columns: str = Field(sa_column=Column(Text, nullable=False))
    at: str
    decided_by: str
    reason: str = Field(sa_column=Column(Text, nullable=False))


class SqlReviews:
    """`ReviewRows` on the custodian's database."""

    def find(self, session: Session, project: str, table: str, generation: int) -> Review | None:
        """Return one review."""
        where = (
            col(ReviewRow.project) == project,
            col(ReviewRow.table_name) == table,
            col(ReviewRow.generation) == generation,
        )
        row = session.scalars(select(ReviewRow).where(*where)).first()
        return _review(row) if row else None

    def earlier(self, session: Session, project: str, table: str, generation: int) -> list[Review]:
        """Return the reviews of the table's generations before this one that went, newest first."""
        where = (
            col(ReviewRow.project) == project,
            col(ReviewRow.table_name) == table,
            col(ReviewRow.generation) < generation,
            col(ReviewRow.state).in_([state.value for state in WENT]),
        )
        order = col(ReviewRow.generation).desc()
        return [_review(row) for row in session.scalars(select(ReviewRow).where(*where).order_by(order))]

    def of_holder(self, session: Session, holder: str) -> list[Review]:
        """Return the holder's reviews, newest first."""
        order = col(ReviewRow.at).desc(), col(ReviewRow.project), col(ReviewRow.table_name)
        return [
            _review(row)
            for row in session.scalars(select(ReviewRow).where(col(ReviewRow.holder) == holder).order_by(*order))
        ]

    def waiting(self, session: Session) -> list[Review]:
        """Return all reviews that wait for a steward."""
        where = col(ReviewRow.state) == ReviewState.WAITING.value
        return [_review(row) for row in session.scalars(select(ReviewRow).where(where))]

    def add(self, session: Session, review: Review) -> bool:
        """Keep a new review unless there is one."""
        key = {"project": review.project, "table_name": review.table, "generation": review.generation}
        return insert_new(session, ReviewRow, **key, **_values(review))

    def update(self, session: Session, review: Review, *, state: ReviewState, fingerprint: str) -> bool:
        """Write the review if it still is in `state` with `fingerprint`. Says whether it was written."""
        where = (
            col(ReviewRow.project) == review.project,
            col(ReviewRow.table_name) == review.table,
            col(ReviewRow.generation) == review.generation,
            col(ReviewRow.state) == state.value,
            col(ReviewRow.fingerprint) == fingerprint,
        )
        return changed(session, update(ReviewRow).where(*where).values(**_values(review)))


def _text(document: Any) -> str:
    return canonical(document).decode()


def _values(review: Review) -> dict[str, Any]:
    return {
        "dataset": review.dataset,
        "holder": review.holder,
        "fingerprint": review.fingerprint,
        "state": review.state.value,
        "report": _text(review.report),
        "before": _text(review.before),
        "extra": _text(extra_documents(review.extra)),
        "columns": _text(list(review.columns)),
        "at": moment_text(review.at),
        "decided_by": review.decided_by,
        "reason": review.reason,
    }


def _review(row: ReviewRow) -> Review:
    return Review(
        project=row.project,
        table=row.table_name,
        generation=row.generation,
        dataset=row.dataset,
        holder=row.holder,
        fingerprint=row.fingerprint,
        state=ReviewState(row.state),
        report=json.loads(row.report),
        before=json.loads(row.before),
        extra=extra_from(json.loads(row.extra)),
        columns=tuple(json.loads(row.columns)),
        at=moment_from(row.at),
        decided_by=row.decided_by,
        reason=row.reason,
    )
