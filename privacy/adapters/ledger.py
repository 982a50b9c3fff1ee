"""Accounts, allocations and charges in SQL: the same statements on SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from hvelv.privacy.adapters.store import AccountRow, AllocationRow, ChargeRow, moment_from, moment_text
from hvelv.privacy.service.accounts import Account, Allocation, AlreadyChargedError, Charge, Purchase


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

    def add_account(self, session: Session, account: Account, at: datetime) -> bool:
        """Keep a new account unless the dataset has one."""
        values = {"dataset": account.dataset, "title": account.title, "cap": account.cap, "allotted": account.allotted}
        return insert_new(session, AccountRow, **values, opened_at=moment_text(at))

    def account(self, session: Session, dataset: str) -> Account | None:
        """Return the dataset's account."""
        row = session.scalars(select(AccountRow).where(col(AccountRow.dataset) == dataset)).first()
        return Account(row.dataset, row.title, row.cap, row.allotted) if row else None

    def allot(self, session: Session, dataset: str, rho_micro: int) -> bool:
        """Take from the account what it has."""
        enough = col(AccountRow.allotted) + rho_micro <= col(AccountRow.cap)
        here = col(AccountRow.dataset) == dataset
        more = {"allotted": col(AccountRow.allotted) + rho_micro}
        return changed(session, update(AccountRow).where(here, enough).values(more))

    def add_allocation(self, session: Session, project: str, dataset: str, rho_micro: int, at: datetime) -> None:
        """Keep a new allocation."""
        values = {"project": project, "dataset": dataset, "allocated": rho_micro, "spent": 0, "is_open": True}
        session.connection().execute(insert(AllocationRow).values(**values, opened_at=moment_text(at)))

    def enlarge(self, session: Session, project: str, dataset: str, rho_micro: int) -> None:
        """Add to an allocation."""
        more = {"allocated": col(AllocationRow.allocated) + rho_micro}
        session.connection().execute(update(AllocationRow).where(*_of(project, dataset)).values(more))

    def allocations(self, session: Session, project: str) -> list[Allocation]:
        """Return the project's allocations, by dataset."""
        query = (
            select(AllocationRow, col(AccountRow.title))
            .join(AccountRow, col(AccountRow.dataset) == col(AllocationRow.dataset))
            .where(col(AllocationRow.project) == project)
            .order_by(col(AllocationRow.dataset))
            .execution_options(populate_existing=True)
        )
        return [
            Allocation(row.project, row.dataset, title, row.allocated, row.spent, row.is_open)
            for row, title in session.execute(query)
        ]

    def set_open(self, session: Session, project: str, *, is_open: bool) -> None:
        """Open or close the project's allocations."""
        here = col(AllocationRow.project) == project
        session.connection().execute(update(AllocationRow).where(here).values(is_open=is_open))

    def spend(self, session: Session, project: str, dataset: str, rho_micro: int) -> bool:
        """Spend of an open allocation what it has: the one write on which the whole budget rests."""
        enough = col(AllocationRow.spent) + rho_micro <= col(AllocationRow.allocated)
        more = {"spent": col(AllocationRow.spent) + rho_micro}
        where = (*_of(project, dataset), col(AllocationRow.is_open).is_(True), enough)
        return changed(session, update(AllocationRow).where(*where).values(more))

    def add_charge(self, session: Session, charge: Charge) -> None:
        """Keep a charge; `UNIQUE(project, idempotency_key)` decides between two at once."""
        purchase = charge.purchase
        values = {
            "id": charge.id,
            "project": purchase.project,
            "dataset": purchase.dataset,
            "person": purchase.person,
            "idempotency_key": purchase.idempotency_key,
            "query_hash": purchase.query_hash,
            "summary": purchase.summary,
            "rho_micro": purchase.rho_micro,
            "state": charge.state,
            "at": moment_text(charge.at),
        }
        try:
            session.connection().execute(insert(ChargeRow).values(**values))
        except IntegrityError as error:
            raise AlreadyChargedError from error

    def charge(self, session: Session, project: str, idempotency_key: str) -> Charge | None:
        """Return the project's charge with the key."""
        where = col(ChargeRow.project) == project, col(ChargeRow.idempotency_key) == idempotency_key
        return next(iter(_charges(session, where)), None)

    def finish(self, session: Session, charge_id: str, release: str) -> bool:
        """Store the answer of a charge that has none."""
        where = col(ChargeRow.id) == charge_id, col(ChargeRow.state) == "charged"
        return changed(session, update(ChargeRow).where(*where).values(state="released", release=release))

    def charges(self, session: Session, project: str, *, charge_id: str | None = None) -> list[Charge]:
        """Return the project's charges, newest first."""
        one = () if charge_id is None else (col(ChargeRow.id) == charge_id,)
        return _charges(session, (col(ChargeRow.project) == project, *one))


def _of(project: str, dataset: str) -> tuple[Any, Any]:
    return col(AllocationRow.project) == project, col(AllocationRow.dataset) == dataset


def _charges(session: Session, where: Sequence[Any]) -> list[Charge]:
    newest = col(ChargeRow.at).desc(), col(ChargeRow.id)
    query = select(ChargeRow).where(*where).order_by(*newest).execution_options(populate_existing=True)
    return [_charge(row) for row in session.scalars(query)]


def _charge(row: ChargeRow) -> Charge:
    purchase = Purchase(
        row.project, row.dataset, row.person, row.idempotency_key, row.query_hash, row.summary, row.rho_micro
    )
    state = cast("Literal['charged', 'released']", row.state)
    return Charge(row.id, purchase, state, moment_from(row.at), row.release)
