"""A project as its members' notebooks see it: the permit in short, the tables with their public description, the budget."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hvelv.catalog.service.vault import VersionIndex
from hvelv.kernel.clock import Clock
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.domain.transforms import Transform, combined, note, note_params
from hvelv.privacy.service.desk import Desk
from hvelv.privacy.service.extracts import Extract
from hvelv.requests.domain.permit import Permit, PermittedDataset
from hvelv.requests.service.office import Office

SHOWN = ("name", "title", "type", "role", "unit", "low", "high", "step")


@dataclass(frozen=True)
class LabProject:
    """Puts the view together from what the custodian knows."""

    office: Office
    privacy: Desk
    versions: VersionIndex
    clock: Clock

    def view(self, person: str, project: str) -> dict[str, Any]:
        """Return the project's view for a member. Raises `Denied` for everyone else."""
        now = self.clock.now()
        self.office.grant(person, project, now)
        permit = self.office.active_permit(project, now)
        extracts = {e.table: e for e in self.privacy.extracts.in_use(project) if e.permit_version == permit.version}
        return {
            "id": permit.project,
            "title": permit.title,
            "purpose": permit.purpose,
            "person": person,
            "permit": _short(permit),
            "datasets": [self._table(entry, extracts.get(entry.table)) for entry in permit.datasets],
            "budget": self._budget(permit),
        }

    def _table(self, entry: PermittedDataset, extract: Extract | None) -> dict[str, Any]:
        declaration = self.versions.find(entry.dataset, entry.version).declaration.as_dict()
        extra = extract.steps if extract else dict(entry.transforms)
        return {
            "name": entry.table,
            "title": declaration["title"],
            "rows": extract.rows if extract else None,
            "persons": extract.persons if extract else None,
            "hash": extract.sha256 if extract else None,
            "variables": _variables(Schema.from_declaration(declaration), entry.columns, extra),
        }

    def _budget(self, permit: Permit) -> list[dict[str, Any]]:
        tables = {entry.dataset: entry.table for entry in permit.datasets}
        return [
            line | {"table": tables.get(line["dataset"], "")} for line in self.privacy.projects.budget(permit.project)
        ]


def _variables(
    schema: Schema, columns: Collection[str], extra: Mapping[str, Sequence[Transform]]
) -> list[dict[str, Any]]:
    """Return the extract's variables as they leave, each with what was done with it, in the notebook's own language."""
    declared = {column.name: column.transforms for column in schema.columns}
    return [
        _variable(column) | {"notes": _notes(combined(declared[column.name], extra.get(column.name, ())))}
        for column in schema.extracted(columns, extra).columns
    ]


def _variable(column: Column) -> dict[str, Any]:
    shown = {name: getattr(column, name) for name in SHOWN} | {"in_queries": not column.depends_on_others}
    if column.categories is None:
        return shown | {"categories": None}
    labels = dict(zip(column.categories, column.labels, strict=False))
    return shown | {"categories": [{"code": code, "label": dict(labels.get(code, {}))} for code in column.categories]}


def _notes(steps: Sequence[Transform]) -> list[str]:
    return [note(step).format(**note_params(step)) for step in steps]


def _short(permit: Permit) -> dict[str, Any]:
    return {
        "id": permit.id,
        "version": permit.version,
        "valid_until": permit.valid_until.isoformat(),
        "conditions": list(permit.conditions),
        "members": list(permit.members),
    }
