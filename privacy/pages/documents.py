"""What the doors of privacy share: the desk, the small JSON body, the project that the gateway vouches for."""

from typing import Annotated, Any, cast

from fastapi import Depends, Request

from hvelv.kernel.errors import Denied, _
from hvelv.privacy.domain.documents import LARGEST, document_from, refused
from hvelv.privacy.service.desk import Desk

PROJECT = "x-hvelv-project"


def desk(request: Request) -> Desk:
    """Return privacy's services."""
    return cast("Desk", request.app.state.privacy)


async def received(request: Request, largest: int) -> bytes:
    """Return the body. Raises `Invalid` as soon as it is larger than `largest` bytes; no more than that is kept."""
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > largest:
            raise refused()
    return bytes(raw)


async def body(request: Request) -> dict[str, Any]:
    """Return the body, a JSON object within the limits; no more than that is read."""
    return document_from(await received(request, LARGEST))


def project(request: Request) -> str:
    """Return the project whose session asks. Raises `Denied` without one."""
    name = request.headers.get(PROJECT, "")
    if not name:
        raise Denied(_("Forespørselen sier ikke hvilket prosjekt den gjelder."), code="no-project")
    return name


AtDesk = Annotated[Desk, Depends(desk)]
Body = Annotated[dict[str, Any], Depends(body)]
Project = Annotated[str, Depends(project)]
