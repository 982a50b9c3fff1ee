"""Reviews in any order: whatever people try, only what the rules say adds up to an approval."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hvelv.kernel.authority import authorise
from hvelv.kernel.errors import Denied, NotPossible
from hvelv.kernel.people import Role
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.evidence import Evidence, judge
from hvelv.requests.domain.lifecycle import UNDER_REVIEW, Action, State
from hvelv.requests.domain.permissions import POLICY, Case, allowed, relations
from hvelv.requests.domain.review import Choice, Conflict, Outcome
from tests.builders_requests import (
    LAB_STEWARD,
    LEAD,
    MEMBER,
    NOON,
    POP_STEWARD,
    a_decision,
    a_draft,
    a_person,
    a_vote,
    an_application,
)

QUORUM = 3
ETHICS = [a_person(f"rek{i}", Role.ETHICS) for i in range(5)]
NEAR = a_person("near", Role.ETHICS, department="Leversykdom")
IN_PROJECT = a_person("inside", Role.ETHICS, Role.RESEARCHER)
JUDGES = [*ETHICS, NEAR, IN_PROJECT, LEAD, MEMBER]
STEWARDS = [LAB_STEWARD, POP_STEWARD, a_person("far", Role.STEWARD, holder="h-far")]


class Reviews(RuleBasedStateMachine):
    """Keeps its own simple books beside the application and holds the tally against them."""

    @initialize()
    def begin(self) -> None:
        self.people = {p.id: p for p in (*JUDGES, *STEWARDS)}
        self.application: Application = an_application(members=(MEMBER.id, IN_PROJECT.id))
        self.cast: dict[tuple[str, str], Choice] = {}
        self.answered: dict[tuple[str, str], Choice] = {}
        self.declared: set[str] = set()
        self.now = NOON

    def _reviewing(self) -> bool:
        return self.application.state in UNDER_REVIEW

    def _may(self, person: object, action: Action) -> bool:
        person = self.people[person.id]
        team = tuple(self.people[p] for p in sorted(self.application.people))
        case = Case(self.application, team)
        try:
            authorise(person, action, case, POLICY)
        except Denied:
            return False
        return action in allowed(self.application.state, relations(person, case))

    @property
    def hash(self) -> str:
        return self.application.revision.hash

    def _settle(self) -> None:
        tally = self.application.tally(self.people, quorum=QUORUM)
        if self.application.state is State.IN_REVIEW and tally.outcome is not Outcome.UNDECIDED:
            action = Action.APPROVE if tally.outcome is Outcome.APPROVED else Action.REJECT
            self.application = self.application.moved(action, "", self.now)

    @precondition(_reviewing)
    @rule(person=st.sampled_from(JUDGES), choice=st.sampled_from(Choice))
    def vote(self, person: object, choice: Choice) -> None:
        may_vote = self._may(person, Action.VOTE)
        rightly = self.people[person.id].active and person in ETHICS and person.id not in self.declared
        assert may_vote == rightly
        key = (self.hash, person.id)
        # The vote is put in even where the policy would refuse it: the tally must not count it either.
        try:
            self.application = self.application.voted(a_vote(self.application, person, choice))
        except NotPossible:
            assert key in self.cast
            return
        assert key not in self.cast
        self.cast[key] = choice
        self._settle()

    @precondition(_reviewing)
    @rule(person=st.sampled_from(STEWARDS), choice=st.sampled_from([Choice.FOR, Choice.FOR, Choice.AGAINST]))
    def decide(self, person: object, choice: Choice) -> None:
        assert self._may(person, Action.DECIDE) == (person.holder in {"h-lab", "h-pop"})
        try:
            self.application = self.application.decided(a_decision(self.application, person, choice))
        except NotPossible:
            return
        self.answered[self.hash, person.holder] = choice
        self._settle()

    @precondition(_reviewing)
    @rule(person=st.sampled_from(ETHICS))
    def declare(self, person: object) -> None:
        self.application = self.application.with_conflict(Conflict(person.id, "venn", self.now))
        self.declared.add(person.id)
        self._settle()

    @precondition(_reviewing)
    @rule(person=st.sampled_from(ETHICS))
    def leave_or_come_back(self, person: object) -> None:
        known = self.people[person.id]
        self.people[person.id] = replace(known, active=not known.active)
        self._settle()

    @precondition(_reviewing)
    @rule(title=st.text(min_size=1, max_size=5))
    def amend(self, title: str) -> None:
        self.now += timedelta(days=1)
        before = self.hash
        application = self.application.moved(Action.RETURN, ETHICS[0].id, self.now)
        application = application.moved(Action.REVISE, LEAD.id, self.now)
        members = (MEMBER.id, IN_PROJECT.id)
        self.application = application.edited(a_draft(title=title, members=members)).submitted(LEAD.id, self.now)
        assert self.hash != before
        assert self.application.tally(self.people, quorum=QUORUM).voters == frozenset()

    @rule()
    def judge_after_the_end(self) -> None:
        if not self._reviewing():
            with pytest.raises(NotPossible):
                self.application.voted(a_vote(self.application, ETHICS[4]))

    def _counted(self) -> dict[str, Choice]:
        allowed_now = {p.id for p in ETHICS if self.people[p.id].active} - self.declared
        return {who: c for (revision, who), c in self.cast.items() if revision == self.hash and who in allowed_now}

    @invariant()
    def the_tally_counts_what_it_should(self) -> None:
        tally = self.application.tally(self.people, quorum=QUORUM)
        counted = self._counted()
        assert tally.voters == set(counted)
        assert tally.votes_for == sum(c is Choice.FOR for c in counted.values())
        assert tally.votes_against == sum(c is Choice.AGAINST for c in counted.values())

    @invariant()
    def an_approval_rests_on_a_quorum_a_majority_and_every_holder(self) -> None:
        if self.application.state is not State.APPROVED:
            return
        counted = self._counted()
        in_favour = [c for c in counted.values() if c is Choice.FOR]
        assert len(counted) >= QUORUM
        assert len(in_favour) * 2 > len(counted)
        for holder in ("h-lab", "h-pop"):
            assert self.answered[self.hash, holder] is Choice.FOR

    @invariant()
    def the_office_agrees(self) -> None:
        tally = self.application.tally(self.people, quorum=QUORUM)
        evidence = Evidence.of(self.application, tally.voters, self.application.revision, None)
        again = Evidence.from_dict(evidence.as_dict())
        if tally.outcome is Outcome.APPROVED:
            judge(again, quorum=QUORUM)
        else:
            with pytest.raises(Denied):
                judge(again, quorum=QUORUM)


TestReviews = pytest.mark.attack("WF02")(pytest.mark.attack("WF03")(Reviews.TestCase))
TestReviews.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
