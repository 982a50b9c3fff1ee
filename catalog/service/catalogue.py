"""The catalogue: what has been published, by whom, and how it is found."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlmodel import Session

from hvelv.catalog.domain.dataset import DataHolder, Dataset, DatasetVersion
from hvelv.catalog.domain.permissions import POLICY, Action, Holding
from hvelv.catalog.domain.variable import Variable
from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.authority import authorise
from hvelv.kernel.database import Database
from hvelv.kernel.errors import NotFound, NotPossible, _
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


class SearchIndex(Protocol):
    """An index of one state of the catalogue."""

    def search(self, query: str) -> list[tuple[str, str, float]]:
        """Return (dataset, variable or "" for the dataset's own text, score), best first."""
        ...


IndexMaker = Callable[[tuple[Dataset, ...]], SearchIndex]


@dataclass(frozen=True)
class _Shelf:
    """The catalogue as it was at one count of its changes, with its index."""

    counter: int
    datasets: tuple[Dataset, ...]
    index: SearchIndex


class Catalogue:
    """Datasets and their versions in the registry."""

    def __init__(self, database: Database, rows: CatalogueRows, index: IndexMaker) -> None:
        self._database = database
        self._rows = rows
        self._make_index = index
        self._shelf: _Shelf | None = None
        self._lock = threading.Lock()

    def holders(self) -> tuple[DataHolder, ...]:
        """Return all data holders by name."""
        with self._database.reading() as session:
            return self._rows.holders(session)

    def holder(self, holder: HolderId | str) -> DataHolder:
        """Return one data holder. Raises `NotFound`."""
        found = next((h for h in self.holders() if h.id == holder), None)
        if found is None:
            raise NotFound(_("Datainnehaveren finnes ikke."))
        return found

    def add_holder(self, actor: str, holder: DataHolder) -> DataHolder:
        """Keep a new data holder; keeps the one that is there when asked again. For the command line and the demo."""
        with self._database.transaction() as transaction:
            if self._rows.add_holder(transaction.session, holder):
                transaction.record(AuditEvent(actor, "holder.added", holder.id, {"name": holder.name}))
        return self.holder(holder.id)

    def datasets(self, holder: HolderId | str | None = None) -> tuple[Dataset, ...]:
        """Return what is published, by title; one holder's when given."""
        found = self._shelved().datasets
        return tuple(d for d in found if holder is None or d.holder.id == holder)

    def get(self, dataset: DatasetId | str) -> Dataset:
        """Return one dataset by id. Raises `NotFound`."""
        found = next((d for d in self._shelved().datasets if d.id == dataset), None)
        if found is None:
            raise NotFound(_("Datasettet finnes ikke i katalogen."))
        return found

    def by_table(self, table: str) -> Dataset | None:
        """Return the dataset that owns a table's name."""
        return next((d for d in self._shelved().datasets if d.table == table), None)

    def register(self, person: Person, version: DatasetVersion) -> Dataset:
        """Enter a published version, once. Raises `Denied`, or `NotPossible` when the table's name is another's."""
        holder = self._holder_of(person, version.dataset)
        authorise(person, Action.PUBLISH, Holding(holder), POLICY)
        with self._database.transaction() as transaction:
            before = self._rows.counter(transaction.session)
            if not self._rows.add_version(transaction.session, holder, version):
                raise NotPossible(
                    _("Tabellnavnet {table} er i bruk i et annet datasett."),
                    remedy=_("Velg et annet tabellnavn."),
                    code="table-taken",
                    table=version.declaration.table,
                )
            if self._rows.counter(transaction.session) != before:
                detail = {"version": version.content_hash, "rows": version.rows, "holder": holder}
                transaction.record(AuditEvent(person.id, "dataset.published", version.dataset, detail))
        return self.get(version.dataset)

    def search(self, query: str, *, holder: HolderId | str | None = None, limit: int = 50) -> Found:
        """Return datasets whose variables or own text answer `query`, best first. An empty query finds all."""
        shelf = self._shelved()
        hits = self._hits(shelf, query) if query.strip() else [Hit(d, (), 0.0) for d in shelf.datasets]
        counts = Counter(hit.dataset.holder for hit in hits)
        facets = tuple(Facet(h, n) for h, n in sorted(counts.items(), key=lambda item: item[0].name))
        chosen = tuple(hit for hit in hits if holder is None or hit.dataset.holder.id == holder)
        return Found(query, chosen[:limit], facets, len(chosen))

    def _hits(self, shelf: _Shelf, query: str) -> list[Hit]:
        scores: dict[str, float] = {}
        matched: dict[str, list[str]] = {}
        for dataset, variable, score in shelf.index.search(query):
            scores[dataset] = max(score, scores.get(dataset, 0.0))
            matched.setdefault(dataset, []).extend([variable] if variable else [])
        hits = [
            Hit(d, tuple(v for name in matched[d.id] for v in d.variables if v.name == name), scores[d.id])
            for d in shelf.datasets
            if d.id in scores
        ]
        return sorted(hits, key=lambda hit: -hit.score)

    def _holder_of(self, person: Person, dataset: DatasetId) -> HolderId:
        """Return whose a dataset is; a new one becomes its publisher's."""
        known = next((d.holder.id for d in self._shelved().datasets if d.id == dataset), None)
        return known or person.holder or HolderId("")

    def _shelved(self) -> _Shelf:
        """Return the catalogue as it is now; read again, and indexed anew, only when its counter has moved."""
        with self._database.reading() as session:
            counter = self._rows.counter(session)
            shelf = self._shelf
            if shelf is not None and shelf.counter == counter:
                return shelf
            with self._lock:
                if self._shelf is None or self._shelf.counter != counter:
                    datasets = tuple(sorted(self._rows.datasets(session), key=lambda d: d.title.nb.casefold()))
                    self._shelf = _Shelf(counter, datasets, self._make_index(datasets))
                return self._shelf
