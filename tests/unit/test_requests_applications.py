"""The road from a draft to a permit, with the portal's and the custodian's services joined."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible, Unavailable
from hvelv.kernel.people import Role
from hvelv.requests.domain.draft import Draft
from hvelv.requests.domain.lifecycle import Action, State
from hvelv.requests.domain.permit import Permit, PermitAction, PermitState
from hvelv.requests.domain.review import Choice
from tests.builders_requests import (
    A_DAY,
    AUDITOR,
    COMMITTEE,
    KARI,
    LAB_STEWARD,
    LEAD,
    MEMBER,
    NOON,
    ODD,
    PER,
    POP_STEWARD,
    SIGNER,
    SIRI,
    STRANGER,
    House,
    a_draft,
    a_house,
    a_person,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = a_house(tmp_path)
    yield made
    made.close()


def test_an_approval_becomes_a_signed_permit_and_a_project(house: House) -> None:
    app = house.approved()

    view = house.applications.view(LEAD, app)

    assert (view.state, view.permit_pending) == (State.APPROVED, False)
    assert view.project is not None
    permit = Permit.verified(view.project.signed, SIGNER.verifier)
    assert permit.members == (MEMBER.id,)
    assert permit.revision == view.application.revision.hash
    assert (permit.votes_for, permit.votes_against, permit.stewards) == (3, 0, ("h-lab", "h-pop"))
    assert house.opened.allocations == {permit.project: {"d-liver": 500_000, "d-population": 500_000}}
    assert house.opened.jobs == [("provision", permit.project)]


def test_every_acknowledged_action_has_one_audit_row(house: House) -> None:
    house.approved()
    said = [action for actor, action in house.events() if action.startswith(("application", "project"))]
    assert said == [
        "application.created",
        "application.edit",
        "application.submit",
        "application.decide",
        "application.decide",
        *["application.vote"] * 3,
        "application.approve",
        "project.opened",
    ]
    assert [a for _actor, a in house.events(house.custodian)] == ["permit.issued"]


def test_a_draft_is_saved_with_errors_and_tells_what_is_missing(house: House) -> None:
    view = house.applications.create(LEAD)
    view = house.applications.save_draft(LEAD, view.id, 0, Draft(title="Halvferdig", period_from="32.13"))
    assert view.application.draft.period_from == "32.13"
    assert {p.field for p in view.missing} == {
        "purpose",
        "legal_basis",
        "summary",
        "wishes",
        "period_from",
        "period_to",
    }


def test_an_incomplete_draft_is_not_submitted(house: House) -> None:
    view = house.applications.create(LEAD)
    with pytest.raises(Invalid) as refused:
        house.applications.submit(LEAD, view.id, 0)
    assert "summary" in {p.field for p in refused.value.problems}
    assert house.applications.view(LEAD, view.id).state is State.DRAFT


def test_a_stale_page_does_not_overwrite_what_another_wrote(house: House) -> None:
    view = house.applications.create(LEAD)
    house.applications.save_draft(LEAD, view.id, 0, a_draft(title="Første"))
    with pytest.raises(NotPossible) as refused:
        house.applications.save_draft(LEAD, view.id, 0, a_draft(title="Andre"))
    assert refused.value.code == "changed"
    assert house.applications.view(LEAD, view.id).application.draft.title == "Første"


@pytest.mark.attack("PZ03")
def test_holder_table_and_version_of_a_wish_are_the_catalogues_whatever_is_sent(house: House) -> None:
    forged = replace(a_draft().wishes[0], holder="h-pop", version="f" * 64, table="other")
    app, _revision = house.submitted(wishes=(forged,))
    wish = house.applications.view(LEAD, app).application.revision.answers.wishes[0]
    assert (wish.holder, wish.version, wish.table) == ("h-lab", "1" * 64, "liver")


def test_identifying_columns_cannot_be_applied_for(house: House) -> None:
    wish = replace(a_draft().wishes[0], columns=("age", "town", "fnr"))
    with pytest.raises(Invalid) as refused:
        house.submitted(wishes=(wish,))
    assert {p.field for p in refused.value.problems} == {"wishes.d-liver.columns"}


@pytest.mark.attack("WF02")
def test_a_member_votes_once_on_a_revision(house: House) -> None:
    app, revision = house.submitted()
    house.applications.vote(KARI, app, revision, Choice.FOR)
    with pytest.raises(NotPossible):
        house.applications.vote(KARI, app, revision, Choice.FOR)
    assert house.applications.view(KARI, app).tally.votes_for == 1


@pytest.mark.attack("WF02")
def test_a_vote_does_not_count_once_its_caster_has_left_the_committee(house: House) -> None:
    app, revision = house.submitted()
    for steward in (LAB_STEWARD, POP_STEWARD):
        house.applications.decide(steward, app, revision, Choice.FOR)
    house.applications.vote(KARI, app, revision, Choice.FOR)
    house.people.change(KARI, roles=frozenset({Role.RESEARCHER}))
    house.applications.vote(PER, app, revision, Choice.FOR)
    view = house.applications.vote(SIRI, app, revision, Choice.FOR)
    assert (view.state, view.tally.votes_for) == (State.IN_REVIEW, 2)
    assert house.applications.vote(ODD, app, revision, Choice.FOR).state is State.APPROVED


@pytest.mark.attack("WF03")
@pytest.mark.parametrize("tie", ["declared", "member", "department", "steward"])
def test_a_conflict_of_interest_is_refused_and_recorded(tie: str, house: House) -> None:
    conflicted = a_person(
        "kim", Role.ETHICS, Role.RESEARCHER, department=" leversykdom " if tie == "department" else ""
    )
    if tie == "steward":
        conflicted = a_person("kim", Role.STEWARD, Role.RESEARCHER, holder="h-lab")
    house.people.people[conflicted.id] = conflicted
    members = (MEMBER.id, conflicted.id) if tie in {"member", "steward"} else (MEMBER.id,)
    app, revision = house.submitted(members=members)
    if tie == "declared":
        house.applications.declare_conflict(conflicted, app, "Gift med prosjektlederen")

    with pytest.raises(Denied):
        if tie == "steward":
            house.applications.decide(conflicted, app, revision, Choice.FOR)
        else:
            house.applications.vote(conflicted, app, revision, Choice.FOR)

    assert ("kim", "application.refused") in house.events()
    assert house.applications.view(KARI, app).tally.votes_for == 0


@pytest.mark.attack("WF03")
def test_a_vote_cast_before_a_conflict_was_declared_does_not_count(house: House) -> None:
    app, revision = house.submitted()
    house.applications.vote(KARI, app, revision, Choice.FOR)
    view = house.applications.declare_conflict(KARI, app, "Oppdaget nå")
    assert view.tally.votes_for == 0
    assert view.conflict == "declared"


@pytest.mark.attack("WF06")
def test_a_vote_meant_for_an_earlier_revision_is_refused(house: House) -> None:
    app, first = house.submitted()
    house.applications.vote(KARI, app, first, Choice.FOR)
    house.applications.return_(PER, app, "Formålet er uklart")
    view = house.applications.revise(LEAD, app)
    view = house.applications.save_draft(LEAD, app, view.application.version, a_draft(title="Tydeligere"))
    view = house.applications.submit(LEAD, app, view.application.version)
    assert view.tally.votes_for == 0
    with pytest.raises(NotPossible) as refused:
        house.applications.vote(KARI, app, first, Choice.FOR)
    assert refused.value.code == "other-revision"


def test_a_holder_that_says_no_ends_the_case(house: House) -> None:
    app, revision = house.submitted()
    assert house.applications.decide(LAB_STEWARD, app, revision, Choice.AGAINST, reason="Nei").state is State.REJECTED


def test_a_majority_against_ends_the_case(house: House) -> None:
    app, revision = house.submitted()
    for member in COMMITTEE:
        view = house.applications.vote(member, app, revision, Choice.AGAINST)
    assert view.state is State.REJECTED
    assert house.door.calls == 0


def test_a_steward_grants_less_than_was_asked_for_and_never_more(house: House) -> None:
    app, revision = house.submitted()
    with pytest.raises(Invalid):
        house.applications.decide(LAB_STEWARD, app, revision, Choice.FOR, granted={"d-liver": 500_001})
    with pytest.raises(Invalid):
        house.applications.decide(LAB_STEWARD, app, revision, Choice.FOR, granted={"d-population": 1})
    house.applications.decide(
        LAB_STEWARD, app, revision, Choice.FOR, granted={"d-liver": 200_000}, conditions=["Slett"]
    )
    house.applications.decide(POP_STEWARD, app, revision, Choice.FOR)
    for member in COMMITTEE:
        view = house.applications.vote(member, app, revision, Choice.FOR)
    permit = view.project.permit
    assert {d.dataset: d.rho_micro for d in permit.datasets} == {"d-liver": 200_000, "d-population": 500_000}
    assert permit.conditions == ("Slett",)


@pytest.mark.parametrize("person", [STRANGER, a_person("ute", Role.ETHICS, active=False)])
def test_who_may_not_know_of_an_application_is_told_that_there_is_none(house: House, person: object) -> None:
    app, revision = house.submitted()
    for attempt in (
        lambda: house.applications.view(person, app),
        lambda: house.applications.vote(person, app, revision, Choice.FOR),
        lambda: house.applications.save_draft(person, app, 1, a_draft()),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert house.applications.to_review(person) == ()


def test_reviewers_do_not_see_drafts_and_auditors_see_but_do_not_judge(house: House) -> None:
    draft = house.applications.create(LEAD)
    with pytest.raises(NotFound):
        house.applications.view(KARI, draft.id)
    app, revision = house.submitted()
    assert house.applications.view(AUDITOR, app).may == {Action.VIEW}
    with pytest.raises(Denied):
        house.applications.vote(AUDITOR, app, revision, Choice.FOR)


def test_lists_put_what_awaits_a_reviewer_first(house: House) -> None:
    first, revision = house.submitted()
    house.applications.vote(KARI, first, revision, Choice.FOR)
    second, _other = house.submitted()
    lines = house.applications.to_review(KARI)
    assert [(c.id, c.awaits_me) for c in lines] == [(second, True), (first, False)]
    assert {c.id for c in house.applications.mine(MEMBER)} == {first, second}
    assert house.applications.mine(KARI) == ()


def test_the_clock_stands_still_while_the_application_is_returned(house: House) -> None:
    app, _revision = house.submitted()
    house.clock.advance(timedelta(days=10))
    assert house.applications.return_(KARI, app, "Mangler").clocks.paused
    house.clock.advance(timedelta(days=100))
    view = house.applications.revise(LEAD, app)
    view = house.applications.submit(LEAD, app, view.application.version)
    assert view.clocks.decision_due == NOON + timedelta(days=190)
    house.clock.advance(timedelta(days=81))
    assert house.applications.view(LEAD, app).overdue


def test_an_approval_stands_while_the_office_is_away_and_settles_later(house: House) -> None:
    house.door.failure = Unavailable("borte")
    app = house.approved()
    assert house.applications.view(LEAD, app).permit_pending
    house.door.failure = None
    assert house.applications.settle() == 1
    assert house.applications.settle() == 0
    assert house.applications.view(LEAD, app).project is not None


def test_a_vote_that_was_counted_stands_when_its_caster_leaves_before_the_office_has_signed(house: House) -> None:
    house.door.failure = Unavailable("borte")
    app = house.approved()
    house.people.change(KARI, active=False)
    house.people.change(LAB_STEWARD, active=False)
    house.door.failure = None
    assert house.applications.settle() == 1
    project = house.applications.view(LEAD, app).project
    assert (project.permit.votes_for, project.permit.votes_against) == (3, 0)


def test_a_portal_that_died_after_the_office_signed_finds_the_same_permit_again(house: House) -> None:
    app = house.approved()
    view = house.applications.view(LEAD, app)
    from hvelv.requests.adapters.store_projects import ProjectRow

    with house.registry.transaction() as transaction:
        transaction.session.delete(transaction.session.get(ProjectRow, view.project.id))
    again = house.applications.view(LEAD, app)
    assert again.project.signed == view.project.signed
    assert house.opened.jobs == [("provision", view.project.id)]


def test_a_permit_signed_by_another_key_is_not_taken(house: House) -> None:
    from hvelv.kernel.signing import Signer

    house.door.office._signer = Signer.generate()
    app = house.approved()
    assert house.applications.view(LEAD, app).permit_pending


@pytest.mark.parametrize(("published", "jobs"), [((), 2), (("d-liver",), 2), (("d-liver", "d-population"), 1)])
def test_a_resumed_project_has_its_extracts_made_unless_they_are(
    house: House, published: tuple[str, ...], jobs: int
) -> None:
    project = house.applications.view(LEAD, house.approved()).project
    house.opened.published = published
    house.projects.change(LAB_STEWARD, project.id, PermitAction.SUSPEND, "hendelse")
    house.projects.change(LAB_STEWARD, project.id, PermitAction.RESUME, "avklart")
    assert house.opened.jobs == [("provision", project.id)] * jobs


def test_nobody_enters_once_a_permit_is_revoked(house: House) -> None:
    project = house.applications.view(LEAD, house.approved()).project
    assert house.office.grant(MEMBER.id, project.id, NOON).project == project.id
    house.projects.change(POP_STEWARD, project.id, PermitAction.REVOKE, "brudd")
    for person in (MEMBER, LEAD):
        with pytest.raises(Denied):
            house.office.grant(person.id, project.id, NOON)


def test_projects_are_seen_and_changed_by_those_they_concern(house: House) -> None:
    project = house.applications.view(LEAD, house.approved()).project
    assert [p.id for p in house.projects.of(MEMBER)] == [project.id]
    assert house.projects.of(STRANGER) == ()
    assert house.projects.takes_part(MEMBER, project.id)
    assert not house.projects.takes_part(LAB_STEWARD, project.id)
    with pytest.raises(Denied):
        house.projects.change(MEMBER, project.id, PermitAction.CLOSE, "ferdig")
    with pytest.raises(NotFound):
        house.projects.change(STRANGER, project.id, PermitAction.CLOSE, "ferdig")
    suspended = house.projects.change(LAB_STEWARD, project.id, PermitAction.SUSPEND, "hendelse")
    assert suspended.state is PermitState.SUSPENDED
    assert house.projects.may(LAB_STEWARD, suspended) == {PermitAction.RESUME, PermitAction.REVOKE}


def test_rights_follow_the_permit_and_its_dates(house: House) -> None:
    project = house.applications.view(LEAD, house.approved()).project.id
    assert house.office.grant(MEMBER.id, project, NOON).project == project
    for person, at in ((STRANGER.id, NOON), (MEMBER.id, NOON + 800 * A_DAY), (MEMBER.id, NOON - 30 * A_DAY)):
        with pytest.raises(Denied):
            house.office.grant(person, project, at)
    house.office.change(LAB_STEWARD.id, project, PermitAction.REVOKE, "slutt")
    with pytest.raises(Denied):
        house.office.grant(MEMBER.id, project, NOON)
    with pytest.raises(Denied):
        house.office.active_permit(project, NOON)
    assert house.opened.states == ["destroyed"]
    with pytest.raises(NotPossible):
        house.office.change(LAB_STEWARD.id, project, PermitAction.RESUME, "angrer")


def test_a_permit_expires_on_its_date(house: House) -> None:
    project = house.applications.view(LEAD, house.approved()).project.id
    assert house.office.expire(NOON) == 0
    assert house.office.expire(NOON + 800 * A_DAY) == 1
    assert house.office.issued(project).state is PermitState.EXPIRED
