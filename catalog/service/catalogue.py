"""The catalogue: what has been published, by whom, and how it is found."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from hvelv.catalog.domain.dataset import DataHolder, Dataset, DatasetVersion
from hvelv.catalog.domain.variable import Variable
from hvelv.kernel.database import Database
from hvelv.kernel.ids import DatasetId, HolderId
from hvelv.kernel.people import Person


@dataclass(frozen=True)
class Hit:
    """A dataset that answers a search, with the variables in it that do (none when only the dataset's own text does)."""

    dataset: Dataset
    variables: tuple[Variable, ...]
    score: float


@dataclass(frozen=True)
class Facet:
    """How many datasets a search would find with one data holder."""

    holder: DataHolder
    count: int


@dataclass(frozen=True)
class Found:
    """The answer to a search. `facets` count over all holders, whichever was chosen."""

    query: str
    hits: tuple[Hit, ...]
    facets: tuple[Facet, ...]
    total: int


class CatalogueRows(Protocol):
    """What the catalogue asks of its database."""

    def counter(self, session: Session) -> int: ...
    def holders(self, session: Session) -> tuple[DataHolder, ...]: ...
    def add_holder(self, session: Session, holder: DataHolder) -> bool: ...
    def datasets(self, session: Session) -> tuple[Dataset, ...]: ...
    def add_version(self, session: Session, holder: HolderId, version: DatasetVersion) -> bool: ...


class Catalogue:
    """Datasets and their versions in the registry."""

    def __init__(self, database: Database, rows: CatalogueRows) -> None: ...

    def holders(self) -> tuple[DataHolder, ...]:
        """Return all data holders by name."""

    def holder(self, holder: HolderId) -> DataHolder:
        """Return one data holder. Raises `NotFound`."""

    def add_holder(self, actor: str, holder: DataHolder) -> DataHolder:
        """Keep a new data holder; keeps the one that is there when asked again."""

    def datasets(self, holder: HolderId | None = None) -> tuple[Dataset, ...]:
        """Return what is published, by title; one holder's when given."""

    def get(self, dataset: DatasetId | str) -> Dataset:
        """Return one dataset by id. Raises `NotFound`."""

    def by_table(self, table: str) -> Dataset | None:
        """Return the dataset that owns a table's name."""

    def register(self, person: Person, version: DatasetVersion) -> Dataset:
        """Enter a published version, once. Raises `Denied`, or `NotPossible` when the table's name is another's."""

    def search(self, query: str, *, holder: HolderId | None = None, limit: int = 50) -> Found:
        """Return datasets whose variables or own text answer `query`, best first. An empty query finds all."""
