"""A holder's privacy accounts: what is spent on the people in their data, by whom, what is left, and a larger one."""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from hvelv.kernel.errors import Invalid, Problem, Unavailable, _
from hvelv.kernel.people import Person
from hvelv.kernel.web import PageShell, Shell, SignedIn
from hvelv.privacy.domain.charging import MICRO, MOST_MICRO
from hvelv.privacy.domain.topups import LONGEST_REASON, Action, State
from hvelv.privacy.pages.stewards import Who, titles
from hvelv.privacy.service.reviews import Steward

router = APIRouter()
TOLD: Mapping[Action, str] = {
    Action.CONFIRM: _("Kontoen er gjort større."),
    Action.REFUSE: _("Forslaget er avslått. Kontoen er som før."),
    Action.WITHDRAW: _("Forslaget er trukket. Kontoen er som før."),
}


class AccountDoor(Protocol):
    """The custodian's accounts, asked on a steward's behalf."""

    def all(self, steward: Steward) -> dict[str, Any]:
        """Return the holder's accounts in brief, and the proposals that wait."""
        ...

    def one(self, steward: Steward, population: str) -> dict[str, Any]:
        """Return an account with all that was charged to it. Raises `NotFound`."""
        ...

    def propose(
        self, steward: Steward, population: str, cap: int, reason: str, period: tuple[str, str] | None
    ) -> dict[str, Any]:
        """Propose a larger account. Raises `Invalid`, `NotFound`, `NotPossible`."""
        ...

    def decide(self, steward: Steward, topup: str, answer: str) -> dict[str, Any]:
        """Confirm, refuse or withdraw a proposal. Raises `Denied`, `NotFound`, `NotPossible`."""
        ...


class Names(Protocol):
    """Who is who."""

    def find(self, person: str) -> Person | None:
        """Return a person, or None."""
        ...


def _door(request: Request) -> AccountDoor:
    door: AccountDoor = request.app.state.accounts
    return door


Door = Annotated[AccountDoor, Depends(_door)]


@router.get("/accounts")
def accounts(request: Request, person: SignedIn, who: Who, shell: PageShell, door: Door) -> Response:
    """Show the holder's accounts, and what waits for an answer."""
    found = door.all(who)
    return shell.page(
        request,
        "accounts.html",
        accounts=found["accounts"],
        waiting=found["waiting"],
        names=_names(request, {one["proposed_by"] for one in found["waiting"]}),
        titles=titles(request, person),
    )


@router.get("/account-count")
def count(request: Request, who: Who, shell: PageShell, door: Door) -> Response:
    """Show how many proposals wait for this steward, for the menu; nothing where that cannot be told."""
    try:
        waiting = sum(one["proposed_by"] != who.person for one in door.all(who)["waiting"])
    except Unavailable:
        waiting = 0
    return shell.page(request, "accounts_count.html", waiting=waiting)


@router.get("/accounts/{population}")
def account(request: Request, person: SignedIn, who: Who, shell: PageShell, *, door: Door, population: str) -> Response:
    """Show one account."""
    return _account(request, person, who, shell, door.one(who, population))


def _account(
    request: Request,
    person: Person,
    who: Steward,
    shell: Shell,
    found: Mapping[str, Any],
    *,
    problems: tuple[Problem, ...] = (),
    typed: Mapping[str, str] | None = None,
) -> Response:
    waiting = next((one for one in found["topups"] if one["state"] == State.PROPOSED), None)
    people = {one["person"] for one in found["people"]}
    people |= {one[name] for one in found["topups"] for name in ("proposed_by", "decided_by")}
    return shell.page(
        request,
        "account.html",
        status=422 if problems else 200,
        account=found,
        waiting=waiting,
        is_own=waiting is not None and waiting["proposed_by"] == who.person,
        may_propose=found["holder"] == who.holder and waiting is None,
        earlier=[one for one in found["topups"] if one["state"] != State.PROPOSED],
        names=_names(request, people),
        titles=titles(request, person),
        longest=LONGEST_REASON,
        problems=problems,
        typed=typed or {},
    )


def _names(request: Request, people: set[str]) -> dict[str, str]:
    known: Names = request.app.state.people
    return {one: found.name for one in people if (found := known.find(one))}


@router.post("/accounts/{population}/topups")
def propose(
    request: Request,
    person: SignedIn,
    who: Who,
    shell: PageShell,
    *,
    door: Door,
    population: str,
    cap: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
    period_from: Annotated[str, Form()] = "",
    period_until: Annotated[str, Form()] = "",
) -> Response:
    """Propose a larger account."""
    typed = {"cap": cap, "reason": reason, "period_from": period_from, "period_until": period_until}
    known = door.one(who, population)  # what is not theirs is not there, whatever they send
    period = (period_from.strip(), period_until.strip())
    try:
        door.propose(who, population, micro_from(cap), reason, period if any(period) else None)
    except Invalid as refusal:
        return _account(request, person, who, shell, known, problems=_on_the_form(refusal), typed=typed)
    said = _("Forslaget er sendt. Kontoen blir større når en annen forvalter bekrefter det.")
    return shell.back(request, f"/accounts/{population}", said)


def micro_from(text: str) -> int:
    """Return a size written as decimal rho in micro-rho. Raises `Invalid`."""
    try:
        rho = float(text.strip().replace("\u00a0", "").replace(",", "."))
    except ValueError:
        rho = -1.0
    if not 0 < rho <= MOST_MICRO / MICRO:  # also refuses what is not a number
        raise Invalid((Problem(_("Skriv hvor stor hele kontoen skal bli, som rho."), "cap"),))
    return round(rho * MICRO)


def _on_the_form(refusal: Invalid) -> tuple[Problem, ...]:
    """Return the problems at the form's own fields."""
    places = {"period": "period_from"}
    return tuple(Problem(p.message, places.get(p.field, p.field), p.row, p.params) for p in refusal.problems)


@router.post("/accounts/{population}/topups/{topup}/{answer}")
def decide(
    request: Request, who: Who, shell: PageShell, *, door: Door, population: str, topup: str, answer: Action
) -> Response:
    """Confirm, refuse or withdraw a proposal about the account."""
    door.one(who, population)
    door.decide(who, topup, answer.value)
    return shell.back(request, f"/accounts/{population}", TOLD[answer])
