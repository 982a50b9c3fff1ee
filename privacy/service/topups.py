"""Larger accounts: one steward of the holder proposes, another confirms, both are in the audit trail with the reason."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import Denied, NotFound, NotPossible, _
from hvelv.kernel.ids import IdSource
from hvelv.privacy.domain.charging import PLATFORM
from hvelv.privacy.domain.topups import Action, State, TopUp, proposed
from hvelv.privacy.service.accounts import NO_ACCOUNT, Accounts
from hvelv.privacy.service.reviews import Steward

TOLD = {
    Action.CONFIRM: "account.topup_confirmed",
    Action.REFUSE: "account.topup_refused",
    Action.WITHDRAW: "account.topup_withdrawn",
}


class TopUpRows(Protocol):
    """Where proposals are kept."""

    def add(self, session: Session, topup: TopUp) -> None: ...
    def find(self, session: Session, topup: str) -> TopUp | None: ...
    def of_population(self, session: Session, population: str) -> list[TopUp]: ...
    def waiting(self, session: Session) -> list[TopUp]: ...
    def move(self, session: Session, before: TopUp, after: TopUp) -> bool: ...


@dataclass(frozen=True)
class Rules:
    """Who may decide. `authority`: a holder whose stewards may decide for any other, or none.

    `takes_part`: whether a person is in a project; whoever is in one that the account pays for does not make it larger.
    """

    authority: str = ""
    takes_part: Callable[[str, str], bool] = lambda _project, _person: False


class TopUps:
    """The only way to a larger account."""

    def __init__(
        self, database: Database, rows: TopUpRows, accounts: Accounts, *, rules: Rules, clock: Clock, ids: IdSource
    ) -> None:
        self._database, self._rows, self._accounts = database, rows, accounts
        self._rules, self._clock, self._ids = rules, clock, ids

    def propose(
        self,
        who: Steward,
        population: str,
        *,
        cap: object,
        reason: object,
        period: tuple[object, object] | None = None,
    ) -> dict[str, Any]:
        """Propose that the holder's account becomes as large as `cap` micro-rho, in all.

        Raises `NotFound` for another holder's, `Invalid`, and `NotPossible` while another proposal waits.
        """
        with self._database.transaction() as unit:
            account = self._accounts.held(unit, population)
            if account is None or account.holder != who.holder:
                raise NotFound(NO_ACCOUNT, code="no-account")
            size, said, span = proposed(account, cap, reason, period)
            if any(one.state is State.PROPOSED for one in self._rows.of_population(unit.session, population)):
                raise NotPossible(
                    _("Et annet forslag om kontoen venter på svar."),
                    remedy=_("Avgjør det, eller trekk det, før et nytt sendes."),
                    code="waiting",
                )
            topup = TopUp(
                id=self._ids.new("top"),
                population=population,
                holder=account.holder,
                cap_before=account.cap,
                cap=size,
                reason=said,
                period=span,
                proposed_by=who.person,
                proposed_at=self._clock.now(),
            )
            self._rows.add(unit.session, topup)
            self._told(unit, who.person, "account.topup_proposed", topup)
        return shown(topup)

    def confirm(self, who: Steward, topup: str) -> dict[str, Any]:
        """Make the account as large as was proposed. Raises `Denied` for who proposed it, `NotFound`, `NotPossible`."""
        return self._decide(who, topup, Action.CONFIRM)

    def refuse(self, who: Steward, topup: str) -> dict[str, Any]:
        """Leave the account as it is. Raises like `confirm`."""
        return self._decide(who, topup, Action.REFUSE)

    def withdraw(self, who: Steward, topup: str) -> dict[str, Any]:
        """Take one's own proposal back. Raises like `confirm`."""
        return self._decide(who, topup, Action.WITHDRAW)

    def of_population(self, population: str) -> list[dict[str, Any]]:
        """Return an account's proposals, newest first."""
        with self._database.reading() as session:
            return [shown(one) for one in self._rows.of_population(session, population)]

    def waiting(self, who: Steward) -> list[dict[str, Any]]:
        """Return the proposals that the steward may see and nobody has decided on, newest first."""
        with self._database.reading() as session:
            return [shown(one) for one in self._rows.waiting(session) if self._may_see(who, one)]

    def is_authority(self, who: Steward) -> bool:
        """Say whether the steward may decide for other holders too."""
        return bool(who.holder) and who.holder == self._rules.authority

    def _may_see(self, who: Steward, topup: TopUp) -> bool:
        return topup.holder == who.holder or self.is_authority(who)

    def _decide(self, who: Steward, topup: str, action: Action) -> dict[str, Any]:
        with self._database.reading() as session:
            before = self._known(session, who, topup)
        after = before.moved(action, who.person, self._clock.now())
        if action is Action.CONFIRM:
            self._disinterested(before.population, who.person)
        with self._database.transaction() as unit:
            self._accounts.held(unit, before.population)
            if action is Action.CONFIRM:
                self._enlarge(unit, before)
            if not self._rows.move(unit.session, before, after):
                raise NotPossible(_("Forslaget er avgjort og kan ikke endres."), code="decided")
            self._told(unit, who.person, TOLD[action], after)
        return shown(after)

    def _known(self, session: Session, who: Steward, topup: str) -> TopUp:
        """Return the proposal. Another holder's steward is answered as if there were none."""
        found = self._rows.find(session, topup)
        if found is None or not self._may_see(who, found):
            raise NotFound(_("Forslaget finnes ikke."), code="no-topup")
        return found

    def _enlarge(self, unit: Transaction, topup: TopUp) -> None:
        if not self._accounts.enlarge_account(unit, topup.population, topup.cap_before, topup.cap):
            raise NotPossible(
                _("Kontoen er endret siden forslaget ble sendt. Ingenting er gjort."),
                remedy=_("Avslå forslaget, og send et nytt."),
                code="account-changed",
            )

    def _disinterested(self, population: str, person: str) -> None:
        projects = {held.project for held in self._accounts.allocations(population=population)} - {PLATFORM}
        if any(self._rules.takes_part(project, person) for project in sorted(projects)):
            raise Denied(
                _("Du er med i et prosjekt som betaler av kontoen, og kan ikke gjøre den større."),
                remedy=_("Be en annen forvalter hos datainnehaveren om å se på det."),
                code="own-project",
            )

    @staticmethod
    def _told(unit: Transaction, actor: str, what: str, topup: TopUp) -> None:
        detail: dict[str, Any] = {
            "topup": topup.id,
            "before": topup.cap_before,
            "cap": topup.cap,
            "reason": topup.reason,
        }
        if topup.period:
            detail |= {"from": topup.period.start.isoformat(), "until": topup.period.end.isoformat()}
        if topup.decided_by and topup.decided_by != topup.proposed_by:
            detail |= {"proposed_by": topup.proposed_by}
        unit.record(AuditEvent(actor, what, topup.population, detail))


def shown(topup: TopUp) -> dict[str, Any]:
    """Return a proposal as JSON."""
    return {
        "id": topup.id,
        "population": topup.population,
        "holder": topup.holder,
        "cap_before": topup.cap_before,
        "cap": topup.cap,
        "reason": topup.reason,
        "period": [topup.period.start.isoformat(), topup.period.end.isoformat()] if topup.period else None,
        "proposed_by": topup.proposed_by,
        "proposed_at": topup.proposed_at.isoformat(),
        "state": topup.state.value,
        "decided_by": topup.decided_by,
        "decided_at": topup.decided_at.isoformat() if topup.decided_at else None,
    }
