"""The start page, and the answer to those who ask whether the portal lives."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from hvelv.kernel.errors import Unavailable
from hvelv.kernel.people import Person, Role
from hvelv.kernel.web import PageShell
from hvelv.portal.navigation import tasks
from hvelv.privacy.domain.reviewing import ReviewState
from hvelv.privacy.service.reviews import Steward

router = APIRouter()


@router.get("/")
def start(request: Request, shell: PageShell) -> Response:
    """Say what Hvelv is to a stranger; show what waits for someone who is signed in."""
    person: Person | None = request.state.person
    waiting = extracts = 0
    if person and (person.is_(Role.ETHICS) or person.is_(Role.STEWARD)):
        waiting = sum(line.awaits_me for line in request.app.state.applications.to_review(person))
    if person and person.is_(Role.STEWARD) and person.holder:
        extracts = _extracts(request, Steward(person.id, person.holder))
    shown = tasks(person) if person else ()
    return shell.page(request, "start.html", tasks=shown, waiting=waiting, extracts=extracts)


def _extracts(request: Request, steward: Steward) -> int:
    """Return how many extracts wait for the steward; none where that cannot be told: the start page opens all the same."""
    try:
        return sum(one["state"] == ReviewState.WAITING for one in request.app.state.reviews.all(steward))
    except Unavailable:
        return 0


@router.get("/health")
def health() -> Response:
    """Say that the portal answers."""
    return JSONResponse({"status": "ok"})
