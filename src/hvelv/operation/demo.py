"""`hvelv demo`: the whole road on real data, through the pages and doors that people use.

What it makes is noted in `operation/demo.json` (mode 0600), so that a second run goes on where the first one was, and
runs the notebook again in a session of the same project.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pyotp

from hvelv.kernel.ids import HolderId, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.settings import Settings
from hvelv.operation import demo_data, running
from hvelv.operation.demo_applications import FATTY_LIVER, TRANSPLANTS, applied
from hvelv.operation.jupyter import Room
from hvelv.operation.trouble import Trouble
from hvelv.operation.visitor import Visitor

NOTEBOOK = "01-first-look.ipynb"
ACTOR = "demo"
PATIENCE = 300.0
ACCOUNT_RHO = "6"
RUNS_OF_A_PERMIT = 10  # notebook runs that the allocations above pay for, with room
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
    waiting: str = ""  # the project whose extract is left to be seen by its steward

    @classmethod
    def load(cls, settings: Settings) -> "Notes":
        """Return the notes of an earlier run, or empty ones."""
        path = settings.root / "operation" / "demo.json"
        return cls(path, **json.loads(path.read_text())) if path.exists() else cls(path)

    def save(self) -> None:
        """Write them, readable by their owner alone."""
        self.path.touch(mode=0o600)
        noted = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "path"}
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
        walk.leave_one_waiting()
        bundle = walk.work_and_export()
        waits = walk.waits()
    finally:
        walk.leave()
    say(f"\nThe whole road took {time.monotonic() - began:.0f} s.")
    walk.tell(bundle, waits=waits)
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
        """Apply for the three registers of the cohort, vote, decide; the last decision has the permit signed."""
        self.notes.project = applied(FATTY_LIVER, self.notes.datasets, self.visitor, self.say)
        self.notes.runs = 0
        self.notes.save()

    def leave_one_waiting(self) -> None:
        """Have a second project approved, whose extract its steward has to see first: that is left to the reader."""
        if self.notes.waiting:
            return
        self.say("A second project, of a small register whose steward sees each extract before it is delivered")
        self.notes.waiting = applied(TRANSPLANTS, self.notes.datasets, self.visitor, self.say)
        self.notes.save()

    def waits(self) -> bool:
        """Say whether the second project's extract waits for its steward; where it is being made, wait until it does."""
        steward, address = self.visitor(TRANSPLANTS.stewards[0]), f"/extracts/{self.notes.waiting}/transplants"
        until = time.monotonic() + PATIENCE
        while address not in steward.get("/extracts").text:
            if time.monotonic() > until:
                raise Trouble("The second project's extract was not measured in time.", "See the worker's log.")
            time.sleep(1)
        return f'action="{address}/approve"' in steward.get(address).text

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

    def tell(self, bundle: Path, *, waits: bool) -> None:
        """Say where everything is, how each role signs in, and what is left to try."""
        portal = self.settings.portal_url
        self.say(f"\nThe bundle:   {bundle}")
        self.say(f"The portal:   {portal}   (stop it with `make down`)")
        self.say(f"The project:  {portal}/projects/{self.notes.project}\n")
        self.say(f"  {'role':<12} {'name':<9} {'password':<13} one-time-code secret")
        for name, _full, role, holder in PEOPLE:
            secret = self.notes.people[name]
            who = f"{role}" + (f" ({holder})" if holder else "")
            self.say(f"  {who:<23} {name:<9} {secret['password']:<13} {secret['totp']}")
        self.say("\nPresent code without a phone: `.venv/bin/hvelv demo code kari`")
        if waits:
            self.say(self._left(portal))

    def _left(self, portal: str) -> str:
        steward, lead = TRANSPLANTS.stewards[0], TRANSPLANTS.lead
        return (
            f"\nLeft for you: {lead}'s extract for «{TRANSPLANTS.title}» waits for its steward.\n"
            f"  Sign in as {steward} (code: `.venv/bin/hvelv demo code {steward}`) and open\n"
            f"  {portal}/extracts/{self.notes.waiting}/transplants\n"
            f"  See who stands out, try a step, see the risk fall, let the extract go. {lead} has the data moments later."
        )


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
