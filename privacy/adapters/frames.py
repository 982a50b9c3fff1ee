"""A question's rows as Arrow batches, read along the persons.

Tables are sorted by pseudonym, so that whole persons of all tables pass by together, and memory is what some thousands
of persons have.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq

from hvelv.kernel.errors import Unavailable, _
from hvelv.privacy.adapters.derived import attached, chosen, reduced, walked
from hvelv.privacy.adapters.predicates import Mask, rows_meeting
from hvelv.privacy.domain.framing import Framed, Reduction
from hvelv.privacy.domain.schema import PSEUDONYM, Column

BATCH = 1 << 16  # rows of a plain table
FRAME = 1 << 17  # rows of the first table, where tables are linked
TYPES: Mapping[str, Any] = {
    "string": pl.String,
    "integer": pl.Int64,
    "decimal": pl.Float64,
    "date": pl.Date,
    "boolean": pl.Boolean,
}
MOST_ROWS = 2**31  # with values below 2^31 units no sum leaves 63 bits


def wrong_order() -> Unavailable:
    """Return the fault of an extract in which a person's rows are not together: a person could count twice."""
    return Unavailable(_("Uttrekket er ikke ordnet etter person og kan ikke brukes."), code="order")


class _Counted:
    """Refuses more rows than sums can hold."""

    def __init__(self) -> None:
        self.rows = 0

    def add(self, rows: int) -> None:
        self.rows += rows
        if self.rows >= MOST_ROWS:
            raise Unavailable(_("Uttrekket har for mange rader til å summeres trygt."), code="rows")


def batches(paths: Sequence[Path], names: Sequence[str], *, batch: int = BATCH) -> Iterator[Any]:
    """Yield the rows of a table as they stand. Texts come dictionary-encoded."""
    counted = _Counted()
    for path in paths:
        with pq.ParquetFile(path, read_dictionary=_texts(path, names), pre_buffer=False) as file:
            counted.add(file.metadata.num_rows)
            yield from file.iter_batches(batch_size=batch, columns=list(names), use_threads=False)


def _texts(path: Path, names: Sequence[str]) -> list[str]:
    schema = pq.read_schema(path)
    return [name for name in names if pa.types.is_string(schema.field(name).type)]


class _Table:
    """Reads a table forward, by whole persons."""

    def __init__(self, paths: Sequence[Path], names: Sequence[str], size: int) -> None:
        self._names = [PSEUDONYM, *names]
        self._size = size
        self._pieces = self._read(paths)
        self._kept: pl.DataFrame | None = None
        self._last: Any = None

    def _read(self, paths: Sequence[Path]) -> Iterator[pl.DataFrame]:
        counted = _Counted()
        for path in paths:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                counted.add(file.metadata.num_rows)
                for piece in file.iter_batches(batch_size=self._size, columns=self._names):
                    yield self._checked(pl.DataFrame(piece))

    def _checked(self, frame: pl.DataFrame) -> pl.DataFrame:
        persons = frame[PSEUDONYM]
        if frame.height:
            first_is_before = self._last is not None and persons[0] < self._last
            if first_is_before or (persons.shift(1) > persons).any():
                raise wrong_order()
            self._last = persons[-1]
        finite, dated = cs.float().is_finite(), cs.date().is_between(date.min, date.max)
        return frame.with_columns(
            pl.when(finite).then(cs.float()).otherwise(None).name.keep(),
            pl.when(dated).then(cs.date()).otherwise(None).name.keep(),
        )

    def _more(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._kept = piece if self._kept is None or not self._kept.height else pl.concat([self._kept, piece])
        return True

    def persons(self) -> Iterator[pl.DataFrame]:
        """Yield the rows of some whole persons at a time."""
        while self._more():
            kept = self._kept
            if kept is None or not kept.height:
                continue
            whole = int(kept[PSEUDONYM].search_sorted(kept[PSEUDONYM][-1], side="left"))
            if whole:
                yield kept.head(whole)
                self._kept = kept.slice(whole)
        if self._kept is not None and self._kept.height:
            yield self._kept
            self._kept = None

    def until(self, person: Any) -> pl.DataFrame:
        """Return the rows not yet returned of persons up to and including `person`; nothing at all of an empty table."""
        while self._kept is None or not self._kept.height or self._kept[PSEUDONYM][-1] <= person:
            if not self._more():
                break
        if self._kept is None:
            return pl.DataFrame()
        here = int(self._kept[PSEUDONYM].search_sorted(person, side="right"))
        found, self._kept = self._kept.head(here), self._kept.slice(here)
        return found


def _known(framed: Framed, table: str) -> Mapping[str, Column]:
    return {column.name: column for column in framed.sources[table].columns}


def _nothing(frame: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """Return a table without rows, as an empty one is read: whether anybody is in it must not show."""
    return pl.DataFrame(schema={PSEUDONYM: frame.schema[PSEUDONYM]} | {c.name: TYPES[c.type] for c in columns})


def _base(frame: pl.DataFrame, framed: Framed) -> pl.DataFrame:
    of = framed.of
    if of is None:
        return frame
    known = _known(framed, framed.table)
    if isinstance(of, Reduction):
        everyone = frame.select(pl.col(PSEUDONYM).unique(maintain_order=True))
        return attached(everyone, reduced(frame, of, known), of)
    return walked(frame, of, known)


def rows(
    sources: Mapping[str, Sequence[Path]], framed: Framed, wanted: Sequence[str], *, size: int = 0
) -> Iterator[Any]:
    """Yield the question's rows as Arrow batches with `pid` and the columns `wanted`, sorted by person.

    Rows of a plain table come with the columns of its conditions too, which `passing` tests; all others have passed.
    `sources`: the files of each table, in order. Raises `Unavailable` for tables that are not sorted by person.
    """
    reads = framed.reads(wanted)
    if framed.is_plain:
        yield from batches(sources[framed.table], [PSEUDONYM, *reads[framed.table]], batch=size or BATCH)
        return
    first = _Table(sources[framed.table], reads[framed.table], size or FRAME)
    links = [_Table(sources[link.table], reads[link.table], size or FRAME) for link in framed.links]
    known = {column.name: column for column in framed.schema.columns}
    for frame in first.persons():
        last = frame[PSEUDONYM][-1]
        found = _base(frame, framed)
        for link, table in zip(framed.links, links, strict=True):
            there, theirs = table.until(last), _known(framed, link.table)
            if not there.width:
                there = _nothing(frame, [theirs[name] for name in reads[link.table]])
            found = attached(found, reduced(there, link, theirs), link)
        found = chosen(found, framed, known)
        if found.height:
            columns = found.select(PSEUDONYM, *wanted)
            yield columns.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks().to_batches()[0]


def passing(
    sources: Mapping[str, Sequence[Path]], framed: Framed, wanted: Sequence[str], *, size: int = 0
) -> Iterator[tuple[Mapping[str, Any], Mask]]:
    """Yield the columns of each batch by name, and which of its rows are the question's. The mask is the caller's to change."""
    for piece in rows(sources, framed, wanted, size=size):
        column = {name: piece.column(name) for name in piece.schema.names}
        inside: Mask = np.ones(piece.num_rows, np.bool_)
        for condition in framed.conditions if framed.is_plain else ():
            inside &= rows_meeting(condition, column[condition.column.name])
        yield column, inside
