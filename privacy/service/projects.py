"""A project's side of privacy: its key and allocations, opened with the permit and closed with it."""

from collections.abc import Mapping
from typing import Any

from hvelv.kernel.database import Transaction
from hvelv.privacy.service.accounts import Accounts, Allocation
from hvelv.privacy.service.extracts import Extract, ExtractRegistry
from hvelv.privacy.service.jobs import Jobs
from hvelv.privacy.service.keys import Keys
from hvelv.privacy.service.releases import Noise, brief
from hvelv.privacy.service.rooms import Rooms


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
        noise: Noise,
        delta: float,
    ) -> None:
        self._keys, self._accounts, self._extracts = keys, accounts, extracts
        self._jobs, self._rooms, self._noise, self._delta = jobs, rooms, noise, delta

    def open(self, unit: Transaction, project: str, allocations: Mapping[str, int], actor: str) -> None:
        """Make the project's key and its allocations (dataset id to micro-rho), in the caller's transaction.

        What is there stays. Raises `Overdrawn` when a dataset's account has too little left.
        """
        self._keys.ensure_project(unit, project, actor)
        for dataset in sorted(allocations):  # always in the same order, so that no two permits wait for each other
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
        return [self._shown(allocation) for allocation in self._accounts.allocations(project)]

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
                    "at": extract.at.isoformat(),
                }
                for extract in self._extracts.all(project)
            ],
            "job": job.as_dict() if job else None,
            "ended": ended.as_dict() if ended else None,
        }

    def account(self, dataset: str) -> dict[str, Any]:
        """Return how a dataset's account stands. Raises `NotFound`."""
        account = self._accounts.account(dataset)
        return {
            "dataset": account.dataset,
            "title": account.title,
            "cap": account.cap,
            "allotted": account.allotted,
            "left": account.cap - account.allotted,
            "epsilon_cap": self._epsilon(account.cap),
            "delta": self._delta,
        }

    def _shown(self, allocation: Allocation) -> dict[str, Any]:
        return {
            "dataset": allocation.dataset,
            "title": allocation.title,
            "allocated": allocation.allocated,
            "spent": allocation.spent,
            "left": allocation.left,
            "is_open": allocation.is_open,
            "epsilon_allocated": self._epsilon(allocation.allocated),
            "epsilon_spent": self._epsilon(allocation.spent),
            "delta": self._delta,
        }

    def _epsilon(self, rho_micro: int) -> float:
        return self._noise.epsilon(rho_micro, self._delta)


def _state(extract: Extract, *, ended: bool) -> str:
    """Return where an extract stands: the room's end comes before all else."""
    if ended:
        return "sealed"
    return "withdrawn" if extract.withdrawn_at else "published"
