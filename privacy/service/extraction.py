"""Making extracts: what a project gets of tables, by a pure pipeline that can be stopped and taken up again anywhere."""

import hmac
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from hvelv.kernel.canonical import canonical, digest
from hvelv.kernel.errors import Unavailable, _
from hvelv.privacy.domain.permission import PermittedTable
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.domain.source import Filter
from hvelv.privacy.domain.transforms import Transform, as_documents, combined
from hvelv.privacy.service.keys import Keys, ProjectKeys
from hvelv.privacy.service.optouts import Objections

Steps = Mapping[str, tuple[Transform, ...]]
Told = Callable[[int, int], None]
"""Is told how many pieces of work are done, and of how many."""


@dataclass(frozen=True)
class ExtractOrder:
    """All that one table's extract is made from, and the folder it is made in. No key is in its text form.

    `extra`: the steps that come after the steward's declared ones. `objections`, `canonical`: as in `Objections`, under
    `register_key`. `wide`: whether pseudonyms are shown whole, 16 bytes instead of 8.
    """

    source: Path
    folder: Path
    schema: Schema
    columns: tuple[str, ...]
    keys: ProjectKeys = field(repr=False)
    where: tuple[Filter, ...] = ()
    extra: Steps = field(default_factory=dict)
    register_key: bytes = field(default=b"", repr=False)
    objections: bytes = field(default=b"", repr=False)
    canonical: bytes = field(default=b"", repr=False)
    wide: bool = False

    @cached_property
    def extracted(self) -> Schema:
        """Return the extract's own schema: permitted columns as they are after all steps."""
        return self.schema.extracted(self.columns, self.extra)

    def steps(self, column: Column) -> tuple[Transform, ...]:
        """Return all steps of a source column."""
        return combined(column.transforms, self.extra.get(column.name, ()))


@dataclass(frozen=True)
class PartFile:
    """A part of an extract on the custodian's disk: whole persons, sorted."""

    path: Path
    sha256: str
    rows: int
    persons: int


@dataclass(frozen=True)
class Wanted:
    """A table to be extracted: what is permitted of it, where its source lies, and what the steward added."""

    permitted: PermittedTable
    schema: Schema
    source: Path
    extra: Steps = field(default_factory=dict)

    @property
    def steps(self) -> Steps:
        """Return the steps after the declared ones: the permit's, then the steward's."""
        permits = self.permitted.extra
        names = (*permits, *(name for name in self.extra if name not in permits))
        return {name: combined(permits.get(name, ()), self.extra.get(name, ())) for name in names}


@dataclass(frozen=True)
class Prepared:
    """An extract that is made and not yet seen by anyone.

    `schema`: its own columns; `declared`: the source's; `steps`: those after the declared ones; `all_steps`: with them. `fingerprint`: a keyed
    digest of all that it is made from.
    """

    permitted: PermittedTable
    schema: Schema
    declared: Schema
    steps: Steps
    all_steps: Steps
    parts: tuple[PartFile, ...]
    fingerprint: str

    @property
    def rows(self) -> int:
        """Return how many rows it has."""
        return sum(part.rows for part in self.parts)

    @property
    def persons(self) -> int:
        """Return how many persons are in it: no person is in two parts."""
        return sum(part.persons for part in self.parts)


class Extractor(Protocol):
    """The pipeline."""

    def extract(self, order: ExtractOrder, told: Told) -> tuple[PartFile, ...]:
        """Write the extract's parts below `order.folder`, in order of pseudonym. The same order gives the same bytes.

        What is there already is not made again. Raises `Unavailable` without a value of the data where the source cannot
        be read, `BadIdentifiers`.
        """
        ...

    def clash(self, folders: Sequence[Path]) -> bool:
        """Say whether two persons in the extracts below `folders` have the same first 8 bytes of pseudonym."""
        ...

    def pieces(self, source: Path) -> int:
        """Return in how many pieces of work a source is extracted."""
        ...

    def tidy(self, order: ExtractOrder) -> None:
        """Remove what was needed only until the parts were there."""
        ...


class Pool(Protocol):
    """Does several tables at once, or one after the other."""

    def each(self, work: Callable[[int], object], count: int) -> list[object]:
        """Return `work(i)` for each i below `count`, in order. The first error is raised."""
        ...


class OneByOne:
    """The `Pool` without threads."""

    def each(self, work: Callable[[int], object], count: int) -> list[object]:
        """Return `work(i)` for each i below `count`."""
        return [work(i) for i in range(count)]


class Extraction:
    """Makes extracts: brings keys and objections together with the order, so that no caller looks into either."""

    def __init__(self, keys: Keys, extractor: Extractor, code_version: str, pool: Pool | None = None) -> None:
        self._keys, self._extractor, self._code_version = keys, extractor, code_version
        self._pool = pool or OneByOne()

    def fingerprints(self, project: str, wanted: Sequence[Wanted], objections: Objections) -> dict[str, str]:
        """Return for each table a keyed digest of all that its extract would be made from."""
        return self._marks(self._keys.project(project), wanted, objections)

    def _marks(self, keys: ProjectKeys, wanted: Sequence[Wanted], objections: Objections) -> dict[str, str]:
        return {one.permitted.table: self._fingerprint(keys, one, objections) for one in wanted}

    def prepare(
        self, project: str, wanted: Sequence[Wanted], objections: Objections, folder: Path, *, told: Told
    ) -> tuple[Prepared, ...]:
        """Make the extracts of one permit version below `folder`; nobody sees them yet.

        `objections`: one look at the register for all tables, so that a person is in all or in none. Where two persons
        would share a pseudonym of 8 bytes, all tables get 16. Stopped anywhere and called again, it goes on with what is
        done, unless anything that it is made from has changed: then that is thrown away.
        """
        keys = self._keys.project(project)
        marks = self._marks(keys, wanted, objections)
        orders = [
            self._order(keys, one, objections, _place(folder, one) / marks[one.permitted.table]) for one in wanted
        ]
        for order in orders:
            _make_only(order.folder)
        counter = _Counter(told, sum(self._extractor.pieces(order.source) for order in orders))
        parts = self._made(orders, counter)
        if self._extractor.clash([order.folder for order in orders]):
            orders = [replace(order, folder=order.folder / "wide", wide=True) for order in orders]
            for order in orders:
                order.folder.mkdir(exist_ok=True)
            parts = self._made(orders, _Counter(told, counter.of))
        return tuple(
            Prepared(
                one.permitted,
                order.extracted,
                one.schema,
                one.steps,
                {column.name: order.steps(column) for column in one.schema.columns},
                made,
                marks[one.permitted.table],
            )
            for one, order, made in zip(wanted, orders, parts, strict=True)
        )

    def register(self, project: str, one: Wanted, objections: Objections, folder: Path) -> tuple[Path, ...]:
        """Return parts of all of the table that nobody objects to, in the extract's form: for measuring risk against.

        They are the custodian's, below `folder`, and no project ever gets them.
        """
        keys = self._keys.project(project)
        order = self._order(keys, one, objections, folder / f"{one.permitted.dataset}.{one.permitted.table}")
        order = replace(order, where=())
        order.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        parts = self._extractor.extract(order, lambda _done, _of: None)
        self._extractor.tidy(order)
        return tuple(part.path for part in parts)

    def _made(self, orders: Sequence[ExtractOrder], counter: "_Counter") -> list[tuple[PartFile, ...]]:
        made: list[tuple[PartFile, ...]] = [()] * len(orders)

        def one(number: int) -> None:
            before = 0

            def told(done: int, _of: int) -> None:
                nonlocal before
                counter.add(done - before)
                before = done

            made[number] = self._extractor.extract(orders[number], told)
            self._extractor.tidy(orders[number])

        self._pool.each(one, len(orders))
        return made

    def _order(self, keys: ProjectKeys, one: Wanted, objections: Objections, folder: Path) -> ExtractOrder:
        return ExtractOrder(
            source=one.source,
            folder=folder,
            schema=one.schema,
            columns=one.permitted.columns,
            keys=keys,
            where=one.permitted.where,
            extra=one.steps,
            register_key=objections.key,
            objections=objections.against(one.permitted.dataset),
            canonical=objections.canonical,
        )

    def _fingerprint(self, keys: ProjectKeys, one: Wanted, objections: Objections) -> str:
        document = {
            "version": one.permitted.version,
            "columns": list(one.permitted.columns),
            "where": [f.model_dump(mode="json") for f in one.permitted.where],
            "steps": steps_document(one.steps),
            "objections": objections.fingerprint,
            "code": self._code_version,
        }
        return hmac.digest(keys.persons, b"hvelv extract\x00" + canonical(document), "sha256").hex()


def _place(folder: Path, one: Wanted) -> Path:
    return folder / "tables" / f"{one.permitted.dataset}.{one.permitted.table}"


class _Counter:
    """Adds up what several tables at once have done."""

    def __init__(self, told: Told, of: int) -> None:
        self._told, self.of, self._done = told, of, 0

    def add(self, done: int) -> None:
        self._done += done
        self._told(min(self._done, self.of), self.of)


def _make_only(folder: Path) -> None:
    """Make the folder, and remove what else lies beside it: the work of a run that was asked for something else."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other)


def steps_document(steps: Steps) -> dict[str, list[dict[str, object]]]:
    """Return the JSON form of steps by column."""
    return {name: as_documents(steps[name]) for name in sorted(steps) if steps[name]}


def parts_digest(hashes: Sequence[str]) -> str:
    """Return the hash by which an extract is known: of the hashes of its parts, in order. Raises `Unavailable` for none."""
    if not hashes:
        raise Unavailable(_("Kildetabellen kunne ikke leses til et uttrekk."), code="extract")
    return digest({"parts": list(hashes)})
