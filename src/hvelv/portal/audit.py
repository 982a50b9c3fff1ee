"""The auditor's page: the latest events of both chains, and whether the chains hold."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from hvelv.kernel.database import Database
from hvelv.kernel.errors import Refusal, _
from hvelv.kernel.people import Person
from hvelv.kernel.web import PageShell, SignedIn

router = APIRouter()
SIDES = (("registry", _("Registeret (portalen)")), ("custodian", _("Databevareren")))


def _registry(request: Request) -> Database:
    database: Database = request.app.state.registry
    return database


Registry = Annotated[Database, Depends(_registry)]


def _own_events(database: Database, newest: int) -> list[dict[str, Any]]:
    with database.reading() as session:
        rows = list(database.trail.rows(session, newest=newest))
    return [
        {"seq": r.seq, "at": r.at, "actor": r.actor, "action": r.action, "subject": r.subject, "detail": r.detail}
        for r in rows
    ]


def _events(answer: Any) -> list[dict[str, Any]]:
    rows = answer.get("events", []) if isinstance(answer, dict) else answer
    return [
        r | {"at": datetime.fromisoformat(r["at"]) if isinstance(r.get("at"), str) else r.get("at")} for r in rows or []
    ]


def _page(
    request: Request,
    person: Person,
    shell: PageShell,
    *,
    database: Database,
    newest: int,
    verdicts: Sequence[tuple[str, int | None, Sequence[str]]] = (),
) -> Response:
    silent: list[Refusal] = []
    sides = {"registry": _own_events(database, newest), "custodian": []}
    try:
        answer = request.app.state.custodian.call("GET", f"/audit/events?newest={newest}", actor=person.id)
        sides["custodian"] = _events(answer)
    except Refusal as refusal:
        silent.append(refusal)
    return shell.page(
        request, "audit.html", sides=sides, titles=dict(SIDES), silent=silent, verdicts=verdicts, newest=newest
    )


@router.get("/audit")
def audit(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    database: Registry,
    newest: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Show the latest events."""
    return _page(request, person, shell, database=database, newest=newest)


@router.post("/audit/verify")
def verify(request: Request, person: SignedIn, shell: PageShell, database: Registry) -> Response:
    """Read both chains from end to end and say whether they hold."""
    with database.reading() as session:
        own = (database.trail.length(session), database.trail.faults(session))
    verdicts: list[tuple[str, int | None, Sequence[str]]] = [("registry", *own)]
    try:
        answer = request.app.state.custodian.call("GET", "/audit/verify", actor=person.id) or {}
        verdicts.append(("custodian", answer.get("rows"), tuple(answer.get("faults", ()))))
    except Refusal:
        verdicts.append(("custodian", None, ()))
    return _page(request, person, shell, database=database, newest=100, verdicts=verdicts)
