"""Applying, for researchers: begin from the selection, answer, check the answers, send, follow, withdraw."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from hvelv.catalog.domain.dataset import Dataset
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.catalog.service.selections import Selections
from hvelv.kernel.errors import Invalid, NotFound, Problem, _
from hvelv.kernel.people import Person
from hvelv.kernel.web import PageShell, SignedIn
from hvelv.requests.domain.draft import PURPOSE_NAMES, SUMMARY_LENGTH, Draft
from hvelv.requests.domain.lifecycle import Action, State
from hvelv.requests.pages import answers
from hvelv.requests.pages.answers import forms_of
from hvelv.requests.service.applications import Applications
from hvelv.requests.service.cases import CaseView

router = APIRouter()
FIELDS = 40_000


def _applications(request: Request) -> Applications:
    service: Applications = request.app.state.applications
    return service


def _catalogue(request: Request) -> Catalogue:
    service: Catalogue = request.app.state.catalogue
    return service


def _selections(request: Request) -> Selections:
    service: Selections = request.app.state.selections
    return service


Desk = Annotated[Applications, Depends(_applications)]
Datasets = Annotated[Catalogue, Depends(_catalogue)]
Picks = Annotated[Selections, Depends(_selections)]


def wanted(catalogue: Catalogue, draft: Draft) -> Mapping[str, Dataset]:
    """Return the datasets that a draft speaks of, those that still are in the catalogue."""
    found: dict[str, Dataset] = {}
    for wish in draft.wishes:
        try:
            found[wish.dataset] = catalogue.get(wish.dataset)
        except NotFound:
            continue
    return found


def shown(view: CaseView, catalogue: Catalogue, draft: Draft) -> dict[str, Any]:
    """Return what every page that shows answers needs."""
    datasets = wanted(catalogue, draft)
    return {
        "view": view,
        "application": view.application,
        "draft": draft,
        "datasets": datasets,
        "purposes": PURPOSE_NAMES,
        "may": {action.value for action in view.may},
        "conditions": answers.condition_text,
        "forms": {name: forms_of(dataset) for name, dataset in datasets.items()},
    }


def _latest(view: CaseView) -> Draft:
    """Return the answers a reader should see: the draft while it is one, else the revision that was sent."""
    revision = view.application.revision
    return revision.answers if revision and view.state is not State.DRAFT else view.application.draft


@router.get("/applications")
def mine(request: Request, person: SignedIn, shell: PageShell, desk: Desk, picks: Picks) -> Response:
    """Show the researcher's applications."""
    return shell.page(request, "applications.html", lines=desk.mine(person), count=picks.count(person))


@router.get("/applications/new")
def new(request: Request, person: SignedIn, shell: PageShell, picks: Picks) -> Response:
    """Show what a new application would begin with."""
    return shell.page(request, "application_new.html", selected=picks.of(person))


@router.post("/applications")
def create(request: Request, person: SignedIn, shell: PageShell, desk: Desk, picks: Picks) -> Response:
    """Begin an application with what is picked; the selection is emptied."""
    view = desk.create(person, picks.of(person))
    picks.clear(person)
    return shell.back(request, f"/applications/{view.id}", _("Kladden er opprettet. Den er ikke sendt."))


@router.get("/applications/{application_id}")
def one(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    desk: Desk,
    datasets: Datasets,
    picks: Picks,
    application_id: str,
) -> Response:
    """Show the form while the application is a draft of the person's, else the answers and what became of them."""
    return _one(request, shell, view=desk.view(person, application_id), datasets=datasets, count=picks.count(person))


def _one(
    request: Request,
    shell: PageShell,
    view: CaseView,
    datasets: Catalogue,
    *,
    typed: Mapping[str, list[str]] | None = None,
    problems: tuple[Problem, ...] = (),
    count: int = 0,
    status: int = 200,
) -> Response:
    editing = Action.EDIT in view.may
    draft = view.application.draft if editing else _latest(view)
    return shell.page(
        request,
        "application_form.html" if editing else "application.html",
        status=status,
        typed=typed or {},
        problems=problems,
        problem_of={p.field: p for p in reversed((*view.missing, *problems)) if p in problems},
        count=count,
        summary_length=SUMMARY_LENGTH,
        **shown(view, datasets, draft),
    )


@router.post("/applications/{application_id}")
async def save(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    desk: Desk,
    datasets: Datasets,
    picks: Picks,
    application_id: str,
) -> Response:
    """Keep the answers (`version` and any of the answers' fields), complete or not; `action` may say what comes next."""
    async with request.form(max_files=0, max_fields=FIELDS) as form:
        fields = {name: [v for v in form.getlist(name) if isinstance(v, str)] for name in form}
    return await run_in_threadpool(_save, request, person, shell, desk, datasets, picks, application_id, fields)


def _save(  # noqa: PLR0917 - the endpoint's own arguments
    request: Request,
    person: Person,
    shell: PageShell,
    desk: Applications,
    datasets: Catalogue,
    picks: Selections,
    application_id: str,
    fields: dict[str, list[str]],
) -> Response:
    form = answers.Form(fields)
    here = f"/applications/{application_id}"
    action = form.text("action", "save")
    if action == "revise":
        desk.revise(person, application_id)
        return shell.back(request, here, _("Ny revisjon er begynt. Rett svarene og send på nytt."))
    view = desk.view(person, application_id)
    before = view.application.draft
    version = form.text("version")
    answered = answers.read(form, before, wanted(datasets, before))
    view = desk.save_draft(
        person, application_id, int(version) if version.isdigit() else view.application.version, answered.draft
    )
    if answered.problems:
        return _one(request, shell, view=view, datasets=datasets, typed=fields, problems=answered.problems, status=422)
    if action == "add_selection":
        view = desk.add_selection(person, application_id, view.application.version, picks.of(person))
        picks.clear(person)
        return shell.back(request, f"{here}#data", _("Utvalget er lagt til i søknaden."))
    if action == "answers":
        return shell.back(request, f"{here}/answers")
    return shell.back(request, here, _("Kladden er lagret. Den er ikke sendt."))


@router.get("/applications/{application_id}/answers")
def check_answers(
    request: Request, person: SignedIn, shell: PageShell, *, desk: Desk, datasets: Datasets, application_id: str
) -> Response:
    """Show all answers on one page, to be checked and sent."""
    view = desk.view(person, application_id)
    return shell.page(request, "application_answers.html", **shown(view, datasets, _latest(view)))


@router.post("/applications/{application_id}/submit")
def submit(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    desk: Desk,
    datasets: Datasets,
    application_id: str,
    version: Annotated[int | None, Form()] = None,
) -> Response:
    """Freeze the answers and send them; what is missing is shown on the form."""
    view = desk.view(person, application_id)
    try:
        desk.submit(person, application_id, view.application.version if version is None else version)
    except Invalid as refusal:
        return _one(request, shell, view=view, datasets=datasets, problems=refusal.problems, status=422)
    return shell.back(request, f"/applications/{application_id}", _("Søknaden er sendt."))


@router.post("/applications/{application_id}/withdraw")
def withdraw(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    desk: Desk,
    application_id: str,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Take the application back for good."""
    desk.withdraw(person, application_id, reason)
    return shell.back(request, f"/applications/{application_id}", _("Søknaden er trukket."))
