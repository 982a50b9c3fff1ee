"""People and their credentials, in the registry's database. The embedded default's sign-in: argon2id and a one-time code.

A sign-in costs the same work whether the person exists or not, so that neither answer nor time tells who does
research here. A one-time code works once (RFC 6238, section 5.2): the counter of the last accepted code is moved on
by a conditional write, so that of two sign-ins with one code one is let in.
"""

import hmac
from datetime import datetime

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import BigInteger, Text, update
from sqlalchemy.engine import CursorResult
from sqlmodel import Field, Session, col, select

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.database import Database, RegistryRow
from hvelv.kernel.errors import NotFound, NotPossible, _
from hvelv.kernel.ids import HolderId, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.rows import insert_once

STEP = 30  # seconds that one code is shown
DRIFT = (-1, 0, 1)  # steps that a phone's clock may be off
LONGEST_INPUT = 256  # characters of anything typed at sign-in that is looked at
NAMED = 64  # characters of a typed name that the audit trail keeps
NOBODY_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - opens nothing; checked for unknown names


class PersonRow(RegistryRow, table=True):
    """A person."""

    __tablename__ = "kernel_person"

    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=200)
    roles: str = Field(max_length=200)
    holder: str | None = Field(default=None, max_length=64)
    department: str = Field(default="", max_length=200)
    active: bool = True


class CredentialRow(RegistryRow, table=True):
    """What a person signs in with. `last_counter` is the time step of the last code that was accepted."""

    __tablename__ = "kernel_credential"

    person: str = Field(primary_key=True, max_length=64, foreign_key="kernel_person.id")
    password_hash: str = Field(sa_type=Text)
    totp_secret: str = Field(max_length=64)
    last_counter: int = Field(default=0, sa_type=BigInteger)


def _person(row: PersonRow) -> Person:
    roles = frozenset(Role(role) for role in row.roles.split(",") if role)
    return Person(
        PersonId(row.id), row.name, roles, HolderId(row.holder) if row.holder else None, row.department, row.active
    )


class People:
    """Everyone who can sign in."""

    def __init__(self, database: Database, hasher: PasswordHasher | None = None) -> None:
        self._database = database
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash("nobody's password")

    def add(self, actor: str, person: Person, password: str, totp_secret: str = "") -> str:
        """Keep a new person and return the secret of their one-time codes. Raises `NotPossible` when the id is taken."""
        secret = totp_secret or pyotp.random_base32()
        with self._database.transaction() as transaction:
            row = PersonRow(
                id=person.id,
                name=person.name,
                roles=",".join(sorted(person.roles)),
                holder=person.holder,
                department=person.department,
                active=person.active,
            )
            if not insert_once(transaction.session, row):
                raise NotPossible(_("Det finnes allerede en bruker med dette navnet."), code="person-exists")
            hashed = self._hasher.hash(password)
            transaction.session.add(CredentialRow(person=person.id, password_hash=hashed, totp_secret=secret))
            transaction.record(AuditEvent(actor, "person.added", person.id, {"roles": sorted(person.roles)}))
        return secret

    def renew(self, actor: str, person: PersonId | str, password: str) -> str:
        """Give a person a new password and a new secret for one-time codes, which is returned. Raises `NotFound`."""
        secret = pyotp.random_base32()
        with self._database.transaction() as transaction:
            credential = transaction.session.get(CredentialRow, person)
            if credential is None:
                raise NotFound(_("Brukeren finnes ikke."))
            credential.password_hash = self._hasher.hash(password)
            credential.totp_secret = secret
            credential.last_counter = 0
            transaction.session.add(credential)
            transaction.record(AuditEvent(actor, "person.credentials-renewed", credential.person))
        return secret

    def deactivate(self, actor: str, person: PersonId | str) -> None:
        """End a person's rights. The rows stay: what they did is still theirs. Raises `NotFound`."""
        with self._database.transaction() as transaction:
            row = transaction.session.get(PersonRow, person)
            if row is None:
                raise NotFound(_("Brukeren finnes ikke."))
            if row.active:
                row.active = False
                transaction.session.add(row)
                transaction.record(AuditEvent(actor, "person.deactivated", row.id))

    def find(self, person: PersonId | str) -> Person | None:
        """Return a person, active or not; None for nobody."""
        with self._database.reading() as session:
            row = session.get(PersonRow, person)
            return _person(row) if row else None

    def get(self, person: PersonId | str) -> Person:
        """Return a person, active or not. Raises `NotFound`."""
        found = self.find(person)
        if found is None:
            raise NotFound(_("Brukeren finnes ikke."))
        return found

    def all(self) -> tuple[Person, ...]:
        """Return everyone, also those who are no longer active, by id."""
        with self._database.reading() as session:
            return tuple(_person(row) for row in session.exec(select(PersonRow).order_by(PersonRow.id)))

    def check(self, person: str, password: str, otp: str, now: datetime) -> Person | None:
        """Return the person if password and code are right, the code was not used before, and they are active.

        The password is hashed whoever is named. Success and failure are both in the audit trail, the typed name cut
        short and nothing else of what was typed.
        """
        named, typed = person[:LONGEST_INPUT], password[:LONGEST_INPUT]
        with self._database.reading() as session:
            row = session.get(PersonRow, named) if _storable(named) else None
            credential = session.get(CredentialRow, named) if row else None
        known = row is not None and credential is not None and len(password) <= LONGEST_INPUT
        right = self._password_holds(credential.password_hash if credential else self._nobody, typed)
        counter = _counter(credential.totp_secret if credential else NOBODY_SECRET, otp[:16], now)
        with self._database.transaction() as transaction:
            let_in = False
            if known and right and counter is not None and row is not None and row.active:
                let_in = _use(transaction.session, row.id, counter)
            action = "sign-in.succeeded" if let_in else "sign-in.failed"
            subject = named[:NAMED].encode("utf-8", "replace").decode()
            transaction.record(AuditEvent(subject, action, subject))
        return _person(row) if let_in and row else None

    def _password_holds(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password.encode("utf-8", "replace"))
        except (VerificationError, InvalidHashError):
            return False


def _storable(name: str) -> bool:
    """Say whether a typed name can be asked of a database at all: PostgreSQL takes no NUL, neither lone surrogates."""
    return "\0" not in name and name == name.encode("utf-8", "replace").decode()


def _counter(secret: str, otp: str, now: datetime) -> int | None:
    """Return the time step that `otp` belongs to, all steps looked at whichever it is."""
    codes = pyotp.TOTP(secret, interval=STEP)
    current = int(now.timestamp()) // STEP
    typed = otp.strip().encode("utf-8", "replace")
    fits = [current + d for d in DRIFT if hmac.compare_digest(codes.generate_otp(current + d).encode(), typed)]
    return fits[0] if fits else None


def _use(session: Session, person: str, counter: int) -> bool:
    """Take the code of one time step, once."""
    result = session.execute(
        update(CredentialRow)
        .where(col(CredentialRow.person) == person, col(CredentialRow.last_counter) < counter)
        .values(last_counter=counter)
    )
    return isinstance(result, CursorResult) and result.rowcount == 1
