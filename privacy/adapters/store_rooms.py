"""Rows of ended rooms, in the custodian's database."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select, update
from sqlmodel import Field, Session, col

from hvelv.kernel.database import CustodianRow
from hvelv.privacy.adapters.ledger import changed, insert_new
from hvelv.privacy.adapters.store import moment_from, moment_text
from hvelv.privacy.service.rooms import EndedRoom


class EndedRoomRow(CustodianRow, table=True):
    """The end of a project's room; the two last are empty until it has come so far."""

    __tablename__ = "privacy_ended_room"

    project: str = Field(primary_key=True, max_length=64)
    ended_at: str = Field(max_length=40, index=True)
    kept_until: str = Field(max_length=40)
    sealed_at: str = Field(default="", max_length=40)
    emptied_at: str = Field(default="", max_length=40)


class SqlRooms:
    """`RoomRows` on the custodian's database."""

    def end(self, session: Session, room: EndedRoom) -> bool:
        """Keep the room's end unless it has one."""
        return insert_new(
            session,
            EndedRoomRow,
            project=room.project,
            ended_at=moment_text(room.ended),
            kept_until=moment_text(room.kept_until),
            sealed_at="",
            emptied_at="",
        )

    def find(self, session: Session, project: str) -> EndedRoom | None:
        """Return the room's end."""
        row = session.get(EndedRoomRow, project)
        return _ended(row) if row else None

    def unfinished(self, session: Session, now: datetime, ended_after: datetime) -> Sequence[EndedRoom]:
        """Return the rooms to be sealed, those to be emptied by `now`, and those that ended after the other moment."""
        over = and_(col(EndedRoomRow.emptied_at) == "", col(EndedRoomRow.kept_until) <= moment_text(now))
        late = col(EndedRoomRow.ended_at) > moment_text(ended_after)
        query = select(EndedRoomRow).where(or_(col(EndedRoomRow.sealed_at) == "", over, late))
        return [_ended(row) for row in session.scalars(query.order_by(col(EndedRoomRow.project)))]

    def sealed(self, session: Session, project: str, at: datetime) -> bool:
        """Note that the room was sealed."""
        where = col(EndedRoomRow.project) == project, col(EndedRoomRow.sealed_at) == ""
        return changed(session, update(EndedRoomRow).where(*where).values(sealed_at=moment_text(at)))

    def emptied(self, session: Session, project: str, at: datetime) -> bool:
        """Note that the room was emptied."""
        where = col(EndedRoomRow.project) == project, col(EndedRoomRow.emptied_at) == ""
        return changed(session, update(EndedRoomRow).where(*where).values(emptied_at=moment_text(at)))


def _ended(row: EndedRoomRow) -> EndedRoom:
    return EndedRoom(
        row.project,
        moment_from(row.ended_at),
        moment_from(row.kept_until),
        moment_from(row.sealed_at) if row.sealed_at else None,
        moment_from(row.emptied_at) if row.emptied_at else None,
    )
