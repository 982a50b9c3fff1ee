"""Fetching what has been released: a link that lives minutes, and the bytes that were checked."""

import re

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from hvelv.enclave.pages.rooms import Custodian, pieces
from hvelv.kernel.errors import NotFound, _
from hvelv.kernel.web import SignedIn

router = APIRouter()
NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")
HASH = re.compile(r"[0-9a-f]{64}")


def _named(name: str) -> str:
    """Return `name` when it can be one of ours; it becomes part of another address. Raises `NotFound`."""
    if NAME.fullmatch(name) is None:
        raise NotFound(_("Utleveringen finnes ikke, eller den er ikke din å hente."))
    return name


@router.get("/exports/{export_id}/download")
def download(person: SignedIn, custodian: Custodian, export_id: str) -> Response:
    """Have a link made for the person and follow it."""
    link = custodian.call("POST", f"/exports/{_named(export_id)}/links", actor=person.id)
    return RedirectResponse(f"/bundles/{_named(str(link['token']))}", status_code=303)


@router.get("/bundles/{token}")
def bundle(person: SignedIn, custodian: Custodian, token: str) -> Response:
    """Return the bundle's bytes as a file to save. The custodian checks that the link is the person's and is alive."""
    opened = custodian.stream(f"/bundles/{_named(token)}", actor=person.id)
    response = opened.__enter__()
    name, sha256 = response.headers.get("x-hvelv-export", ""), response.headers.get("x-hvelv-sha256", "")
    filename = f"hvelv-{name}.zip" if NAME.fullmatch(name) else "hvelv.zip"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    if HASH.fullmatch(sha256):
        headers["X-Hvelv-Sha256"] = sha256
    if (length := response.headers.get("content-length", "")).isdigit():
        headers["Content-Length"] = length
    return StreamingResponse(pieces(opened, response), media_type="application/zip", headers=headers)
