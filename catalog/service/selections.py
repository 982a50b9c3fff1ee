"""A person's selection: variables picked in the catalogue, waiting to be applied for."""

from dataclasses import dataclass
from typing import Protocol

from sqlmodel import Session

from hvelv.catalog.domain.dataset import Dataset
from hvelv.catalog.domain.permissions import POLICY, Action
from hvelv.catalog.domain.variable import Variable
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.kernel.authority import authorise
from hvelv.kernel.database import Database
from hvelv.kernel.errors import NotFound, NotPossible, _
from hvelv.kernel.ids import DatasetId, PersonId
from hvelv.kernel.people import Person


@dataclass(frozen=True)
class Selected:
    """What is picked from one dataset, in the order of its declaration."""

    dataset: Dataset
    variables: tuple[Variable, ...]


class SelectionRows(Protocol):
    """What selections ask of their database."""

    def picked(self, session: Session, person: PersonId) -> tuple[tuple[DatasetId, str], ...]: ...
    def pick(self, session: Session, person: PersonId, dataset: DatasetId, variable: str) -> None: ...
    def drop(self, session: Session, person: PersonId, dataset: DatasetId, variable: str) -> None: ...
    def clear(self, session: Session, person: PersonId) -> None: ...


class Selections:
    """Selections of all people."""

    def __init__(self, database: Database, rows: SelectionRows, catalogue: Catalogue) -> None:
        self._database = database
        self._rows = rows
        self._catalogue = catalogue

    def of(self, person: Person) -> tuple[Selected, ...]:
        """Return what the person has picked, one entry a dataset. Variables that are no longer declared are left out."""
        with self._database.reading() as session:
            picked = frozenset(self._rows.picked(session, person.id))
        found = (
            Selected(dataset, tuple(v for v in dataset.variables if (dataset.id, v.name) in picked))
            for dataset in self._catalogue.datasets()
        )
        return tuple(selected for selected in found if selected.variables)

    def count(self, person: Person) -> int:
        """Return how many variables are picked."""
        return sum(len(selected.variables) for selected in self.of(person))

    def add(self, person: Person, dataset: DatasetId | str, *variables: str) -> None:
        """Pick variables. Raises `NotFound`, or `NotPossible` for variables that identify people."""
        authorise(person, Action.SELECT, None, POLICY)
        found = self._catalogue.get(dataset)
        for name in variables:
            variable = found.declaration.variable(name)
            if variable is None:
                raise NotFound(_("Variabelen finnes ikke i datasettet."))
            if variable.identifying:
                raise NotPossible(
                    _("Variabelen {variable} peker rett på en person og utleveres aldri."),
                    remedy=_("Hver person får et pseudonym som er med i uttrekket uansett."),
                    code="identifying",
                    variable=name,
                )
        with self._database.transaction() as transaction:
            for name in variables:
                self._rows.pick(transaction.session, person.id, found.id, name)

    def remove(self, person: Person, dataset: DatasetId | str, *variables: str) -> None:
        """Put variables back; all of the dataset's when none is named."""
        authorise(person, Action.SELECT, None, POLICY)
        with self._database.transaction() as transaction:
            for of_dataset, name in self._rows.picked(transaction.session, person.id):
                if of_dataset == dataset and (not variables or name in variables):
                    self._rows.drop(transaction.session, person.id, of_dataset, name)

    def clear(self, person: Person) -> None:
        """Put everything back."""
        authorise(person, Action.SELECT, None, POLICY)
        with self._database.transaction() as transaction:
            self._rows.clear(transaction.session, person.id)
