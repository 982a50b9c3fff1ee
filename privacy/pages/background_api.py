"""The door to sessions for releases that nobody waits for: put on the list, looked at, taken back."""

from typing import Any

from fastapi import APIRouter

from hvelv.kernel.web import Actor
from hvelv.privacy.pages.documents import AtDesk, Body, Project
from hvelv.privacy.service.asking import again_in, document_in

router = APIRouter(prefix="/lab/wishes")


@router.post("")
def wish(asked: Body, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Put a release on the list, once for each key. Nothing is charged before its work begins."""
    document = document_in(desk, project, person, asked)
    key, price = asked.get("idempotency_key"), asked.get("rho_micro")
    return desk.background.wish(project, person, document, price, key, again=again_in(asked))


@router.get("")
def wishes(person: Actor, project: Project, desk: AtDesk) -> list[dict[str, Any]]:
    """Return the project's wishes, newest first."""
    return desk.background.all(project, person)


@router.get("/{wish_id}")
def one_wish(wish_id: str, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Return where a wish stands."""
    return desk.background.one(project, person, wish_id)


@router.post("/{wish_id}/cancel")
def cancel(wish_id: str, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Take a wish back, if its work has not begun."""
    return desk.background.cancel(project, person, wish_id)
