"""What waits for a steward's go-ahead, how risky it is, what would help, and the answer."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from hvelv.kernel.errors import Invalid, Problem, Unavailable, _
from hvelv.kernel.people import Person
from hvelv.kernel.web import PageShell, Shell, SignedIn
from hvelv.privacy.domain.following import column_shown, declared_shown, done_shown
from hvelv.privacy.domain.reviewing import ReviewState
from hvelv.privacy.domain.risk import MEASURES, MOST_TOGETHER, QUASI_ROLES, Policy, candidates
from hvelv.privacy.domain.steps import as_documents
from hvelv.privacy.pages.stewards import Who, titles
from hvelv.privacy.service.reviews import Steward

router = APIRouter()
MOST_TRIPLES = 6


class ReviewDoor(Protocol):
    """The custodian's reviews, asked on a steward's behalf."""

    def all(self, steward: Steward) -> list[dict[str, Any]]:
        """Return the holder's reviews, newest first."""
        ...

    def one(self, steward: Steward, project: str, table: str) -> dict[str, Any]:
        """Return one with its report. Raises `NotFound`."""
        ...

    def preview(self, steward: Steward, project: str, table: str, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Return the report as it would be with some steps. Raises `Invalid`."""
        ...

    def apply(self, steward: Steward, project: str, table: str, fingerprint: str, extra: Mapping[str, Any]) -> None:
        """Have the extract made anew with some steps."""
        ...

    def approve(self, steward: Steward, project: str, table: str, fingerprint: str) -> None:
        """Let it go."""
        ...

    def refuse(self, steward: Steward, project: str, table: str, fingerprint: str, reason: str) -> None:
        """Let it not go."""
        ...


def _door(request: Request) -> ReviewDoor:
    door: ReviewDoor = request.app.state.reviews
    return door


Door = Annotated[ReviewDoor, Depends(_door)]


@router.get("/extracts")
def extracts(request: Request, person: SignedIn, who: Who, shell: PageShell, door: Door) -> Response:
    """Show the holder's extracts, those that wait first."""
    found = door.all(who)
    waiting = [one for one in found if one["state"] == ReviewState.WAITING]
    others = [one for one in found if one["state"] != ReviewState.WAITING]
    return shell.page(request, "extracts.html", waiting=waiting, others=others, titles=titles(request, person))


@router.get("/extracts/count")
def count(request: Request, who: Who, shell: PageShell, door: Door) -> Response:
    """Show how many wait, for the menu; nothing where that cannot be told."""
    try:
        waiting = sum(one["state"] == ReviewState.WAITING for one in door.all(who))
    except Unavailable:
        waiting = 0
    return shell.page(request, "extracts_count.html", waiting=waiting)


@router.get("/extracts/{project_id}/{table}")
def extract(
    request: Request, person: SignedIn, who: Who, shell: PageShell, *, door: Door, project_id: str, table: str
) -> Response:
    """Show the risk of one extract; a page that asks while it is made anew is told when it is back."""
    review = door.one(who, project_id, table)
    if "HX-Request" in request.headers:
        changing = review["state"] == ReviewState.CHANGING
        return Response(status_code=204) if changing else Response(headers={"HX-Redirect": request.url.path})
    return _extract(request, person, shell, review)


def _extract(
    request: Request,
    person: Person,
    shell: Shell,
    review: dict[str, Any],
    *,
    tried: dict[str, Any] | None = None,
    problems: tuple[Problem, ...] = (),
    typed: Mapping[str, str] | None = None,
) -> Response:
    report = tried["report"] if tried else review["report"]
    earlier = (
        review["before"] if review["state"] != ReviewState.CHANGING else None
    )  # what it is to be compared with is to come
    return shell.page(
        request,
        "extract.html",
        status=422 if problems else 200,
        review=review,
        report=report,
        before=review["report"] if tried else earlier,
        tried=tried,
        extra_json=_json(tried["extra"]) if tried else "",
        measures=MEASURES,
        triples=_triples(report),
        suggestions=[one | {"json": _json(one["extra"])} for one in review["report"].get("suggestions", ())],
        choices=_choices(review),
        waits=review["state"] == ReviewState.WAITING,
        titles=titles(request, person),
        problems=problems,
        typed=typed or {},
    )


def _triples(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the three variables together that most persons are alone with, first."""
    threes = [subset for subset in report["subsets"] if len(subset["columns"]) == MOST_TOGETHER and subset["persons"]]
    return sorted(threes, key=lambda subset: -int(subset["persons"]))[:MOST_TRIPLES]


def _choices(review: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the steps that can be tried on each variable: each with its JSON form."""
    policy = Policy(**review["report"]["policy"])
    found = []
    for shown in review["columns"] if review["report"]["persons"] else ():
        if shown["role"] in QUASI_ROLES:
            steps = candidates(column_shown(shown), done_shown(shown), policy, declared_shown(shown))
            options = [{"step": one, "json": _json([one])} for one in as_documents(steps)]
            found.append({"name": shown["name"], "title": shown["title"], "options": options})
    return found


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid((Problem(_("Velg et av trinnene i listen."), "step"),)) from None


def _extra(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the steps in a form: all in `extra`, or one choice for each variable in `step.<name>`."""
    if fields.get("extra"):
        found = _read(fields["extra"])
        if not isinstance(found, dict):
            raise Invalid((Problem(_("Velg et av trinnene i listen."), "step"),))
        return found
    chosen = {name.removeprefix("step."): text for name, text in fields.items() if name.startswith("step.") and text}
    if not chosen:
        raise Invalid((Problem(_("Velg minst ett trinn."), "step"),))
    return {name: _read(text) for name, text in chosen.items()}


@router.post("/extracts/{project_id}/{table}/try")
async def attempt(
    request: Request, person: SignedIn, who: Who, shell: PageShell, *, door: Door, project_id: str, table: str
) -> Response:
    """Show the risk as it would be with the chosen steps, beside how it is."""
    async with request.form(max_files=0) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    return await run_in_threadpool(_attempt, request, person, who, shell, door, (project_id, table), fields)


def _attempt(  # noqa: PLR0917 - the endpoint's own arguments
    request: Request,
    person: Person,
    who: Steward,
    shell: Shell,
    door: ReviewDoor,
    which: tuple[str, str],
    fields: Mapping[str, str],
) -> Response:
    review = door.one(who, *which)
    try:
        tried = door.preview(who, *which, _extra(fields))
    except Invalid as refusal:
        problems = tuple(Problem(p.message, "step", p.row, p.params) for p in refusal.problems)
        return _extract(request, person, shell, review, problems=problems, typed=fields)
    chosen = {f"step.{name}": _json(steps) for name, steps in tried["extra"].items()}
    return _extract(request, person, shell, review, tried=tried, typed={**fields, **chosen})


@router.post("/extracts/{project_id}/{table}/apply")
def apply(
    request: Request,
    who: Who,
    shell: PageShell,
    *,
    door: Door,
    project_id: str,
    table: str,
    fingerprint: Annotated[str, Form()] = "",
    extra: Annotated[str, Form()] = "",
) -> Response:
    """Have the extract made anew with the steps that were tried."""
    door.one(who, project_id, table)  # what is not theirs is not there, whatever they send
    chosen = _extra({"extra": extra})
    door.apply(who, project_id, table, fingerprint, chosen)
    return shell.back(
        request,
        f"/extracts/{project_id}/{table}",
        _("Uttrekket lages på nytt med trinnene. Det kommer tilbake hit når risikoen er målt.")
        if chosen
        else _("Trinnene er tatt tilbake. Uttrekket kommer tilbake hit når risikoen er målt."),
    )


@router.post("/extracts/{project_id}/{table}/approve")
def approve(
    request: Request,
    who: Who,
    shell: PageShell,
    *,
    door: Door,
    project_id: str,
    table: str,
    fingerprint: Annotated[str, Form()] = "",
) -> Response:
    """Let the extract go."""
    door.approve(who, project_id, table, fingerprint)
    return shell.back(request, f"/extracts/{project_id}/{table}", _("Uttrekket er sluppet. Prosjektet får det nå."))


@router.post("/extracts/{project_id}/{table}/refuse")
def refuse(
    request: Request,
    person: SignedIn,
    who: Who,
    shell: PageShell,
    *,
    door: Door,
    project_id: str,
    table: str,
    fingerprint: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Let the extract not go."""
    try:
        door.refuse(who, project_id, table, fingerprint, reason)
    except Invalid as refusal:
        review = door.one(who, project_id, table)
        return _extract(request, person, shell, review, problems=refusal.problems, typed={"reason": reason})
    return shell.back(request, f"/extracts/{project_id}/{table}", _("Uttrekket er nektet, og prosjektet får det ikke."))
