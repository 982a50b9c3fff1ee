"""The public register: which approved projects use health data, and for what. Names nobody."""

from dataclasses import dataclass
from datetime import date

from hvelv.kernel.database import Database
from hvelv.requests.domain.permit import PermitState
from hvelv.requests.service.projects import ProjectRows


@dataclass(frozen=True)
class Registered:
    """One project as anyone may read of it."""

    id: str
    title: str
    summary: str
    purpose: str
    valid_from: date
    valid_until: date
    state: PermitState
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Register:
    """Reads the register off the index of projects."""

    database: Database
    rows: ProjectRows

    def all(self) -> tuple[Registered, ...]:
        """Return every project that has had a permit, newest first."""
        with self.database.reading() as session:
            projects = self.rows.all(session)
        newest = sorted(projects, key=lambda p: p.opened_at, reverse=True)
        return tuple(
            Registered(
                p.id,
                p.title,
                p.permit.summary,
                p.permit.purpose,
                p.permit.valid_from,
                p.permit.valid_until,
                p.state,
                tuple(d.table for d in p.permit.datasets),
            )
            for p in newest
        )
