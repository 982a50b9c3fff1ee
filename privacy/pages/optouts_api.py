"""The door to the portal for the register: objections, withdrawals and changed numbers, as JSON or as streamed CSV.

Answers are counts; nobody's number is repeated. Nothing is kept unless all of it can be.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.kernel.web import Actor
from hvelv.privacy.domain.documents import document_from, refused
from hvelv.privacy.domain.objecting import Act
from hvelv.privacy.pages.documents import AtDesk, received
from hvelv.privacy.service.intake import Intake, Rows

router = APIRouter()
LARGEST_JSON = 8 << 20  # bytes, about 80,000 rows; what is larger comes as CSV
LARGEST_CSV = 128 << 20
GATHERED = 1 << 20  # bytes that are looked at in one go

Counts = dict[str, int]


@router.post("/opt-outs/import")
async def objections(request: Request, person: Actor, desk: AtDesk) -> Counts:
    """Take in objections."""
    return await _rows(request, lambda rows: desk.optouts.take_in(rows, person))


@router.post("/opt-outs/import.csv")
async def objections_in_pieces(request: Request, person: Actor, desk: AtDesk) -> Counts:
    """Take in objections: `person_number,scope,since`, and who says so: `by,representative`."""
    return await _pieces(request, lambda: desk.optouts.intake(Act.OBJECT, person))


@router.post("/opt-outs/withdraw")
async def withdrawals(request: Request, person: Actor, desk: AtDesk) -> Counts:
    """Take in withdrawals."""
    return await _rows(request, lambda rows: desk.optouts.withdraw(rows, person))


@router.post("/opt-outs/withdraw.csv")
async def withdrawals_in_pieces(request: Request, person: Actor, desk: AtDesk) -> Counts:
    """Take in withdrawals: `person_number,scope,until`, and who says so: `by,representative`."""
    return await _pieces(request, lambda: desk.optouts.intake(Act.WITHDRAW, person))


@router.get("/opt-outs/count")
def count(_person: Actor, desk: AtDesk) -> Counts:
    """Return how many object."""
    return desk.optouts.count()


@router.post("/canonical/import")
async def changes(request: Request, person: Actor, desk: AtDesk) -> Counts:
    """Take in changed numbers."""
    return await _rows(request, lambda rows: desk.canonical.take_in(rows, person))


@router.post("/canonical/import.csv")
async def changes_in_pieces(request: Request, person: Actor, desk: AtDesk) -> Counts:
    """Take in changed numbers: `old,new`."""
    return await _pieces(request, lambda: desk.canonical.intake(person))


@router.get("/canonical/count")
def count_changes(_person: Actor, desk: AtDesk) -> Counts:
    """Return how many changed numbers are known."""
    return desk.canonical.count()


async def _rows(request: Request, take: Callable[[Rows], Counts]) -> Counts:
    raw = await received(request, LARGEST_JSON)
    rows: Any = document_from(raw, largest=LARGEST_JSON).get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid((Problem(_("Feltet må være en liste av rader."), "rows"),))
    return await run_in_threadpool(take, rows)


async def _pieces(request: Request, begin: Callable[[], Intake]) -> Counts:
    """Feed the body to an import as it comes; no more than a piece of it is kept as text."""
    intake = await run_in_threadpool(begin)
    gathered, size = bytearray(), 0
    async for piece in request.stream():
        gathered += piece
        size += len(piece)
        if size > LARGEST_CSV:
            raise refused()
        if len(gathered) >= GATHERED:
            await run_in_threadpool(intake.feed, bytes(gathered))
            gathered.clear()
    await run_in_threadpool(intake.feed, bytes(gathered))
    return await run_in_threadpool(lambda: intake.finish(csv=True))
