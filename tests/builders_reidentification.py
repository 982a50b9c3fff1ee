"""The custodian's door for re-identification, as the portal's tests meet it: one request, by Ola, for the laboratory's data."""

from typing import Any

from hvelv.kernel.errors import NotFound
from hvelv.privacy.domain.reidentification import wanted

CASE = {
    "id": "rid-0001",
    "project": "p-0001",
    "dataset": "ds-0001",
    "holder": "lab",
    "reason": "incidental_finding",
    "text": "Et svar som bør følges opp raskt.",
    "count": 2,
    "requester": "ola",
    "at": "2026-03-02T12:00:00+00:00",
    "state": "approved",
    "steward": "stine",
    "ethics": "kari",
    "over": False,
}
NUMBER = "01819912345"


def reidentified(method: str, path: str, actor: str, json: Any) -> Any:
    """Answer as the custodian does."""
    if method == "GET":
        return [CASE, CASE | {"id": "rid-0002", "state": "requested", "ethics": "", "requester": "per"}]
    if path == "/reidentifications":
        wanted(json["reason"], json["text"], json["pseudonyms"])
        return CASE
    theirs = {"withdraw": "ola", "execute": "stine"}.get(path.rsplit("/", 1)[-1], actor)
    if "/rid-0001/" not in path or actor != theirs or (json or {}).get("holder", "lab") not in {"lab", ""}:
        raise NotFound("Forespørselen finnes ikke.")
    if path.endswith("/execute"):
        return {"persons": [{"pseudonym": "12345678901234567890", "person_number": NUMBER}]}
    return CASE
