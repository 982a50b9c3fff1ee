"""A larger account, or one for a new period: proposed by one steward of the holder, confirmed by another.

What has been spent is never touched, and no account gets smaller. The reason is for everybody who reads the audit trail.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from hvelv.kernel.errors import Denied, Invalid, NotPossible, Problem, _
from hvelv.privacy.domain.charging import MICRO, MOST_MICRO, Account, whole

LIKE_A_NUMBER = re.compile(r"\d(?:[\s.-]?\d){10,}")  # eleven digits or more, as in a person's number
LONGEST_REASON = 500  # characters: a row of the audit trail holds it whole


class State(StrEnum):
    """How far a proposal has come."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Action(StrEnum):
    """What is done to a proposal."""

    CONFIRM = "confirm"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


STATE_NAMES: Mapping[State, str] = {
    State.PROPOSED: _("Venter på en annen forvalter"),
    State.CONFIRMED: _("Bekreftet"),
    State.REFUSED: _("Avslått"),
    State.WITHDRAWN: _("Trukket"),
}
LIFECYCLE: Mapping[State, Mapping[Action, State]] = {
    State.PROPOSED: {
        Action.CONFIRM: State.CONFIRMED,
        Action.REFUSE: State.REFUSED,
        Action.WITHDRAW: State.WITHDRAWN,
    },
    State.CONFIRMED: {},
    State.REFUSED: {},
    State.WITHDRAWN: {},
}


@dataclass(frozen=True)
class Period:
    """From and until which day, both included, the new room in the account is meant to last."""

    start: date
    end: date


@dataclass(frozen=True)
class TopUp:
    """A proposal: the account's whole size as it was and as it would be, in micro-rho."""

    id: str
    population: str
    holder: str
    cap_before: int
    cap: int
    reason: str
    period: Period | None
    proposed_by: str
    proposed_at: datetime
    state: State = State.PROPOSED
    decided_by: str = ""
    decided_at: datetime | None = None

    def moved(self, action: Action, person: str, at: datetime) -> "TopUp":
        """Return it as it is after `action` by `person`. Raises `Denied`, `NotPossible`.

        Who proposed it may withdraw it and nothing else; somebody else may confirm or refuse it.
        """
        state = LIFECYCLE[self.state].get(action)
        if state is None:
            raise NotPossible(_("Forslaget er avgjort og kan ikke endres."), code="decided")
        if action is Action.WITHDRAW and person != self.proposed_by:
            raise Denied(_("Bare den som foreslo det, kan trekke det."), code="not-proposer")
        if action is not Action.WITHDRAW and person == self.proposed_by:
            raise Denied(
                _("Du kan ikke avgjøre ditt eget forslag."),
                remedy=_("Be en annen forvalter hos datainnehaveren om å se på det."),
                code="own-proposal",
            )
        return replace(self, state=state, decided_by=person, decided_at=at)


def proposed(
    account: Account, cap: object, reason: object, period: tuple[object, object] | None
) -> tuple[int, str, Period | None]:
    """Return the size, the reason and the period of a proposal for an account. Raises `Invalid` for each that is wrong."""
    problems = []
    if not whole(cap, account.cap + 1, MOST_MICRO):
        said = _("Kontoen må bli større enn den er, og høyst {most} (rho). Nå er den {cap}.")
        problems.append(Problem(said, "cap", params={"cap": account.cap / MICRO, "most": MOST_MICRO // MICRO}))
    text = reason.strip() if isinstance(reason, str) else ""
    if not text:
        problems.append(Problem(_("Skriv en begrunnelse. Den er åpen for alle som ser hendelsesloggen."), "reason"))
    elif len(text) > LONGEST_REASON:
        problems.append(Problem(_("Teksten er lengre enn {most} tegn."), "reason", params={"most": LONGEST_REASON}))
    elif LIKE_A_NUMBER.search(text):
        problems.append(Problem(_("Skriv ikke fødselsnummer eller lignende i begrunnelsen."), "reason"))
    span, wrong = _period(period)
    if wrong:
        problems.append(Problem(wrong, "period"))
    if problems or not isinstance(cap, int):
        raise Invalid(tuple(problems), _("Forslaget kan ikke sendes slik det er."))
    return cap, text, span


def _period(given: tuple[object, object] | None) -> tuple[Period | None, str]:
    """Return the period, and what is wrong with it. Two empty texts are none."""
    if given is None or given in {("", ""), (None, None)}:
        return None, ""
    try:
        start, end = (date.fromisoformat(str(day)) for day in given)
    except ValueError:
        return None, _("En periode har en første og en siste dag (ÅÅÅÅ-MM-DD).")
    if start > end:
        return None, _("Periodens siste dag er før den første.")
    return Period(start, end), ""
