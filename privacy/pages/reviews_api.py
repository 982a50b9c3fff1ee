"""The door to the portal for stewards: what waits, how risky it is, what would help, and the answer.

The portal vouches for who asks and for which data holder; a review is shown to its own holder alone.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from hvelv.kernel.web import Actor
from hvelv.privacy.pages.documents import AtDesk
from hvelv.privacy.service.reviews import Steward

router = APIRouter(prefix="/reviews", tags=["reviews"])
Holder = Annotated[str, Query(min_length=1, max_length=64)]


class TryBody(BaseModel):
    """Steps to try, by variable."""

    model_config = ConfigDict(extra="forbid")

    extra: dict[str, list[dict[str, Any]]]


class AnswerBody(BaseModel):
    """An answer about the extract that was seen."""

    model_config = ConfigDict(extra="forbid")

    fingerprint: str = Field(min_length=1, max_length=128)


class ApplyBody(TryBody, AnswerBody):
    """Steps to make it anew with."""


class RefuseBody(AnswerBody):
    """Why not."""

    reason: str = Field(max_length=5000)


def steward(actor: Actor, holder: Holder) -> Steward:
    """Return who asks, for which data holder."""
    return Steward(actor, holder)


For = Annotated[Steward, Depends(steward)]


@router.get("")
def reviews(who: For, desk: AtDesk) -> list[dict[str, Any]]:
    """List the holder's reviews, newest first."""
    return desk.reviews.of_holder(who.holder)


@router.get("/{project}/{table}")
def review(project: str, table: str, who: For, desk: AtDesk) -> dict[str, Any]:
    """Return one with its report."""
    return desk.reviews.view(who.holder, project, table)


@router.post("/{project}/{table}/preview")
def preview(project: str, table: str, body: TryBody, who: For, desk: AtDesk) -> dict[str, Any]:
    """Return the report as it would be with some steps."""
    return desk.reviews.preview(who, project, table, body.extra)


@router.post("/{project}/{table}/apply", status_code=204)
def apply(project: str, table: str, body: ApplyBody, who: For, desk: AtDesk) -> Response:
    """Have the extract made anew with some steps."""
    desk.reviews.apply(who, project, table, body.fingerprint, body.extra)
    return Response(status_code=204)


@router.post("/{project}/{table}/approve", status_code=204)
def approve(project: str, table: str, body: AnswerBody, who: For, desk: AtDesk) -> Response:
    """Let it go."""
    desk.reviews.approve(who, project, table, body.fingerprint)
    return Response(status_code=204)


@router.post("/{project}/{table}/refuse", status_code=204)
def refuse(project: str, table: str, body: RefuseBody, who: For, desk: AtDesk) -> Response:
    """Let it not go."""
    desk.reviews.refuse(who, project, table, body.fingerprint, body.reason)
    return Response(status_code=204)
