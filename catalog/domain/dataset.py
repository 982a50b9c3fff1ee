"""Data holders, datasets and their immutable versions."""

from dataclasses import dataclass
from datetime import datetime

from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.variable import Variable
from hvelv.catalog.domain.words import Text
from hvelv.kernel.ids import DatasetId, HolderId, PersonId


@dataclass(frozen=True)
class DataHolder:
    """The organisation responsible for datasets; stewards act for exactly one."""

    id: HolderId
    name: str
    contact: str = ""


@dataclass(frozen=True)
class DatasetVersion:
    """One immutable publication, known by the hash of its content."""

    dataset: DatasetId
    content_hash: str
    rows: int
    persons: int
    published_at: datetime
    published_by: PersonId
    declaration: Declaration


@dataclass(frozen=True)
class Dataset:
    """A published thing with at least one version, oldest first."""

    id: DatasetId
    holder: DataHolder
    versions: tuple[DatasetVersion, ...]

    @property
    def current(self) -> DatasetVersion:
        """Return the newest version."""
        return self.versions[-1]

    @property
    def declaration(self) -> Declaration:
        """Return the newest version's declaration."""
        return self.current.declaration

    @property
    def title(self) -> Text:
        """Return the title."""
        return self.declaration.title

    @property
    def table(self) -> str:
        """Return the table's name, by which a project calls it. No two datasets share one."""
        return self.declaration.table

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Return the newest version's variables."""
        return self.declaration.variables

    def version(self, content_hash: str) -> DatasetVersion | None:
        """Return the version with that hash, or None."""
        return next((v for v in self.versions if v.content_hash == content_hash), None)
