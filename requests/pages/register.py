"""The public page of approved projects."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from hvelv.kernel.web import PageShell
from hvelv.requests.domain.draft import PURPOSE_NAMES
from hvelv.requests.service.register import Register

router = APIRouter()


def _register(request: Request) -> Register:
    service: Register = request.app.state.register
    return service


@router.get("/projects-register")
def register(request: Request, shell: PageShell, projects: Annotated[Register, Depends(_register)]) -> Response:
    """Show anyone which projects use health data, and for what."""
    return shell.page(request, "projects_register.html", projects=projects.all(), purposes=PURPOSE_NAMES)
