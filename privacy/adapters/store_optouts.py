"""Rows of the register: what people said, and which number succeeded which."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
from sqlalchemy import CheckConstraint, LargeBinary, and_, func, or_, select, text
from sqlalchemy.orm import aliased
from sqlmodel import Field, Session, col

from hvelv.kernel.database import CustodianRow
from hvelv.privacy.adapters.store import moment_text
from hvelv.privacy.adapters.store_accounts import DatasetRow
from hvelv.privacy.domain.identifiers import BLOCK_BYTES
from hvelv.privacy.domain.objecting import LONGEST_SCOPE, Act, By
from hvelv.privacy.service.register import Batch, Events

PART = 20_000  # rows that are read or written at a time
PAIR = 2 * BLOCK_BYTES


class ObjectionRow(CustodianRow, table=True):
    """What was said: the person's block under the register's key, about what, which day, and by whom."""

    __tablename__ = "privacy_objection"
    __table_args__ = (CheckConstraint("act IN ('object', 'withdraw')", name="act"),)

    block: bytes = Field(sa_type=LargeBinary, primary_key=True)
    scope: str = Field(primary_key=True, max_length=LONGEST_SCOPE)
    day: str = Field(primary_key=True, max_length=10)
    act: str = Field(primary_key=True, max_length=10)
    relation: str = Field(max_length=10)
    representative: bytes | None = Field(default=None, sa_type=LargeBinary)
    added_at: str = Field(max_length=40)


class CanonicalRow(CustodianRow, table=True):
    """A number's block, and the block of the number that succeeded it."""

    __tablename__ = "privacy_canonical"

    old: bytes = Field(sa_type=LargeBinary, primary_key=True)
    new: bytes = Field(sa_type=LargeBinary)
    added_at: str = Field(max_length=40)


class SqlOptOuts:
    """`ObjectionRows` on the custodian's database."""

    def add(self, session: Session, act: Act, batches: Sequence[Batch], at: datetime) -> int:
        """Keep what was not said before, in the order of blocks (an index grows at one end), and say how much that was."""
        order = _by_block(b"".join(batch.blocks for batch in batches))
        starts = np.cumsum([0, *(len(batch.scopes) for batch in batches)])
        which = np.searchsorted(starts, order, "right") - 1
        added_at = moment_text(at)

        def values() -> Iterator[tuple[Any, ...]]:
            for number, i in zip(which.tolist(), (order - starts[which]).tolist(), strict=True):
                batch = batches[number]
                block = batch.blocks[BLOCK_BYTES * i : BLOCK_BYTES * (i + 1)]
                said = batch.scopes[i], batch.days[i], act.value, batch.relations[i]
                yield block, *said, batch.representatives[i] or None, added_at

        return _insert(session, "privacy_objection", OBJECTION_COLUMNS, values())

    def said(self, session: Session, scopes: Sequence[str] | None, days: Mapping[Act, date]) -> Events:
        """Return what was said about `scopes` (None: any) until the day given for each act."""
        when = [and_(col(ObjectionRow.act) == act.value, col(ObjectionRow.day) <= days[act].isoformat()) for act in Act]
        where = [or_(*when)] if scopes is None else [or_(*when), col(ObjectionRow.scope).in_(scopes)]
        row = ObjectionRow
        query = select(col(row.block), col(row.scope), col(row.day), col(row.act)).where(*where)
        names: dict[str, int] = {}
        objected = Act.OBJECT.value
        blocks, places, ordinals, acts = bytearray(), array("H"), array("i"), array("b")
        for part in _parts(session, query):
            for name in part[1]:
                names.setdefault(name, len(names))
            blocks += b"".join(part[0])
            places.extend(map(names.__getitem__, part[1]))
            ordinals.extend(map(_ordinal, part[2]))
            acts.extend(map(objected.__eq__, part[3]))
        return Events(tuple(names), bytes(blocks), places, ordinals, acts)

    def pairs(self, session: Session) -> bytes:
        """Return the changed numbers, in no order."""
        return _all_pairs(session)

    def baseless(self, session: Session, at: datetime) -> int:
        """Return how many withdrawals of the moment `at` follow no objection of the same number to the same scope."""
        before = aliased(ObjectionRow)
        same = [col(getattr(before, name)) == col(getattr(ObjectionRow, name)) for name in ("block", "scope")]
        earlier = col(before.day) <= col(ObjectionRow.day)
        objected = select(col(before.block)).where(*same, earlier, col(before.act) == Act.OBJECT.value)
        now = col(ObjectionRow.act) == Act.WITHDRAW.value, col(ObjectionRow.added_at) == moment_text(at)
        return _count(session, *now, ~objected.exists())

    def hold_still(self, session: Session) -> None:
        """Let nobody add anything before the transaction ends: on SQLite, a transaction that writes is alone."""
        _lock(session, "privacy_objection, privacy_canonical IN SHARE MODE")

    def datasets(self, session: Session) -> set[str]:
        """Return the datasets that can be objected to: those with an account."""
        return set(session.scalars(select(col(DatasetRow.dataset))))

    def size(self, session: Session) -> int:
        """Return how many rows there are in all."""
        return _count(session) + SqlCanonical().count(session)

    def counts(self, session: Session) -> dict[str, int]:
        """Return how much was said on another's behalf, and how much withdrawn."""
        behalf = _count(session, col(ObjectionRow.relation) != By.SELF.value)
        return {"on_behalf": behalf, "withdrawals": _count(session, col(ObjectionRow.act) == Act.WITHDRAW.value)}


class SqlCanonical:
    """`CanonicalRows` on the custodian's database."""

    def alone(self, session: Session) -> None:
        """Let nobody else add pairs before the transaction ends."""
        _lock(session, "privacy_canonical IN SHARE ROW EXCLUSIVE MODE")

    def pairs(self, session: Session) -> bytes:
        """Return 16 bytes of each old block and 16 of its successor's, in no order."""
        return _all_pairs(session)

    def add(self, session: Session, pairs: bytes, at: datetime) -> int:
        """Keep the pairs that are new, and say how many they were."""
        added_at = moment_text(at)
        sides = ((pairs[i : i + BLOCK_BYTES], pairs[i + BLOCK_BYTES : i + PAIR]) for i in range(0, len(pairs), PAIR))
        return _insert(session, "privacy_canonical", CANONICAL_COLUMNS, ((*side, added_at) for side in sides))

    def count(self, session: Session) -> int:
        """Return how many pairs there are."""
        return int(session.execute(select(func.count()).select_from(CanonicalRow)).scalar_one())


OBJECTION_COLUMNS = {
    "block": "bytea", "scope": "text", "day": "text", "act": "text", "relation": "text", "representative": "bytea",
    "added_at": "text",
}  # fmt: skip
CANONICAL_COLUMNS = {"old": "bytea", "new": "bytea", "added_at": "text"}


def _insert(session: Session, table: str, columns: Mapping[str, str], values: Iterator[tuple[Any, ...]]) -> int:
    """Insert the rows whose key is not there yet, many at a time, and say how many they were."""
    postgres = session.get_bind().dialect.name == "postgresql"
    names = ", ".join(columns)
    places = ", ".join(f"%s::{kind}[]" for kind in columns.values()) if postgres else ", ".join("?" for _ in columns)
    source = f"SELECT * FROM unnest({places})" if postgres else f"VALUES ({places})"  # noqa: S608 - names of ours
    statement = f"INSERT INTO {table} ({names}) {source} ON CONFLICT DO NOTHING"
    connection, counting = session.connection(), {"preserve_rowcount": True}
    added = 0
    while part := list(islice(values, PART)):
        given = tuple(list(column) for column in zip(*part, strict=True)) if postgres else part
        added += connection.exec_driver_sql(statement, given, execution_options=counting).rowcount
    return added


def _parts(session: Session, query: Any) -> Iterator[tuple[tuple[Any, ...], ...]]:
    """Yield the columns of the rows, some rows at a time."""
    found = session.connection().execute(query, execution_options={"yield_per": PART})  # tuples, no objects
    for rows in found.partitions():
        yield tuple(zip(*rows, strict=True))


def _all_pairs(session: Session) -> bytes:
    query = select(col(CanonicalRow.old), col(CanonicalRow.new))
    return b"".join(side for part in _parts(session, query) for pair in zip(*part, strict=True) for side in pair)


def _by_block(raw: bytes) -> Any:
    words = np.frombuffer(raw, ">u8").reshape(-1, 2)
    return np.lexsort((words[:, 1], words[:, 0]))


def _count(session: Session, *where: Any) -> int:
    return int(session.execute(select(func.count()).select_from(ObjectionRow).where(*where)).scalar_one())


def _lock(session: Session, what: str) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"LOCK TABLE {what}"))


@cache
def _ordinal(day: str) -> int:
    return date.fromisoformat(day).toordinal()
