"""What a steward's pages have in common: who asks, for which holder, and what projects and datasets are called."""

from collections.abc import Iterable
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from hvelv.kernel.errors import Denied, _
from hvelv.kernel.people import Person
from hvelv.kernel.web import SignedIn
from hvelv.privacy.service.reviews import Steward


class Titled(Protocol):
    """A thing with a name for people."""

    @property
    def id(self) -> str:
        """Return its name among us."""
        ...

    @property
    def title(self) -> Any:
        """Return its name for people."""
        ...


class Projects(Protocol):
    """The projects that a person may know of."""

    def of(self, person: Person) -> Iterable[Titled]:
        """Return them."""
        ...


class Datasets(Protocol):
    """The catalogue."""

    def datasets(self) -> Iterable[Titled]:
        """Return what is published."""
        ...


def _steward(person: SignedIn) -> Steward:
    if not person.holder:
        raise Denied(_("Du er ikke knyttet til en datainnehaver."), code="no-holder")
    return Steward(person.id, person.holder)


Who = Annotated[Steward, Depends(_steward)]


def titles(request: Request, person: Person) -> dict[str, Any]:
    """Return what the projects that the person may know of, and the published datasets, are called."""
    projects: Projects = request.app.state.projects
    catalogue: Datasets = request.app.state.catalogue
    return {one.id: one.title for one in (*projects.of(person), *catalogue.datasets())}
