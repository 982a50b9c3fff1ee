"""Keys, destructions and certificates in SQL, and how an erased key is driven out of the database's own files."""

import json
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from hvelv.kernel.canonical import canonical
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Unavailable, _
from hvelv.kernel.signing import Signed
from hvelv.privacy.adapters.ledger import changed, insert_new
from hvelv.privacy.adapters.store import KeyRow, moment_from, moment_text
from hvelv.privacy.adapters.store_keys import KeyCertificateRow, KeyDestructionRow
from hvelv.privacy.service.custody import Place
from hvelv.privacy.service.destructions import Certificate, Destruction, State
from hvelv.privacy.service.keys import KeptKey

PATIENCE = 2000  # milliseconds that cleaning waits for readers; the next round tries again


class SqlKeys:
    """`KeyRows` on the custodian's database."""

    def add(self, session: Session, name: str, version: int, wrapped: bytes, at: datetime) -> bool:
        """Keep a wrapped key unless the name has, or had, one."""
        return insert_new(session, KeyRow, name=name, version=version, wrapped=wrapped.hex(), made_at=moment_text(at))

    def find(self, session: Session, name: str) -> KeptKey | None:
        """Return the row as it is now."""
        query = select(KeyRow).where(col(KeyRow.name) == name).execution_options(populate_existing=True)
        row = session.scalars(query).first()
        return _kept(row) if row else None

    def all(self, session: Session) -> list[KeptKey]:
        """Return every row, by name."""
        query = select(KeyRow).execution_options(populate_existing=True)
        return sorted((_kept(row) for row in session.scalars(query)), key=lambda kept: kept.name)

    def rewrap(self, session: Session, before: KeptKey, wrapped: bytes, direct: str) -> bool:
        """Put other bytes in the place of those that were seen."""
        where = col(KeyRow.name) == before.name, col(KeyRow.wrapped) == before.wrapped.hex()
        return changed(session, update(KeyRow).where(*where).values(wrapped=wrapped.hex(), direct=direct or None))

    def erase(self, session: Session, kept: KeptKey, at: datetime, direct: str) -> bool:
        """Overwrite the wrapped key."""
        where = col(KeyRow.name) == kept.name, col(KeyRow.wrapped) != ""
        values = {"wrapped": "", "destroyed_at": moment_text(at), "direct": direct or None}
        return changed(session, update(KeyRow).where(*where).values(**values))

    def begin_destruction(self, session: Session, group: str, actor: str, reason: str, at: datetime) -> bool:
        """Keep a new destruction."""
        values = {"state": State.DESTROYING.value, "actor": actor, "reason": reason, "begun_at": moment_text(at)}
        return insert_new(session, KeyDestructionRow, key_group=group, **values)

    def is_destroyed(self, session: Session, group: str) -> bool:
        """Say whether there is a destruction."""
        query = select(col(KeyDestructionRow.key_group)).where(col(KeyDestructionRow.key_group) == group)
        return session.execute(query).first() is not None


class SqlDestructions:
    """`DestructionRows` on the custodian's database."""

    def all(self, session: Session) -> list[Destruction]:
        """Return every destruction, the oldest first."""
        rows = session.scalars(select(KeyDestructionRow).execution_options(populate_existing=True))
        found = [
            Destruction(row.key_group, State(row.state), row.actor, row.reason, moment_from(row.begun_at))
            for row in rows
        ]
        return sorted(found, key=lambda one: (one.begun, one.group))

    def keys(self, session: Session, group: str) -> list[KeptKey]:
        """Return the rows of the group's keys, by name."""
        return [kept for kept in SqlKeys().all(session) if kept.name == group or kept.name.startswith(f"{group}:")]

    def certificates(self, session: Session, group: str) -> list[Certificate]:
        """Return the group's certificates, the oldest first."""
        query = select(KeyCertificateRow).where(col(KeyCertificateRow.key_group) == group)
        rows = sorted(session.scalars(query), key=lambda row: row.number)
        return [
            Certificate(row.key_group, row.number, Signed.from_dict(json.loads(row.signed)), row.hash) for row in rows
        ]

    def certify(self, session: Session, certificate: Certificate, at: datetime) -> bool:
        """Keep the certificate unless there is one with its number, and write down that the keys are destroyed."""
        new = insert_new(
            session,
            KeyCertificateRow,
            key_group=certificate.group,
            number=certificate.number,
            signed=canonical(certificate.signed.as_dict()).decode(),
            hash=certificate.hash,
            made_at=moment_text(at),
        )
        if new:
            where = col(KeyDestructionRow.key_group) == certificate.group, col(KeyDestructionRow.ended_at).is_(None)
            ended = update(KeyDestructionRow).where(*where)
            session.execute(ended.values(state=State.DESTROYED.value, ended_at=moment_text(at)))
        return new

    def scrub(self, database: Database) -> Place:
        """Drive what was erased out of the database's own files. Raises `Unavailable` while somebody reads."""
        try:
            return (
                _scrub_postgres(database) if database.engine.dialect.name == "postgresql" else _scrub_sqlite(database)
            )
        except DBAPIError:
            raise _busy() from None


def _scrub_sqlite(database: Database) -> Place:
    """Empty the write-ahead log, which has the old page; erasing has overwritten the page itself (`secure_delete`)."""
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={PATIENCE}")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy = next(iter(cursor.fetchall()))[0]
    finally:
        connection.close()
    if busy:
        raise _busy()
    return Place("database", "sqlite", "rows overwritten; write-ahead log emptied", reached=True)


def _scrub_postgres(database: Database) -> Place:
    """Write the table anew, because an erased row stays in its file; the write-ahead log keeps it until recycled."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET lock_timeout = {PATIENCE}"))
        try:
            connection.execute(text(f"VACUUM (FULL) {KeyRow.__tablename__}"))
        finally:
            connection.execute(text("RESET lock_timeout"))
    done = "rows overwritten; table written anew; the write-ahead log keeps wrapped copies until it is recycled"
    return Place("database", "postgresql", done, reached=True)


def _busy() -> Unavailable:
    return Unavailable(_("Databasen er i bruk; nøkkelen fjernes fra den om litt."), code="database-busy")


def _kept(row: KeyRow) -> KeptKey:
    return KeptKey(
        row.name,
        row.version,
        bytes.fromhex(row.wrapped),
        moment_from(row.made_at),
        moment_from(row.destroyed_at) if row.destroyed_at else None,
        row.direct or "",
    )
