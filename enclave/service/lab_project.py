"""A project as its members' notebooks see it: the permit in short, the tables with their public description, the budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hvelv.catalog.service.vault import VersionIndex
from hvelv.kernel.clock import Clock
from hvelv.privacy.service.desk import Desk
from hvelv.privacy.service.extraction import Extract
from hvelv.requests.domain.permit import Permit, PermittedDataset
from hvelv.requests.service.office import Office

SHOWN = ("name", "title", "type", "role", "unit", "low", "high", "step", "categories")


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
        extracts = {e.table: e for e in self.privacy.extracts.all(project) if e.permit_version == permit.version}
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
        return {
            "name": entry.table,
            "title": declaration["title"],
            "rows": extract.rows if extract else None,
            "persons": extract.persons if extract else None,
            "hash": extract.sha256 if extract else None,
            "variables": [_variable(v) for v in declaration["variables"] if v["name"] in entry.columns],
        }

    def _budget(self, permit: Permit) -> list[dict[str, Any]]:
        tables = {entry.dataset: entry.table for entry in permit.datasets}
        return [
            line | {"table": tables.get(line["dataset"], "")} for line in self.privacy.projects.budget(permit.project)
        ]


def _variable(variable: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variable.get(name) for name in SHOWN}


def _short(permit: Permit) -> dict[str, Any]:
    return {
        "id": permit.id,
        "version": permit.version,
        "valid_until": permit.valid_until.isoformat(),
        "conditions": list(permit.conditions),
        "members": list(permit.members),
    }
