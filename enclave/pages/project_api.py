"""The lab's door to its own project."""

from typing import Any

from fastapi import APIRouter, Request

from hvelv.enclave.pages.exports_api import LabProject as Project
from hvelv.enclave.service.lab_project import LabProject
from hvelv.kernel.web import Actor

router = APIRouter(prefix="/lab")


@router.get("/project")
def project(request: Request, actor: Actor, project: Project) -> dict[str, Any]:
    """Show the project to a member's notebook."""
    view: LabProject = request.app.state.lab_project
    return view.view(actor, project)
