"""Published extracts: immutable, known by their hash, one generation at a time.

A generation is what one run made of everything in a permit. When a new one is published, the earlier ones are withdrawn
in the same transaction: two of them beside each other would show who is in one and not in the other.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import NotPossible, _
from hvelv.privacy.domain.permission import Permission
from hvelv.privacy.domain.rooms import generation_of
from hvelv.privacy.service.extraction import Steps
from hvelv.privacy.service.optouts import Objections, OptOuts


@dataclass(frozen=True)
class Part:
    """One file of an extract: whole persons, sorted, after the persons of the part before."""

    name: str
    sha256: str
    rows: int
    persons: int


@dataclass(frozen=True)
class Extract:
    """A published extract of one table. `steps`: those after the declared ones. `objections`: whose look it was made with."""

    project: str
    dataset: str
    table: str
    permit_version: int
    generation: int
    bucket: str
    parts: tuple[Part, ...]
    sha256: str
    steps: Steps
    objections: str
    fingerprint: str
    job: str
    code_version: str
    at: datetime
    withdrawn_at: datetime | None = None

    @property
    def rows(self) -> int:
        """Return how many rows it has."""
        return sum(part.rows for part in self.parts)

    @property
    def persons(self) -> int:
        """Return how many persons are in it: no person is in two parts."""
        return sum(part.persons for part in self.parts)


class ExtractRows(Protocol):
    """Where published extracts are recorded."""

    def add(self, session: Session, extract: Extract) -> bool:
        """Keep a published extract unless there is one of the same generation. Says whether it was kept."""
        ...

    def all(self, session: Session, project: str) -> list[Extract]:
        """Return the project's extracts, the newest generation first, then by table."""
        ...

    def withdraw(self, session: Session, project: str, before: int, at: datetime) -> int:
        """Mark those of generations earlier than `before` as withdrawn. Returns how many were not so marked yet."""
        ...


class ExtractReader(Protocol):
    """Brings published extracts to where they can be read."""

    def path(self, bucket: str, part: Part) -> Path:
        """Return a local file with the part's bytes, whose hash was checked. Raises `Unavailable`."""
        ...

    def forget(self, parts: Collection[Part]) -> None:
        """Remove the local files of parts that nobody is to read any more."""
        ...


class ExtractRegistry:
    """What was published to which project."""

    def __init__(
        self, database: Database, rows: ExtractRows, reader: ExtractReader, optouts: OptOuts, clock: Clock
    ) -> None:
        self._database, self._rows, self._reader = database, rows, reader
        self._optouts, self._clock = optouts, clock

    def publish(self, extracts: Sequence[Extract], objections: Objections, actor: str) -> None:
        """Make the extracts of one generation, made with `objections`, visible, and withdraw the earlier ones, all at once.

        Publishing the same again changes nothing. Raises `NotPossible` for other bytes in place of published ones,
        `Unavailable` when there are other objections by now: they have to be made again.
        """
        with self._database.transaction() as unit:
            self._optouts.expect(unit.session, objections)
            for extract in extracts:
                if self._rows.add(unit.session, extract):
                    unit.record(AuditEvent(actor, "extract.published", extract.project, _told(extract)))
                    continue
                known = (e for e in self._rows.all(unit.session, extract.project) if e.generation == extract.generation)
                kept = next((e for e in known if e.table == extract.table), None)
                if kept is None or kept.sha256 != extract.sha256:
                    raise NotPossible(_("Et publisert uttrekk kan ikke byttes ut."), code="published")
            for project in sorted({e.project for e in extracts}):
                newest = max(e.generation for e in extracts if e.project == project)
                if gone := self._rows.withdraw(unit.session, project, newest, self._clock.now()):
                    detail = {"extracts": gone, "generation": newest}
                    unit.record(AuditEvent(actor, "extract.withdrawn", project, detail))

    def next_generation(self, project: str) -> int:
        """Return the number of the generation that comes after those published."""
        return max((e.generation for e in self.all(project)), default=0) + 1

    def published(self, project: str, permit_version: int, fingerprints: Mapping[str, str]) -> bool:
        """Say whether the extracts in use now are those of the permit version that `fingerprints` (by table) tell of."""
        now = {e.table: e.fingerprint for e in self.in_use(project) if e.permit_version == permit_version}
        return now == dict(fingerprints)

    def made_by(self, project: str, job: str) -> bool:
        """Say whether the job has published its extracts: a run may be killed after that and before it says so."""
        return any(e.job == job for e in self.all(project))

    def in_use(self, project: str) -> list[Extract]:
        """Return the project's extracts that are not withdrawn."""
        return [e for e in self.all(project) if e.withdrawn_at is None]

    def all(self, project: str) -> list[Extract]:
        """Return the project's extracts, the newest generation first."""
        with self._database.reading() as session:
            return self._rows.all(session, project)

    def current(self, permission: Permission, table: str) -> Extract:
        """Return the extract of the permit as it is now. Raises `NotFound`, or `NotPossible` until it is published."""
        found = self.found(permission, table)
        if found is None:
            raise _not_ready()
        return found

    def place(self, permission: Permission) -> str:
        """Return the prefix under which the extracts in use lie in the room. Raises `NotPossible` until they are published."""
        for extract in self._fitting(permission):
            return generation_of(extract.parts[0].name)
        raise _not_ready()

    def paths(self, extract: Extract) -> tuple[Path, ...]:
        """Return local files with the extract's parts, for the custodian's own reading."""
        return tuple(self._reader.path(extract.bucket, part) for part in extract.parts)

    def handed_out(self, permission: Permission, table: str, sha256: str) -> Path:
        """Return a local file with one part for a member's session, and write in the audit trail who got it.

        Raises `NotPossible` for a part that is not of the extract in use: parts of two extracts are never read together.
        """
        extract = self.current(permission, table)
        part = next((part for part in extract.parts if part.sha256 == sha256), None)
        if part is None:
            raise NotPossible(
                _("Uttrekket er byttet ut med et nytt."),
                remedy=_("Les tabellen på nytt fra begynnelsen."),
                code="no-part",
            )
        path = self._reader.path(extract.bucket, part)
        with self._database.transaction() as unit:
            detail = {"table": table, "sha256": extract.sha256, "part": extract.parts.index(part)}
            unit.record(AuditEvent(permission.person, "extract.read", permission.project, detail))
        return path

    def superseded(self, project: str) -> list[Part]:
        """Remove the local copies of withdrawn extracts, and return the parts whose objects nobody needs any more."""
        kept = {part.name for e in self.in_use(project) for part in e.parts}
        gone = [part for e in self.all(project) for part in e.parts if part.name not in kept]
        still = {part.sha256 for e in self.in_use(project) for part in e.parts}
        self._reader.forget([part for part in gone if part.sha256 not in still])
        return gone

    def found(self, permission: Permission, table: str) -> Extract | None:
        """Return the extract of the permit as it is now; None until it is published. Raises `NotFound`."""
        permitted = permission.table(table)
        return next((e for e in self._fitting(permission) if e.table == permitted.table), None)

    def _fitting(self, permission: Permission) -> list[Extract]:
        return [e for e in self.in_use(permission.project) if e.permit_version == permission.permit_version]


def _not_ready() -> NotPossible:
    return NotPossible(
        _("Uttrekket er ikke klart ennå."), remedy=_("Følg med på prosjektsiden."), code="not-provisioned"
    )


def _told(extract: Extract) -> dict[str, object]:
    return {
        "table": extract.table,
        "sha256": extract.sha256,
        "rows": extract.rows,
        "persons": extract.persons,
        "parts": len(extract.parts),
        "permit_version": extract.permit_version,
        "generation": extract.generation,
    }
