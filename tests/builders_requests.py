"""People, applications and a whole office for tests, each valid by itself and changed by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hvelv.catalog.adapters.search_index import TantivyIndex
from hvelv.catalog.adapters.store import SqlCatalogueRows
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import Database, Transaction, custodian, registry
from hvelv.kernel.ids import ApplicationId, CountedIds, DatasetId, HolderId, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.signing import Signed, Signer
from hvelv.requests.adapters.store import SqlApplicationRows
from hvelv.requests.adapters.store_office import SqlPermitRows
from hvelv.requests.adapters.store_projects import SqlProjectRows
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.draft import Draft, Filter, Wish
from hvelv.requests.domain.permit import PermitAction, PermitState
from hvelv.requests.domain.review import Choice, StewardDecision, Vote
from hvelv.requests.service.applications import Applications
from hvelv.requests.service.office import Office
from hvelv.requests.service.projects import Projects
from tests.builders_catalog import a_holder, a_version

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
SIGNER = Signer.generate()


def a_person(name: str, *roles: Role, holder: str | None = None, department: str = "", active: bool = True) -> Person:
    return Person(
        PersonId(name), name.capitalize(), frozenset(roles), HolderId(holder) if holder else None, department, active
    )


LEAD = a_person("ragnhild", Role.RESEARCHER, department="Leversykdom")
MEMBER = a_person("mona", Role.RESEARCHER)
KARI, PER, SIRI, ODD = (a_person(name, Role.ETHICS) for name in ("kari", "per", "siri", "odd"))
LAB_STEWARD = a_person("stine", Role.STEWARD, holder="h-lab")
POP_STEWARD = a_person("pal", Role.STEWARD, holder="h-pop")
AUDITOR = a_person("runa", Role.AUDITOR)
STRANGER = a_person("fremmed", Role.RESEARCHER)
EVERYONE = (LEAD, MEMBER, KARI, PER, SIRI, ODD, LAB_STEWARD, POP_STEWARD, AUDITOR, STRANGER)
COMMITTEE = (KARI, PER, SIRI)


def a_wish(dataset: str = "d-liver", holder: str = "h-lab", **changes: Any) -> Wish:
    values: dict[str, Any] = {
        "table": dataset.removeprefix("d-"),
        "version": "1" * 64,
        "columns": ("age", "weight"),
        "where": (Filter("age", ">=", 18),),
        "rho_micro": 500_000,
    }
    return Wish(DatasetId(dataset), HolderId(holder), **values | changes)


def a_draft(**changes: Any) -> Draft:
    values: dict[str, Any] = {
        "title": "Fettlever og alder",
        "purpose": "scientific_research",
        "legal_basis": "GDPR artikkel 9 nr. 2 bokstav j",
        "summary": "Vi vil vite hvordan fettlever henger sammen med alder og vekt. " * 5,
        "members": (MEMBER.id,),
        "wishes": (a_wish(), a_wish("d-population", "h-pop")),
        "period_from": "2026-01-01",
        "period_to": "2027-12-31",
    }
    return Draft(**values | changes)


def an_application(votes: Iterable[tuple[Person, Choice]] = (), *, submitted: bool = True, **draft: Any) -> Application:
    made = Application(ApplicationId("app-1"), LEAD.id, NOON, draft=a_draft(**draft))
    if not submitted:
        return made
    made = made.submitted(LEAD.id, NOON)
    for person, choice in votes:
        made = made.voted(a_vote(made, person, choice))
    return made


def a_vote(application: Application, person: Person, choice: Choice = Choice.FOR) -> Vote:
    assert application.revision is not None
    return Vote(application.revision.hash, person.id, choice, "", NOON)


def a_decision(application: Application, person: Person, choice: Choice = Choice.FOR) -> StewardDecision:
    assert application.revision is not None
    assert person.holder is not None
    granted = tuple((w.dataset, w.rho_micro) for w in application.revision.answers.wishes if w.holder == person.holder)
    return StewardDecision(application.revision.hash, person.holder, person.id, choice, granted, (), "", NOON)


def by_id(*people: Person) -> dict[PersonId, Person]:
    return {p.id: p for p in people or EVERYONE}


@dataclass
class Directory:
    people: dict[PersonId, Person] = field(default_factory=by_id)

    def find(self, person: str) -> Person | None:
        return self.people.get(PersonId(person))

    def all(self) -> tuple[Person, ...]:
        return tuple(self.people.values())

    def change(self, person: Person, **changes: Any) -> None:
        self.people[person.id] = replace(person, **changes)


@dataclass
class Opened:
    """Notes what the office asks of privacy and of the worker."""

    allocations: dict[str, Mapping[str, int]] = field(default_factory=dict)
    jobs: list[tuple[str, str]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    published: tuple[str, ...] = ()

    def open(self, unit: Transaction, project: str, allocations: Mapping[str, int], actor: str) -> None:
        self.allocations[project] = dict(allocations)

    def close(self, unit: Transaction, project: str) -> None:
        self.states.append("closed")

    def reopen(self, unit: Transaction, project: str) -> None:
        self.states.append("reopened")

    def end(self, unit: Transaction, project: str, retention_days: int, actor: str) -> None:
        self.states.append("destroyed" if retention_days == 0 else f"kept {retention_days} days")

    def view(self, project: str) -> Mapping[str, Any]:
        return {"extracts": [{"dataset": dataset} for dataset in self.published]}

    def enqueue(self, unit: Transaction, kind: str, project: str) -> None:
        self.jobs.append((kind, project))


HOLDERS = {"d-liver": "h-lab", "d-population": "h-pop"}


@dataclass
class FoundVersions:
    """A vault in which every version of the builders' datasets is, declared with `changes`."""

    changes: dict[str, Any] = field(default_factory=dict)

    def find(self, dataset: str, content_hash: str) -> Any:
        declaration = a_version(dataset, table=dataset.removeprefix("d-"), **self.changes).declaration
        return SimpleNamespace(holder=HOLDERS.get(dataset, ""), declaration=declaration)


class Door:
    """The portal's way to the office, which can be shut."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.failure: Exception | None = None
        self.calls = 0

    def issue(self, actor: str, evidence: Mapping[str, Any], grant: Mapping[str, Any]) -> Signed:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return self.office.issue(actor, evidence, grant)

    def change(self, actor: str, project: str, action: PermitAction, reason: str) -> PermitState:
        return self.office.change(actor, project, action, reason)


@dataclass
class House:
    """Portal and custodian, each with its database."""

    registry: Database
    custodian: Database
    clock: SetClock
    people: Directory
    opened: Opened
    office: Office
    door: Door
    catalogue: Catalogue
    applications: Applications
    projects: Projects
    versions: FoundVersions = field(default_factory=FoundVersions)

    def submitted(self, **draft: Any) -> tuple[ApplicationId, str]:
        """Return a submitted application's id and its revision's hash."""
        view = self.applications.create(LEAD)
        view = self.applications.save_draft(LEAD, view.id, view.application.version, a_draft(**draft))
        view = self.applications.submit(LEAD, view.id, view.application.version)
        assert view.application.revision is not None
        return view.id, view.application.revision.hash

    def approved(self, **draft: Any) -> ApplicationId:
        """Return an application that all have said yes to."""
        app, revision = self.submitted(**draft)
        for steward in (LAB_STEWARD, POP_STEWARD):
            self.applications.decide(steward, app, revision, Choice.FOR)
        for member in COMMITTEE:
            self.applications.vote(member, app, revision, Choice.FOR)
        return app

    def close(self) -> None:
        self.registry.close()
        self.custodian.close()

    def events(self, database: Database | None = None) -> list[tuple[str, str]]:
        database = database or self.registry
        with database.reading() as session:
            assert not database.trail.faults(session)
            return [(row.actor, row.action) for row in database.trail.rows(session)]


def a_house(tmp_path: Path, registry_url: str = "", custodian_url: str = "", *, quorum: int = 3) -> House:
    clock = SetClock(NOON)
    ours = registry(registry_url or f"sqlite:///{tmp_path}/registry.sqlite", clock=clock)
    theirs = custodian(custodian_url or f"sqlite:///{tmp_path}/custodian.sqlite", clock=clock)
    ours.create_all()
    theirs.create_all()
    versions = FoundVersions()
    opened, people, ids = Opened(), Directory(), CountedIds()
    office = Office(
        theirs,
        SqlPermitRows(),
        signer=SIGNER,
        versions=versions,
        opener=opened,
        jobs=opened,
        clock=clock,
        ids=ids,
        quorum=quorum,
    )
    door = Door(office)
    catalogue = Catalogue(ours, SqlCatalogueRows(), TantivyIndex)
    for holder, table, steward in (("h-lab", "liver", LAB_STEWARD), ("h-pop", "population", POP_STEWARD)):
        catalogue.add_holder("test", a_holder(holder))
        catalogue.register(steward, a_version(f"d-{table}", table=table))
    applications = Applications(
        ours,
        SqlApplicationRows(),
        SqlProjectRows(),
        people=people,
        catalogue=catalogue,
        office=door,
        verifier=SIGNER.verifier,
        clock=clock,
        ids=CountedIds(),
        quorum=quorum,
        decision_days=90,
        data_days=60,
    )
    return House(
        ours,
        theirs,
        clock,
        people,
        opened,
        office,
        door,
        catalogue,
        applications,
        Projects(ours, SqlProjectRows(), door),
        versions,
    )


A_DAY = timedelta(days=1)
