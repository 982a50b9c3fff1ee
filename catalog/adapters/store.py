"""Rows of the catalogue, in the registry's database."""

import json
from collections import defaultdict

from sqlalchemy import BigInteger, Text, UniqueConstraint, delete, update
from sqlmodel import Field, Session, col, select

from hvelv.catalog.domain.dataset import DataHolder, Dataset, DatasetVersion
from hvelv.catalog.domain.declaration import Declaration
from hvelv.kernel.canonical import canonical
from hvelv.kernel.database import RegistryRow
from hvelv.kernel.ids import DatasetId, HolderId, PersonId
from hvelv.kernel.rows import insert_once, iso, moment


class HolderRow(RegistryRow, table=True):
    """A data holder."""

    __tablename__ = "catalog_holder"

    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=200)
    contact: str = Field(default="", max_length=200)


class DatasetRow(RegistryRow, table=True):
    """A dataset: whose it is, and the table's name that is its own."""

    __tablename__ = "catalog_dataset"
    __table_args__ = (UniqueConstraint("table_name"),)

    id: str = Field(primary_key=True, max_length=64)
    holder: str = Field(max_length=64, foreign_key="catalog_holder.id")
    table_name: str = Field(max_length=63)


class VersionRow(RegistryRow, table=True):
    """A published version."""

    __tablename__ = "catalog_version"

    dataset: str = Field(primary_key=True, max_length=64, foreign_key="catalog_dataset.id")
    content_hash: str = Field(primary_key=True, max_length=64)
    number: int
    rows: int = Field(sa_type=BigInteger)
    persons: int = Field(sa_type=BigInteger)
    published_at: str = Field(max_length=40)
    published_by: str = Field(max_length=64)
    declaration: str = Field(sa_type=Text)


class CounterRow(RegistryRow, table=True):
    """How many times the catalogue has changed: tells each process when its search index is old."""

    __tablename__ = "catalog_counter"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    value: int = 0


class SelectionRow(RegistryRow, table=True):
    """A variable that a person has picked."""

    __tablename__ = "catalog_selection"

    person: str = Field(primary_key=True, max_length=64)
    dataset: str = Field(primary_key=True, max_length=64, foreign_key="catalog_dataset.id")
    variable: str = Field(primary_key=True, max_length=63)


class SqlCatalogueRows:
    """The catalogue in SQL."""

    def counter(self, session: Session) -> int:
        """Return how many times the catalogue has changed."""
        row = session.get(CounterRow, 1)
        return row.value if row else 0

    def holders(self, session: Session) -> tuple[DataHolder, ...]:
        """Return all holders by name."""
        rows = session.exec(select(HolderRow).order_by(HolderRow.name)).all()
        return tuple(DataHolder(HolderId(r.id), r.name, r.contact) for r in rows)

    def add_holder(self, session: Session, holder: DataHolder) -> bool:
        """Enter a holder; False when it is there."""
        added = insert_once(session, HolderRow(id=holder.id, name=holder.name, contact=holder.contact))
        self._count(session)
        return added

    def datasets(self, session: Session) -> tuple[Dataset, ...]:
        """Return all datasets with their versions."""
        holders = {h.id: h for h in self.holders(session)}
        versions: dict[str, list[DatasetVersion]] = defaultdict(list)
        for row in session.exec(select(VersionRow).order_by(VersionRow.dataset, col(VersionRow.number))):
            versions[row.dataset].append(_version(row))
        rows = session.exec(select(DatasetRow).order_by(DatasetRow.id)).all()
        return tuple(
            Dataset(DatasetId(r.id), holders[HolderId(r.holder)], tuple(versions[r.id])) for r in rows if versions[r.id]
        )

    def add_version(self, session: Session, holder: HolderId, version: DatasetVersion) -> bool:
        """Enter a version, and its dataset with the first one. False when the dataset's or table's name is another's."""
        table = version.declaration.table
        insert_once(session, DatasetRow(id=version.dataset, holder=holder, table_name=table))
        dataset = session.get(DatasetRow, version.dataset)
        if dataset is None or dataset.holder != holder or dataset.table_name != table:
            return False
        earlier = session.exec(select(VersionRow).where(VersionRow.dataset == version.dataset)).all()
        if any(row.content_hash == version.content_hash for row in earlier):
            return True
        added = insert_once(
            session,
            VersionRow(
                dataset=version.dataset,
                content_hash=version.content_hash,
                number=len(earlier) + 1,
                rows=version.rows,
                persons=version.persons,
                published_at=iso(version.published_at),
                published_by=version.published_by,
                declaration=canonical(version.declaration.as_dict()).decode(),
            ),
        )
        self._count(session)
        return added

    def _count(self, session: Session) -> None:
        insert_once(session, CounterRow(id=1))
        session.execute(update(CounterRow).values(value=col(CounterRow.value) + 1))


class SqlSelectionRows:
    """Selections in SQL."""

    def picked(self, session: Session, person: PersonId) -> tuple[tuple[DatasetId, str], ...]:
        """Return the person's picks."""
        query = select(SelectionRow).where(SelectionRow.person == person)
        return tuple((DatasetId(r.dataset), r.variable) for r in session.exec(query))

    def pick(self, session: Session, person: PersonId, dataset: DatasetId, variable: str) -> None:
        """Pick one variable; nothing when it is picked."""
        insert_once(session, SelectionRow(person=person, dataset=dataset, variable=variable))

    def drop(self, session: Session, person: PersonId, dataset: DatasetId, variable: str) -> None:
        """Put one variable back."""
        session.execute(
            delete(SelectionRow).where(
                col(SelectionRow.person) == person,
                col(SelectionRow.dataset) == dataset,
                col(SelectionRow.variable) == variable,
            )
        )

    def clear(self, session: Session, person: PersonId) -> None:
        """Put everything back."""
        session.execute(delete(SelectionRow).where(col(SelectionRow.person) == person))


def _version(row: VersionRow) -> DatasetVersion:
    return DatasetVersion(
        DatasetId(row.dataset),
        row.content_hash,
        row.rows,
        row.persons,
        moment(row.published_at),
        PersonId(row.published_by),
        Declaration.read(json.loads(row.declaration)),
    )
