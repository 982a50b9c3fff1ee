"""Who may do what to an application, and when: state x relation to actions, one table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hvelv.kernel.authority import Rule
from hvelv.kernel.errors import _
from hvelv.kernel.people import Person, Role
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.lifecycle import Action, State
from hvelv.requests.domain.review import conflict_reason


class Relation(StrEnum):
    """What a person is to one application."""

    APPLICANT = "applicant"
    MEMBER = "member"
    COMMITTEE = "committee"
    STEWARD = "steward"
    CONFLICTED = "conflicted"
    AUDITOR = "auditor"
    STRANGER = "stranger"


_REVIEWER_SEES = frozenset({Action.VIEW})
_COMMITTEE = frozenset({Action.VIEW, Action.VOTE, Action.DECLARE_CONFLICT, Action.RETURN})
_STEWARD = frozenset({Action.VIEW, Action.DECIDE, Action.DECLARE_CONFLICT, Action.RETURN})
_ENDED = (State.APPROVED, State.REJECTED, State.WITHDRAWN)

MAY: Mapping[tuple[State, Relation], frozenset[Action]] = {
    (State.DRAFT, Relation.APPLICANT): frozenset({Action.VIEW, Action.EDIT, Action.SUBMIT, Action.WITHDRAW}),
    (State.DRAFT, Relation.MEMBER): frozenset({Action.VIEW, Action.EDIT}),
    (State.SUBMITTED, Relation.APPLICANT): frozenset({Action.VIEW, Action.WITHDRAW}),
    (State.SUBMITTED, Relation.COMMITTEE): _COMMITTEE,
    (State.SUBMITTED, Relation.STEWARD): _STEWARD,
    (State.IN_REVIEW, Relation.APPLICANT): frozenset({Action.VIEW, Action.WITHDRAW}),
    (State.IN_REVIEW, Relation.COMMITTEE): _COMMITTEE,
    (State.IN_REVIEW, Relation.STEWARD): _STEWARD,
    (State.RETURNED, Relation.APPLICANT): frozenset({Action.VIEW, Action.REVISE, Action.WITHDRAW}),
    (State.RETURNED, Relation.COMMITTEE): _REVIEWER_SEES,
    (State.RETURNED, Relation.STEWARD): _REVIEWER_SEES,
    **{(state, Relation.APPLICANT): frozenset({Action.VIEW}) for state in _ENDED},
    **{(state, Relation.COMMITTEE): _REVIEWER_SEES for state in _ENDED},
    **{(state, Relation.STEWARD): _REVIEWER_SEES for state in _ENDED},
    **{(state, Relation.MEMBER): frozenset({Action.VIEW}) for state in State if state is not State.DRAFT},
    **{(state, Relation.CONFLICTED): frozenset({Action.VIEW}) for state in State if state is not State.DRAFT},
    **{(state, Relation.AUDITOR): frozenset({Action.VIEW}) for state in State if state is not State.DRAFT},
}


@dataclass(frozen=True)
class Case:
    """An application together with the people in it, which is what a question of right is about."""

    application: Application
    team: tuple[Person, ...]


def relations(person: Person, case: Case) -> frozenset[Relation]:
    """Return what `person` is to the application.

    Whoever takes part is nothing else, whatever their roles, so nobody decides on their own application; a reviewer
    with a conflict of interest is only that.
    """
    application = case.application
    if person.id == application.lead:
        return frozenset({Relation.APPLICANT})
    if person.id in application.people:
        return frozenset({Relation.MEMBER})
    found: set[Relation] = set()
    revision = application.revision
    if revision is not None:
        if person.is_(Role.ETHICS):
            found.add(Relation.COMMITTEE)
        if person.is_(Role.STEWARD) and person.holder in revision.holders:
            found.add(Relation.STEWARD)
        if found and conflict_reason(person, revision, application.conflicts, case.team):
            found = {Relation.CONFLICTED}
    if person.is_(Role.AUDITOR):
        found.add(Relation.AUDITOR)
    return frozenset(found or {Relation.STRANGER})


def allowed(state: State, related: Iterable[Relation]) -> frozenset[Action]:
    """Return what someone who is `related` may do in `state`."""
    return frozenset().union(*(MAY.get((state, relation), frozenset()) for relation in related))


def ever_allowed(related: Iterable[Relation]) -> frozenset[Action]:
    """Return what someone who is `related` may do in some state or other."""
    related = tuple(related)
    return frozenset().union(*(allowed(state, related) for state in State))


OTHERWISE: Mapping[Action, str] = {
    Action.VIEW: _("Du har ikke innsyn i denne søknaden."),
    Action.EDIT: _("Bare de som er med i prosjektet, kan endre søknaden."),
    Action.SUBMIT: _("Bare den som leder prosjektet, kan sende inn søknaden."),
    Action.WITHDRAW: _("Bare den som leder prosjektet, kan trekke søknaden."),
    Action.REVISE: _("Bare den som leder prosjektet, kan begynne på en ny revisjon."),
    Action.VOTE: _("Bare komitémedlemmer som er habile i saken, kan stemme."),
    Action.DECIDE: _("Bare habile dataforvaltere hos en berørt datainnehaver kan ta stilling."),
    Action.DECLARE_CONFLICT: _("Bare de som vurderer saken, melder inhabilitet."),
    Action.RETURN: _("Bare de som vurderer saken, kan returnere den."),
    Action.APPROVE: _("Vedtaket følger av stemmene og kan ikke settes av noen."),
    Action.REJECT: _("Vedtaket følger av stemmene og kan ikke settes av noen."),
}


def _rule(action: Action) -> Rule:
    def allows(person: Person, case: Case) -> bool:
        return action in ever_allowed(relations(person, case))

    return Rule(allows, OTHERWISE[action])


# The state is the lifecycle's business (`next_state` says what can be done instead); this asks what kind of person.
POLICY: Mapping[StrEnum, Rule] = {action: _rule(action) for action in Action}
