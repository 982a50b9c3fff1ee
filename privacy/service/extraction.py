"""Extracts: what a project gets of a table. Made by a pure pipeline, published in one piece, known by their hash."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.database import Database
from hvelv.kernel.errors import NotPossible, _
from hvelv.privacy.domain.permission import Permission, PermittedTable
from hvelv.privacy.domain.query import Filter
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.service.keys import Keys, project_key
from hvelv.privacy.service.optouts import Objections, OptOuts


@dataclass(frozen=True)
class ExtractOrder:
    """All that one table's extract is made from. The keys are in no text form of it."""

    source: Path
    target: Path
    schema: Schema
    columns: tuple[str, ...]
    where: tuple[Filter, ...]
    project_key: bytes = field(repr=False)
    objection_key: bytes = field(default=b"", repr=False)
    objections: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Extracted:
    """What the pipeline wrote."""

    rows: int
    persons: int
    sha256: str


@dataclass(frozen=True)
class Extract:
    """A published extract of one table, made from one permit version."""

    project: str
    dataset: str
    table: str
    permit_version: int
    bucket: str
    name: str
    sha256: str
    rows: int
    persons: int
    code_version: str
    at: datetime


class Extractor(Protocol):
    """The pipeline."""

    def extract(self, order: ExtractOrder) -> Extracted:
        """Write the extract to `order.target`. The same order gives the same bytes."""
        ...


class ExtractRows(Protocol):
    """Where published extracts are recorded."""

    def add(self, session: Session, extract: Extract) -> bool:
        """Keep a published extract unless there is one for the same permit version. Says whether it was kept."""
        ...

    def all(self, session: Session, project: str) -> list[Extract]:
        """Return the project's extracts, the newest permit version first."""
        ...


class ExtractReader(Protocol):
    """Brings published extracts to where they can be read."""

    def path(self, extract: Extract) -> Path:
        """Return a local file with the extract's bytes, whose hash was checked. Raises `Unavailable`."""
        ...


class Extraction:
    """Makes extracts: brings key and objections together with the order, so that no caller looks into either."""

    def __init__(self, keys: Keys, extractor: Extractor) -> None:
        self._keys, self._extractor = keys, extractor

    def extract(
        self, project: str, table: PermittedTable, schema: Schema, source: Path, target: Path, *, objections: Objections
    ) -> Extracted:
        """Write what `table` permits of the Parquet file `source`, whose whole schema is `schema`, to `target`.

        `objections`: one look at the register for all of a job's tables, so that a person is in all or in none.
        """
        return self._extractor.extract(
            ExtractOrder(
                source=source,
                target=target,
                schema=schema,
                columns=table.columns,
                where=table.where,
                project_key=self._keys.opened(project_key(project)),
                objection_key=objections.key,
                objections=objections.against(table.dataset),
            )
        )


class ExtractRegistry:
    """What was published to which project."""

    def __init__(self, database: Database, rows: ExtractRows, reader: ExtractReader, optouts: OptOuts) -> None:
        self._database, self._rows, self._reader, self._optouts = database, rows, reader, optouts

    def publish(self, extracts: Sequence[Extract], objections: Objections, actor: str) -> None:
        """Make the extracts of one permit version, made with `objections`, visible, all at once.

        Publishing the same again changes nothing. Raises `NotPossible` for other bytes in place of published ones,
        `Unavailable` when there are other objections by now: they have to be made again.
        """
        with self._database.transaction() as unit:
            self._optouts.expect(unit.session, objections)
            for extract in extracts:
                if self._rows.add(unit.session, extract):
                    detail = {"table": extract.table, "sha256": extract.sha256, "rows": extract.rows}
                    detail |= {"persons": extract.persons, "permit_version": extract.permit_version}
                    unit.record(AuditEvent(actor, "extract.published", extract.project, detail))
                    continue
                kept = self._find(self._rows.all(unit.session, extract.project), extract.table, extract.permit_version)
                if kept is None or kept.sha256 != extract.sha256:
                    raise NotPossible(_("Et publisert uttrekk kan ikke byttes ut."), code="published")

    def complete(self, project: str, permit_version: int, tables: Collection[str]) -> bool:
        """Say whether every one of `tables` is published for the permit version."""
        return {e.table for e in self.all(project) if e.permit_version == permit_version} >= set(tables)

    def all(self, project: str) -> list[Extract]:
        """Return the project's extracts, the newest permit version first."""
        with self._database.reading() as session:
            return self._rows.all(session, project)

    def current(self, permission: Permission, table: str) -> Extract:
        """Return the extract of the permit as it is now. Raises `NotFound`, or `NotPossible` until it is published."""
        permitted = permission.table(table)
        found = self._find(self.all(permission.project), permitted.table, permission.permit_version)
        if found is None:
            raise NotPossible(
                _("Uttrekket er ikke klart ennå."), remedy=_("Følg med på prosjektsiden."), code="not-provisioned"
            )
        return found

    def path(self, extract: Extract) -> Path:
        """Return a local file with the extract, for the custodian's own reading."""
        return self._reader.path(extract)

    def handed_out(self, permission: Permission, table: str) -> tuple[Extract, Path]:
        """Return the extract for a member's session, and write in the audit trail who got it."""
        extract = self.current(permission, table)
        path = self._reader.path(extract)
        with self._database.transaction() as unit:
            detail = {"table": table, "sha256": extract.sha256}
            unit.record(AuditEvent(permission.person, "extract.read", permission.project, detail))
        return extract, path

    @staticmethod
    def _find(extracts: Sequence[Extract], table: str, version: int) -> Extract | None:
        return next((e for e in extracts if e.table == table and e.permit_version == version), None)
