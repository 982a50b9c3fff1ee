"""How accounts and budgets stand, for people: in micro-rho, as epsilon, and as what the rest would buy."""

from collections.abc import Sequence
from typing import Any

from hvelv.kernel.errors import NotFound
from hvelv.privacy.domain.charging import FEMTO, PLATFORM, Account, Allocation
from hvelv.privacy.domain.statement import Curve, Entry, Total, count_error95, once
from hvelv.privacy.service.accounts import NO_ACCOUNT, Accounts

MOST_SHOWN = 200  # charges on one page, the newest; sums are over all


class Statements:
    """Reads the books. `curve`: epsilon of micro-rho at a delta; `delta`: the one that epsilon is shown at."""

    def __init__(self, accounts: Accounts, curve: Curve, *, delta: float) -> None:
        self._accounts, self._curve, self._delta = accounts, curve, delta

    def budget(self, project: str) -> list[dict[str, Any]]:
        """Return the project's allocations, each with what was spent, is reserved and is left."""
        entries = self._accounts.entries(project=project)
        return [self._allocation(held, entries) for held in self._accounts.allocations(project)]

    def account(self, dataset: str) -> dict[str, Any]:
        """Return how the account stands that a dataset's answers are paid from, in brief. Raises `NotFound`."""
        account = self._accounts.account(dataset)
        return {
            "dataset": dataset,
            "population": account.population,
            "title": account.title,
            "cap": account.cap,
            "allotted": account.allotted,
            "left": account.left,
            "epsilon_cap": self._curve(account.cap, self._delta),
            "delta": self._delta,
        }

    def of_holder(self, holder: str) -> list[dict[str, Any]]:
        """Return a holder's accounts in brief, by population."""
        return [self._brief(account) for account in self._accounts.of_holder(holder)]

    def of_population(self, population: str, *, holder: str | None = None) -> dict[str, Any]:
        """Return an account with all that was charged to it, whoever's project it was.

        With `holder`, raises `NotFound` for another holder's, as if there were none.
        """
        account = self._accounts.of_population(population)
        if holder is not None and account.holder != holder:
            raise NotFound(NO_ACCOUNT, code="no-account")
        titles = self._accounts.datasets(population)
        entries = self._accounts.entries(population=population)
        held = self._accounts.allocations(population=population)
        return self._brief(account, entries, held) | {
            "datasets": [{"id": dataset, "title": title} for dataset, title in titles.items()],
            "projects": [self._project(name, held, entries) for name in sorted({one.project for one in held})],
            "people": [
                self._sums([e for e in entries if e.person == name]) | {"person": name}
                for name in sorted({entry.person for entry in entries})
            ],
            "charges": [_shown(entry, datasets) for entry, datasets in once(entries)[:MOST_SHOWN]],
        }

    def _brief(
        self, account: Account, entries: Sequence[Entry] | None = None, held: Sequence[Allocation] | None = None
    ) -> dict[str, Any]:
        population = account.population
        entries = self._accounts.entries(population=population) if entries is None else entries
        held = self._accounts.allocations(population=population) if held is None else held
        own = sum(one.allocated for one in held if one.project == PLATFORM)
        return {
            "population": population,
            "holder": account.holder,
            "title": account.title,
            "cap": account.cap,
            "own": own,
            "allotted": account.allotted,
            "left": account.left,
            "epsilon_cap": self._curve(account.cap, self._delta),
            "delta_cap": account.delta_cap / FEMTO,
            "left_error95": count_error95(account.left),
            **self._sums(entries),
            "spent": account.spent,  # the book that charges are held against; the sum over entries is the same
        }

    def _project(self, name: str, held: Sequence[Allocation], entries: Sequence[Entry]) -> dict[str, Any]:
        mine = [entry for entry in entries if entry.project == name]
        shares = [self._allocation(one, mine) for one in held if one.project == name]
        return self._sums(mine) | {"project": name, "is_own": name == PLATFORM, "budget": shares}

    def _allocation(self, held: Allocation, entries: Sequence[Entry]) -> dict[str, Any]:
        paid = [entry for entry in entries if (entry.project, entry.dataset) == (held.project, held.dataset)]
        return {
            "dataset": held.dataset,
            "population": held.population,
            "title": held.title,
            "allocated": held.allocated,
            "left": held.left,
            "is_open": held.is_open,
            "epsilon_allocated": self._curve(held.allocated, self._delta),
            "delta_left": held.delta_left / FEMTO,
            "left_error95": count_error95(held.left),
            **self._sums(paid),
            "spent": held.spent,
        }

    def _sums(self, entries: Sequence[Entry]) -> dict[str, Any]:
        total = Total.of(entries)
        return {
            "answers": total.answers,
            "spent": total.spent,
            "reserved": total.reserved,
            "epsilon_spent": total.epsilon(self._curve, self._delta),
            "delta": self._delta,
            "delta_spent": total.delta_femto / FEMTO,
        }


def _shown(entry: Entry, datasets: Sequence[str]) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "project": entry.project,
        "person": entry.person,
        "summary": entry.summary,
        "datasets": list(datasets),
        "rho_micro": entry.rho_micro,
        "delta": entry.delta_femto / FEMTO,
        "state": entry.state,
    }
