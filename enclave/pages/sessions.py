"""Sessions for people in charge: who works, in what, and how much of the machine and of the data it takes. Never what."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from hvelv.enclave.pages.rooms import Custodian, Hub, Names
from hvelv.enclave.service.rooms import Running
from hvelv.enclave.service.stops import STOPPED, Stops
from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.database import Database
from hvelv.kernel.errors import NotFound, Problem, Refusal, Unavailable, _
from hvelv.kernel.people import Person, Role
from hvelv.kernel.web import PageShell, SignedIn

router = APIRouter()
LONGEST_REASON = 400


def _stops(request: Request) -> Stops:
    registry: Database = request.app.state.registry
    return Stops(registry)


Book = Annotated[Stops, Depends(_stops)]


def _page(request: Request, person: Person, shell: PageShell, hub: Hub, custodian: Custodian, **more: Any) -> Response:
    people: Names = request.app.state.people
    silent: list[Refusal] = []
    running: tuple[Running, ...] = ()
    passed: list[dict[str, Any]] = []
    try:
        running = hub.running()
    except Unavailable as refusal:
        silent.append(refusal)
    try:
        passed = custodian.call("GET", "/traffic/today", actor=person.id) or []
    except Refusal as refusal:
        silent.append(refusal)
    volume = {(row["person"], row["project"]): row for row in passed}
    alarms = [row for row in passed if row["alarms"]]
    known = {row["person"] for row in passed} | {one.person for one in running}
    return shell.page(
        request, "sessions.html", status=422 if more.get("problems") else 200, running=running, volume=volume, alarms=alarms,
        names={p: (found.name if (found := people.find(p)) else p) for p in known},
        may_stop=Role.ADMIN in person.roles, silent=silent, **{"problems": (), "typed": {}, **more},
    )  # fmt: skip


@router.get("/sessions")
def sessions(request: Request, person: SignedIn, shell: PageShell, hub: Hub, custodian: Custodian) -> Response:
    """Show the sessions that run, what they use against their limits, and what was viewed today."""
    return _page(request, person, shell, hub, custodian)


@router.post("/sessions/{person_id}/{project_id}/stop")
def stop(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    hub: Hub,
    custodian: Custodian,
    book: Book,
    person_id: str,
    project_id: str,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Stop somebody's session, with a reason that they are told."""
    if not any((one.person, one.project) == (person_id, project_id) for one in hub.running()):
        raise NotFound(_("Arbeidsøkten er ikke i gang lenger."), remedy=_("Se listen på nytt."))
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        problem = Problem(_("Skriv hvorfor, med høyst %(most)s tegn. Den det gjelder, får se det."), f"reason-{person_id}-{project_id}", params={"most": LONGEST_REASON})  # fmt: skip
        return _page(request, person, shell, hub, custodian, problems=(problem,), typed={(person_id, project_id): reason})  # fmt: skip
    with book.registry.transaction() as unit:  # what the hub refuses is not written
        unit.record(AuditEvent(person.id, STOPPED, project_id, {"person": person_id, "reason": reason}))
        hub.close_room(person_id, project_id)
    return shell.back(request, "/sessions", _("Arbeidsøkten stanses. Arbeidet som er lagret, er der fortsatt."))
