"""A project's side of privacy: its key and allocations, opened with the permit and closed with it."""

from collections.abc import Mapping
from typing import Any

from hvelv.kernel.database import Transaction
from hvelv.privacy.service.accounts import Accounts
from hvelv.privacy.service.extraction import steps_document
from hvelv.privacy.service.extracts import Extract, ExtractRegistry
from hvelv.privacy.service.jobs import Jobs
from hvelv.privacy.service.keys import Keys
from hvelv.privacy.service.releases import brief
from hvelv.privacy.service.rooms import Rooms
from hvelv.privacy.service.statements import Statements


class ProjectPrivacy:
    """Opens and closes what a project needs, and shows how it stands."""

    def __init__(
        self,
        keys: Keys,
        accounts: Accounts,
        extracts: ExtractRegistry,
        jobs: Jobs,
        rooms: Rooms,
        *,
        statements: Statements,
    ) -> None:
        self._keys, self._accounts, self._extracts = keys, accounts, extracts
        self._jobs, self._rooms, self._statements = jobs, rooms, statements

    def open(self, unit: Transaction, project: str, allocations: Mapping[str, int], actor: str) -> None:
        """Make the project's key and its allocations (dataset id to micro-rho), in the caller's transaction.

        What is there stays. Raises `Overdrawn` when a dataset's account has too little left.
        """
        self._keys.ensure_project(unit, project, actor)
        self._accounts.hold(unit, allocations)  # so that no two permits wait for each other
        for dataset in sorted(allocations):
            self._accounts.allocate(unit, project, dataset, allocations[dataset], actor)

    def close(self, unit: Transaction, project: str) -> None:
        """Let nothing more be spent: the permit is suspended, revoked, expired or closed."""
        self._accounts.set_open(unit, project, is_open=False)

    def reopen(self, unit: Transaction, project: str) -> None:
        """Let a resumed project spend again."""
        self._accounts.set_open(unit, project, is_open=True)

    def end(self, unit: Transaction, project: str, retention_days: int, actor: str) -> None:
        """End the project with its permit: its room is sealed, and after `retention_days` room and key are destroyed.

        With no days the key is destroyed at once: nobody can lead the pseudonyms back any more. Cannot be undone.
        """
        self.close(unit, project)
        self._rooms.end(unit, project, retention_days, actor)

    def budget(self, project: str) -> list[dict[str, Any]]:
        """Return the project's allocations, in micro-rho and as epsilon."""
        return self._statements.budget(project)

    def view(self, project: str) -> dict[str, Any]:
        """Return how the project stands: budget, releases, extracts, the newest job, and the room's end if it has come."""
        ended = self._rooms.ended(project)
        job = self._jobs.newest(project)
        return {
            "budget": self.budget(project),
            "releases": [brief(charge) for charge in self._accounts.charges(project) if charge.state == "released"],
            "extracts": [
                {
                    "dataset": extract.dataset,
                    "table": extract.table,
                    "state": _state(extract, ended=bool(ended)),
                    "generation": extract.generation,
                    "permit_version": extract.permit_version,
                    "rows": extract.rows,
                    "persons": extract.persons,
                    "hash": extract.sha256,
                    "steps": steps_document(extract.steps),
                    "at": extract.at.isoformat(),
                }
                for extract in self._extracts.all(project)
            ],
            "job": job.as_dict() if job else None,
            "ended": ended.as_dict() if ended else None,
        }

    def account(self, dataset: str) -> dict[str, Any]:
        """Return how the account of a dataset's population stands. Raises `NotFound`."""
        return self._statements.account(dataset)


def _state(extract: Extract, *, ended: bool) -> str:
    """Return where an extract stands: the room's end comes before all else."""
    if ended:
        return "sealed"
    return "withdrawn" if extract.withdrawn_at else "published"
