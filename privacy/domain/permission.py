"""What a permit lets a project do with data: tables, columns and rows. The permit itself is the requests package's."""

from collections.abc import Mapping
from dataclasses import dataclass

from hvelv.kernel.errors import NotFound, _
from hvelv.privacy.domain.source import Filter
from hvelv.privacy.domain.steps import Transform


@dataclass(frozen=True)
class PermittedTable:
    """One table of a permit: which version, which columns, which rows, and in which form where it is coarser than usual."""

    dataset: str
    table: str
    version: str
    columns: tuple[str, ...]
    where: tuple[Filter, ...] = ()
    transforms: tuple[tuple[str, tuple[Transform, ...]], ...] = ()

    @property
    def extra(self) -> Mapping[str, tuple[Transform, ...]]:
        """Return the permit's own steps by column; they come after the steward's."""
        return dict(self.transforms)


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
