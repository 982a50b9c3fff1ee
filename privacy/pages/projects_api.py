"""The door to the portal: how a project's budget stands, and a dataset's account."""

from typing import Any

from fastapi import APIRouter

from hvelv.kernel.web import Actor
from hvelv.privacy.pages.documents import AtDesk

router = APIRouter()


@router.get("/projects/{project_id}/privacy")
def project_privacy(project_id: str, _person: Actor, desk: AtDesk) -> dict[str, Any]:
    """Return budget, releases, extracts and the newest job of a project."""
    return desk.projects.view(project_id)


@router.get("/datasets/{dataset_id}/account")
def account(dataset_id: str, _person: Actor, desk: AtDesk) -> dict[str, Any]:
    """Return how a dataset's account stands."""
    return desk.projects.account(dataset_id)
