"""The lifecycle and permission tables, written out again by hand: state by action, state by relation."""

import pytest

from hvelv.kernel.authority import authorise, may
from hvelv.kernel.errors import Denied, NotPossible
from hvelv.kernel.people import Role
from hvelv.requests.domain.lifecycle import ENDED, LIFECYCLE, Action, State, next_state
from hvelv.requests.domain.permissions import MAY, POLICY, Case, Relation, allowed, relations
from hvelv.requests.domain.permit import PERMIT_LIFECYCLE, PermitAction, PermitState, next_permit_state
from hvelv.requests.domain.permit_rights import PERMIT_POLICY
from hvelv.requests.domain.reference import render
from hvelv.requests.domain.review import Conflict
from tests.builders_requests import (
    AUDITOR,
    KARI,
    LAB_STEWARD,
    LEAD,
    MEMBER,
    NOON,
    STRANGER,
    a_person,
    an_application,
    by_id,
)

# state: edit, submit, withdraw, vote, decide, declare_conflict, return, revise, approve, reject
LIFE = """
draft       draft  submitted  withdrawn  -          -          -          -         -      -         -
submitted   -      -          withdrawn  in_review  in_review  submitted  returned  -      -         -
in_review   -      -          withdrawn  in_review  in_review  in_review  returned  -      approved  rejected
returned    -      -          withdrawn  -          -          -          -         draft  -         -
approved    -      -          -          -          -          -          -         -      -         -
rejected    -      -          -          -          -          -          -         -      -         -
withdrawn   -      -          -          -          -          -          -         -      -         -
"""
CHANGES = [a for a in Action if a is not Action.VIEW]
EXPECTED = {
    (State(line.split()[0]), action): to
    for line in LIFE.strip().splitlines()
    for action, to in zip(CHANGES, line.split()[1:], strict=True)
}


@pytest.mark.parametrize(("state", "action"), EXPECTED)
def test_each_action_leads_where_the_table_says(state: State, action: Action) -> None:
    to = EXPECTED[state, action]
    if to == "-":
        with pytest.raises(NotPossible):
            next_state(state, action)
    else:
        assert next_state(state, action) is State(to)


RIGHTS = {
    (State.DRAFT, Relation.APPLICANT): "view edit submit withdraw",
    (State.DRAFT, Relation.MEMBER): "view edit",
    **{(s, Relation.APPLICANT): "view withdraw" for s in (State.SUBMITTED, State.IN_REVIEW)},
    **{(s, Relation.COMMITTEE): "view vote declare_conflict return" for s in (State.SUBMITTED, State.IN_REVIEW)},
    **{(s, Relation.STEWARD): "view decide declare_conflict return" for s in (State.SUBMITTED, State.IN_REVIEW)},
    (State.RETURNED, Relation.APPLICANT): "view revise withdraw",
    **{(State.RETURNED, r): "view" for r in (Relation.COMMITTEE, Relation.STEWARD)},
    **{(s, r): "view" for s in ENDED for r in (Relation.APPLICANT, Relation.COMMITTEE, Relation.STEWARD)},
    **{
        (s, r): "view"
        for s in State
        if s is not State.DRAFT
        for r in (Relation.MEMBER, Relation.CONFLICTED, Relation.AUDITOR)
    },
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("relation", Relation)
def test_each_relation_may_do_what_the_table_says(state: State, relation: Relation) -> None:
    assert allowed(state, {relation}) == {Action(a) for a in RIGHTS.get((state, relation), "").split()}


def test_nobody_may_do_what_the_state_does_not_allow() -> None:
    for (state, _relation), actions in MAY.items():
        assert actions - {Action.VIEW} <= set(LIFECYCLE[state])


@pytest.mark.attack("PZ03")
def test_the_outcome_is_in_nobodys_hand() -> None:
    assert not any(actions & {Action.APPROVE, Action.REJECT} for actions in MAY.values())


@pytest.mark.parametrize("state", [s for s in State if s not in ENDED])
def test_every_state_that_has_not_ended_has_someone_who_can_move_it(state: State) -> None:
    movers = {r for (s, r), actions in MAY.items() if s is state and actions - {Action.VIEW, Action.EDIT}}
    assert movers


KIM = a_person("kim", Role.ETHICS, Role.STEWARD, Role.AUDITOR, Role.RESEARCHER, holder="h-lab")
RELATED = [
    (LEAD, {}, {Relation.APPLICANT}),
    (MEMBER, {}, {Relation.MEMBER}),
    (KARI, {}, {Relation.COMMITTEE}),
    (LAB_STEWARD, {}, {Relation.STEWARD}),
    (a_person("x", Role.STEWARD, holder="h-other"), {}, {Relation.STRANGER}),
    (AUDITOR, {}, {Relation.AUDITOR}),
    (STRANGER, {}, {Relation.STRANGER}),
    (KIM, {}, {Relation.COMMITTEE, Relation.STEWARD, Relation.AUDITOR}),
    (KIM, {"members": (KIM.id,)}, {Relation.MEMBER}),
    (a_person("d", Role.ETHICS, department="LEVERSYKDOM"), {}, {Relation.CONFLICTED}),
    (a_person("e", Role.ETHICS, Role.AUDITOR, department="leversykdom"), {}, {Relation.CONFLICTED, Relation.AUDITOR}),
    (a_person("g", Role.ETHICS, active=False), {}, {Relation.STRANGER}),
]


@pytest.mark.parametrize(("person", "draft", "expected"), RELATED)
def test_what_a_person_is_to_an_application(person: object, draft: dict[str, object], expected: set[Relation]) -> None:
    application = an_application(**draft)
    team = tuple(p for p in (*by_id().values(), KIM) if p.id in application.people)
    assert relations(person, Case(application, team)) == expected


def test_a_declared_conflict_is_all_that_a_reviewer_is() -> None:
    application = an_application().with_conflict(Conflict(KARI.id, "nær venn", NOON))
    case = Case(application, (LEAD, MEMBER))
    assert relations(KARI, case) == {Relation.CONFLICTED}
    with pytest.raises(Denied):
        authorise(KARI, Action.VOTE, case, POLICY)


def test_before_a_revision_nobody_is_a_reviewer() -> None:
    case = Case(an_application(submitted=False), (LEAD, MEMBER))
    assert relations(KARI, case) == {Relation.STRANGER}
    assert not may(KARI, Action.VIEW, case, POLICY)


def test_every_action_has_a_rule_that_says_why_not() -> None:
    assert set(POLICY) == set(Action)
    assert set(PERMIT_POLICY) == set(PermitAction)
    assert all(rule.otherwise for rule in (*POLICY.values(), *PERMIT_POLICY.values()))


PERMITS = """
active     suspended  -       amended  expired  revoked  closed
suspended  -          active  -        expired  revoked  closed
amended    -          -       -        -        -        -
expired    -          -       -        -        -        -
revoked    -          -       -        -        -        -
closed     -          -       -        -        -        -
"""


@pytest.mark.parametrize("line", PERMITS.strip().splitlines())
def test_each_permit_action_leads_where_the_table_says(line: str) -> None:
    state, *ways = line.split()
    for action, to in zip(PermitAction, ways, strict=True):
        if to == "-":
            with pytest.raises(NotPossible):
                next_permit_state(PermitState(state), action)
        else:
            assert next_permit_state(PermitState(state), action) is PermitState(to)
    assert set(PERMIT_LIFECYCLE) == set(PermitState)


def test_the_reference_page_tells_of_every_state_relation_and_action() -> None:
    page = render()
    for word in (*State, *PermitState, *(r for r in Relation), *CHANGES, *PermitAction):
        assert word.value in page
    assert "in_review --> approved: approve" in page
    assert "| `returned` | `view`, `withdraw`, `revise` | `view` |" in page
