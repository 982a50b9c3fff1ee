"""The lab in its frame, with what lies around it: the mark, and the warning that an unused session is about to be closed."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from hvelv.enclave.domain.idle import Standing
from hvelv.enclave.pages.rooms import Hub, Index, member
from hvelv.enclave.service.rooms import Room, RoomState
from hvelv.enclave.service.unused import Unused
from hvelv.kernel.clock import SystemClock
from hvelv.kernel.errors import _
from hvelv.kernel.people import Person
from hvelv.kernel.web import PageShell, SignedIn

router = APIRouter()


def _unused(request: Request) -> Unused:
    service: Unused = request.app.state.unused
    return service


Idle = Annotated[Unused, Depends(_unused)]


def _warning(idle: Unused, person: Person, project_id: str, room: Room, *, kept: bool = False) -> dict[str, Any]:
    """Return what the warning says: when the session is closed, nothing, or that it is closed."""
    verdict = idle.judged(person.id, project_id, room.use)
    closes = None if verdict.standing is Standing.KEEP else verdict.closes_at
    return {"closes": closes, "closed": room.state is not RoomState.OPEN, "kept": kept}


@router.get("/projects/{project_id}/lab")
def lab(
    request: Request, person: SignedIn, shell: PageShell, *, index: Index, hub: Hub, idle: Idle, project_id: str
) -> Response:
    """Show the room's JupyterLab in a sandboxed frame: no downloads, no pop-ups, no way to lead the window elsewhere."""
    found = member(index, person, project_id)
    room = hub.room(person.id, found.id)
    if room.state is not RoomState.OPEN:
        return shell.back(request, f"/projects/{found.id}", _("Arbeidsrommet er ikke åpent. Åpne det her."))
    address, warning = hub.room_url(person.id, found.id), _warning(idle, person, found.id, room)
    return shell.page(request, "lab.html", project=found, address=address, now=SystemClock().now(), **warning)


@router.get("/projects/{project_id}/lab/mark")
def mark(request: Request, person: SignedIn, shell: PageShell, *, index: Index, project_id: str) -> Response:
    """Show the mark that lies over the frame, with the time it is now; the frame's page asks for it each minute."""
    found = member(index, person, project_id)
    return shell.page(request, "lab_mark.html", project=found, now=SystemClock().now())


@router.get("/projects/{project_id}/lab/idle")
def warned(
    request: Request, person: SignedIn, shell: PageShell, *, index: Index, hub: Hub, idle: Idle, project_id: str
) -> Response:
    """Show the warning, if there is one; the frame's page asks for it each minute, which is not use."""
    found = member(index, person, project_id)
    warning = _warning(idle, person, found.id, hub.room(person.id, found.id))
    return shell.page(request, "lab_idle.html", project=found, **warning)


@router.post("/projects/{project_id}/lab/keep")
def keep_open(
    request: Request, person: SignedIn, shell: PageShell, *, index: Index, hub: Hub, idle: Idle, project_id: str
) -> Response:
    """Keep the session open for as long as if it had been used now. Without a script the lab is shown anew."""
    found = member(index, person, project_id)
    room = hub.room(person.id, found.id)
    if kept := room.state is RoomState.OPEN:
        idle.keep_open(person.id, found.id)
    if "HX-Request" not in request.headers:
        return shell.back(request, f"/projects/{found.id}/lab")
    warning = _warning(idle, person, found.id, room, kept=kept)
    return shell.page(request, "lab_idle.html", project=found, **warning)
