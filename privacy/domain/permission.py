"""What a permit lets a project do with data: tables, columns and rows. The permit itself is the requests package's."""

from dataclasses import dataclass

from hvelv.kernel.errors import NotFound, _
from hvelv.privacy.domain.query import Filter


@dataclass(frozen=True)
class PermittedTable:
    """One table of a permit: which version, which columns, which rows."""

    dataset: str
    table: str
    version: str
    columns: tuple[str, ...]
    where: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class Permission:
    """An active permit as it is for one member just now."""

    project: str
    person: str
    permit_version: int
    tables: tuple[PermittedTable, ...]

    def table(self, name: str) -> PermittedTable:
        """Return the permitted table called `name`. Raises `NotFound`."""
        for table in self.tables:
            if table.table == name:
                return table
        raise NotFound(_("Prosjektet har ingen tabell med dette navnet."), code="no-table")
