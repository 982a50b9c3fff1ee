"""Wishes for releases in SQL."""

from typing import Any

from sqlalchemy import CheckConstraint, Column, Text, UniqueConstraint, select, update
from sqlmodel import Field, Session, col

from hvelv.kernel.database import CustodianRow
from hvelv.privacy.adapters.ledger import changed, insert_new
from hvelv.privacy.adapters.store import moment_from, moment_text
from hvelv.privacy.domain.wishes import Wish, WishState


class WishRow(CustodianRow, table=True):
    """A wish."""

    __tablename__ = "privacy_wish"
    __table_args__ = (
        UniqueConstraint("project", "key"),
        CheckConstraint("state IN ('waiting', 'working', 'done', 'failed', 'cancelled')", name="state"),
        CheckConstraint("state <> 'done' OR release <> ''", name="answered"),
        CheckConstraint("rho_micro > 0", name="price"),
    )

    id: str = Field(primary_key=True)
    project: str = Field(index=True)
    person: str
    question: str = Field(sa_column=Column(Text, nullable=False))
    rho_micro: int
    key: str
    again: bool
    at: str
    state: str
    release: str = ""
    message: str = Field(default="", sa_column=Column(Text, nullable=False))


class SqlWishes:
    """`WishRows` on the custodian's database."""

    def add(self, session: Session, wish: Wish) -> bool:
        """Keep a wish unless the project has one with its key."""
        return insert_new(session, WishRow, id=wish.id, **_values(wish))

    def find(
        self, session: Session, *, wish: str | None = None, project: str | None = None, key: str | None = None
    ) -> list[Wish]:
        """Return the wishes that are asked for, newest first."""
        given = ((col(WishRow.id), wish), (col(WishRow.project), project), (col(WishRow.key), key))
        query = select(WishRow).where(*(column == value for column, value in given if value is not None))
        newest = query.order_by(col(WishRow.at).desc(), col(WishRow.id)).execution_options(populate_existing=True)
        return [_wish(row) for row in session.scalars(newest)]

    def move(self, session: Session, before: Wish, after: Wish) -> bool:
        """Write where a wish stands now, if it still stands where it did."""
        here = col(WishRow.id) == before.id, col(WishRow.state) == before.state.value
        return changed(session, update(WishRow).where(*here).values(**_values(after)))


def _values(wish: Wish) -> dict[str, Any]:
    return {
        "project": wish.project,
        "person": wish.person,
        "question": wish.question,
        "rho_micro": wish.rho_micro,
        "key": wish.key,
        "again": wish.again,
        "at": moment_text(wish.at),
        "state": wish.state.value,
        "release": wish.release,
        "message": wish.message,
    }


def _wish(row: WishRow) -> Wish:
    return Wish(
        row.id, row.project, row.person, row.question, row.rho_micro, row.key, row.again, moment_from(row.at),
        WishState(row.state), row.release, row.message,
    )  # fmt: skip
