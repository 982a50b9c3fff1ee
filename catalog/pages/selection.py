"""A researcher's selection: variables put aside in the catalogue, to be applied for together."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from hvelv.catalog.pages.browse import Picks
from hvelv.catalog.service.selections import Selections
from hvelv.kernel.errors import _
from hvelv.kernel.people import Person
from hvelv.kernel.web import PageShell, SignedIn

router = APIRouter()
HERE = "/selection"
WAYS_BACK = ("/catalogue", "/datasets/", HERE)


def _way_back(path: str) -> str:
    inside = path.startswith(WAYS_BACK) and path.isprintable() and "\\" not in path
    return path if inside else HERE


def _others(picks: Selections, person: Person, dataset: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is picked from `dataset` beside `names`."""
    mine = (s.variables for s in picks.of(person) if s.dataset.id == dataset)
    return tuple(v.name for variables in mine for v in variables if v.name not in names)


@router.get("/selection")
def selection(request: Request, person: SignedIn, shell: PageShell, picks: Picks) -> Response:
    """Show what is picked."""
    selected = picks.of(person)
    return shell.page(request, "selection.html", selected=selected, count=sum(len(s.variables) for s in selected))


@router.post("/selection")
def change(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    picks: Picks,
    action: Annotated[str, Form()] = "add",
    dataset: Annotated[str, Form()] = "",
    variable: Annotated[list[str] | None, Form()] = None,
    next: Annotated[str, Form()] = HERE,  # noqa: A002 - the usual name for where to go afterwards
) -> Response:
    """Add, remove or clear. `set` makes the dataset's picks exactly those that are ticked."""
    names = tuple(variable or ())
    match action:
        case "clear":
            picks.clear(person)
        case "remove":
            picks.remove(person, dataset, *names)
        case "set":
            if names:  # first, so that nothing is put back when one of them cannot be picked
                picks.add(person, dataset, *names)
            if others := _others(picks, person, dataset, names):
                picks.remove(person, dataset, *others)
        case _:
            if names:
                picks.add(person, dataset, *names)
    count = picks.count(person)
    return shell.back(request, _way_back(next), _("Utvalget er oppdatert. Variabler i utvalget: {count}."), count=count)
