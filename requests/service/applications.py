"""Applications from first answer to signed permit, as applicants and reviewers meet them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Protocol

from sqlmodel import Session

from hvelv.catalog.service.catalogue import Catalogue
from hvelv.catalog.service.selections import Selected
from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.authority import Rule, authorise, may
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible, Problem, Unavailable, _
from hvelv.kernel.ids import ApplicationId, DatasetId, HolderId, IdSource, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.signing import Verifier
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.draft import Draft
from hvelv.requests.domain.lifecycle import Action, State, next_state
from hvelv.requests.domain.permissions import POLICY, Relation, allowed, relations
from hvelv.requests.domain.review import Choice, Conflict, Outcome, StewardDecision, Vote
from hvelv.requests.service.cases import CaseLine, CaseView
from hvelv.requests.service.drafting import completed, with_selection, within_limits
from hvelv.requests.service.projects import ProjectRows
from hvelv.requests.service.reading import Terms, World, is_reviewer, line, view
from hvelv.requests.service.settling import PermitOffice, Settling

__all__ = ["ApplicationRows", "Applications", "CaseLine", "CaseView", "Directory", "PermitOffice"]

ATTEMPTS = 25  # at one change when others change the same application at the same moment
LONGEST_REASON = 5000
CONCLUDES = {Outcome.APPROVED: Action.APPROVE, Outcome.REJECTED: Action.REJECT}
JUDGING = frozenset({Action.VOTE, Action.DECIDE, Action.RETURN})
CREATE: Mapping[StrEnum, Rule] = {
    Action.EDIT: Rule(lambda person, _thing: person.is_(Role.RESEARCHER), _("Bare forskere begynner på søknader."))
}
Change = Callable[[Application, World], Application]


class Directory(Protocol):
    """Who is who; `hvelv.kernel.people_store.People` is one."""

    def all(self) -> tuple[Person, ...]:
        """Return everyone, also those who are no longer active."""
        ...


class ApplicationRows(Protocol):
    """What applications ask of their database."""

    def get(self, session: Session, application: str) -> Application | None: ...
    def add(self, session: Session, application: Application) -> None: ...
    def save(self, session: Session, before: Application, after: Application) -> bool: ...
    def all(self, session: Session) -> tuple[Application, ...]: ...


class Applications:
    """The service. Each change goes through `authorise` and is one transaction with its audit row."""

    def __init__(
        self,
        database: Database,
        rows: ApplicationRows,
        projects: ProjectRows,
        *,
        people: Directory,
        catalogue: Catalogue,
        office: PermitOffice,
        verifier: Verifier,
        clock: Clock,
        ids: IdSource,
        quorum: int,
        decision_days: int,
        data_days: int,
        chair: PersonId | None = None,
    ) -> None:
        self._database = database
        self._rows = rows
        self._people = people
        self._catalogue = catalogue
        self._clock = clock
        self._ids = ids
        self._terms = Terms(quorum, decision_days, data_days, chair)
        self._settling = Settling(database, projects, office=office, verifier=verifier, clock=clock)

    # For applicants

    def create(self, person: Person, selected: Iterable[Selected] = ()) -> CaseView:
        """Begin an application, with what is picked in the catalogue. Raises `Denied` for who is no researcher."""
        authorise(person, Action.EDIT, None, CREATE)
        world = self._world()
        draft = completed(with_selection(Draft(), selected), world.datasets)
        application = Application(ApplicationId(self._ids.new("app")), person.id, world.now, draft=draft)
        with self._database.transaction() as transaction:
            self._rows.add(transaction.session, application)
            transaction.record(AuditEvent(person.id, "application.created", application.id))
        return view(person, application, None, world, self._terms)

    def save_draft(self, person: Person, application: ApplicationId | str, version: int, draft: Draft) -> CaseView:
        """Keep the answers as they are, complete or not. Raises `NotPossible` when someone else has saved since `version`.

        Of a wish only dataset, columns, where and rho_micro are the applicant's; the rest is filled from the catalogue.
        """
        within_limits(draft)
        return self._change(
            person, application, Action.EDIT, lambda a, w: a.edited(completed(draft, w.datasets)), version=version
        )

    def add_selection(
        self, person: Person, application: ApplicationId | str, version: int, selected: Iterable[Selected]
    ) -> CaseView:
        """Add what is picked in the catalogue to the data wanted."""
        picked = tuple(selected)

        def change(before: Application, world: World) -> Application:
            return before.edited(completed(with_selection(before.draft, picked), world.datasets))

        return self._change(person, application, Action.EDIT, change, version=version)

    def submit(self, person: Person, application: ApplicationId | str, version: int) -> CaseView:
        """Freeze the answers as a revision and send them to review. Raises `Invalid` with what is missing."""

        def change(before: Application, world: World) -> Application:
            current = replace(before, draft=completed(before.draft, world.datasets))
            if problems := view(person, current, None, world, self._terms).missing:
                raise Invalid(problems, _("Søknaden mangler noe før den kan sendes inn."))
            return current.submitted(person.id, world.now)

        return self._change(person, application, Action.SUBMIT, change, version=version)

    def withdraw(self, person: Person, application: ApplicationId | str, reason: str = "") -> CaseView:
        """Take the application back for good."""
        return self._moved(person, application, Action.WITHDRAW, _bounded(reason))

    def revise(self, person: Person, application: ApplicationId | str) -> CaseView:
        """Begin on the next revision of a returned application, from the answers of the last."""
        return self._moved(person, application, Action.REVISE, "")

    # For reviewers

    def vote(
        self, person: Person, application: ApplicationId | str, revision: str, choice: Choice, reason: str = ""
    ) -> CaseView:
        """Cast a vote on the revision with that hash. The vote that completes an approval has the permit signed."""
        said = _bounded(reason)

        def change(before: Application, world: World) -> Application:
            return before.voted(Vote(revision, person.id, choice, said, world.now))

        return self._change(person, application, Action.VOTE, change, detail={"revision": revision, "choice": choice})

    def decide(
        self,
        person: Person,
        application: ApplicationId | str,
        revision: str,
        choice: Choice,
        *,
        granted: Mapping[DatasetId, int] | None = None,
        conditions: Iterable[str] = (),
        reason: str = "",
    ) -> CaseView:
        """Answer for the person's own data holder. `granted`: micro-rho on each of its datasets; what was wished where none is named.

        Raises `Invalid` when more is granted than was asked for, or on other data than the holder's.
        """
        said = _bounded(reason)
        terms = tuple(c.strip() for c in conditions if c.strip())

        def change(before: Application, world: World) -> Application:
            holder = person.holder or HolderId("")
            given = _granted(before, revision, holder, granted or {})
            return before.decided(StewardDecision(revision, holder, person.id, choice, given, terms, said, world.now))

        detail = {"revision": revision, "choice": choice, "holder": person.holder}
        return self._change(person, application, Action.DECIDE, change, detail=detail)

    def declare_conflict(self, person: Person, application: ApplicationId | str, reason: str) -> CaseView:
        """Declare a conflict of interest: the person's votes do not count, cast or not."""
        said = _needed(reason)

        def change(before: Application, world: World) -> Application:
            return before.with_conflict(Conflict(person.id, said, world.now))

        return self._change(person, application, Action.DECLARE_CONFLICT, change)

    def return_(self, person: Person, application: ApplicationId | str, reason: str) -> CaseView:
        """Give the application back to be mended. Raises `Invalid` without a reason. The clock stops."""
        return self._moved(person, application, Action.RETURN, _needed(reason))

    # For reading

    def view(self, person: Person, application: ApplicationId | str) -> CaseView:
        """Return one application. Raises `NotFound`, also for those who may not know of it."""
        world = self._world()
        with self._database.reading() as session:
            found = self._visible(session, person, application, world)
        project = self._settling.settled("platform", found)
        return view(person, found, project, world, self._terms)

    def mine(self, person: Person) -> tuple[CaseLine, ...]:
        """Return the applications that the person leads or takes part in, newest change first."""
        own = {Relation.APPLICANT, Relation.MEMBER}
        lines = self._lines(person, lambda a, w: bool(relations(person, w.case(a)) & own))
        return tuple(sorted(lines, key=lambda c: c.changed_at, reverse=True))

    def to_review(self, person: Person) -> tuple[CaseLine, ...]:
        """Return the submitted applications that the person sees as reviewer or auditor, those that await them first."""

        def shown(application: Application, world: World) -> bool:
            case = world.case(application)
            return is_reviewer(person, case) and Action.VIEW in allowed(application.state, relations(person, case))

        return tuple(sorted(self._lines(person, shown), key=lambda c: (not c.awaits_me, c.changed_at)))

    def settle(self) -> int:
        """Have the permit signed for each approved application that lacks it; return how many were. Run at start."""
        with self._database.reading() as session:
            approved = [a for a in self._rows.all(session) if a.state is State.APPROVED]
        waiting = [a for a in approved if self._settling.project_of(a) is None]
        return sum(self._settling.settled("platform", a) is not None for a in waiting)

    # How a change is made

    def _change(
        self,
        person: Person,
        application: ApplicationId | str,
        action: Action,
        change: Change,
        *,
        version: int | None = None,
        detail: Mapping[str, object] | None = None,
    ) -> CaseView:
        """Make one change, again from the start when another change came in between, so that neither is lost."""
        for _attempt in range(ATTEMPTS):
            world = self._world()
            with self._database.transaction() as transaction:
                before = self._visible(transaction.session, person, application, world)
                denied = self._denied(person, action, before, world)
                if denied is None:
                    if version is not None and before.version != version:
                        raise NotPossible(
                            _("Noen andre har endret søknaden siden du åpnet den."),
                            remedy=_("Åpne den på nytt og gjør endringen der."),
                            code="changed",
                        )
                    after, concluded = self._concluded(change(before, world), world)
                    if not self._rows.save(transaction.session, before, after):
                        continue
                    told = {"state": after.state.value} | dict(detail or {})
                    transaction.record(AuditEvent(person.id, f"application.{action}", after.id, told))
                    if concluded is not None and after.revision is not None:
                        found = {"revision": after.revision.hash}
                        transaction.record(AuditEvent("platform", f"application.{concluded}", after.id, found))
            if denied is not None:
                self._record_refused(person, action, before, denied)
                raise denied
            project = self._settling.settled(person.id, after)
            return view(person, replace(after, version=before.version + 1), project, world, self._terms)
        raise Unavailable(_("Søknaden endres av mange samtidig. Ingenting er gjort."), remedy=_("Prøv igjen om litt."))

    def _denied(self, person: Person, action: Action, before: Application, world: World) -> Denied | None:
        """Return why the person may not; raises `NotPossible` when the state is what stands in the way."""
        case = world.case(before)
        try:
            authorise(person, action, case, POLICY)
        except Denied as denied:
            return denied
        next_state(before.state, action)
        if action not in allowed(before.state, relations(person, case)):
            return Denied(POLICY[action].otherwise, code=f"denied:{action}")
        return None

    def _concluded(self, after: Application, world: World) -> tuple[Application, Action | None]:
        """Return the application with what its votes and decisions now add up to."""
        tally = after.tally(world.people, quorum=self._terms.quorum, chair=self._terms.chair)
        if after.state is not State.IN_REVIEW or tally is None or tally.outcome is Outcome.UNDECIDED:
            return after, None
        action = CONCLUDES[tally.outcome]
        return after.concluded(action, tally, self._terms.chair, world.now), action

    def _record_refused(self, person: Person, action: Action, before: Application, denied: Denied) -> None:
        """Keep a row of a refused attempt to judge: conflicts of interest are looked at afterwards."""
        if action in JUDGING:
            with self._database.transaction() as transaction:
                found = {"action": action.value, "code": denied.code}
                transaction.record(AuditEvent(person.id, "application.refused", before.id, found))

    def _moved(self, person: Person, application: ApplicationId | str, action: Action, reason: str) -> CaseView:
        return self._change(person, application, action, lambda a, w: a.moved(action, person.id, w.now, reason))

    def _visible(self, session: Session, person: Person, application: str, world: World) -> Application:
        found = self._rows.get(session, application)
        if found is not None:
            case = world.case(found)
            if may(person, Action.VIEW, case, POLICY) and Action.VIEW in allowed(found.state, relations(person, case)):
                return found
        raise NotFound(_("Søknaden finnes ikke."))

    def _lines(self, person: Person, wanted: Callable[[Application, World], bool]) -> list[CaseLine]:
        world = self._world()
        with self._database.reading() as session:
            every = self._rows.all(session)
        return [line(person, a, world, self._terms) for a in every if person.active and wanted(a, world)]

    def _world(self) -> World:
        return World(
            {p.id: p for p in self._people.all()},
            {d.id: d for d in self._catalogue.datasets()},
            {h.id: h.name for h in self._catalogue.holders()},
            self._clock.now(),
        )


def _granted(
    before: Application, revision: str, holder: HolderId, granted: Mapping[DatasetId, int]
) -> tuple[tuple[DatasetId, int], ...]:
    """Return the allowance for each of the holder's datasets, each within what was asked for."""
    wished = {w.dataset: w.rho_micro for w in before.under_review(revision).answers.wishes if w.holder == holder}
    problems = [
        Problem(_("Datasettet er ikke deres, eller det er ikke søkt om."), f"granted.{d}")
        for d in granted
        if d not in wished
    ]
    given = wished | {d: rho for d, rho in granted.items() if d in wished}
    said = _("Tildel mer enn null og ikke mer enn det er søkt om.")
    problems += [Problem(said, f"granted.{d}") for d, rho in given.items() if not 0 < rho <= wished[d]]
    if problems:
        raise Invalid(tuple(problems))
    return tuple(sorted(given.items()))


def _bounded(reason: str) -> str:
    if len(reason) > LONGEST_REASON:
        raise Invalid((Problem(_("Teksten er lengre enn {most} tegn."), "reason", params={"most": LONGEST_REASON}),))
    return reason.strip()


def _needed(reason: str) -> str:
    if not reason.strip():
        raise Invalid((Problem(_("Skriv en begrunnelse."), "reason"),))
    return _bounded(reason)
