"""Accounts, allocations and charges in SQL: the same statements on SQLite and PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from hvelv.privacy.adapters.store import moment_from, moment_text
from hvelv.privacy.adapters.store_accounts import (
    AllocationRow,
    ChargeLineRow,
    ChargeRow,
    DatasetRow,
    PopulationRow,
)
from hvelv.privacy.domain.charging import Account, Allocation, Charge, Line, Purchase
from hvelv.privacy.domain.statement import Entry
from hvelv.privacy.service.accounts import AlreadyChargedError

SAME = {"populate_existing": True}  # what a session saw before is read anew


def insert_new(session: Session, row: Any, **values: Any) -> bool:
    """Insert a row unless one with its key is there. Says whether it was inserted."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return changed(session, dialect.insert(row).values(**values).on_conflict_do_nothing())


def changed(session: Session, statement: Any) -> bool:
    """Run a write and say whether it changed a row."""
    kept = statement.execution_options(preserve_rowcount=True)  # else an INSERT on PostgreSQL does not say
    return cast("int", cast("Any", session.connection().execute(kept)).rowcount) > 0


class SqlLedger:
    """A `Ledger` on the custodian's database."""

    # accounts ------------------------------------------------------------------------------------------------------
    def add_account(self, session: Session, account: Account, at: datetime) -> bool:
        """Keep a new account unless the population has one."""
        names = (*ACCOUNT, "holder", "title", "persons")
        values = {name: getattr(account, name) for name in names}
        return insert_new(session, PopulationRow, **values, opened_at=moment_text(at))

    def enrol(self, session: Session, dataset: str, population: str, title: str, at: datetime) -> bool:
        """Write down which population a dataset is about, unless it is known."""
        values = {"dataset": dataset, "population": population, "title": title}
        return insert_new(session, DatasetRow, **values, opened_at=moment_text(at))

    def populations(self, session: Session, datasets: Iterable[str]) -> dict[str, str]:
        """Return the population of each dataset that has one."""
        query = select(col(DatasetRow.dataset), col(DatasetRow.population))
        found = session.execute(query.where(col(DatasetRow.dataset).in_(sorted(datasets))))
        return {dataset: population for dataset, population in found}  # noqa: C416 - rows are no pairs to mypy

    def datasets(self, session: Session, population: str) -> dict[str, str]:
        """Return the datasets of a population with their titles."""
        query = select(col(DatasetRow.dataset), col(DatasetRow.title)).order_by(col(DatasetRow.dataset))
        found = session.execute(query.where(col(DatasetRow.population) == population))
        return {dataset: title for dataset, title in found}  # noqa: C416

    def hold(self, session: Session, populations: Iterable[str]) -> list[Account]:
        """Return the accounts and let nobody else write them before the transaction ends; always in one order."""
        query = select(PopulationRow).where(col(PopulationRow.population).in_(sorted(populations)))
        ordered = query.order_by(col(PopulationRow.population)).with_for_update().execution_options(**SAME)
        return [_account(row) for row in session.scalars(ordered)]

    def account(self, session: Session, population: str) -> Account | None:
        """Return a population's account."""
        query = select(PopulationRow).where(col(PopulationRow.population) == population)
        row = session.scalars(query.execution_options(**SAME)).first()
        return _account(row) if row else None

    def accounts(self, session: Session, holder: str | None = None) -> list[Account]:
        """Return a holder's accounts, or everyone's, by population."""
        query = select(PopulationRow).order_by(col(PopulationRow.population))
        chosen = query if holder is None else query.where(col(PopulationRow.holder) == holder)
        return [_account(row) for row in session.scalars(chosen.execution_options(**SAME))]

    def grow(self, session: Session, population: str, persons: int, delta_cap: int) -> None:
        """Write down that a version holds more persons, and the delta budget that this leaves."""
        here, more = col(PopulationRow.population) == population, col(PopulationRow.persons) < persons
        values = {"persons": persons, "delta_cap": delta_cap}
        session.connection().execute(update(PopulationRow).where(here, more).values(**values))

    def allot(self, session: Session, population: str, rho_micro: int, delta_femto: int) -> bool:
        """Take from the account what it has."""
        return _moved(session, population, ("allotted", "cap"), rho_micro, delta_femto)

    def spend_of(self, session: Session, population: str, rho_micro: int, delta_femto: int) -> bool:
        """Note the loss of an answer on the population, within what is allotted."""
        return _moved(session, population, ("spent", "allotted"), rho_micro, delta_femto)

    def set_cap(self, session: Session, population: str, before: int, cap: int) -> bool:
        """Make the account larger if it still is as large as `before`. Nothing that is allotted or spent is touched."""
        here = col(PopulationRow.population) == population, col(PopulationRow.cap) == before
        fits = col(PopulationRow.cap) < cap, col(PopulationRow.allotted) <= cap
        return changed(session, update(PopulationRow).where(*here, *fits).values(cap=cap))

    # allocations ---------------------------------------------------------------------------------------------------
    def add_allocation(self, session: Session, allocation: Allocation, at: datetime) -> None:
        """Keep a new allocation of which nothing is spent."""
        values = {
            "project": allocation.project,
            "dataset": allocation.dataset,
            "allocated": allocation.allocated,
            "delta_allocated": allocation.delta_allocated,
            "spent": 0,
            "delta_spent": 0,
            "is_open": True,
        }
        session.connection().execute(insert(AllocationRow).values(**values, opened_at=moment_text(at)))

    def enlarge(self, session: Session, project: str, dataset: str, rho_micro: int, delta_femto: int) -> None:
        """Add to an allocation."""
        more = {
            "allocated": col(AllocationRow.allocated) + rho_micro,
            "delta_allocated": col(AllocationRow.delta_allocated) + delta_femto,
        }
        session.connection().execute(update(AllocationRow).where(*_of(project, dataset)).values(more))

    def allocations(
        self, session: Session, project: str | None = None, *, population: str | None = None
    ) -> list[Allocation]:
        """Return a project's or a population's allocations, by project and dataset."""
        mine = () if project is None else (col(AllocationRow.project) == project,)
        theirs = () if population is None else (col(DatasetRow.population) == population,)
        query = (
            select(AllocationRow, col(DatasetRow.title), col(DatasetRow.population))
            .join(DatasetRow, col(DatasetRow.dataset) == col(AllocationRow.dataset))
            .where(*mine, *theirs)
            .order_by(col(AllocationRow.project), col(AllocationRow.dataset))
            .execution_options(**SAME)
        )
        return [_allocation(row, title, whose) for row, title, whose in session.execute(query)]

    def set_open(self, session: Session, project: str, *, is_open: bool) -> None:
        """Open or close the project's allocations."""
        here = col(AllocationRow.project) == project
        session.connection().execute(update(AllocationRow).where(here).values(is_open=is_open))

    def spend(self, session: Session, project: str, line: Line) -> bool:
        """Spend of an open allocation what it has: the one write on which the whole budget rests."""
        enough = col(AllocationRow.spent) + line.rho_micro <= col(AllocationRow.allocated)
        delta = col(AllocationRow.delta_spent) + line.delta_femto <= col(AllocationRow.delta_allocated)
        more = {
            "spent": col(AllocationRow.spent) + line.rho_micro,
            "delta_spent": col(AllocationRow.delta_spent) + line.delta_femto,
        }
        where = (*_of(project, line.dataset), col(AllocationRow.is_open).is_(True), enough, delta)
        return changed(session, update(AllocationRow).where(*where).values(more))

    # charges -------------------------------------------------------------------------------------------------------
    def add_charge(self, session: Session, charge: Charge) -> None:
        """Keep a charge; `UNIQUE(project, idempotency_key)` decides between two at once."""
        purchase = charge.purchase
        values = {name: getattr(purchase, name) for name in PURCHASE}
        row = insert(ChargeRow).values(id=charge.id, **values, state=charge.state, at=moment_text(charge.at))
        lines = [
            {"charge": charge.id, **{name: getattr(line, name) for name in ("dataset", *LINE)}}
            for line in purchase.lines
        ]
        try:
            session.connection().execute(row)
        except IntegrityError as error:
            raise AlreadyChargedError from error
        session.connection().execute(insert(ChargeLineRow), lines)

    def charge(self, session: Session, project: str, idempotency_key: str) -> Charge | None:
        """Return the project's charge with the key."""
        where = col(ChargeRow.project) == project, col(ChargeRow.idempotency_key) == idempotency_key
        return next(iter(_charges(session, where)), None)

    def finish(self, session: Session, charge: Charge, release: str) -> bool:
        """Store the answer of a charge that has none, and the extracts that it was made from."""
        where = col(ChargeRow.id) == charge.id, col(ChargeRow.state) == "charged"
        values = {"state": "released", "release": release, "extract_hash": charge.purchase.extract_hash}
        return changed(session, update(ChargeRow).where(*where).values(**values))

    def charges(self, session: Session, project: str, *, charge_id: str | None = None) -> list[Charge]:
        """Return the project's charges, newest first."""
        one = () if charge_id is None else (col(ChargeRow.id) == charge_id,)
        return _charges(session, (col(ChargeRow.project) == project, *one))

    def answered(self, session: Session, project: str, query_hash: str, extract_hash: str) -> list[Charge]:
        """Return the project's answers to the same query on the same extracts, newest first."""
        where = (
            col(ChargeRow.project) == project,
            col(ChargeRow.query_hash) == query_hash,
            col(ChargeRow.extract_hash) == extract_hash,
            col(ChargeRow.state) == "released",
        )
        return _charges(session, where)

    def entries(self, session: Session, *, project: str | None = None, population: str | None = None) -> list[Entry]:
        """Return what was charged to a project or a population, line by line, newest first; without the answers."""
        mine = () if project is None else (col(ChargeRow.project) == project,)
        theirs = () if population is None else (col(DatasetRow.population) == population,)
        query = (
            select(
                *(getattr(ChargeRow, name) for name in ("id", "project", "person", "summary", "state", "at")),
                *(getattr(ChargeLineRow, name) for name in ("dataset", *LINE)),
                col(DatasetRow.population),
            )
            .join(ChargeLineRow, col(ChargeLineRow.charge) == col(ChargeRow.id))
            .join(DatasetRow, col(DatasetRow.dataset) == col(ChargeLineRow.dataset))
            .where(*mine, *theirs)
            .order_by(col(ChargeRow.at).desc(), col(ChargeRow.id), col(ChargeLineRow.dataset))
        )
        found = session.execute(query).mappings()
        return [Entry(**{**row, "at": moment_from(row["at"])}) for row in found]


ACCOUNT = ("population", "cap", "allotted", "spent", "delta_cap", "delta_allotted", "delta_spent")
PURCHASE = ("project", "person", "idempotency_key", "query_hash", "extract_hash", "summary")
LINE = ("rho_micro", "delta_femto", "pure_micro")


def _moved(session: Session, population: str, names: tuple[str, str], rho_micro: int, delta_femto: int) -> bool:
    """Add to the first of an account's two amounts, and to its delta, where both stay within the second: one write."""
    what, within = names
    rho, delta = getattr(PopulationRow, what), getattr(PopulationRow, f"delta_{what}")
    fits = (
        rho + rho_micro <= getattr(PopulationRow, within),
        delta + delta_femto <= getattr(PopulationRow, f"delta_{within}"),
    )
    more = {what: rho + rho_micro, f"delta_{what}": delta + delta_femto}
    here = col(PopulationRow.population) == population
    return changed(session, update(PopulationRow).where(here, *fits).values(more))


def _of(project: str, dataset: str) -> tuple[Any, Any]:
    return col(AllocationRow.project) == project, col(AllocationRow.dataset) == dataset


def _account(row: PopulationRow) -> Account:
    return Account(**{name: getattr(row, name) for name in (*ACCOUNT, "holder", "title", "persons")})


def _allocation(row: AllocationRow, title: str, population: str) -> Allocation:
    names = ("project", "dataset", "allocated", "spent", "is_open", "delta_allocated", "delta_spent")
    return Allocation(**{name: getattr(row, name) for name in names}, title=title, population=population)


def _charges(session: Session, where: Sequence[Any]) -> list[Charge]:
    newest = col(ChargeRow.at).desc(), col(ChargeRow.id)
    query = select(ChargeRow).where(*where).order_by(*newest).execution_options(**SAME)
    rows = list(session.scalars(query))
    lines: dict[str, list[Line]] = {row.id: [] for row in rows}
    of_them = select(ChargeLineRow).join(ChargeRow, col(ChargeRow.id) == col(ChargeLineRow.charge)).where(*where)
    for line in session.scalars(of_them):
        if line.charge in lines:  # else it was charged since the charges were read
            lines[line.charge].append(Line(line.dataset, line.rho_micro, line.delta_femto, line.pure_micro))
    return [_charge(row, tuple(lines[row.id])) for row in rows]


def _charge(row: ChargeRow, lines: tuple[Line, ...]) -> Charge:
    purchase = Purchase(**{name: getattr(row, name) for name in PURCHASE}, lines=lines)
    return Charge(row.id, purchase, cast("Literal['charged', 'released']", row.state), moment_from(row.at), row.release)
