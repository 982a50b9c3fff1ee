"""The catalogue: search across datasets and variables, and one dataset with all that is known of it."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from hvelv.catalog.domain.words import IDENTIFYING
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.catalog.service.selections import Selections
from hvelv.kernel.errors import NotFound, _
from hvelv.kernel.ids import HolderId
from hvelv.kernel.people import Person, Role
from hvelv.kernel.web import PageShell, SignedIn

router = APIRouter()
LONGEST_QUERY = 200
SHOWN_VARIABLES = 6  # of one dataset among the hits; the rest are on its own page
WORD = re.compile(r"\w{2,}")


def _catalogue(request: Request) -> Catalogue:
    service: Catalogue = request.app.state.catalogue
    return service


def _selections(request: Request) -> Selections:
    service: Selections = request.app.state.selections
    return service


Datasets = Annotated[Catalogue, Depends(_catalogue)]
Picks = Annotated[Selections, Depends(_selections)]


@dataclass(frozen=True)
class Piece:
    """A part of a text, and whether it answers the search."""

    text: str
    hit: bool


def marked(text: str, query: str) -> tuple[Piece, ...]:
    """Return `text` in pieces, those that begin with a word of `query` marked. The template escapes each."""
    words = sorted({re.escape(word) for word in WORD.findall(query)}, key=len, reverse=True)
    if not words:
        return (Piece(text, hit=False),)
    parts = re.split(rf"(?i)({'|'.join(words)})", text)
    return tuple(Piece(part, hit=bool(index % 2)) for index, part in enumerate(parts) if part)


def picked(selections: Selections, person: Person) -> frozenset[tuple[str, str]]:
    """Return which variables the person has picked, as (dataset, variable)."""
    if not person.is_(Role.RESEARCHER):
        return frozenset()
    return frozenset((s.dataset.id, v.name) for s in selections.of(person) for v in s.variables)


@router.get("/catalogue")
def catalogue(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    datasets: Datasets,
    picks: Picks,
    q: str = "",
    holder: str = "",
) -> Response:
    """Show what answers a search, at variable level."""
    query = q[:LONGEST_QUERY].strip()
    found = datasets.search(query, holder=HolderId(holder) if holder else None)
    return shell.page(
        request,
        "catalogue.html",
        q=query,
        holder=holder,
        found=found,
        everywhere=sum(facet.count for facet in found.facets),
        variables=sum(len(hit.variables) for hit in found.hits),
        marked=lambda text: marked(text, query),
        picked=picked(picks, person),
        can_pick=person.is_(Role.RESEARCHER),
        identifying=IDENTIFYING,
        shown=SHOWN_VARIABLES,
    )


@router.get("/datasets/{dataset_id}")
def dataset(
    request: Request,
    person: SignedIn,
    shell: PageShell,
    *,
    datasets: Datasets,
    picks: Picks,
    dataset_id: str,
    version: str = "",
) -> Response:
    """Show one dataset: its variables, its data holder and its versions."""
    found = datasets.get(dataset_id)
    chosen = found.version(version) if version else found.current
    if chosen is None:
        raise NotFound(_("Datasettet har ingen slik versjon."), remedy=_("Åpne datasettet uten å velge versjon."))
    return shell.page(
        request,
        "dataset.html",
        dataset=found,
        version=chosen,
        picked=picked(picks, person),
        can_pick=person.is_(Role.RESEARCHER) and chosen == found.current,
        mine=person.is_(Role.STEWARD) and person.holder == found.holder.id,
    )
