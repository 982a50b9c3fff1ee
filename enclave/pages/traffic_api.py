"""The custodian's doors to what sessions passed: the gateway tells, the portal asks."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from hvelv.enclave.service.traffic import Passed, TrafficBook
from hvelv.kernel.web import Actor

portal_router = APIRouter(tags=["traffic"])
enclave_router = APIRouter(tags=["traffic"])
Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Kind = Annotated[str, Field(pattern=r"^[a-z_/]{1,20}$")]
Size = Annotated[int, Field(ge=0)]


def book(request: Request) -> TrafficBook:
    """Return what writes and sums the rows."""
    made: TrafficBook = request.app.state.traffic
    return made


Book = Annotated[TrafficBook, Depends(book)]


class ToldTraffic(BaseModel):
    """What the gateway tells of one session and day."""

    model_config = ConfigDict(extra="forbid")

    day: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    viewed: dict[Kind, Size] = Field(max_length=20)
    sent: Size
    held_back: Size
    alarms: int = Field(ge=0, le=100)
    ended: bool


@enclave_router.post("/traffic/{person}/{project}", status_code=204)
def told(person: Name, project: Name, body: ToldTraffic, _actor: Actor, book: Book) -> None:
    """Write down what a session passed."""
    book.write(Passed(person, project, **body.model_dump()))


@portal_router.get("/traffic/today")
def today(_actor: Actor, book: Book) -> list[dict[str, Any]]:
    """List what each session has passed today."""
    return [
        {
            "person": person,
            "project": project,
            "viewed": volume.viewed,
            "sent": volume.sent,
            "held_back": volume.held_back,
            "alarms": volume.alarms,
        }
        for (person, project), volume in sorted(book.today().items())
    ]
