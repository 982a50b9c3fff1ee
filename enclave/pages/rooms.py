"""Projects and their rooms: the permit, the budget, what has come out."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Any, Protocol

import httpx
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from hvelv.catalog.service.catalogue import Catalogue
from hvelv.enclave.service.rooms import Rooms, RoomState
from hvelv.enclave.service.stops import Stops
from hvelv.kernel.clock import SystemClock
from hvelv.kernel.errors import Denied, Invalid, NotFound, Problem, Refusal, Unavailable, _
from hvelv.kernel.people import Person
from hvelv.kernel.web import PageShell, SignedIn
from hvelv.requests.domain.draft import PURPOSE_NAMES
from hvelv.requests.domain.permit import PermitAction, PermitState
from hvelv.requests.domain.permit_rights import MEANINGS
from hvelv.requests.service.projects import Project, Projects

router = APIRouter()
WORKING = frozenset({"queued", "running"})
CHANGED: Mapping[PermitState, str] = {
    PermitState.ACTIVE: _("Prosjektet er gjenopptatt."),
    PermitState.SUSPENDED: _("Prosjektet er stanset."),
    PermitState.REVOKED: _("Tillatelsen er trukket tilbake."),
    PermitState.CLOSED: _("Prosjektet er avsluttet."),
}


class Door(Protocol):
    """The custodian as pages ask it; `hvelv.kernel.link.Link` is one."""

    def call(self, method: str, path: str, *, actor: str = "", json: Any = None) -> Any:
        """Ask and return the JSON answer."""
        ...

    def stream(self, path: str, *, actor: str = "") -> AbstractContextManager[httpx.Response]:
        """Open a GET whose body is read in pieces."""
        ...


class Names(Protocol):
    """Who is who."""

    def find(self, person: str) -> Person | None:
        """Return a person, or None."""
        ...


def _projects(request: Request) -> Projects:
    service: Projects = request.app.state.projects
    return service


def _rooms(request: Request) -> Rooms:
    service: Rooms = request.app.state.rooms
    return service


def _door(request: Request) -> Door:
    door: Door = request.app.state.custodian
    return door


Index = Annotated[Projects, Depends(_projects)]
Hub = Annotated[Rooms, Depends(_rooms)]
Custodian = Annotated[Door, Depends(_door)]


@router.get("/projects")
def projects(request: Request, person: SignedIn, shell: PageShell, index: Index) -> Response:
    """Show the person's projects."""
    return shell.page(request, "projects.html", projects=index.of(person))


@router.get("/projects/{project_id}")
def project(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    index: Index,
    hub: Hub,
    custodian: Custodian,
    project_id: str,
) -> Response:
    """Show one project. What the custodian or the hub cannot tell just now is said to be missing."""
    return _project(request, person, shell, index=index, hub=hub, custodian=custodian, project_id=project_id)


def _project(
    request: Request,
    person: Person,
    shell: PageShell,
    *,
    index: Projects,
    hub: Rooms,
    custodian: Door,
    project_id: str,
    problems: tuple[Problem, ...] = (),
    typed: dict[str, str] | None = None,
) -> Response:
    found = index.get(person, project_id)
    takes_part = index.takes_part(person, project_id)
    catalogue: Catalogue = request.app.state.catalogue
    people: Names = request.app.state.people
    silent: list[Refusal] = []
    privacy = _asked(custodian, f"/projects/{found.id}/privacy", person, silent) or {}
    exports = (_asked(custodian, f"/projects/{found.id}/exports", person, silent) or []) if takes_part else []
    names = {p: (known.name if (known := people.find(p)) else p) for p in sorted(found.permit.people)}
    here = _here(hub, found, silent) if takes_part else frozenset()
    return shell.page(
        request,
        "project.html",
        status=422 if problems else 200,
        project=found,
        permit=found.permit,
        titles={d.id: d.title for d in catalogue.datasets()},
        names=names,
        purposes=PURPOSE_NAMES,
        takes_part=takes_part,
        room=_room(hub, person, found, silent) if takes_part else RoomState.CLOSED,
        working_now=[names[p] for p in sorted(names) if p in here],
        stopped=Stops(request.app.state.registry).last(person.id, found.id, SystemClock().now()),
        silent=silent,
        exports=exports,
        ways={a.value: said for a, said in MEANINGS.items() if a in index.may(person, found)},
        problems=problems,
        typed=typed or {},
        **_progress(privacy),
    )


def _asked(custodian: Door, path: str, person: Person, silent: list[Refusal]) -> Any:
    try:
        return custodian.call("GET", path, actor=person.id)
    except (Unavailable, Denied, NotFound) as refusal:
        silent.append(refusal)
        return None


def _room(hub: Rooms, person: Person, found: Project, silent: list[Refusal]) -> RoomState:
    try:
        return hub.room(person.id, found.id).state
    except Unavailable as refusal:
        silent.append(refusal)
        return RoomState.CLOSED


def _here(hub: Rooms, found: Project, silent: list[Refusal]) -> frozenset[str]:
    try:
        return frozenset(one.person for one in hub.running() if one.project == found.id)
    except Unavailable as refusal:
        if not silent:  # the hub has been said to be silent once
            silent.append(refusal)
        return frozenset()


def _progress(privacy: dict[str, Any]) -> dict[str, Any]:
    job = privacy.get("job") or None
    return {"privacy": privacy, "job": job, "working": (job or {}).get("state") in WORKING}


def _way(action: str) -> PermitAction:
    if action not in {a.value for a in MEANINGS}:
        raise Invalid((Problem(_("Velg hva som skal skje med prosjektet."), "action"),))
    return PermitAction(action)


@router.post("/projects/{project_id}/state")
def change(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    index: Index,
    hub: Hub,
    custodian: Custodian,
    project_id: str,
    action: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Suspend, resume, revoke or close the project."""
    found = index.get(person, project_id)
    try:
        changed = index.change(person, found.id, _way(action), reason)
    except Invalid as refusal:
        again: dict[str, Any] = {"problems": refusal.problems, "typed": {"action": action, "reason": reason}}
        return _project(
            request, person, shell, index=index, hub=hub, custodian=custodian, project_id=project_id, **again
        )
    return shell.back(request, f"/projects/{found.id}", CHANGED[changed.state])


@router.get("/projects/{project_id}/progress")
def progress(
    request: Request, person: SignedIn, shell: PageShell, *, index: Index, custodian: Custodian, project_id: str
) -> Response:
    """Show how far the extracts have come; the project's page asks for it while they are made."""
    found = index.get(person, project_id)
    privacy = custodian.call("GET", f"/projects/{found.id}/privacy", actor=person.id) or {}
    titles = {d.id: d.title for d in request.app.state.catalogue.datasets()}
    return shell.page(request, "project_progress.html", project=found, titles=titles, **_progress(privacy))


def member(index: Projects, person: Person, project_id: str) -> Project:
    """Return a project whose permit names the person and is active.

    Raises `NotFound` for those who may not know of it, `Denied` for those who may but have no room in it.
    """
    found = index.get(person, project_id)
    if not index.takes_part(person, project_id):
        raise Denied(_("Bare de som er navngitt i datatillatelsen, har rom i prosjektet."), code="not-a-member")
    if found.state is not PermitState.ACTIVE:
        raise Denied(
            _("Datatillatelsen er ikke aktiv, så rommet er stengt."),
            remedy=_("Se på prosjektsiden hvordan tillatelsen står."),
            code="permit-not-active",
        )
    return found


@router.post("/projects/{project_id}/session")
def open_room(
    request: Request, person: SignedIn, shell: PageShell, *, index: Index, hub: Hub, project_id: str
) -> Response:
    """Open the person's room and show how it goes."""
    found = member(index, person, project_id)
    hub.open_room(person.id, found.id)
    return shell.back(request, f"/projects/{found.id}/session")


@router.get("/projects/{project_id}/session")
def opening(
    request: Request, person: SignedIn, shell: PageShell, *, index: Index, hub: Hub, project_id: str
) -> Response:
    """Show how the opening of the room goes; leads on to the lab when it is open."""
    found = member(index, person, project_id)
    room = hub.room(person.id, found.id)
    lab = f"/projects/{found.id}/lab"
    if room.state is RoomState.OPEN:
        if "HX-Request" in request.headers:
            return Response(headers={"HX-Redirect": lab})
        return shell.back(request, lab)
    return shell.page(request, "session.html", project=found, state=room.state, place=room.place)


@router.post("/projects/{project_id}/session/stop")
def close_room(
    request: Request, person: SignedIn, shell: PageShell, *, index: Index, hub: Hub, project_id: str
) -> Response:
    """Close the person's room; what is saved in it stays. Possible also when the permit no longer runs."""
    found = index.get(person, project_id)
    if not index.takes_part(person, project_id):
        raise Denied(_("Bare de som er navngitt i datatillatelsen, har rom i prosjektet."), code="not-a-member")
    hub.close_room(person.id, found.id)
    return shell.back(request, f"/projects/{found.id}", _("Arbeidsrommet lukkes."))


def pieces(opened: AbstractContextManager[httpx.Response], response: httpx.Response) -> Iterator[bytes]:
    """Yield the body of an opened stream, and close it whatever happens."""
    try:
        yield from response.iter_bytes()
    finally:
        opened.__exit__(None, None, None)
