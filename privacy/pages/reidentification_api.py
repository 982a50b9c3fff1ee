"""The custodian's door for leading named pseudonyms back. The portal asks; who is a steward or on the committee is its word."""

from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from hvelv.kernel.web import Actor
from hvelv.privacy.domain.reidentification import MOST_PSEUDONYMS, Approver, Side
from hvelv.privacy.service.reidentification import Reidentification

router = APIRouter(prefix="/reidentifications", tags=["reidentification"])


def _desk(request: Request) -> Reidentification:
    return cast("Reidentification", request.app.state.reidentification)


Desk = Annotated[Reidentification, Depends(_desk)]


class Asked(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    project: str = Field(max_length=64)
    dataset: str = Field(max_length=64)
    reason: str = Field(max_length=64)
    text: str = Field(max_length=20_000)
    pseudonyms: list[Annotated[str, Field(max_length=64)]] = Field(max_length=MOST_PSEUDONYMS * 5, repr=False)


class AsSomebody(BaseModel):
    """On which side, and for which data holder."""

    model_config = ConfigDict(extra="forbid")

    side: Literal["steward", "ethics"]
    holder: str = Field("", max_length=64)

    def approver(self, actor: str) -> Approver:
        """Return who that is."""
        return Approver(actor, Side(self.side), self.holder)


@router.get("")
def cases(_actor: Actor, desk: Desk) -> list[dict[str, Any]]:
    """List every request, without pseudonyms."""
    return desk.all()


@router.post("")
def request_(body: Asked, actor: Actor, desk: Desk) -> dict[str, Any]:
    """Ask for people to be found."""
    return desk.request(
        actor, body.project, body.dataset, reason=body.reason, text=body.text, pseudonyms=body.pseudonyms
    )


@router.post("/{case}/approve")
def approve(case: str, body: AsSomebody, actor: Actor, desk: Desk) -> dict[str, Any]:
    """Approve for one side."""
    return desk.approve(body.approver(actor), case)


@router.post("/{case}/refuse")
def refuse(case: str, body: AsSomebody, actor: Actor, desk: Desk) -> dict[str, Any]:
    """Refuse for one side."""
    return desk.refuse(body.approver(actor), case)


@router.post("/{case}/withdraw")
def withdraw(case: str, actor: Actor, desk: Desk) -> dict[str, Any]:
    """Take it back."""
    return desk.withdraw(actor, case)


@router.post("/{case}/execute")
def execute(case: str, body: AsSomebody, actor: Actor, desk: Desk) -> dict[str, Any]:
    """Find the people and tell the steward, once. Pseudonyms are text: they are larger than a JSON number."""
    found = desk.execute(body.approver(actor), case)
    return {"persons": [{"pseudonym": str(one), "person_number": number} for one, number in found]}
