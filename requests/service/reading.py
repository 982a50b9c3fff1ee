"""Making what a page shows of an application, for one reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hvelv.catalog.domain.dataset import Dataset
from hvelv.kernel.ids import DatasetId, PersonId
from hvelv.kernel.people import Person
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.clocks import Clocks, clocks
from hvelv.requests.domain.completeness import missing
from hvelv.requests.domain.lifecycle import UNDER_REVIEW, Action, State
from hvelv.requests.domain.permissions import Case, Relation, allowed, relations
from hvelv.requests.domain.review import conflict_reason
from hvelv.requests.service.cases import CaseLine, CaseView
from hvelv.requests.service.projects import Project


@dataclass(frozen=True)
class Terms:
    """What an installation has set for reviews."""

    quorum: int
    decision_days: int
    data_days: int
    chair: PersonId | None = None


@dataclass(frozen=True)
class World:
    """What else must be known to read applications: people and datasets as they are now."""

    people: Mapping[PersonId, Person]
    datasets: Mapping[DatasetId, Dataset]
    holders: Mapping[str, str]
    now: datetime

    def case(self, application: Application) -> Case:
        """Return the application with the people in it."""
        return Case(application, tuple(self.people[p] for p in sorted(application.people) if p in self.people))


def may_now(person: Person, case: Case) -> frozenset[Action]:
    """Return what the person can do now: the table, less what they have done already."""
    application = case.application
    can = set(allowed(application.state, relations(person, case)))
    if has_voted(person, application):
        can.discard(Action.VOTE)
    if has_decided(person, application):
        can.discard(Action.DECIDE)
    return frozenset(can)


def has_voted(person: Person, application: Application) -> bool:
    """Say whether the person has voted on the newest revision."""
    revision = application.revision
    return revision is not None and any(
        v.person == person.id and v.revision == revision.hash for v in application.votes
    )


def has_decided(person: Person, application: Application) -> bool:
    """Say whether the person's data holder has answered on the newest revision."""
    revision = application.revision
    conflicted = {c.person for c in application.conflicts}
    return revision is not None and any(
        d.holder == person.holder and d.revision == revision.hash and d.person not in conflicted
        for d in application.decisions
    )


def view(person: Person, application: Application, project: Project | None, world: World, terms: Terms) -> CaseView:
    """Return the application as `person` may see it; who may see it at all is settled before."""
    case = world.case(application)
    due = _clocks(application, terms)
    revision = application.revision
    mentioned = {application.lead, *application.people, *(v.person for v in application.votes)}
    mentioned |= {d.person for d in application.decisions} | {c.person for c in application.conflicts}
    mentioned |= {PersonId(e.by) for e in application.history if e.by}
    incomplete = (
        missing(
            application.draft,
            lead=application.lead,
            datasets=world.datasets,
            people=world.people,
            today=world.now.date(),
        )
        if application.state is State.DRAFT
        else ()
    )
    return CaseView(
        application=application,
        relations=relations(person, case),
        may=may_now(person, case),
        missing=incomplete,
        tally=application.tally(world.people, quorum=terms.quorum, chair=terms.chair),
        clocks=due,
        overdue=due.overdue(world.now, application.state),
        conflict=conflict_reason(person, revision, application.conflicts, case.team) if revision else "",
        has_voted=has_voted(person, application),
        has_decided=has_decided(person, application),
        names={p: world.people[p].name for p in mentioned if p in world.people},
        holders=world.holders,
        project=project,
        permit_pending=application.state is State.APPROVED and project is None,
    )


def line(person: Person, application: Application, world: World, terms: Terms) -> CaseLine:
    """Return the application as a line of a list."""
    can = may_now(person, world.case(application))
    due = _clocks(application, terms)
    lead = world.people.get(application.lead)
    newest = application.revision if application.state is not State.DRAFT else None
    reviewing = application.state in UNDER_REVIEW and bool(can & {Action.VOTE, Action.DECIDE})
    mending = application.state is State.RETURNED and Action.REVISE in can
    return CaseLine(
        id=application.id,
        title=newest.answers.title if newest else application.draft.title,
        state=application.state,
        lead_name=lead.name if lead else "",
        changed_at=application.history[-1].at if application.history else application.created_at,
        decision_due=due.decision_due,
        overdue=due.overdue(world.now, application.state),
        awaits_me=reviewing or mending,
    )


def is_reviewer(person: Person, case: Case) -> bool:
    """Say whether the person meets the application as a reviewer or auditor."""
    reviewing = {Relation.COMMITTEE, Relation.STEWARD, Relation.CONFLICTED, Relation.AUDITOR}
    return bool(relations(person, case) & reviewing)


def _clocks(application: Application, terms: Terms) -> Clocks:
    return clocks(application.history, decision_days=terms.decision_days, data_days=terms.data_days)
