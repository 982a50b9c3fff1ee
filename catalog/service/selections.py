"""A person's selection: variables picked in the catalogue, waiting to be applied for."""

from dataclasses import dataclass
from typing import Protocol

from sqlmodel import Session

from hvelv.catalog.domain.dataset import Dataset
from hvelv.catalog.domain.variable import Variable
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.kernel.database import Database
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

    def __init__(self, database: Database, rows: SelectionRows, catalogue: Catalogue) -> None: ...

    def of(self, person: Person) -> tuple[Selected, ...]:
        """Return what the person has picked, one entry a dataset. Variables that are no longer declared are left out."""

    def count(self, person: Person) -> int:
        """Return how many variables are picked."""

    def add(self, person: Person, dataset: DatasetId | str, *variables: str) -> None:
        """Pick variables. Raises `NotFound`, or `NotPossible` for variables that identify people."""

    def remove(self, person: Person, dataset: DatasetId | str, *variables: str) -> None:
        """Put variables back; all of the dataset's when none is named."""

    def clear(self, person: Person) -> None:
        """Put everything back."""
