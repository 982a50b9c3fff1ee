"""`hvelv demo`: the whole road on real data, through the pages and doors that people use.

What it makes is noted in `operation/demo.json` (mode 0600), so that a second run goes on where the first one was, and
runs the notebook again in a session of the same project.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyotp

from hvelv.kernel.ids import HolderId, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.settings import Settings
from hvelv.operation import demo_data, running
from hvelv.operation.jupyter import Room
from hvelv.operation.trouble import Trouble
from hvelv.operation.visitor import Visitor

NOTEBOOK = "01-first-look.ipynb"
ACTOR = "demo"
PATIENCE = 300.0
RHO = {"population": "0.6", "laboratory": "0.2", "diagnoses": "0.3"}
ACCOUNT_RHO = "6"
RUNS_OF_A_PERMIT = 10  # notebook runs that the allocations above pay for, with room
SUMMARY = (
    "Fettlever er vanlig og gir sjelden plager, men noen får alvorlig leversykdom eller hjertesykdom. Vi vil finne ut "
    "hvem som har størst risiko, ut fra alder, kroppsmål, prøvesvar og diagnoser, slik at de kan følges bedre opp. "
    "Ingen forskere ser hvem du er."
)
PEOPLE = (
    ("berit", "Berit Befolkning", Role.STEWARD, "befolkning"),
    ("lars", "Lars Lab", Role.STEWARD, "laboratorium"),
    ("dina", "Dina Diagnose", Role.STEWARD, "diagnoser"),
    ("kari", "Kari Forsker", Role.RESEARCHER, ""),
    ("ola", "Ola Medforsker", Role.RESEARCHER, ""),
    ("ada", "Ada Etikk", Role.ETHICS, ""),
    ("bo", "Bo Etikk", Role.ETHICS, ""),
    ("cecilie", "Cecilie Etikk", Role.ETHICS, ""),
    ("rita", "Rita Revisor", Role.AUDITOR, ""),
)
HOLDERS = (
    ("befolkning", "Befolkningsregisteret"),
    ("laboratorium", "Laboratorieregisteret"),
    ("diagnoser", "Diagnoseregisteret"),
)
Say = Callable[[str], None]


@dataclass
class Notes:
    """What the demo remembers between runs."""

    path: Path
    people: dict[str, dict[str, str]] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)
    project: str = ""
    runs: int = 0

    @classmethod
    def load(cls, settings: Settings) -> "Notes":
        """Return the notes of an earlier run, or empty ones."""
        path = settings.root / "operation" / "demo.json"
        return cls(path, **json.loads(path.read_text())) if path.exists() else cls(path)

    def save(self) -> None:
        """Write them, readable by their owner alone."""
        self.path.touch(mode=0o600)
        noted = {"people": self.people, "datasets": self.datasets, "project": self.project, "runs": self.runs}
        self.path.write_text(json.dumps(noted, indent=2))


def code(settings: Settings, name: str) -> str:
    """Return the present one-time code of one of the demo's people. Raises `Trouble` for others."""
    people = Notes.load(settings).people
    if name not in people:
        raise Trouble(f"The demo has no person {name}.", "They are: " + (", ".join(people) or "none yet; run the demo"))
    return pyotp.TOTP(people[name]["totp"]).now()


def run(settings: Settings, say: Say = print) -> Path:
    """Walk the road and return the bundle that came out; everything is left running."""
    began = time.monotonic()
    say("Starting the platform …")
    if not running.up(settings, (), lambda line: say(f"  {line}")):
        say("  it runs already")
    walk = Walk(settings, Notes.load(settings), say)
    try:
        walk.people()
        walk.publish()
        if not walk.notes.project or walk.notes.runs >= RUNS_OF_A_PERMIT:
            walk.apply_and_review()
        walk.wait_for_extracts()
        bundle = walk.work_and_export()
    finally:
        walk.leave()
    say(f"\nThe whole road took {time.monotonic() - began:.0f} s.")
    walk.tell(bundle)
    return bundle


@dataclass
class Walk:
    """One walk along the road."""

    settings: Settings
    notes: Notes
    say: Say
    _visitors: dict[str, Visitor] = field(default_factory=dict)

    def visitor(self, name: str) -> Visitor:
        """Return a person of the demo, signed in."""
        if name not in self._visitors:
            secret = self.notes.people[name]
            self._visitors[name] = Visitor(self.settings, name, secret["password"], secret["totp"])
        return self._visitors[name]

    def leave(self) -> None:
        """Close the visitors' connections."""
        for visitor in self._visitors.values():
            visitor.client.close()

    def people(self) -> None:
        """Make the demo's people and holders."""
        from hvelv.catalog.adapters.store import SqlCatalogueRows
        from hvelv.catalog.domain.dataset import DataHolder
        from hvelv.kernel.people_store import People
        from hvelv.operation.opened import opened

        missing = [line for line in PEOPLE if line[0] not in self.notes.people]
        if not missing:
            return
        self.say("People: three stewards, two researchers, three committee members, an auditor")
        with opened(self.settings) as both:
            people, registry = People(both["registry"]), both["registry"]
            for name, full, role, holder in missing:
                password = secrets.token_urlsafe(9)
                made = Person(PersonId(name), full, frozenset({role}), HolderId(holder) if holder else None)
                self.notes.people[name] = {"password": password, "totp": people.add(ACTOR, made, password)}
                self.notes.save()
            with registry.transaction() as unit:
                for holder, full in HOLDERS:
                    SqlCatalogueRows().add_holder(unit.session, DataHolder(HolderId(holder), full))

    def publish(self) -> None:
        """Have each steward upload a register, check it and publish it."""
        registers = demo_data.write(self.settings.root / "operation" / "demo-data")
        for register in registers:
            table = register.declaration["table"]
            if table in self.notes.datasets:
                continue
            self.say(
                f"Publish: {register.steward} uploads {register.file.name} ({register.file.stat().st_size:,} bytes)"
            )
            steward = self.visitor(register.steward)
            with register.file.open("rb") as file:
                page = steward.post("/publish/uploads", files={"file": (register.file.name, file, "text/csv")})
            upload = steward.find(page, r"/publish/uploads/([\w-]+)")
            declaration = json.dumps(register.declaration, ensure_ascii=False)
            steward.post(f"/publish/uploads/{upload}", action="check", declaration=declaration)
            page = steward.post(
                f"/publish/uploads/{upload}", action="publish", declaration=declaration, rho=ACCOUNT_RHO
            )
            self.notes.datasets[table] = steward.find(page, r"/datasets/([\w-]+)")
            self.notes.save()

    def apply_and_review(self) -> None:
        """Apply for all three registers, vote, decide; the last decision has the permit signed."""
        kari = self.visitor("kari")
        self.say("Find: kari searches the catalogue and picks variables from three registers")
        kari.get("/catalogue?q=lever")
        for table, dataset in self.notes.datasets.items():
            page = kari.get(f"/datasets/{dataset}")
            names = [v["name"] for v in _declared(table) if v["role"] != "person_id"]
            if table not in page.text:
                raise Trouble(f"The catalogue's page of {table} does not name the table.", "See the portal's log.")
            kari.post("/selection", action="add", dataset=dataset, variable=names)
        self.say("Apply: kari fills one application and sends it")
        page = kari.post("/applications")
        application = kari.find(page, r"/applications/(app-[\w]+)")
        today = datetime.now(UTC).date()
        wishes: dict[str, Any] = {"dataset": list(self.notes.datasets.values())}
        for table, dataset in self.notes.datasets.items():
            wishes[f"columns.{dataset}"] = [v["name"] for v in _declared(table) if v["role"] != "person_id"]
            wishes[f"rho.{dataset}"] = RHO[table]
        kari.post(
            f"/applications/{application}",
            action="save",
            title="Fettlever og sykdom senere i livet",
            purpose="scientific_research",
            legal_basis="GDPR artikkel 6 nr. 1 e og artikkel 9 nr. 2 j",
            summary=SUMMARY,
            members="ola",
            period_from=today.isoformat(),
            period_to=(today + timedelta(days=730)).isoformat(),
            **wishes,
        )
        kari.post(f"/applications/{application}/submit")
        self._review(application)
        page = kari.get("/projects")
        self.notes.project = kari.find(page, r"/projects/(p-[\w]+)")
        self.notes.runs = 0
        self.notes.save()

    def _review(self, application: str) -> None:
        revision = ""
        for member in ("ada", "bo", "cecilie"):
            self.say(f"Review: {member} reads the revision and votes")
            page = self.visitor(member).get(f"/cases/{application}")
            revision = self.visitor(member).find(page, r'name="revision" value="([0-9a-f]{64})"')
            self.visitor(member).post(
                f"/cases/{application}/vote", revision=revision, choice="for", reason="Nyttig, og godt beskyttet."
            )
        for register in ("berit", "lars", "dina"):
            self.say(f"Review: {register} decides for the data holder")
            steward = self.visitor(register)
            steward.get(f"/cases/{application}")
            steward.post(
                f"/cases/{application}/decide", revision=revision, choice="for", reason="I orden.", conditions=""
            )

    def wait_for_extracts(self) -> None:
        """Wait until the workflow has made the project's extracts."""
        self.say("Provision: the workflow makes pseudonymised extracts")
        kari, until, last = self.visitor("kari"), time.monotonic() + PATIENCE, ""
        while time.monotonic() < until:
            state = _privacy(self.settings, self.notes.project)
            job = state.get("job") or {}
            if job.get("state") == "done":
                for extract in state["extracts"]:
                    self.say(f"  {extract['table']}: {extract['rows']:,} rows of {extract['persons']:,} persons")
                kari.get(f"/projects/{self.notes.project}")
                return
            if job.get("state") == "failed":
                raise Trouble(f"The extraction failed: {job.get('message')}", "See the worker's log.")
            now = f"  {job.get('state')}, step {job.get('step')} of {job.get('steps')}"
            if now != last:
                self.say(now)
                last = now
            time.sleep(1)
        raise Trouble("The extracts were not made in time.", "See the worker's log, then run the demo again.")

    def work_and_export(self) -> Path:
        """Open the room, run the notebook in the sandbox, and fetch the bundle from outside."""
        kari, project = self.visitor("kari"), self.notes.project
        self.say("Work: kari opens the project's JupyterLab in the sandbox")
        page = kari.post(f"/projects/{project}/session")
        until = time.monotonic() + PATIENCE
        while not str(page.url).endswith("/lab"):
            if time.monotonic() > until:
                raise Trouble("The session did not start in time.", "See the hub's log.")
            time.sleep(1)
            page = kari.get(f"/projects/{project}/session")
        room = Room(kari.client, self.settings.hub_url, "kari", project)
        self.say(f"Release: kari runs {NOTEBOOK} in the session; each answer is priced, charged and signed")
        notebook = json.loads((_notebooks() / NOTEBOOK).read_text())
        room.run(NOTEBOOK, notebook, lambda line: self.say(f"  {line}"))
        self.notes.runs += 1
        self.notes.save()
        page = kari.get(f"/projects/{project}")
        export = kari.find(page, r"/exports/(exp-[\w]+)/download")
        self.say("Export: kari fetches the bundle from the portal, outside the enclave")
        data = kari.get(f"/exports/{export}/download").content
        bundle = self.settings.root / "operation" / f"{export}.zip"
        bundle.write_bytes(data)
        return bundle

    def tell(self, bundle: Path) -> None:
        """Say where everything is and how each role signs in."""
        settings = self.settings
        self.say(f"\nThe bundle:   {bundle}")
        self.say(f"The portal:   {settings.portal_url}   (stop it with `make down`)")
        self.say(f"The project:  {settings.portal_url}/projects/{self.notes.project}\n")
        self.say(f"  {'role':<12} {'name':<9} {'password':<13} one-time-code secret")
        for name, _full, role, holder in PEOPLE:
            secret = self.notes.people[name]
            who = f"{role}" + (f" ({holder})" if holder else "")
            self.say(f"  {who:<23} {name:<9} {secret['password']:<13} {secret['totp']}")
        self.say("\nPresent code without a phone: `.venv/bin/hvelv demo code kari`")


def _declared(table: str) -> list[dict[str, Any]]:
    return {
        "population": demo_data.POPULATION,
        "laboratory": demo_data.LABORATORY,
        "diagnoses": demo_data.DIAGNOSES,
    }[table]


def _privacy(settings: Settings, project: str) -> dict[str, Any]:
    from hvelv.kernel.link import Link

    link = Link(settings.custodian_socket("portal"))
    try:
        state: dict[str, Any] = link.call("GET", f"/projects/{project}/privacy", actor=ACTOR)
    finally:
        link.close()
    return state


def _notebooks() -> Path:
    return Path(__file__).resolve().parents[3] / "notebooks"
