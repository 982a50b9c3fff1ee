"""Judging, for committee members and stewards: answers on one side, what one makes of them on the other."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from hvelv.kernel.errors import Denied, Invalid, NotFound, Problem, _
from hvelv.kernel.ids import DatasetId
from hvelv.kernel.people import Person
from hvelv.kernel.web import PageShell, SignedIn
from hvelv.requests.domain.permissions import Relation
from hvelv.requests.domain.review import Choice
from hvelv.requests.pages.answers import Form as Fields
from hvelv.requests.pages.answers import rho_micro
from hvelv.requests.pages.applications import Datasets, Desk, shown
from hvelv.requests.service.applications import Applications
from hvelv.requests.service.cases import CaseView

router = APIRouter()
REVIEWERS = frozenset({Relation.COMMITTEE, Relation.STEWARD, Relation.CONFLICTED, Relation.AUDITOR})
UNKNOWN = _("Saken finnes ikke, eller den er ikke din å se.")
CASES_AGAIN = _("Gå til listen over saker.")


def _view(desk: Applications, person: Person, application_id: str) -> CaseView:
    """Return the case for someone who reviews. Raises `NotFound` for others, in the same words as for no case."""
    try:
        view = desk.view(person, application_id)
    except (Denied, NotFound):
        raise NotFound(UNKNOWN, remedy=CASES_AGAIN) from None
    if not view.relations & REVIEWERS:
        raise NotFound(UNKNOWN, remedy=CASES_AGAIN)
    return view


@router.get("/cases")
def cases(request: Request, person: SignedIn, shell: PageShell, desk: Desk) -> Response:
    """Show the cases, those that wait for the person first."""
    return shell.page(request, "cases.html", lines=desk.to_review(person))


@router.get("/cases/{application_id}")
def case(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    desk: Desk,
    datasets: Datasets,
    application_id: str,
    revision: str = "",
) -> Response:
    """Show one case on its newest revision, or on the one asked for (which then cannot be judged)."""
    return _case(request, person, shell, view=_view(desk, person, application_id), datasets=datasets, revision=revision)


def _case(
    request: Request,
    person: Person,
    shell: PageShell,
    view: CaseView,
    datasets: Datasets,
    *,
    revision: str = "",
    problems: tuple[Problem, ...] = (),
    typed: dict[str, list[str]] | None = None,
    status: int = 200,
) -> Response:
    revisions = view.application.revisions
    chosen = next((r for r in revisions if r.hash == revision), revisions[-1] if revisions else None)
    if chosen is None:
        raise NotFound(UNKNOWN, remedy=CASES_AGAIN)
    newest = chosen == revisions[-1]
    return shell.page(
        request,
        "case.html",
        status=status,
        revision=chosen,
        newest=newest,
        holder=person.holder,
        own=tuple(w for w in chosen.answers.wishes if w.holder == person.holder),
        votes=tuple(v for v in view.application.votes if v.revision == chosen.hash),
        decisions=tuple(d for d in view.application.decisions if d.revision == chosen.hash),
        problems=problems,
        typed=typed or {},
        **shown(view, datasets, chosen.answers),
    )


def _must_be_none(problems: list[Problem]) -> None:
    if problems:
        raise Invalid(tuple(problems))


def _choice(text: str) -> Choice:
    if text not in list(Choice):
        raise Invalid((Problem(_("Velg for eller mot."), "choice"),))
    return Choice(text)


@router.post("/cases/{application_id}/vote")
def vote(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    desk: Desk,
    datasets: Datasets,
    application_id: str,
    revision: Annotated[str, Form()] = "",
    choice: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Cast a committee member's vote on the revision that was read."""
    view = _view(desk, person, application_id)
    try:
        desk.vote(person, application_id, revision, _choice(choice), reason)
    except Invalid as refusal:
        typed = {"choice": [choice], "reason": [reason]}
        return _case(
            request, person, shell, view=view, datasets=datasets, problems=refusal.problems, typed=typed, status=422
        )
    return shell.back(request, f"/cases/{application_id}", _("Stemmen din er registrert."))


@router.post("/cases/{application_id}/decide")
async def decide(
    request: Request, person: SignedIn, shell: PageShell, *, desk: Desk, datasets: Datasets, application_id: str
) -> Response:
    """Answer for the steward's data holder: `revision`, `choice`, `rho.<dataset>`, `conditions` (one a line), `reason`."""
    async with request.form(max_files=0) as form:
        fields = {name: [v for v in form.getlist(name) if isinstance(v, str)] for name in form}
    return await run_in_threadpool(_decide, request, person, shell, desk, datasets, application_id, fields)


def _decide(  # noqa: PLR0917 - the endpoint's own arguments
    request: Request,
    person: Person,
    shell: PageShell,
    desk: Applications,
    datasets: Datasets,
    application_id: str,
    fields: dict[str, list[str]],
) -> Response:
    view = _view(desk, person, application_id)
    form, problems = Fields(fields), list[Problem]()
    granted: dict[DatasetId, int] = {}
    for name in fields:
        if name.startswith("rho.") and (rho := rho_micro(form.text(name), name, problems)) is not None:
            granted[DatasetId(name.removeprefix("rho."))] = rho
    try:
        _must_be_none(problems)
        desk.decide(
            person,
            application_id,
            form.text("revision"),
            _choice(form.text("choice")),
            granted=granted or None,
            conditions=tuple(line.strip() for line in form.text("conditions").splitlines() if line.strip()),
            reason=form.text("reason"),
        )
    except Invalid as refusal:
        return _case(
            request, person, shell, view=view, datasets=datasets, problems=refusal.problems, typed=fields, status=422
        )
    return shell.back(request, f"/cases/{application_id}", _("Avgjørelsen er registrert."))


@router.post("/cases/{application_id}/conflict")
def conflict(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    desk: Desk,
    application_id: str,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Declare a conflict of interest."""
    _view(desk, person, application_id)
    desk.declare_conflict(person, application_id, reason)
    return shell.back(
        request, f"/cases/{application_id}", _("Inhabiliteten er registrert. Du vurderer ikke denne saken.")
    )


@router.post("/cases/{application_id}/return")
def give_back(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    desk: Desk,
    datasets: Datasets,
    application_id: str,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Ask for changes: the application goes back to the applicant with the reason."""
    view = _view(desk, person, application_id)
    try:
        desk.return_(person, application_id, reason)
    except Invalid as refusal:
        problems = tuple(Problem(p.message, "return_reason", p.row, p.params) for p in refusal.problems)
        return _case(request, person, shell, view=view, datasets=datasets, problems=problems, status=422)
    return shell.back(request, f"/cases/{application_id}", _("Søknaden er sendt tilbake til søkeren."))
