"""The door to the portal: how a project's budget stands, a dataset's account, and the import of objections."""

from typing import Any

from fastapi import APIRouter, Request

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.kernel.web import Actor
from hvelv.privacy.domain.documents import document_from
from hvelv.privacy.pages.documents import AtDesk, received

router = APIRouter()
LARGEST_IMPORT = 64 << 20  # bytes


@router.get("/projects/{project_id}/privacy")
def project_privacy(project_id: str, _person: Actor, desk: AtDesk) -> dict[str, Any]:
    """Return budget, releases, extracts and the newest job of a project."""
    return desk.projects.view(project_id)


@router.get("/datasets/{dataset_id}/account")
def account(dataset_id: str, _person: Actor, desk: AtDesk) -> dict[str, Any]:
    """Return how a dataset's account stands."""
    return desk.projects.account(dataset_id)


@router.post("/opt-outs/import")
async def import_opt_outs(request: Request, person: Actor, desk: AtDesk) -> dict[str, int]:
    """Take in objections and return how many were new; nobody's number is repeated."""
    from starlette.concurrency import run_in_threadpool

    raw = await received(request, LARGEST_IMPORT)
    rows = document_from(raw, largest=LARGEST_IMPORT).get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid((Problem(_("Feltet må være en liste av reservasjoner."), "rows"),))
    return await run_in_threadpool(desk.optouts.take_in, rows, person)
