"""The end of a project's keys: wrapping key destroyed wherever it is, and a signed certificate of what was done where.

Three steps, each safe to repeat: the database says `destroying` (hvelv.privacy.service.keys), then the key custodian
destroys the wrapping key, then the certificate is kept. A crash between them is finished by the next `finish`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.canonical import digest
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import NotFound, Unavailable, _
from hvelv.kernel.signing import BadSignature, Signed, Signer, Verifier
from hvelv.privacy.service.custody import KeyCustodian, Place
from hvelv.privacy.service.keys import KeptKey, project_key

KIND = "certificate"
SUBJECT = "key-destruction"
log = logging.getLogger(__name__)


class State(StrEnum):
    """How far a destruction has come."""

    DESTROYING = "destroying"
    DESTROYED = "destroyed"


@dataclass(frozen=True)
class Destruction:
    """A group of keys whose end was decided."""

    group: str
    state: State
    actor: str
    reason: str
    begun: datetime


@dataclass(frozen=True)
class Certificate:
    """What was destroyed where, signed; `number` counts a group's certificates from 1."""

    group: str
    number: int
    signed: Signed
    hash: str


class DestructionRows(Protocol):
    """Where destructions and certificates are kept."""

    def all(self, session: Session) -> list[Destruction]:
        """Return every destruction, the oldest first."""
        ...

    def keys(self, session: Session, group: str) -> list[KeptKey]:
        """Return the rows of the group's keys, by name."""
        ...

    def certificates(self, session: Session, group: str) -> list[Certificate]:
        """Return the group's certificates, the oldest first."""
        ...

    def certify(self, session: Session, certificate: Certificate, at: datetime) -> bool:
        """Keep the certificate unless there is one with its number. Says whether it was kept."""
        ...

    def scrub(self, database: Database) -> Place:
        """Drive erased keys out of the database's own files. Raises `Unavailable` while somebody reads."""
        ...


class Destructions:
    """Finishes what `Keys.destroy_project` began."""

    def __init__(
        self, database: Database, rows: DestructionRows, custodian: KeyCustodian, signer: Signer, clock: Clock
    ) -> None:
        self._database, self._rows, self._custodian = database, rows, custodian
        self._signer, self._clock = signer, clock

    def finish(self) -> int:
        """Finish what was begun, reach copies that could not be reached, and destroy again what a backup brought back.

        Returns how many certificates were made. What cannot be done now is left for the next time.
        """
        with self._database.reading() as session:
            begun = [(one, self._rows.certificates(session, one.group)) for one in self._rows.all(session)]
        if not begun:
            return 0
        living, made = self._custodian.living(), 0
        for one, certificates in begun:
            if one.group in living or not certificates or _unreached(certificates[-1]):
                try:
                    made += self._finish(one, certificates, again=one.group in living)
                except Unavailable as refusal:
                    log.warning("a destruction of keys waits: %s", refusal.code)
        return made

    def certificates(self, project: str) -> Sequence[Certificate]:
        """Return a project's certificates, the oldest first. Raises `NotFound` where there are none."""
        with self._database.reading() as session:
            found = self._rows.certificates(session, project_key(project))
        if not found:
            raise NotFound(_("Det finnes ingen attest for dette prosjektets nøkler."), code="no-certificate")
        return found

    def _finish(self, one: Destruction, earlier: Sequence[Certificate], *, again: bool) -> bool:
        with self._database.reading() as session:
            keys = self._rows.keys(session, one.group)
        of_database = _database(earlier[-1]) if earlier else self._rows.scrub(self._database)
        places = [of_database, *self._custodian.destroy(one.group), *self._direct(keys)]
        if earlier and not again and _places(earlier[-1]) == [place.as_dict() for place in places]:
            return False
        now = self._clock.now()
        document = self._document(one, keys, places, len(earlier) + 1, now)
        signed = self._signer.sign(KIND, document)
        certificate = Certificate(one.group, len(earlier) + 1, signed, digest(signed.as_dict()))
        with self._database.transaction() as unit:
            if not self._rows.certify(unit.session, certificate, now):
                return False  # another process was first
            missed = sum(not place.reached for place in places)
            detail = {"certificate": certificate.hash, "places": len(places), "not_reached": missed}
            unit.record(AuditEvent(one.actor, "key.destroyed", one.group, detail))
        return True

    def _direct(self, keys: Sequence[KeptKey]) -> list[Place]:
        """Tell of copies in backups from when the key-encryption key wrapped project keys itself."""
        return [
            Place(
                "backups from the first version",
                f"key-encryption key {fingerprint}",
                "opened by that key-encryption key until it is replaced (`hvelv keys rotate`) and its own copies destroyed",
                reached=not self._custodian.in_use(fingerprint),
            )
            for fingerprint in sorted({kept.direct for kept in keys if kept.direct})
        ]

    def _document(
        self, one: Destruction, keys: Sequence[KeptKey], places: Sequence[Place], number: int, now: datetime
    ) -> dict[str, Any]:
        return {
            "subject": SUBJECT,
            "project": one.group.partition(":")[2],
            "number": number,
            "keys": [
                {"name": kept.name, "pseudonym_version": kept.version, "made_at": kept.made.isoformat()}
                for kept in keys
            ],
            "custodian": self._custodian.kind,
            "key_encryption_key": self._custodian.state(),
            "places": [place.as_dict() for place in places],
            "by": one.actor,
            "reason": one.reason,
            "begun_at": one.begun.isoformat(),
            "destroyed_at": now.isoformat(),
        }


def verified(certificate: Certificate, verifier: Verifier) -> dict[str, Any]:
    """Return what the certificate says. Raises `BadSignature` for a changed one, or another kind of certificate."""
    document = verifier.check(certificate.signed, KIND)
    if document.get("subject") != SUBJECT or f"project:{document['project']}" != certificate.group:
        raise BadSignature(_("Attesten gjelder noe annet enn dette prosjektets nøkler."))
    return document


def _database(certificate: Certificate) -> Place:
    return Place(**_places(certificate)[0])


def _places(certificate: Certificate) -> list[dict[str, Any]]:
    return list(certificate.signed.document["places"])


def _unreached(certificate: Certificate) -> bool:
    return any(not place["reached"] for place in _places(certificate))
