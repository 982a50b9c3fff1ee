"""Databases, transactions and the audit row that every change writes with itself.

There are two, one for each side of the trust boundary (docs/architecture.md): the *registry* (people, catalogue,
applications) that the portal keeps, and the *custodian's* (keys, permits, accounts, releases, bundles), which no other
process can open. SQLite and PostgreSQL, by URL.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool
from sqlmodel import Session, SQLModel

from hvelv.kernel.audit import AuditEvent, AuditTrail, audit_table
from hvelv.kernel.clock import Clock, SystemClock

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

registry_metadata = MetaData(naming_convention=NAMING)
custodian_metadata = MetaData(naming_convention=NAMING)
audit_table(registry_metadata)
audit_table(custodian_metadata)


class RegistryRow(SQLModel):
    """Base of the rows in the registry's database."""

    metadata: ClassVar[MetaData] = registry_metadata


class CustodianRow(SQLModel):
    """Base of the rows in the custodian's database."""

    metadata: ClassVar[MetaData] = custodian_metadata


def connect(url: str) -> Engine:
    """Return an engine for `url`.

    SQLite: WAL, `synchronous=FULL` (a commit is on disk when it is acknowledged), write locks taken at the start of a
    transaction, recursive triggers, without which INSERT OR REPLACE rewrites an append-only row, and secure deletion, so
    that the bytes of an erased key are overwritten. PostgreSQL: a commit is on disk too, whatever the server's default.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        options = f"{parsed.query.get('options', '')} -c synchronous_commit=on".strip()
        return create_engine(
            parsed, connect_args={"options": options}, pool_pre_ping=True, pool_size=5, max_overflow=20
        )
    engine = create_engine(parsed, connect_args={"timeout": 30, "check_same_thread": False}, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver starts no transactions of its own
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "busy_timeout=30000",
            "foreign_keys=ON",
            "recursive_triggers=ON",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


class Transaction:
    """One unit of work: rows and the audit rows that tell of them are kept together or not at all."""

    def __init__(self, session: Session, trail: AuditTrail) -> None:
        self.session = session
        self._trail = trail
        self._events: list[AuditEvent] = []

    def record(self, audit_event: AuditEvent) -> None:
        """Have `audit_event` written when the transaction commits, in the order of calls."""
        self._events.append(audit_event)

    def write_events(self) -> None:
        """Append the recorded events to the chain. The lock is taken last, so that no two locks are waited for."""
        self.session.flush()
        for audit_event in self._events:
            self._trail.append(self.session, audit_event)
        self._events.clear()


class Database:
    """A database with its audit chain."""

    def __init__(self, url: str, metadata: MetaData, *, clock: Clock | None = None) -> None:
        self.engine = connect(url)
        self.metadata = metadata
        self.trail = AuditTrail(metadata, clock or SystemClock())

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin a unit of work; commits at the end, rolls back on any error."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            unit = Transaction(session, self.trail)
            yield unit
            unit.write_events()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Begin a look at one consistent state; nothing is written."""
        with self.engine.connect().execution_options(read_only=True) as connection, Session(connection) as session:
            yield session  # closing it ends the look, and leaves what was read as it is

    def create_all(self) -> None:
        """Make all tables and triggers at once. For tests; an installation is migrated (hvelv.operation.migrate)."""
        self.metadata.create_all(self.engine)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def registry(url: str, *, clock: Clock | None = None) -> Database:
    """Return the registry's database at `url`."""
    return Database(url, registry_metadata, clock=clock)


def custodian(url: str, *, clock: Clock | None = None) -> Database:
    """Return the custodian's database at `url`."""
    return Database(url, custodian_metadata, clock=clock)
