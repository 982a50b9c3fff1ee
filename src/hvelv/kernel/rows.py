"""What every package's rows share: moments as text that sorts and round-trips, and inserting a thing once."""

from datetime import UTC, datetime

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, SQLModel


def iso(moment: datetime) -> str:
    """Return `moment` as ISO-8601 text in UTC with microseconds: one length, so that texts sort as moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime:
    """Return the moment that `iso` wrote, aware, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def insert_once(session: Session, row: SQLModel) -> bool:
    """Insert `row`; return False, with the transaction still good, when a unique constraint says it is there already."""
    session.flush()
    try:
        with session.begin_nested():
            session.execute(insert(type(row)).values(row.model_dump()))
    except IntegrityError:
        return False
    return True
