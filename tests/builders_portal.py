"""What the portal's tests stand on: real catalogue and sessions on SQLite, stand-ins for the custodian and the hub."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from hvelv.catalog.adapters.search_index import TantivyIndex
from hvelv.catalog.adapters.store import SqlCatalogueRows, SqlSelectionRows
from hvelv.catalog.domain.dataset import DataHolder, DatasetVersion
from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.uploads import Checked, Preview, Published, Uploaded
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.catalog.service.publishing import Publishing
from hvelv.catalog.service.selections import Selected, Selections
from hvelv.enclave.domain.idle import Use
from hvelv.enclave.service.rooms import Room, RoomState, Running
from hvelv.enclave.service.unused import Unused
from hvelv.kernel.authority import authorise
from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import registry
from hvelv.kernel.errors import Denied, Invalid, NotFound, Problem
from hvelv.kernel.ids import ApplicationId, CountedIds, DatasetId, HolderId, PersonId, ProjectId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.settings import Settings
from hvelv.kernel.signing import Signer
from hvelv.portal.app import create_app
from hvelv.portal.building import idle_limits
from hvelv.portal.sessions import Sessions
from hvelv.portal.sign_in import SignIn
from hvelv.portal.wiring import Wiring
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.clocks import clocks
from hvelv.requests.domain.completeness import missing
from hvelv.requests.domain.draft import Draft, Wish
from hvelv.requests.domain.lifecycle import Action
from hvelv.requests.domain.permissions import Case, allowed, relations
from hvelv.requests.domain.permit import (
    PERMIT_LIFECYCLE,
    Permit,
    PermitAction,
    PermitState,
    PermittedDataset,
    next_permit_state,
)
from hvelv.requests.domain.permit_rights import PERMIT_POLICY, permitted
from hvelv.requests.domain.review import Choice, Conflict, StewardDecision, Vote, conflict_reason
from hvelv.requests.service.cases import CaseLine, CaseView
from hvelv.requests.service.projects import Project
from hvelv.requests.service.register import Register
from tests.builders_accounts import AskedAccounts
from tests.builders_reidentification import reidentified
from tests.builders_reviews import AskedReviews

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette would rather have httpx2, which the platform does not use
    from starlette.testclient import TestClient

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORIGIN = "http://localhost:8010"
HUB = "http://localhost:8000"
SUMMARY = "Vi undersøker om blodprøver kan varsle leversykdom tidlig, slik at flere kan få hjelp før de blir syke. " * 3

PEOPLE = {
    p.id: p
    for p in (
        Person(PersonId("ola"), "Ola Forsker", frozenset({Role.RESEARCHER}), department="UiB"),
        Person(PersonId("per"), "Per Medlem", frozenset({Role.RESEARCHER}), department="UiB"),
        Person(PersonId("eva"), "Eva Utenfor", frozenset({Role.RESEARCHER}), department="NTNU"),
        Person(PersonId("kari"), "Kari Komité", frozenset({Role.ETHICS}), department="REK vest"),
        Person(PersonId("nils"), "Nils Komité", frozenset({Role.ETHICS}), department="REK vest"),
        Person(PersonId("stine"), "Stine Forvalter", frozenset({Role.STEWARD}), HolderId("lab")),
        Person(PersonId("sigrid"), "Sigrid Forvalter", frozenset({Role.STEWARD}), HolderId("lab")),
        Person(PersonId("tor"), "Tor Forvalter", frozenset({Role.STEWARD}), HolderId("pop")),
        Person(PersonId("rita"), "Rita Revisor", frozenset({Role.AUDITOR})),
        Person(PersonId("duo"), "Duo Begge", frozenset({Role.AUDITOR, Role.RESEARCHER})),
        Person(PersonId("anna"), "Anna Drift", frozenset({Role.ADMIN})),
        Person(PersonId("borte"), "Borte Vekk", frozenset({Role.RESEARCHER}), active=False),
    )
}


def a_declaration(table: str = "lab_values", nb: str = "Blodprøver", en: str = "Laboratory values") -> dict[str, Any]:
    def variable(name: str, nb: str, en: str, role: str, kind: str, **more: Any) -> dict[str, Any]:
        plain = {"unit": None, "low": None, "high": None, "step": None, "categories": None, "nullable": False}
        return {"name": name, "title": {"nb": nb, "en": en}, "role": role, "type": kind, **plain, **more}

    sexes = [{"code": 1, "label": {"nb": "mann", "en": "male"}}, {"code": 2, "label": {"nb": "kvinne", "en": "female"}}]
    return {
        "title": {"nb": nb, "en": en},
        "description": {"nb": f"{nb} fra sykehusene, målt 1996–2016.", "en": f"{en} of the hospitals, 1996–2016."},
        "table": table,
        "keywords": ["lever", "blod"],
        "person_unique": False,
        "format": {"kind": "csv", "delimiter": ",", "encoding": "utf-8", "decimal": "."},
        "variables": [
            variable("person", "Fødselsnummer", "Identity number", "person_id", "string"),
            variable(
                "age",
                "Alder ved prøven",
                "Age at test",
                "quasi_identifier",
                "integer",
                unit="år",
                low=18,
                high=110,
                step=1,
            ),
            variable("sex", "Kjønn", "Sex", "quasi_identifier", "integer", categories=sexes),
            variable(
                "value",
                "Målt verdi",
                "Measured value",
                "sensitive",
                "decimal",
                low=0,
                high=1000,
                step=0.1,
                nullable=True,
            ),
        ],
    }


@dataclass
class StubVault:
    """The custodian's waiting room, in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def upload(self, actor: str, upload: str, filename: str, content: Iterable[bytes]) -> Uploaded:
        self.files[upload] = b"".join(content)
        return Uploaded(upload, len(self.files[upload]), "a" * 64)

    def check(self, actor: str, upload: str, declaration: Mapping[str, Any]) -> Checked:
        if upload not in self.files:
            raise NotFound("Opplastingen finnes ikke.")
        preview = Preview(("person", "age", "sex", "value"), (("•••", "54", "1", "3,4"), ("•••", "61", "2", "2,9")))
        bad = b"wrong" in self.files[upload]
        problems = (Problem("Verdien er ikke et heltall.", "age", 3),) if bad else ()
        return Checked(problems, (), preview, 2, 2)

    def publish(
        self,
        actor: str,
        upload: str,
        dataset: DatasetId,
        declaration: Mapping[str, Any],
        rho_micro: int | None,
        *,
        holder: HolderId,
    ) -> Published:
        if self.check(actor, upload, declaration).problems:
            raise Invalid(self.check(actor, upload, declaration).problems)
        return Published("b" * 64, 2, 2, NOON)

    def discard(self, actor: str, upload: str) -> None:
        self.files.pop(upload, None)


@dataclass
class StubRooms:
    """The hub, which does as it is told."""

    states: dict[tuple[str, str], RoomState] = field(default_factory=dict)
    uses: dict[tuple[str, str], Use] = field(default_factory=dict)

    def sign_in_url(self, state: str) -> str:
        return f"{HUB}/hub/api/oauth2/authorize?state={state}"

    def sign_out_url(self) -> str:
        return f"{HUB}/hub/logout"

    def name_for(self, code: str) -> str:
        return code  # the one-time code is the name, here

    def room(self, person: str, project: str) -> Room:
        return Room(self.states.get((person, project), RoomState.CLOSED), use=self.uses.get((person, project)))

    def open_room(self, person: str, project: str) -> None:
        self.states[person, project] = RoomState.OPENING

    def close_room(self, person: str, project: str) -> None:
        self.states.pop((person, project), None)

    def running(self) -> tuple[Running, ...]:
        return tuple(
            Running(
                person,
                project,
                NOON.isoformat(),
                NOON.isoformat(),
                700 << 20,
                2 << 30,
                0.25,
                1.0,
                12,
                512,
                use=self.uses.get((person, project)),
            )
            for (person, project), state in self.states.items()
            if state is RoomState.OPEN
        )

    def room_url(self, person: str, project: str) -> str:
        return f"{HUB}/user/{person}/{project}/lab"


class StubDoor:
    """The custodian's door for the portal: answers from a table, and knows who is in the project."""

    def __init__(self, members: frozenset[str]) -> None:
        self.members = members
        self.asked: list[tuple[str, str, str]] = []

    def call(self, method: str, path: str, *, actor: str = "", json: Any = None) -> Any:
        self.asked.append((method, path, actor))
        if path in FIXED:
            return FIXED[path]
        if path.startswith("/audit/events"):
            return [
                {
                    "seq": 7,
                    "at": NOON.isoformat(),
                    "actor": "ola",
                    "action": "release.made",
                    "subject": "rel-1",
                    "detail": {"rho_micro": 5000},
                }
            ]
        if path.endswith("/privacy"):
            return PRIVACY
        if path.startswith("/reidentifications"):
            return reidentified(method, path, actor, json)
        if actor not in self.members:
            raise Denied("Datatillatelsen nevner deg ikke.")
        if path.endswith("/exports"):
            return EXPORTS
        if path.endswith("/links") and "exp-0001" in path:
            return {"token": "tok-1", "expires_at": NOON.isoformat()}
        raise NotFound("Utleveringen finnes ikke.")

    @contextlib.contextmanager
    def stream(self, path: str, *, actor: str = "") -> Iterator[httpx.Response]:
        if actor not in self.members or path != "/bundles/tok-1":
            raise Denied("Lenken virker ikke lenger.")
        headers = {"x-hvelv-export": "exp-0001", "x-hvelv-sha256": "c" * 64}
        yield httpx.Response(200, headers=headers, content=b"PK\x05\x06" + b"\0" * 18)


FIXED: dict[str, Any] = {
    "/audit/verify": {"rows": 7, "faults": []},
    "/traffic/today": [
        {"person": "ola", "project": "p-0001", "viewed": 300_000_000, "sent": 1, "held_back": 0, "alarms": [NOON.isoformat()]}
    ],
}  # fmt: skip
PRIVACY: dict[str, Any] = {
    "budget": [
        {
            "dataset": "ds-0001",
            "title": {"nb": "Blodprøver", "en": "Laboratory values"},
            "allocated": 500_000,
            "spent": 180_000,
            "reserved": 20_000,
            "left": 320_000,
            "left_error95": 2.45,
            "epsilon_allocated": 5.31,
            "epsilon_spent": 3.02,
            "delta": 1e-6,
            "delta_spent": 0.0,
        }
    ],
    "releases": [
        {
            "id": "rel-0001",
            "at": NOON.isoformat(),
            "person": "ola",
            "summary": "antall og gjennomsnitt etter kjønn",
            "rho_micro": 5000,
        }
    ],
    "extracts": [
        {
            "dataset": "ds-0001",
            "table": "lab_values",
            "state": "published",
            "rows": 400123,
            "persons": 17549,
            "hash": "d" * 64,
            "at": NOON.isoformat(),
        }
    ],
    "job": {"state": "running", "step": 3, "steps": 5, "message": "", "updated": NOON.isoformat()},
}
EXPORTS: list[dict[str, Any]] = [
    {
        "id": "exp-0001", "project": "p-0001", "person": "ola", "title": "Tabell 1 og figur 1", "items": 2, "state": "released",
        "asked_at": NOON.isoformat(), "decided_at": NOON.isoformat(), "findings": [], "sha256": "c" * 64, "size": 48_211, "files": ["a.csv", "b.svg"],
    },
    {
        "id": "exp-0002", "project": "p-0001", "person": "per", "title": "Rådata", "items": 1, "state": "refused",
        "asked_at": NOON.isoformat(), "decided_at": NOON.isoformat(), "sha256": "", "size": 0, "files": [],
        "findings": [{"rule": "release", "item": 1, "reason": "Dette er ikke laget av et sertifisert resultat.", "remedy": "Hent resultatet med project.query(…).release(…) og be om en tabell av det."}],
    },
]  # fmt: skip


@dataclass
class Directory:
    """Who there is."""

    people: dict[str, Person]

    def find(self, person: str) -> Person | None:
        return self.people.get(person)

    def check(self, person: str, password: str, otp: str, now: datetime) -> Person | None:
        found = self.people.get(person)
        return found if found and found.active and (password, otp) == ("riktig", "123456") else None


class StubApplications:
    """Applications in memory, moved by the real domain and guarded by its own table of rights."""

    def __init__(self, people: dict[str, Person], projects: dict[str, Project], catalogue: Catalogue) -> None:
        self.people, self.projects, self.catalogue = people, projects, catalogue
        self.kept: dict[str, Application] = {}

    def _view(self, person: Person, application: Application) -> CaseView:
        team = tuple(self.people[p] for p in sorted(application.people) if p in self.people)
        related = relations(person, Case(application, team))
        may = allowed(application.state, related)
        if Action.VIEW not in may:
            raise NotFound("Søknaden finnes ikke, eller den er ikke din å se.")
        revision = application.revision
        hash_ = revision.hash if revision else ""
        watch = clocks(application.history, decision_days=90, data_days=60)
        return CaseView(
            application=application,
            relations=related,
            may=may,
            missing=self._missing(application) if Action.EDIT in may else (),
            tally=application.tally(self.people, quorum=3),
            clocks=watch,
            overdue=watch.overdue(NOON, application.state),
            conflict=conflict_reason(person, revision, application.conflicts, team) if revision else "",
            has_voted=any(v.person == person.id and v.revision == hash_ for v in application.votes),
            has_decided=any(d.holder == person.holder and d.revision == hash_ for d in application.decisions),
            names={p.id: p.name for p in self.people.values()},
            holders={"lab": "Sykehuslaboratoriene", "pop": "Folkeregisteret"},
            project=next((p for p in self.projects.values() if p.application == application.id), None),
            permit_pending=False,
        )

    def _missing(self, application: Application) -> tuple[Problem, ...]:
        datasets = {d.id: d for d in self.catalogue.datasets()}
        people = {p.id: p for p in self.people.values()}
        return missing(application.draft, lead=application.lead, datasets=datasets, people=people, today=NOON.date())

    def _get(self, application: str) -> Application:
        if application not in self.kept:
            raise NotFound("Søknaden finnes ikke, eller den er ikke din å se.")
        return self.kept[application]

    def _do(self, person: Person, application: str, action: Action, change: Any) -> CaseView:
        found = self._get(application)
        if action not in self._view(person, found).may:
            raise Denied("Du har ikke rett til dette.")
        changed = change(found)
        self.kept[application] = replace(changed, version=changed.version + 1)
        return self._view(person, self.kept[application])

    def create(self, person: Person, selected: Iterable[Selected] = ()) -> CaseView:
        wishes = tuple(a_wish(s) for s in selected)
        application = Application(
            ApplicationId(f"app-{len(self.kept) + 1:04d}"), person.id, NOON, draft=Draft(wishes=wishes)
        )
        self.kept[application.id] = application
        return self._view(person, application)

    def save_draft(self, person: Person, application: str, version: int, draft: Draft) -> CaseView:
        return self._do(person, application, Action.EDIT, lambda a: a.edited(draft))

    def add_selection(self, person: Person, application: str, version: int, selected: Iterable[Selected]) -> CaseView:
        more = tuple(a_wish(s) for s in selected)
        return self._do(
            person, application, Action.EDIT, lambda a: a.edited(replace(a.draft, wishes=(*a.draft.wishes, *more)))
        )

    def submit(self, person: Person, application: str, version: int) -> CaseView:
        if problems := self.view(person, application).missing:
            raise Invalid(problems)
        return self._do(person, application, Action.SUBMIT, lambda a: a.submitted(person.id, NOON))

    def withdraw(self, person: Person, application: str, reason: str = "") -> CaseView:
        return self._do(
            person, application, Action.WITHDRAW, lambda a: a.moved(Action.WITHDRAW, person.id, NOON, reason)
        )

    def revise(self, person: Person, application: str) -> CaseView:
        return self._do(person, application, Action.REVISE, lambda a: a.moved(Action.REVISE, person.id, NOON))

    def vote(self, person: Person, application: str, revision: str, choice: Choice, reason: str = "") -> CaseView:
        vote = Vote(revision, person.id, choice, reason, NOON)
        return self._do(person, application, Action.VOTE, lambda a: a.voted(vote))

    def decide(
        self, person: Person, application: str, revision: str, choice: Choice, *, granted: Mapping[DatasetId, int] | None = None,
        conditions: Iterable[str] = (), reason: str = "",
    ) -> CaseView:  # fmt: skip
        assert person.holder
        sums = tuple((granted or {}).items())
        decision = StewardDecision(revision, person.holder, person.id, choice, sums, tuple(conditions), reason, NOON)
        return self._do(person, application, Action.DECIDE, lambda a: a.decided(decision))

    def declare_conflict(self, person: Person, application: str, reason: str) -> CaseView:
        conflict = Conflict(person.id, reason, NOON)
        return self._do(person, application, Action.DECLARE_CONFLICT, lambda a: a.with_conflict(conflict))

    def return_(self, person: Person, application: str, reason: str) -> CaseView:
        if not reason.strip():
            raise Invalid((Problem("Skriv hva som må endres.", "reason"),))
        return self._do(person, application, Action.RETURN, lambda a: a.moved(Action.RETURN, person.id, NOON, reason))

    def view(self, person: Person, application: str) -> CaseView:
        return self._view(person, self._get(application))

    def _line(self, person: Person, view: CaseView) -> CaseLine:
        awaits = (Action.VOTE in view.may and not view.has_voted) or (
            Action.DECIDE in view.may and not view.has_decided
        )
        names = self.people[view.application.lead].name
        return CaseLine(view.id, view.title, view.state, names, NOON, view.clocks.decision_due, view.overdue, awaits)

    def _visible(self, person: Person) -> Iterator[CaseView]:
        for application in self.kept.values():
            with contextlib.suppress(NotFound):
                yield self._view(person, application)

    def mine(self, person: Person) -> tuple[CaseLine, ...]:
        return tuple(self._line(person, v) for v in self._visible(person) if person.id in v.application.people)

    def to_review(self, person: Person) -> tuple[CaseLine, ...]:
        return tuple(self._line(person, v) for v in self._visible(person) if person.id not in v.application.people)


@dataclass
class StubProjects:
    """Projects in memory."""

    kept: dict[str, Project]

    def of(self, person: Person) -> tuple[Project, ...]:
        return tuple(p for p in self.kept.values() if self._knows(person, p))

    def get(self, person: Person, project: str) -> Project:
        found = self.kept.get(project)
        if found is None or not self._knows(person, found):
            raise NotFound("Prosjektet finnes ikke, eller det er ikke ditt å se.")
        return found

    def takes_part(self, person: Person, project: str) -> bool:
        return project in self.kept and person.id in self.kept[project].permit.people

    def all(self, session: Any = None) -> tuple[Project, ...]:
        return tuple(self.kept.values())

    def may(self, person: Person, project: Project) -> frozenset[PermitAction]:
        return permitted(person, project.permit) & frozenset(PERMIT_LIFECYCLE[project.state])

    def change(self, person: Person, project: str, action: PermitAction, reason: str) -> Project:
        found = self.get(person, project)
        authorise(person, action, found.permit, PERMIT_POLICY)
        if not reason.strip():
            raise Invalid((Problem("Skriv en begrunnelse.", "reason"),))
        self.kept[project] = replace(found, state=next_permit_state(found.state, action))
        return self.kept[project]

    @staticmethod
    def _knows(person: Person, project: Project) -> bool:
        stewarded = person.is_(Role.STEWARD) and person.holder in {d.holder for d in project.permit.datasets}
        return person.id in project.permit.people or stewarded or person.is_(Role.AUDITOR)


def a_wish(selected: Selected) -> Wish:
    dataset = selected.dataset
    names = tuple(v.name for v in selected.variables)
    return Wish(dataset.id, dataset.holder.id, dataset.table, dataset.current.content_hash, names, (), 100_000)


def a_project(
    wishes: tuple[Wish, ...], *, state: PermitState = PermitState.ACTIVE, name: str = "p-0001", title: str = ""
) -> Project:
    datasets = tuple(
        PermittedDataset(w.dataset, w.holder, w.table, w.version, w.columns, w.where, 500_000) for w in wishes
    )
    permit = Permit(
        "per-0001", 1, ProjectId(name), title or "Tidlig varsel om leversykdom", "scientific_research", "GDPR art. 6(1)(e)", SUMMARY,
        ApplicationId("app-0003"), "e" * 64, PersonId("ola"), (PersonId("per"),), datasets, ("Ingen kobling til andre registre.",),
        date(2026, 3, 1), date(2028, 3, 1), NOON, 3, 0, (HolderId("lab"),),
    )  # fmt: skip
    return Project(permit, Signer.generate().sign("permit", permit.as_dict()), state, NOON)


@dataclass
class Portal:
    """A portal under test, with its parts at hand."""

    wiring: Wiring
    app: Any
    clock: SetClock
    vault: StubVault
    rooms: StubRooms
    door: StubDoor
    applications: StubApplications
    projects: StubProjects
    people: dict[str, Person]
    datasets: tuple[str, ...]

    def visitor(self, **headers: str) -> TestClient:
        """Return a browser in which nobody has signed in."""
        sent = {"Origin": ORIGIN} | headers
        return TestClient(
            self.app, base_url=ORIGIN, headers=sent, follow_redirects=False, raise_server_exceptions=False
        )

    def browser(self, person: str) -> TestClient:
        """Return a browser in which `person` has signed in."""
        client = self.visitor()
        client.cookies.set("hvelv_session", self.wiring.sign_in.sessions.begin(PersonId(person)))
        return client


def a_portal(folder: Path, **settings: Any) -> Portal:
    """Return a portal with two datasets, a draft, a submitted application and a project."""
    clock = SetClock(NOON)
    database = registry(f"sqlite:///{folder / 'registry.sqlite'}", clock=clock)
    database.create_all()
    people = dict(PEOPLE)
    catalogue = Catalogue(database, SqlCatalogueRows(), TantivyIndex)
    selections = Selections(database, SqlSelectionRows(), catalogue)
    holders = (
        DataHolder(HolderId("lab"), "Sykehuslaboratoriene", "post@lab.example"),
        DataHolder(HolderId("pop"), "Folkeregisteret"),
    )
    documents = (a_declaration(), a_declaration("population", "Befolkning", "Population"))
    for index, (holder, document, steward) in enumerate(
        zip(holders, documents, ("stine", "tor"), strict=True), start=1
    ):
        catalogue.add_holder("anna", holder)
        version = DatasetVersion(
            DatasetId(f"ds-{index:04d}"), f"{index}" * 64, 400_123, 17_549, NOON - timedelta(days=30), PersonId(steward), Declaration.read(document)
        )  # fmt: skip
        catalogue.register(people[steward], version)
    ola = people["ola"]
    projects: dict[str, Project] = {}
    desk = StubApplications(people, projects, catalogue)
    selections.add(ola, "ds-0001", "age", "sex", "value")
    wishes = tuple(a_wish(s) for s in selections.of(ola))
    desk.create(ola, selections.of(ola))
    full = Draft(
        "Tidlig varsel om leversykdom", "scientific_research", "GDPR art. 6(1)(e) og 9(2)(j)", SUMMARY, (PersonId("per"),), wishes, "2026-04-01", "2028-04-01",
    )  # fmt: skip
    for _number in range(2):
        view = desk.create(ola)
        desk.save_draft(ola, view.id, 0, full)
        desk.submit(ola, view.id, 1)
    projects["p-0001"] = a_project(wishes)
    vault, rooms, door = StubVault(), StubRooms(), StubDoor(frozenset({"ola", "per"}))
    index_ = StubProjects(projects)
    key = b"k" * 32
    wiring = Wiring(
        settings=Settings(data_dir=Path("/nowhere"), **settings),
        session_key=key,
        registry=database,
        sign_in=SignIn(Sessions(database, clock, key), Directory(people), rooms),
        people=Directory(people),
        catalogue=catalogue,
        selections=selections,
        publishing=Publishing(catalogue, vault, CountedIds()),
        applications=desk,  # type: ignore[arg-type]
        projects=index_,  # type: ignore[arg-type]
        register=Register(database, index_),  # type: ignore[arg-type]
        rooms=rooms,
        unused=Unused(database, rooms, clock, idle_limits(Settings(data_dir=Path("/nowhere"), **settings))),
        custodian=door,
        reviews=AskedReviews(folder / "reviews", clock, project="p-0001", dataset="ds-0001"),
        accounts=AskedAccounts(folder / "accounts", dataset="ds-0001", project="p-0001"),
    )
    datasets = tuple(d.id for d in catalogue.datasets())
    return Portal(wiring, create_app(wiring), clock, vault, rooms, door, desk, index_, people, datasets)
