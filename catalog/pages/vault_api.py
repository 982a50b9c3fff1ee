"""The vault's door on the portal's side of the custodian: uploads in, versions made. Never a row out."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from hvelv.catalog.service.vault import Vault
from hvelv.kernel.errors import Problem
from hvelv.kernel.ids import DatasetId, HolderId
from hvelv.kernel.web import Actor

router = APIRouter(tags=["vault"])
GATHERED = 1 << 20  # bytes of small pieces that go to disk in one write


def vault(request: Request) -> Vault:
    """Return the app's vault."""
    return cast("Vault", request.app.state.vault)


TheVault = Annotated[Vault, Depends(vault)]


class CheckBody(BaseModel):
    """What to read a file by."""

    model_config = ConfigDict(extra="forbid")

    declaration: dict[str, Any]


class PublishBody(CheckBody):
    """What to publish a file as."""

    dataset: str = Field(pattern=r"^d-[a-z0-9-]{1,40}$")
    holder: str = Field(min_length=1, max_length=64)
    rho_micro: int | None = Field(default=None, gt=0, le=10**12)


def _problem(p: Problem) -> dict[str, Any]:
    return {"message": p.message, "field": p.field, "row": p.row, "params": dict(p.params)}


@router.put("/uploads/{upload}")
async def receive(upload: str, request: Request, actor: Actor, room: TheVault, filename: str = "") -> dict[str, Any]:
    """Take a file as it streams in. A broken stream, or one past the limit, leaves nothing behind."""
    named = filename or request.headers.get("x-hvelv-filename", "")
    incoming = await run_in_threadpool(room.receive, actor, upload, named)
    try:
        gathered = bytearray()
        async for piece in request.stream():
            gathered += piece
            if len(gathered) >= GATHERED:
                await run_in_threadpool(incoming.write, bytes(gathered))
                gathered.clear()
        await run_in_threadpool(incoming.write, bytes(gathered))
        kept = await run_in_threadpool(incoming.finish)
    except BaseException:
        incoming.abort()
        raise
    return {"bytes": kept.bytes, "sha256": kept.sha256}


@router.post("/uploads/{upload}/check")
def check(upload: str, body: CheckBody, actor: Actor, room: TheVault) -> dict[str, Any]:
    """Read the file and tell what is wrong with it."""
    checked = room.check(actor, upload, body.declaration)
    return {
        "problems": [_problem(p) for p in checked.problems],
        "warnings": [_problem(p) for p in checked.warnings],
        "preview": {"columns": checked.preview.columns, "rows": checked.preview.rows},
        "rows": checked.rows,
        "persons": checked.persons,
    }


@router.post("/uploads/{upload}/publish")
def publish(upload: str, body: PublishBody, actor: Actor, room: TheVault) -> dict[str, Any]:
    """Make the file into an immutable version."""
    dataset, holder = DatasetId(body.dataset), HolderId(body.holder)
    made = room.publish(actor, upload, dataset, body.declaration, body.rho_micro, holder=holder)
    return {
        "content_hash": made.content_hash,
        "rows": made.rows,
        "persons": made.persons,
        "published_at": made.published_at.isoformat(),
    }


@router.delete("/uploads/{upload}", status_code=204)
def discard(upload: str, actor: Actor, room: TheVault) -> Response:
    """Remove an upload."""
    room.discard(actor, upload)
    return Response(status_code=204)
