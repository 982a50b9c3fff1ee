"""The door to sessions: data of the project's own extracts, quotes and releases.

Who asks and for which project is set by the gateway from the session's own socket; nothing in a body can change it.
"""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from hvelv.kernel.web import Actor
from hvelv.privacy.pages.documents import AtDesk, Body, Project
from hvelv.privacy.service.asking import again_in, document_in, translated

router = APIRouter(prefix="/lab")
PARQUET = "application/vnd.apache.parquet"


@router.get("/datasets/{name}/parts")
def parts(name: str, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Return which parts the project's extract of the table has: whole persons each, in order of pseudonym."""
    extract = desk.extracts.current(desk.permits.permission(project, person), name)
    listed = [{"sha256": p.sha256, "rows": p.rows, "persons": p.persons} for p in extract.parts]
    return {"sha256": extract.sha256, "parts": listed}


@router.get("/datasets/{name}/parts/{sha256}")
def part(name: str, sha256: str, person: Actor, project: Project, desk: AtDesk) -> FileResponse:
    """Return one part of the extract in use, as Parquet."""
    path = desk.extracts.handed_out(desk.permits.permission(project, person), name, sha256)
    return FileResponse(path, media_type=PARQUET, headers={"x-hvelv-sha256": sha256})


@router.post("/credentials")
def credentials(person: Actor, project: Project, desk: AtDesk, response: Response) -> dict[str, Any]:
    """Return credentials that read the project's room, for less than a minute."""
    response.headers["Cache-Control"] = "no-store"
    return dict(desk.credentials.issue(project, person).as_dict())


@router.post("/quotes")
def quote(asked: Body, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Return price and expected error, for free. The question is in `query`, or in `sql`."""
    document = document_in(desk, project, person, asked)
    return desk.releases.quote(project, person, document, asked.get("rho_micro"))


@router.post("/questions")
def question(asked: Body, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Return the question in `sql` or `query` as JSON in full, its hash, and SQL's own names in it, for free."""
    return translated(desk, project, person, asked)


@router.post("/releases")
def release(asked: Body, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Return the certified answer, charged once for each key; with `again`, with new noise that is charged anew."""
    document = document_in(desk, project, person, asked)
    key, price = asked.get("idempotency_key"), asked.get("rho_micro")
    return desk.releases.release(project, person, document, price, key, again=again_in(asked))


@router.get("/releases")
def releases(person: Actor, project: Project, desk: AtDesk) -> list[dict[str, Any]]:
    """Return the project's releases in brief, newest first."""
    return desk.releases.all(project, person)


@router.get("/releases/{release_id}")
def one_release(release_id: str, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Return a stored release."""
    return desk.releases.one(project, person, release_id)
