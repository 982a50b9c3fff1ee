"""The audit trail: an append-only hash chain, written in the transaction of the change it tells of.

Each row holds the hash of the one before it and `UNIQUE(prev)`, and appending happens under a lock, so that the chain
cannot fork. Triggers refuse UPDATE and DELETE. Signed checkpoints (`audit_checkpoint`) anchor the chain outside the
database in a later piece of work; the chain alone does not show a truncated tail.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    func,
    insert,
    select,
    text,
)
from sqlmodel import Session

from hvelv.kernel.canonical import canonical, digest
from hvelv.kernel.clock import Clock

GENESIS = "0" * 64
LONGEST_TEXT = 500  # characters of any one text in a row; longer ones are cut, so that a row stays a row
LOCK = 0x48_56_45_4C  # PostgreSQL advisory lock: one writer of the chain at a time
SIZE = BigInteger().with_variant(Integer, "sqlite")

REFUSE_SQLITE = """
CREATE TRIGGER audit_event_no_{verb} BEFORE {verb} ON audit_event
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
"""
REFUSE_POSTGRES = (
    """
CREATE OR REPLACE FUNCTION audit_event_refuse() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$ LANGUAGE plpgsql
""",
    """
CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
FOR EACH STATEMENT EXECUTE FUNCTION audit_event_refuse()
""",
)


def trigger_statements(dialect: str) -> tuple[str, ...]:
    """Return the statements that make `audit_event` append-only on `dialect`. Migrations run the same ones."""
    if dialect == "sqlite":
        return tuple(REFUSE_SQLITE.format(verb=verb) for verb in ("UPDATE", "DELETE"))
    return REFUSE_POSTGRES


def audit_table(metadata: MetaData) -> Table:
    """Define the audit tables in `metadata` and return the one of events."""
    table = Table(
        "audit_event",
        metadata,
        Column("seq", SIZE, primary_key=True, autoincrement=False),
        Column("prev", String(64), nullable=False),
        Column("body", Text, nullable=False),
        Column("hash", String(64), nullable=False),
        UniqueConstraint("prev"),
        UniqueConstraint("hash"),
    )
    Table(
        "audit_checkpoint",
        metadata,
        Column("seq", SIZE, primary_key=True, autoincrement=False),
        Column("hash", String(64), nullable=False),
        Column("signed", Text, nullable=False),
    )
    for dialect in ("sqlite", "postgresql"):
        for statement in trigger_statements(dialect):
            escaped = statement.replace("%", "%%")
            event.listen(table, "after_create", DDL(escaped).execute_if(dialect=dialect))  # type: ignore[no-untyped-call]
    return table


@dataclass(frozen=True)
class AuditEvent:
    """What happened, to what, on whose decision. Never a data value or an identifier of someone in the data."""

    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditRow:
    """A written event with its place in the chain."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    hash: str


def _bounded(value: Any) -> Any:
    """Cut long texts and make every value one that JSON holds."""
    if isinstance(value, str):
        clean = value.encode("utf-8", "replace").decode()
        return clean if len(clean) <= LONGEST_TEXT else clean[:LONGEST_TEXT] + "…"
    if isinstance(value, Mapping):
        return {str(k)[:LONGEST_TEXT]: _bounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_bounded(v) for v in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _bounded(str(value))


def _link(seq: int, prev: str, body: str) -> str:
    return digest([seq, prev, body])


class AuditTrail:
    """The chain in one database."""

    def __init__(self, metadata: MetaData, clock: Clock) -> None:
        self.table = metadata.tables["audit_event"]
        self._clock = clock

    def append(self, session: Session, audit_event: AuditEvent) -> int:
        """Add the event as the next link and return its number. Belongs to the caller's transaction."""
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        columns = self.table.c
        last = connection.execute(select(columns.seq, columns.hash).order_by(columns.seq.desc()).limit(1)).first()
        seq, prev = (last.seq + 1, last.hash) if last else (1, GENESIS)
        body = canonical(
            {
                "at": self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds"),
                "actor": _bounded(audit_event.actor),
                "action": _bounded(audit_event.action),
                "subject": _bounded(audit_event.subject),
                "detail": _bounded(audit_event.detail),
            }
        ).decode()
        connection.execute(insert(self.table).values(seq=seq, prev=prev, body=body, hash=_link(seq, prev, body)))
        return int(seq)

    def rows(self, session: Session, *, newest: int | None = None) -> Iterator[AuditRow]:
        """Yield the events, oldest first; with `newest`, only so many of the latest, newest first."""
        query = select(self.table).order_by(self.table.c.seq)
        if newest is not None:
            query = select(self.table).order_by(self.table.c.seq.desc()).limit(newest)
        for row in session.connection().execute(query):
            body = json.loads(row.body)
            at = datetime.fromisoformat(body["at"])
            yield AuditRow(row.seq, at, body["actor"], body["action"], body["subject"], body["detail"], row.hash)

    def faults(self, session: Session) -> list[str]:
        """Return what is wrong with the chain, one sentence for each place; empty when it holds."""
        found: list[str] = []
        expected, prev = 1, GENESIS
        for row in session.connection().execute(select(self.table).order_by(self.table.c.seq)):
            if row.seq != expected:
                found.append(f"rows are missing before number {row.seq}")
                expected = row.seq
            if row.prev != prev or row.hash != _link(row.seq, row.prev, row.body):
                found.append(f"row number {row.seq} was changed, or stands where it did not")
            prev = row.hash
            expected += 1
        return found

    def length(self, session: Session) -> int:
        """Return how many events there are."""
        return int(session.connection().execute(select(func.count()).select_from(self.table)).scalar_one())
