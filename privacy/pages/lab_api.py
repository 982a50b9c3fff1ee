"""The door to sessions: data of the project's own extracts, quotes and releases.

Who asks and for which project is set by the gateway from the session's own socket; nothing in a body can change it.
"""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from hvelv.kernel.web import Actor
from hvelv.privacy.pages.documents import AtDesk, Body, Project

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
    """Return price and expected error, for free."""
    return desk.releases.quote(project, person, asked.get("query"), asked.get("rho_micro"))


@router.post("/releases")
def release(asked: Body, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Return the certified answer, charged once for each key."""
    key = asked.get("idempotency_key")
    return desk.releases.release(project, person, asked.get("query"), asked.get("rho_micro"), key)


@router.get("/releases")
def releases(person: Actor, project: Project, desk: AtDesk) -> list[dict[str, Any]]:
    """Return the project's releases in brief, newest first."""
    return desk.releases.all(project, person)


@router.get("/releases/{release_id}")
def one_release(release_id: str, person: Actor, project: Project, desk: AtDesk) -> dict[str, Any]:
    """Return a stored release."""
    return desk.releases.one(project, person, release_id)
