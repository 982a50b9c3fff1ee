"""The life of an application: which action leads from which state to which. One table, and one function that reads it."""

from collections.abc import Mapping
from enum import StrEnum

from hvelv.kernel.errors import NotPossible, _


class State(StrEnum):
    """Where an application stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    RETURNED = "returned"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Action(StrEnum):
    """What can be done to an application."""

    VIEW = "view"
    EDIT = "edit"
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    VOTE = "vote"
    DECIDE = "decide"
    DECLARE_CONFLICT = "declare_conflict"
    RETURN = "return"
    REVISE = "revise"
    APPROVE = "approve"
    REJECT = "reject"


# The first vote or decision begins the review. APPROVE and REJECT are what the votes and decisions add up to: they are
# in no one's hand (permissions.MAY gives them to nobody).
LIFECYCLE: Mapping[State, Mapping[Action, State]] = {
    State.DRAFT: {
        Action.EDIT: State.DRAFT,
        Action.SUBMIT: State.SUBMITTED,
        Action.WITHDRAW: State.WITHDRAWN,
    },
    State.SUBMITTED: {
        Action.VOTE: State.IN_REVIEW,
        Action.DECIDE: State.IN_REVIEW,
        Action.DECLARE_CONFLICT: State.SUBMITTED,
        Action.RETURN: State.RETURNED,
        Action.WITHDRAW: State.WITHDRAWN,
    },
    State.IN_REVIEW: {
        Action.VOTE: State.IN_REVIEW,
        Action.DECIDE: State.IN_REVIEW,
        Action.DECLARE_CONFLICT: State.IN_REVIEW,
        Action.RETURN: State.RETURNED,
        Action.WITHDRAW: State.WITHDRAWN,
        Action.APPROVE: State.APPROVED,
        Action.REJECT: State.REJECTED,
    },
    State.RETURNED: {
        Action.REVISE: State.DRAFT,
        Action.WITHDRAW: State.WITHDRAWN,
    },
    State.APPROVED: {},
    State.REJECTED: {},
    State.WITHDRAWN: {},
}

UNDER_REVIEW = frozenset({State.SUBMITTED, State.IN_REVIEW})
ENDED = frozenset(state for state, ways in LIFECYCLE.items() if not ways)

STATE_NAMES: Mapping[State, str] = {
    State.DRAFT: _("Utkast"),
    State.SUBMITTED: _("Sendt inn"),
    State.IN_REVIEW: _("Til vurdering"),
    State.RETURNED: _("Returnert til søker"),
    State.APPROVED: _("Innvilget"),
    State.REJECTED: _("Avslått"),
    State.WITHDRAWN: _("Trukket"),
}
ACTION_NAMES: Mapping[Action, str] = {
    Action.VIEW: _("se"),
    Action.EDIT: _("redigere"),
    Action.SUBMIT: _("sende inn"),
    Action.WITHDRAW: _("trekke"),
    Action.VOTE: _("stemme"),
    Action.DECIDE: _("ta stilling som dataforvalter"),
    Action.DECLARE_CONFLICT: _("melde inhabilitet"),
    Action.RETURN: _("returnere"),
    Action.REVISE: _("begynne på en ny revisjon"),
    Action.APPROVE: _("innvilge"),
    Action.REJECT: _("avslå"),
}


def next_state(state: State, action: Action) -> State:
    """Return the state `action` leads to; VIEW leads nowhere. Raises `NotPossible`, which names the actions that are."""
    if action is Action.VIEW:
        return state
    try:
        return LIFECYCLE[state][action]
    except KeyError:
        ways = ", ".join(ACTION_NAMES[way] for way in LIFECYCLE[state])
        raise NotPossible(
            _("Søknaden står som «{state}» og kan ikke endres slik."),
            remedy=_("Dette kan gjøres nå: {ways}.") if ways else _("Saken er avsluttet."),
            code=f"state:{action}",
            state=STATE_NAMES[state],
            ways=ways,
        ) from None
