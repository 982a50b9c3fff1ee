"""The permit office's two doors: the portal asks it to sign and to change, hub and gateway ask who may enter."""

from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from hvelv.kernel.clock import Clock, SystemClock
from hvelv.kernel.ids import ProjectId
from hvelv.kernel.web import Actor
from hvelv.requests.domain.permit import PermitAction
from hvelv.requests.service.office import Office

portal_router = APIRouter(tags=["permits"])
enclave_router = APIRouter(tags=["grants"])


def office(request: Request) -> Office:
    """Return the app's permit office."""
    return cast("Office", request.app.state.office)


def clock(request: Request) -> Clock:
    """Return the app's clock, the machine's where none is set."""
    return cast("Clock", getattr(request.app.state, "clock", None) or SystemClock())


TheOffice = Annotated[Office, Depends(office)]
PersonName = Annotated[str, Path(min_length=1, max_length=64)]
TheClock = Annotated[Clock, Depends(clock)]


class PermitBody(BaseModel):
    """What carries a permit, and what it should say."""

    model_config = ConfigDict(extra="forbid")

    evidence: dict[str, Any]
    grant: dict[str, Any]


class ReasonBody(BaseModel):
    """Why a person is barred, or is so no longer."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=5000)


class StateBody(BaseModel):
    """A change of state, with its reason."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["suspend", "resume", "revoke", "close"]
    reason: str = Field(max_length=5000)


@portal_router.post("/permits")
def issue(body: PermitBody, actor: Actor, permits: TheOffice) -> dict[str, Any]:
    """Sign the permit that the evidence carries."""
    return permits.issue(actor, body.evidence, body.grant).as_dict()


@portal_router.post("/projects/{project}/state")
def change(project: str, body: StateBody, actor: Actor, permits: TheOffice) -> dict[str, Any]:
    """Suspend, resume, revoke or close."""
    state = permits.change(actor, ProjectId(project), PermitAction(body.action), body.reason)
    return {"state": state.value}


@portal_router.get("/permits")
def permits(_actor: Actor, permits: TheOffice) -> list[dict[str, Any]]:
    """List every permit and the state it is in."""
    return [
        {
            "project": one.permit.project,
            "title": one.permit.title,
            "state": one.state.value,
            "valid_until": one.permit.valid_until.isoformat(),
        }
        for one in permits.all()
    ]


@portal_router.post("/people/{person}/bar")
def bar(person: PersonName, body: ReasonBody, actor: Actor, permits: TheOffice) -> dict[str, Any]:
    """Let no permit let a person in."""
    permits.barred.bar(actor, person, body.reason)
    return {"person": person, "barred": True}


@portal_router.post("/people/{person}/unbar")
def unbar(person: PersonName, body: ReasonBody, actor: Actor, permits: TheOffice) -> dict[str, Any]:
    """Let the permits that name a person let them in again."""
    permits.barred.unbar(actor, person, body.reason)
    return {"person": person, "barred": False}


@enclave_router.get("/grants/{person}/{project}")
def grant(person: str, project: str, permits: TheOffice, now: TheClock) -> dict[str, Any]:
    """Say that a person may enter a project now, or refuse."""
    given = permits.grant(person, ProjectId(project), now.now())
    return {
        "project": given.project,
        "title": given.title,
        "person": given.person,
        "permit_version": given.permit_version,
        "expires": given.expires.isoformat(),
    }
