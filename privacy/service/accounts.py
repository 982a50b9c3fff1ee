"""Accounts, allocations and charges: what may be spent, and what was.

A dataset has one account for all its versions. A permit cuts an allocation out of it; a release is charged to the
allocation. Every move is one conditional UPDATE (`spent + cost <= allocated` in the WHERE clause), so that two at once
cannot both have the last of it, and a charge is on disk before any private data are read. Nothing is ever paid back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import NotFound, NotPossible, Refusal, _
from hvelv.kernel.ids import IdSource


@dataclass(frozen=True)
class Account:
    """All that may ever be spent on a dataset, in micro-rho, and how much of it permits have been given."""

    dataset: str
    title: str
    cap: int
    allotted: int


@dataclass(frozen=True)
class Allocation:
    """A project's share of a dataset's account, in micro-rho."""

    project: str
    dataset: str
    title: str
    allocated: int
    spent: int
    is_open: bool = True

    @property
    def left(self) -> int:
        """Return what is not spent."""
        return self.allocated - self.spent


@dataclass(frozen=True)
class Purchase:
    """What somebody wants to pay for."""

    project: str
    dataset: str
    person: str
    idempotency_key: str
    query_hash: str
    summary: str
    rho_micro: int


@dataclass(frozen=True)
class Charge:
    """A purchase that was paid for; `release` is the signed answer as JSON once it was given."""

    id: str
    purchase: Purchase
    state: Literal["charged", "released"]
    at: datetime
    release: str | None = None


class Overdrawn(NotPossible):
    """The allocation or the account does not have so much left. Says what is spent, asked for and left."""


class KeyTaken(Refusal):
    """The idempotency key was used for another question."""

    status = 409


class AlreadyChargedError(Exception):
    """Somebody else's transaction charged the same key first. The caller reads theirs."""


class Ledger(Protocol):
    """Rows of accounts, allocations and charges. Every method works inside the caller's session."""

    def add_account(self, session: Session, account: Account, at: datetime) -> bool:
        """Keep a new account unless the dataset has one. Says whether it was kept."""
        ...

    def account(self, session: Session, dataset: str) -> Account | None:
        """Return the dataset's account."""
        ...

    def allot(self, session: Session, dataset: str, rho_micro: int) -> bool:
        """Take so much from the account, if it has it, in one conditional write. Says whether it had."""
        ...

    def add_allocation(self, session: Session, project: str, dataset: str, rho_micro: int, at: datetime) -> None:
        """Keep a new allocation."""
        ...

    def enlarge(self, session: Session, project: str, dataset: str, rho_micro: int) -> None:
        """Add so much to an allocation."""
        ...

    def allocations(self, session: Session, project: str) -> list[Allocation]:
        """Return the project's allocations."""
        ...

    def set_open(self, session: Session, project: str, *, is_open: bool) -> None:
        """Open or close all the project's allocations for spending."""
        ...

    def spend(self, session: Session, project: str, dataset: str, rho_micro: int) -> bool:
        """Spend so much of an open allocation, if it has it, in one conditional write. Says whether it had."""
        ...

    def add_charge(self, session: Session, charge: Charge) -> None:
        """Keep a charge. Raises `AlreadyChargedError` if the project has one with the same key."""
        ...

    def charge(self, session: Session, project: str, idempotency_key: str) -> Charge | None:
        """Return the project's charge with the key."""
        ...

    def finish(self, session: Session, charge_id: str, release: str) -> bool:
        """Store the answer, unless one is stored. Says whether this one was."""
        ...

    def charges(self, session: Session, project: str, *, charge_id: str | None = None) -> list[Charge]:
        """Return the project's charges, newest first; with `charge_id`, that one."""
        ...


class Accounts:
    """The custodian's books."""

    def __init__(self, database: Database, ledger: Ledger, clock: Clock, ids: IdSource) -> None:
        self._database, self._ledger, self._clock, self._ids = database, ledger, clock, ids

    # accounts and allocations: in the caller's transaction ---------------------------------------------------------
    def open_account(self, unit: Transaction, dataset: str, title: str, cap: int, actor: str) -> None:
        """Open the dataset's account with `cap` micro-rho. A dataset that has one keeps it as it is."""
        if self._ledger.add_account(unit.session, Account(dataset, title, cap, 0), self._clock.now()):
            unit.record(AuditEvent(actor, "account.opened", dataset, {"cap": cap}))

    def allocate(self, unit: Transaction, project: str, dataset: str, rho_micro: int, actor: str) -> None:
        """Give the project `rho_micro` of the dataset's account, in all: what it has already counts.

        Raises `Overdrawn` when the account has too little left, `NotFound` without an account.
        """
        held = self._held(unit.session, project, dataset)
        more = rho_micro - (held.allocated if held else 0)
        if more < 0:
            raise NotPossible(_("En tildeling kan ikke gjøres mindre enn den er."), code="smaller")
        if held is not None and more == 0:
            return
        if not self._ledger.allot(unit.session, dataset, more):
            account = self._account(unit.session, dataset)
            raise _overdrawn(account.allotted, more, account.cap - account.allotted)
        if held is None:
            self._ledger.add_allocation(unit.session, project, dataset, rho_micro, self._clock.now())
        else:
            self._ledger.enlarge(unit.session, project, dataset, more)
        unit.record(AuditEvent(actor, "allocation.made", project, {"dataset": dataset, "rho_micro": rho_micro}))

    def set_open(self, unit: Transaction, project: str, *, is_open: bool) -> None:
        """Open or close the project's allocations for spending."""
        self._ledger.set_open(unit.session, project, is_open=is_open)

    # looking -------------------------------------------------------------------------------------------------------
    def account(self, dataset: str) -> Account:
        """Return the dataset's account. Raises `NotFound`."""
        with self._database.reading() as session:
            return self._account(session, dataset)

    def allocations(self, project: str) -> list[Allocation]:
        """Return the project's allocations."""
        with self._database.reading() as session:
            return self._ledger.allocations(session, project)

    def allocation(self, project: str, dataset: str) -> Allocation:
        """Return what the project has of the dataset's account. Raises `NotFound`."""
        with self._database.reading() as session:
            return self._allocation(session, project, dataset)

    def charges(self, project: str, *, charge_id: str | None = None) -> list[Charge]:
        """Return the project's charges, newest first."""
        with self._database.reading() as session:
            return self._ledger.charges(session, project, charge_id=charge_id)

    # charging ------------------------------------------------------------------------------------------------------
    def charge(self, purchase: Purchase) -> Charge:
        """Charge the project, durably, and return the charge; the one already made where the key was used before.

        When this returns, the charge and its audit row are committed. Raises `Overdrawn` with what is spent, asked for
        and left; `KeyTaken` when the key was used for another question.
        """
        try:
            with self._database.transaction() as unit:
                made = self._ledger.charge(unit.session, purchase.project, purchase.idempotency_key)
                return _same(made, purchase) if made else self._charged(unit, purchase)
        except AlreadyChargedError:
            with self._database.reading() as session:
                made = self._ledger.charge(session, purchase.project, purchase.idempotency_key)
        if made is None:
            raise NotPossible(_("Belastningen ble ikke gjort. Prøv igjen."), code="not-charged")
        return _same(made, purchase)

    def _charged(self, unit: Transaction, purchase: Purchase) -> Charge:
        if not self._ledger.spend(unit.session, purchase.project, purchase.dataset, purchase.rho_micro):
            held = self._allocation(unit.session, purchase.project, purchase.dataset)
            if not held.is_open:
                raise NotPossible(_("Prosjektets budsjett er stengt."), code="closed")
            raise _overdrawn(held.spent, purchase.rho_micro, held.left)
        charge = Charge(self._ids.new("rel"), purchase, "charged", self._clock.now())
        self._ledger.add_charge(unit.session, charge)
        detail = {"charge": charge.id, "dataset": purchase.dataset, "rho_micro": purchase.rho_micro}
        unit.record(AuditEvent(purchase.person, "release.charged", purchase.project, detail))
        return charge

    def finish(self, charge: Charge, release: str) -> str:
        """Store the answer and return the one that is stored: only that may be shown.

        Two that finish one charge at once draw noise twice, but the second draw is thrown away unseen here.
        """
        purchase = charge.purchase
        with self._database.transaction() as unit:
            if self._ledger.finish(unit.session, charge.id, release):
                detail = {"release": charge.id, "dataset": purchase.dataset, "query": purchase.query_hash}
                unit.record(AuditEvent(purchase.person, "release.made", purchase.project, detail))
                return release
            stored = self._ledger.charge(unit.session, purchase.project, purchase.idempotency_key)
        if stored is None or stored.release is None:
            raise NotPossible(_("Svaret ble ikke lagret. Prøv igjen med samme nøkkel."), code="not-stored")
        return stored.release

    def _account(self, session: Session, dataset: str) -> Account:
        found = self._ledger.account(session, dataset)
        if found is None:
            raise NotFound(_("Datasettet har ingen konto."), code="no-account")
        return found

    def _allocation(self, session: Session, project: str, dataset: str) -> Allocation:
        found = self._held(session, project, dataset)
        if found is None:
            raise NotFound(_("Prosjektet har ingen tildeling for datasettet."), code="no-allocation")
        return found

    def _held(self, session: Session, project: str, dataset: str) -> Allocation | None:
        return next((a for a in self._ledger.allocations(session, project) if a.dataset == dataset), None)


def _same(made: Charge, purchase: Purchase) -> Charge:
    was = made.purchase
    if (was.query_hash, was.rho_micro, was.dataset) != (purchase.query_hash, purchase.rho_micro, purchase.dataset):
        raise KeyTaken(_("Nøkkelen er brukt til en annen spørring."), remedy=_("Velg en ny nøkkel for en ny spørring."))
    return made


def _overdrawn(spent: int, asked: int, left: int) -> Overdrawn:
    return Overdrawn(
        _("Budsjettet rekker ikke: {spent} mikro-rho er brukt, {asked} er bedt om, {left} er igjen."),
        remedy=_("Be om et mindre nøyaktig svar, eller søk om en større tildeling."),
        code="overdrawn",
        spent=spent,
        asked=asked,
        left=left,
    )


def spent_on(charges: Sequence[Charge], dataset: str) -> int:
    """Return what the charges on a dataset add up to, in micro-rho."""
    return sum(charge.purchase.rho_micro for charge in charges if charge.purchase.dataset == dataset)
