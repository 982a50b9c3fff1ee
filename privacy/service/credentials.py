"""Credentials for a project's room: read-only, for that room alone, dead within a minute whatever happens to the permit.

Nobody revokes them, because nobody has to: they are made only while the permit is in force and names the person, and
they live shorter than the time within which rights have to have ended.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import NotPossible, Unavailable, _
from hvelv.privacy.domain.permission import Permission
from hvelv.privacy.domain.rooms import BUCKET
from hvelv.privacy.service.releases import PermitCheck

LONGEST = timedelta(seconds=60)


@dataclass(frozen=True)
class Pass:
    """What opens one room for a while. The secrets are in no text form of it."""

    prefix: str
    expires: datetime
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)

    def as_dict(self) -> Mapping[str, Any]:
        """Return the form in which it is handed out."""
        return {
            "bucket": BUCKET,
            "prefix": self.prefix,
            "expires": self.expires.isoformat(),
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "session_token": self.session_token,
        }


class PassMaker(Protocol):
    """The object store's own office for short-lived credentials."""

    def reading(self, project: str, generation: str) -> Pass:
        """Return credentials that read what lies in the project's room below the prefix `generation`. Raises `Unavailable`."""
        ...


class RoomCredentials:
    """Gives credentials to those whom an active permit names."""

    def __init__(
        self,
        database: Database,
        permits: PermitCheck,
        maker: PassMaker | None,
        clock: Clock,
        *,
        published: Callable[[Permission], str],
    ) -> None:
        """Take also what says where the published extracts of a permission lie: a prefix in the project's room."""
        self._database, self._permits, self._maker, self._clock = database, permits, maker, clock
        self._published = published

    def issue(self, project: str, person: str) -> Pass:
        """Return credentials for what is published in the project's room, and write in the audit trail who got them.

        Raises `Denied` without an active permit that names the person, `NotPossible` where the store makes none,
        `Unavailable` when those that it makes would live too long.
        """
        permission = self._permits.permission(project, person)
        if self._maker is None:
            raise NotPossible(
                _("Lageret her gir ingen kortlivede nøkler til prosjektrom."),
                remedy=_(
                    "Les uttrekkene gjennom laboratoriet. Den som driver plattformen, kan sette HVELV_STORE_ROLE."
                ),
                code="no-sts",
            )
        made = self._maker.reading(permission.project, self._published(permission))
        if made.expires > self._clock.now() + LONGEST:
            raise Unavailable(_("Lageret gir nøkler som lever for lenge. Ingen er utlevert."), code="store-lasting")
        with self._database.transaction() as unit:
            detail = {
                "bucket": BUCKET,
                "expires": made.expires.isoformat(),
                "permit_version": permission.permit_version,
            }
            unit.record(AuditEvent(person, "room.credentials", permission.project, detail))
        return made
