"""Accounts, allocations and charges: what may be spent, and what was.

A population has one account for all versions of all its datasets. A permit cuts an allocation for each of its datasets out
of it; a release is charged to the allocations of all datasets that it reads, and once to each population. Every move is a
conditional UPDATE (`spent + cost <= allocated` in the WHERE clause), so that two at once cannot both have the last of it,
and a charge is on disk before any private data are read. Nothing is ever paid back.

Whoever writes an account or an allocation holds the populations' rows first, in one order, so that no two wait for each
other (`Ledger.hold`).
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible, Problem, Refusal, _
from hvelv.kernel.ids import IdSource
from hvelv.privacy.domain.charging import (
    FEMTO,
    MOST_MICRO,
    PLATFORM,
    Account,
    Allocation,
    Charge,
    Line,
    Purchase,
    delta_cap_of,
    whole,
)
from hvelv.privacy.domain.statement import Entry

OWN_SHARE = Fraction(1, 10)  # of what a new dataset's account has left, for the platform's own answers


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
        """Keep a new account unless the population has one. Says whether it was kept."""
        ...

    def enrol(self, session: Session, dataset: str, population: str, title: str, at: datetime) -> bool:
        """Write down which population a dataset is about, unless it is known. Says whether it was written."""
        ...

    def populations(self, session: Session, datasets: Iterable[str]) -> dict[str, str]:
        """Return the population of each dataset that has one."""
        ...

    def datasets(self, session: Session, population: str) -> dict[str, str]:
        """Return the datasets of a population with their titles."""
        ...

    def hold(self, session: Session, populations: Iterable[str]) -> list[Account]:
        """Return the accounts and let nobody else write them before the transaction ends; always in one order."""
        ...

    def account(self, session: Session, population: str) -> Account | None:
        """Return a population's account."""
        ...

    def accounts(self, session: Session, holder: str | None = None) -> list[Account]:
        """Return a holder's accounts, or everyone's, by population."""
        ...

    def grow(self, session: Session, population: str, persons: int, delta_cap: int) -> None:
        """Write down that a version holds more persons, and the delta budget that this leaves."""
        ...

    def allot(self, session: Session, population: str, rho_micro: int, delta_femto: int) -> bool:
        """Take so much from the account, if it has it, in one conditional write. Says whether it had."""
        ...

    def spend_of(self, session: Session, population: str, rho_micro: int, delta_femto: int) -> bool:
        """Note the loss of an answer on the population, within what is allotted. Says whether it is within."""
        ...

    def set_cap(self, session: Session, population: str, before: int, cap: int) -> bool:
        """Make the account larger if it still is as large as `before`. Says whether it was made so."""
        ...

    def add_allocation(self, session: Session, allocation: Allocation, at: datetime) -> None:
        """Keep a new allocation of which nothing is spent."""
        ...

    def enlarge(self, session: Session, project: str, dataset: str, rho_micro: int, delta_femto: int) -> None:
        """Add so much to an allocation."""
        ...

    def allocations(
        self, session: Session, project: str | None = None, *, population: str | None = None
    ) -> list[Allocation]:
        """Return a project's or a population's allocations, by project and dataset."""
        ...

    def set_open(self, session: Session, project: str, *, is_open: bool) -> None:
        """Open or close all the project's allocations for spending."""
        ...

    def spend(self, session: Session, project: str, line: Line) -> bool:
        """Spend so much of an open allocation, if it has it, in one conditional write. Says whether it had."""
        ...

    def add_charge(self, session: Session, charge: Charge) -> None:
        """Keep a charge. Raises `AlreadyChargedError` if the project has one with the same key."""
        ...

    def charge(self, session: Session, project: str, idempotency_key: str) -> Charge | None:
        """Return the project's charge with the key."""
        ...

    def finish(self, session: Session, charge: Charge, release: str) -> bool:
        """Store the answer, unless one is stored, and which extracts it is of. Says whether this one was."""
        ...

    def charges(self, session: Session, project: str, *, charge_id: str | None = None) -> list[Charge]:
        """Return the project's charges, newest first; with `charge_id`, that one."""
        ...

    def answered(self, session: Session, project: str, query_hash: str, extract_hash: str) -> list[Charge]:
        """Return the project's answers to the same query on the same extracts, newest first."""
        ...

    def entries(self, session: Session, *, project: str | None = None, population: str | None = None) -> list[Entry]:
        """Return what was charged to a project or a population, line by line, newest first."""
        ...


class Accounts:
    """The custodian's books."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        clock: Clock,
        ids: IdSource,
        *,
        own_share: float | Fraction = OWN_SHARE,
    ) -> None:
        self._database, self._ledger, self._clock, self._ids = database, ledger, clock, ids
        self._own_share = Fraction(own_share).limit_denominator(1000)

    # accounts and allocations: in the caller's transaction ---------------------------------------------------------
    def open_account(
        self,
        unit: Transaction,
        dataset: str,
        title: str,
        cap: int,
        actor: str,
        *,
        population: str | None = None,
        holder: str = "",
        persons: int = 0,
    ) -> None:
        """Open the account of the dataset's population with `cap` micro-rho; one that is there stays as it is.

        A dataset's first version decides its population, for good; without one it is a population of its own. `persons`: how
        many the version holds. Raises `NotPossible` for another population later, `Denied` for another holder's.
        """
        if not whole(cap, 1, MOST_MICRO):
            raise Invalid(
                (Problem(_("Kontoen må ha fra 1 til {most} mikro-rho."), "rho", params={"most": MOST_MICRO}),)
            )
        known = self._ledger.populations(unit.session, [dataset]).get(dataset)
        wanted, now = population or known or dataset, self._clock.now()
        account = Account(wanted, holder, title, cap, delta_cap=delta_cap_of(persons), persons=persons)
        if known is None and self._ledger.add_account(unit.session, account, now):
            detail = {"cap": cap, "dataset": dataset}
            unit.record(AuditEvent(actor, "account.opened", wanted, detail))
        (held,) = self._ledger.hold(unit.session, [known or wanted])
        joined = self._ledger.enrol(unit.session, dataset, wanted, title, now)
        if not joined and self._ledger.populations(unit.session, [dataset])[dataset] != wanted:
            raise NotPossible(
                _("Datasettet hører til en annen befolkning, og kan ikke flyttes: da ville budsjettet begynt på nytt."),
                remedy=_("La «population» stå slik den var i datasettets første versjon, eller ta den bort."),
                code="other-population",
            )
        if held.holder != holder:
            raise Denied(
                _("Befolkningen er en annen datainnehavers, og kontoen er deres."),
                remedy=_("Velg et annet navn i «population»."),
                code="other-holder",
            )
        self._ledger.grow(unit.session, wanted, persons, delta_cap_of(persons, held.delta_allotted))
        if joined:
            self._own(unit, wanted, dataset, actor)

    def _own(self, unit: Transaction, population: str, dataset: str, actor: str) -> None:
        """Set the platform's own share of a new dataset aside, of what the account has left."""
        account = self._account(unit.session, population)
        share = int(account.left * self._own_share)
        self._cut(unit, account, Allocation(PLATFORM, dataset, "", 0, 0), share)
        detail = {"population": population, "rho_micro": share}
        unit.record(AuditEvent(actor, "account.joined", dataset, detail))

    def hold(self, unit: Transaction, datasets: Collection[str]) -> None:
        """Keep the accounts of some datasets for this transaction, before it writes several of them."""
        self._ledger.hold(unit.session, set(self._ledger.populations(unit.session, datasets).values()))

    def held(self, unit: Transaction, population: str) -> Account | None:
        """Return a population's account, which nobody else writes before this transaction ends."""
        return next(iter(self._ledger.hold(unit.session, [population])), None)

    def allocate(self, unit: Transaction, project: str, dataset: str, rho_micro: int, actor: str) -> None:
        """Give the project `rho_micro` of its population's account for the dataset, in all: what it has already counts.

        Delta comes with it, in proportion. Raises `Overdrawn` when the account has too little left, `NotFound` without an
        account, `Denied` for the platform's own share.
        """
        if project == PLATFORM:
            raise Denied(_("Plattformens egen andel kan ikke tildeles ved en tillatelse."), code="own-share")
        if not whole(rho_micro, 0, MOST_MICRO):
            raise Invalid((Problem(_("Tildelingen er et helt antall mikro-rho."), "rho_micro"),))
        population = self._ledger.populations(unit.session, [dataset]).get(dataset)
        if population is None:
            raise NotFound(NO_ACCOUNT, code="no-account")
        (account,) = self._ledger.hold(unit.session, [population])
        held = self._held(unit.session, project, dataset)
        more = rho_micro - (held.allocated if held else 0)
        if more < 0:
            raise NotPossible(_("En tildeling kan ikke gjøres mindre enn den er."), code="smaller")
        if held is not None and more == 0:
            return
        self._cut(unit, account, held or Allocation(project, dataset, "", 0, 0), more, known=held is not None)
        unit.record(AuditEvent(actor, "allocation.made", project, {"dataset": dataset, "rho_micro": rho_micro}))

    def _cut(self, unit: Transaction, account: Account, held: Allocation, more: int, *, known: bool = False) -> None:
        """Cut `more` out of a held account into an allocation, with the delta that comes with it."""
        delta = account.delta_for(held.allocated + more, held.delta_allocated)
        if not self._ledger.allot(unit.session, account.population, more, delta):
            raise _overdrawn(account.allotted, more, account.left)
        if known:
            self._ledger.enlarge(unit.session, held.project, held.dataset, more, delta)
        else:
            new = replace(held, allocated=more, delta_allocated=delta)
            self._ledger.add_allocation(unit.session, new, self._clock.now())

    def enlarge_account(self, unit: Transaction, population: str, before: int, cap: int) -> bool:
        """Make an account larger if it still is as large as `before`; the platform's own share grows with it.

        What is allotted and spent stays. Says whether it was done. Whoever decided it audits it
        (`hvelv.privacy.service.topups`).
        """
        self._ledger.hold(unit.session, [population])
        if not self._ledger.set_cap(unit.session, population, before, cap):
            return False
        for own in self._ledger.allocations(unit.session, PLATFORM, population=population):
            account = self._account(unit.session, population)
            self._cut(unit, account, own, own.allocated * (cap - before) // before, known=True)
        return True

    def set_open(self, unit: Transaction, project: str, *, is_open: bool) -> None:
        """Open or close the project's allocations for spending."""
        self.hold(unit, [held.dataset for held in self._ledger.allocations(unit.session, project)])
        self._ledger.set_open(unit.session, project, is_open=is_open)

    # looking -------------------------------------------------------------------------------------------------------
    def account(self, dataset: str) -> Account:
        """Return the account of the dataset's population. Raises `NotFound`."""
        with self._database.reading() as session:
            population = self._ledger.populations(session, [dataset]).get(dataset)
            if population is None:
                raise NotFound(NO_ACCOUNT, code="no-account")
            return self._account(session, population)

    def of_holder(self, holder: str | None = None) -> list[Account]:
        """Return a holder's accounts, or everyone's, by population."""
        with self._database.reading() as session:
            return self._ledger.accounts(session, holder)

    def of_population(self, population: str) -> Account:
        """Return a population's account. Raises `NotFound`."""
        with self._database.reading() as session:
            return self._account(session, population)

    def datasets(self, population: str) -> dict[str, str]:
        """Return the datasets of a population with their titles."""
        with self._database.reading() as session:
            return self._ledger.datasets(session, population)

    def allocations(self, project: str | None = None, *, population: str | None = None) -> list[Allocation]:
        """Return a project's or a population's allocations."""
        with self._database.reading() as session:
            return self._ledger.allocations(session, project, population=population)

    def allocation(self, project: str, dataset: str) -> Allocation:
        """Return what the project has for the dataset. Raises `NotFound`."""
        with self._database.reading() as session:
            return self._allocation(session, project, dataset)

    def charges(self, project: str, *, charge_id: str | None = None) -> list[Charge]:
        """Return the project's charges, newest first."""
        with self._database.reading() as session:
            return self._ledger.charges(session, project, charge_id=charge_id)

    def entries(self, *, project: str | None = None, population: str | None = None) -> list[Entry]:
        """Return what was charged to a project or a population, line by line, newest first, without the answers."""
        with self._database.reading() as session:
            return self._ledger.entries(session, project=project, population=population)

    def answered(self, project: str, query_hash: str, extract_hash: str, least_rho_micro: int) -> Charge | None:
        """Return the project's best answer to the same query on the same extracts, at no lower price than asked; or None.

        The best is the one with the least noise, the first of equals: the choice depends on prices and never on values.
        """
        with self._database.reading() as session:
            found = self._ledger.answered(session, project, query_hash, extract_hash)
        good = [charge for charge in reversed(found) if charge.purchase.rho_micro >= least_rho_micro]
        return max(good, key=lambda charge: charge.purchase.rho_micro, default=None)

    def made(self, purchase: Purchase) -> Charge | None:
        """Return the charge that was made with the purchase's key; None where there is none. Raises `KeyTaken`."""
        with self._database.reading() as session:
            found = self._ledger.charge(session, purchase.project, purchase.idempotency_key)
        return _same(found, purchase) if found else None

    # charging ------------------------------------------------------------------------------------------------------
    def charge(self, purchase: Purchase) -> Charge:
        """Charge the project on every line or on none, durably, and return the charge; the one already made for the key.

        When this returns, the charge and its audit row are committed. Raises `Overdrawn` with what is spent, asked for and
        left; `KeyTaken` when the key was used for another question; `NotFound` without an allocation.
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
        whose = self._ledger.populations(unit.session, purchase.datasets)
        accounts = self._ledger.hold(unit.session, set(whose.values()))
        for line in purchase.lines:  # sorted by dataset: every transaction takes them in the same order
            if not self._ledger.spend(unit.session, purchase.project, line):
                raise self._refusal(unit.session, purchase.project, line)
        for account in accounts:  # once for each population, however many of its datasets are read
            self._lost(unit, account, purchase)
        charge = Charge(self._ids.new("rel"), purchase, "charged", self._clock.now())
        self._ledger.add_charge(unit.session, charge)
        detail = {"charge": charge.id, "datasets": list(purchase.datasets), "rho_micro": purchase.rho_micro}
        detail |= {"delta_femto": purchase.delta_femto} if purchase.delta_femto else {}
        unit.record(AuditEvent(purchase.person, "release.charged", purchase.project, detail))
        return charge

    def _lost(self, unit: Transaction, account: Account, purchase: Purchase) -> None:
        if purchase.delta_femto * account.persons >= FEMTO:
            raise Invalid((Problem(_("Delta må være mindre enn én delt på antall personer."), "delta"),))
        if not self._ledger.spend_of(unit.session, account.population, purchase.rho_micro, purchase.delta_femto):
            raise _overdrawn(account.spent, purchase.rho_micro, account.allotted - account.spent)

    def _refusal(self, session: Session, project: str, line: Line) -> Refusal:
        """Return why the allocation did not pay for a line."""
        held = self._allocation(session, project, line.dataset)
        if not held.is_open:
            return NotPossible(_("Prosjektets budsjett er stengt."), code="closed")
        if held.left < line.rho_micro:
            return _overdrawn(held.spent, line.rho_micro, held.left)
        return Overdrawn(
            _("Prosjektets delta rekker ikke: spørringer med ukjente nøkler trenger mer enn det som er igjen."),
            remedy=_("Oppgi nøklene i spørringen; da koster den ingen delta."),
            code="overdrawn-delta",
        )

    def finish(self, charge: Charge, release: str) -> str:
        """Store the answer and return the one that is stored: only that may be shown.

        Two that finish one charge at once draw noise twice, but the second draw is thrown away unseen here.
        """
        purchase = charge.purchase
        with self._database.transaction() as unit:
            if self._ledger.finish(unit.session, charge, release):
                detail = {"release": charge.id, "datasets": list(purchase.datasets), "query": purchase.query_hash}
                unit.record(AuditEvent(purchase.person, "release.made", purchase.project, detail))
                return release
            stored = self._ledger.charge(unit.session, purchase.project, purchase.idempotency_key)
        if stored is None or stored.release is None:
            raise NotPossible(_("Svaret ble ikke lagret. Prøv igjen med samme nøkkel."), code="not-stored")
        return stored.release

    def _account(self, session: Session, population: str) -> Account:
        found = self._ledger.account(session, population)
        if found is None:
            raise NotFound(NO_ACCOUNT, code="no-account")
        return found

    def _allocation(self, session: Session, project: str, dataset: str) -> Allocation:
        found = self._held(session, project, dataset)
        if found is None:
            raise NotFound(_("Prosjektet har ingen tildeling for datasettet."), code="no-allocation")
        return found

    def _held(self, session: Session, project: str, dataset: str) -> Allocation | None:
        return next((a for a in self._ledger.allocations(session, project) if a.dataset == dataset), None)


NO_ACCOUNT = _("Datasettet har ingen konto.")


def _same(made: Charge, purchase: Purchase) -> Charge:
    """Return the charge that the key was used for, to be finished from the extracts that are asked now."""
    was = made.purchase
    if (was.query_hash, was.lines) != (purchase.query_hash, purchase.lines):
        raise KeyTaken(_("Nøkkelen er brukt til en annen spørring."), remedy=_("Velg en ny nøkkel for en ny spørring."))
    if made.release is None:
        return replace(made, purchase=replace(was, extract_hash=purchase.extract_hash))
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
