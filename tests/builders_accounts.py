"""The custodian's books in small: accounts, statements and top-ups on a database, without anything that releases."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import text

from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import Database, custodian
from hvelv.kernel.ids import RandomIds
from hvelv.privacy.adapters.ledger import SqlLedger
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.adapters.topup_rows import SqlTopUps
from hvelv.privacy.domain.charging import Line, Purchase
from hvelv.privacy.service.accounts import Accounts
from hvelv.privacy.service.reviews import Steward
from hvelv.privacy.service.statements import Statements
from hvelv.privacy.service.topups import Rules, TopUps

HOLDER, DELTA = "lab", 1e-6
STINE, SIGRID, TOR = Steward("stine", HOLDER), Steward("sigrid", HOLDER), Steward("tor", "pop")
BLOOD, URINE, BIRTHS = "ds-blood", "ds-urine", "ds-births"
DONORS = "blodgivere"  # blood and urine are of the same people; births are a population of their own
CAP = 1_000_000


def a_purchase(datasets: Sequence[str] = (BLOOD,), rho_micro: Any = 1_000, **changes: Any) -> Purchase:
    """Return a valid purchase; `delta_femto` and `pure_micro` are the lines'."""
    price = {name: changes.pop(name) for name in ("delta_femto", "pure_micro") if name in changes}
    fields = {
        "project": "p-one",
        "person": "kari",
        "idempotency_key": "key-00000001",
        "query_hash": "q1",
        "extract_hash": "e1",
        "summary": "labs: count",
        "lines": tuple(Line(dataset, rho_micro, **price) for dataset in datasets),
    }
    return Purchase(**fields | changes)


@dataclass
class Books:
    """Accounts and what is said of them."""

    database: Database
    accounts: Accounts
    statements: Statements
    topups: TopUps
    clock: SetClock

    def open(
        self, dataset: str, population: str | None = None, *, cap: int = CAP, holder: str = HOLDER, **more: Any
    ) -> None:
        """Publish a version, as far as the books see of it."""
        with self.database.transaction() as unit:
            self.accounts.open_account(
                unit, dataset, dataset.title(), cap, "stine", population=population, holder=holder, **more
            )

    def give(self, project: str, allocations: dict[str, int]) -> None:
        """Give a project what its permit says."""
        with self.database.transaction() as unit:
            self.accounts.hold(unit, allocations)
            for dataset in sorted(allocations):
                self.accounts.allocate(unit, project, dataset, allocations[dataset], "office")

    def events(self) -> list[tuple[str, str, str]]:
        """Return the audit trail: who, what, and to what."""
        with self.database.reading() as session:
            return [(row.actor, row.action, row.subject) for row in self.database.trail.rows(session)]

    def number(self, query: str) -> Any:
        """Return what a query counts."""
        with self.database.reading() as session:
            return session.connection().execute(text(query)).scalar_one()


def books(url: str, *, create: bool = True, authority: str = "", members: Sequence[tuple[str, str]] = ()) -> Books:
    """Return the books on a database. `members`: pairs of project and person."""
    clock, ids = SetClock(), RandomIds()
    database = custodian(url, clock=clock)
    if create:
        database.create_all()
    accounts = Accounts(database, SqlLedger(), clock, ids)
    rules = Rules(authority, lambda project, person: (project, person) in members)
    return Books(
        database,
        accounts,
        Statements(accounts, OpenDPNoise().epsilon, delta=DELTA),
        TopUps(database, SqlTopUps(), accounts, rules=rules, clock=clock, ids=ids),
        clock,
    )


def opened_books(url: str, **more: Any) -> Books:
    """Return books with a population of two datasets and one of a single dataset."""
    made = books(url, **more)
    made.open(BLOOD, DONORS)
    made.open(URINE, DONORS)
    made.open(BIRTHS, cap=CAP // 2, holder="pop")
    return made


class AskedAccounts:
    """An `AccountDoor` onto such books, which are made when they are first asked, with something charged."""

    def __init__(self, folder: Path, *, dataset: str = BLOOD, project: str = "p-one", holder: str = HOLDER) -> None:
        self.folder, self.dataset, self.project, self.holder = folder, dataset, project, holder

    @cached_property
    def books(self) -> Books:
        """Return the books."""
        self.folder.mkdir(parents=True, exist_ok=True)
        made = books(f"sqlite:///{self.folder / 'books.sqlite'}", authority="hds")
        made.open(self.dataset, holder=self.holder)
        made.give(self.project, {self.dataset: 500_000})
        for number, price in enumerate((180_000, 20_000)):
            bought = a_purchase(
                (self.dataset,), price, project=self.project, person="ola", idempotency_key=f"key-{number}"
            )
            charge = made.accounts.charge(bought)
            if number == 0:
                made.accounts.finish(charge, "{}")
        return made

    def all(self, steward: Steward) -> dict[str, Any]:
        """Return the holder's accounts in brief, and the proposals that wait."""
        return {
            "accounts": self.books.statements.of_holder(steward.holder),
            "waiting": self.books.topups.waiting(steward),
        }

    def one(self, steward: Steward, population: str) -> dict[str, Any]:
        """Return an account."""
        found = self.books.statements.of_population(population, holder=steward.holder)
        return found | {"topups": self.books.topups.of_population(population)}

    def propose(
        self, steward: Steward, population: str, cap: int, reason: str, period: tuple[str, str] | None
    ) -> dict[str, Any]:
        """Propose a larger account."""
        return self.books.topups.propose(steward, population, cap=cap, reason=reason, period=period)

    def decide(self, steward: Steward, topup: str, answer: str) -> dict[str, Any]:
        """Confirm, refuse or withdraw a proposal."""
        done: dict[str, Any] = getattr(self.books.topups, answer)(steward, topup)
        return done


class NoAccounts:
    """An `AccountDoor` behind which nothing is."""

    def all(self, steward: Steward) -> dict[str, Any]:
        """Return no accounts."""
        return {"accounts": [], "waiting": []}
