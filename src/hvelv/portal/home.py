"""The start page, and the answer to those who ask whether the portal lives."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from hvelv.kernel.people import Person, Role
from hvelv.kernel.web import PageShell
from hvelv.portal.navigation import tasks

router = APIRouter()


@router.get("/")
def start(request: Request, shell: PageShell) -> Response:
    """Say what Hvelv is to a stranger; show what waits for someone who is signed in."""
    person: Person | None = request.state.person
    waiting = 0
    if person and (person.is_(Role.ETHICS) or person.is_(Role.STEWARD)):
        waiting = sum(line.awaits_me for line in request.app.state.applications.to_review(person))
    return shell.page(request, "start.html", tasks=tasks(person) if person else (), waiting=waiting)


@router.get("/health")
def health() -> Response:
    """Say that the portal answers."""
    return JSONResponse({"status": "ok"})
