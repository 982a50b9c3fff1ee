"""The custodian's doors to exports: the lab asks, the portal shows and fetches."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from hvelv.enclave.service.exports import Exports
from hvelv.kernel.errors import Denied, _
from hvelv.kernel.ids import ExportId, PersonId, ProjectId
from hvelv.kernel.web import Actor

portal_router = APIRouter()
lab_router = APIRouter(prefix="/lab")


def exports(request: Request) -> Exports:
    """Return the export desk."""
    desk: Exports = request.app.state.exports
    return desk


Desk = Annotated[Exports, Depends(exports)]


def lab_project(x_hvelv_project: Annotated[str, Header()] = "") -> ProjectId:
    """Return the project whose session asks; the gateway says it, from the socket the request came by."""
    if not x_hvelv_project:
        raise Denied(_("Forespørselen sier ikke hvilket prosjekt den er fra."), code="no-project")
    return ProjectId(x_hvelv_project)


LabProject = Annotated[ProjectId, Depends(lab_project)]


class AskedExport(BaseModel):
    """What a researcher offers. The items are looked at by the gate's rules, not by this form."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=2000)
    items: list[Any] = Field(max_length=1000)


@portal_router.get("/projects/{project}/exports")
def project_exports(project: str, desk: Desk, actor: Actor) -> list[dict[str, Any]]:
    """List a project's requests for its members."""
    desk.rights.require(PersonId(actor), ProjectId(project))
    return [request.as_dict() for request in desk.of_project(ProjectId(project))]


@portal_router.get("/exports/{export}")
def one_export(export: str, desk: Desk, actor: Actor) -> dict[str, Any]:
    """Show one request to a member of its project."""
    request = desk.get(ExportId(export))
    desk.rights.require(PersonId(actor), request.project)
    return request.as_dict()


@portal_router.post("/exports/{export}/links")
def make_link(export: str, desk: Desk, actor: Actor) -> dict[str, str]:
    """Make a link that opens the bundle for this person for a short while."""
    token, until = desk.link(PersonId(actor), ExportId(export))
    return {"token": token, "expires_at": until.isoformat()}


@portal_router.get("/bundles/{token}")
def bundle(token: str, desk: Desk, actor: Actor) -> Response:
    """Return the bundle's bytes."""
    request, data = desk.fetch(PersonId(actor), token)
    return Response(
        data, media_type="application/zip", headers={"x-hvelv-export": request.id, "x-hvelv-sha256": request.sha256}
    )


@lab_router.post("/exports")
def ask(asked: AskedExport, desk: Desk, actor: Actor, project: LabProject) -> dict[str, Any]:
    """Ask for a bundle; the answer says released or refused, and why."""
    return desk.ask(PersonId(actor), project, asked.title, asked.items).inside()


@lab_router.get("/exports")
def listed(desk: Desk, actor: Actor, project: LabProject) -> list[dict[str, Any]]:
    """List the project's requests."""
    desk.rights.require(PersonId(actor), project)
    return [request.inside() for request in desk.of_project(project)]


@lab_router.get("/exports/{export}")
def shown(export: str, desk: Desk, actor: Actor, project: LabProject) -> dict[str, Any]:
    """Show one of the project's requests."""
    desk.rights.require(PersonId(actor), project)
    request = desk.get(ExportId(export))
    if request.project != project:
        raise Denied(_("Utleveringen hører til et annet prosjekt."), code="other-project")
    return request.inside()
