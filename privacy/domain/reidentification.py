"""Leading named pseudonyms back to people for a lawful need: who may, when, and how few at a time.

Two people say yes, a steward of the dataset's holder and a member of the ethics committee; neither asked for it or is in
the project. Only that steward is told, once.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from hvelv.kernel.errors import Denied, Invalid, NotPossible, Problem, _

MOST_PSEUDONYMS = 20
MOST_REQUESTS = 3
WINDOW = timedelta(days=30)
"""A project may ask so many times in so long."""
LONGEST_TEXT = 2000
LIKE_A_NUMBER = re.compile(r"\d(?:[\s.-]?\d){5,}")  # six digits or more, as in a date of birth or a person's number
WORD = 2**64


class Reason(StrEnum):
    """Why somebody has to be found."""

    INCIDENTAL_FINDING = "incidental_finding"
    DANGER = "danger"
    ERROR_IN_SOURCE = "error_in_source"


class State(StrEnum):
    """How far a request has come."""

    REQUESTED = "requested"
    APPROVED = "approved"
    EXECUTED = "executed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Action(StrEnum):
    """What is done to a request."""

    APPROVE = "approve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    EXECUTE = "execute"


class Side(StrEnum):
    """On whose behalf somebody approves."""

    STEWARD = "steward"
    ETHICS = "ethics"


REASON_NAMES: Mapping[Reason, str] = {
    Reason.INCIDENTAL_FINDING: _("Tilfeldig funn som personen bør få vite om"),
    Reason.DANGER: _("Fare for liv eller helse"),
    Reason.ERROR_IN_SOURCE: _("Feil i kilden som må rettes"),
}
STATE_NAMES: Mapping[State, str] = {
    State.REQUESTED: _("Venter på godkjenning"),
    State.APPROVED: _("Godkjent av begge"),
    State.EXECUTED: _("Utført"),
    State.REFUSED: _("Avslått"),
    State.WITHDRAWN: _("Trukket"),
}
LIFECYCLE: Mapping[State, frozenset[Action]] = {
    State.REQUESTED: frozenset({Action.APPROVE, Action.REFUSE, Action.WITHDRAW}),
    State.APPROVED: frozenset({Action.REFUSE, Action.WITHDRAW, Action.EXECUTE}),
    State.EXECUTED: frozenset(),
    State.REFUSED: frozenset(),
    State.WITHDRAWN: frozenset(),
}


@dataclass(frozen=True)
class Approver:
    """Somebody who may approve, as the portal says: on which side, and for which data holder."""

    person: str
    side: Side
    holder: str = ""


@dataclass(frozen=True)
class Case:
    """A request. `pseudonyms` is empty once it is over; `holder` is the dataset's."""

    id: str
    project: str
    dataset: str
    holder: str
    reason: Reason
    text: str
    pseudonyms: tuple[int, ...] = field(repr=False)
    count: int
    requester: str
    at: datetime
    state: State = State.REQUESTED
    steward: str = ""
    ethics: str = ""

    def approved(self, by: Approver, project_people: frozenset[str]) -> "Case":
        """Return it with one approval more; both make it approved. Raises `Denied`, `NotPossible`."""
        self._can(Action.APPROVE)
        self._judges(by, project_people)
        if self.steward if by.side is Side.STEWARD else self.ethics:
            raise NotPossible(_("Den andre siden har alt godkjent; én av hver kreves."), code="approved-before")
        if by.person in {self.steward, self.ethics}:
            raise Denied(_("To ulike personer må godkjenne."), code="same-person")
        done = replace(self, steward=by.person) if by.side is Side.STEWARD else replace(self, ethics=by.person)
        return replace(done, state=State.APPROVED) if done.steward and done.ethics else done

    def refused(self, by: Approver, project_people: frozenset[str]) -> "Case":
        """Return it refused. Raises `Denied`, `NotPossible`."""
        self._can(Action.REFUSE)
        self._judges(by, project_people)
        return replace(self, state=State.REFUSED, pseudonyms=())

    def withdrawn(self, person: str) -> "Case":
        """Return it withdrawn by who asked. Raises `Denied`, `NotPossible`."""
        self._can(Action.WITHDRAW)
        if person != self.requester:
            raise Denied(_("Bare den som ba om det, kan trekke det."), code="not-requester")
        return replace(self, state=State.WITHDRAWN, pseudonyms=())

    def executed(self, by: Approver, project_people: frozenset[str]) -> "Case":
        """Return it executed, for the steward who approved and nobody else. Raises `Denied`, `NotPossible`."""
        self._can(Action.EXECUTE)
        self._judges(by, project_people)
        if by.side is not Side.STEWARD or by.person != self.steward:
            raise Denied(_("Bare forvalteren som godkjente, får se hvem det er."), code="not-the-steward")
        return replace(self, state=State.EXECUTED, pseudonyms=())

    def _can(self, action: Action) -> None:
        if action not in LIFECYCLE[self.state]:
            said = _("Forespørselen står som «{state}» og kan ikke endres slik.")
            raise NotPossible(said, code=f"reidentification:{action}", state=STATE_NAMES[self.state])

    def _judges(self, by: Approver, project_people: frozenset[str]) -> None:
        if by.person == self.requester or by.person in project_people:
            raise Denied(_("Den som ba om det eller er med i prosjektet, kan ikke avgjøre det."), code="involved")
        if by.side is Side.STEWARD and by.holder != self.holder:
            raise Denied(_("Datasettet er en annen datainnehavers."), code="other-holder")


def wanted(reason: str, text: str, pseudonyms: Sequence[str]) -> tuple[Reason, str, tuple[int, ...]]:
    """Return what somebody asks for, checked. Raises `Invalid`, which never says a pseudonym back."""
    problems: list[Problem] = []
    text = text.strip()
    found = [int(one) for one in pseudonyms if one.isascii() and one.isdigit() and len(one) <= 20 and int(one) < WORD]  # noqa: PLR2004 - digits of 2**64
    if reason not in list(Reason):
        problems.append(Problem(_("Velg en grunn."), "reason"))
    if not text or len(text) > LONGEST_TEXT:
        problems.append(Problem(_("Skriv hvorfor, med høyst {most} tegn."), "text", params={"most": LONGEST_TEXT}))
    elif LIKE_A_NUMBER.search(text):
        problems.append(Problem(_("Teksten kan ikke inneholde fødselsnummer, datoer eller andre lange tall."), "text"))
    if len(found) != len(pseudonyms) or not 1 <= len(set(found)) <= MOST_PSEUDONYMS:
        said = _("Skriv fra 1 til {most} pseudonymer, ett på hver linje, slik de står i kolonnen pid.")
        problems.append(Problem(said, "pseudonyms", params={"most": MOST_PSEUDONYMS}))
    if problems:
        raise Invalid(tuple(problems))
    return Reason(reason), text, tuple(sorted(set(found)))
