"""The second pass: one part of an extract, brought together from all chunks, put in order and written as Parquet.

A part has the persons whose pseudonyms begin with its bits, whole: neither a part nor a row group in it is cut within a
person. The file has no statistics, no key-value metadata, and the same bytes whoever made the chunks and when.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hvelv.privacy.adapters.compiled import compiled
from hvelv.privacy.adapters.files import file_sha256, written
from hvelv.privacy.adapters.person_order import Words, ordered_words, person_order
from hvelv.privacy.adapters.predicates import numbers
from hvelv.privacy.adapters.spreading import ARROW, CODED, REST, Layout, chunk_path
from hvelv.privacy.adapters.transforms import suppressing
from hvelv.privacy.domain.schema import PSEUDONYM, Column
from hvelv.privacy.domain.transforms import SuppressRare
from hvelv.privacy.service.extraction import ExtractOrder, PartFile

GROUP_ROWS = 1 << 20
WIDE = pa.binary(16)
STORED: Mapping[str, Any] = {  # how an extract is written; no statistics, which tell of single rows
    "compression": "zstd",
    "compression_level": 1,
    "write_statistics": False,
    "store_schema": False,
}
REPEATING = frozenset(
    {"string", "integer", "date"}
)  # have few values: written with a dictionary, and read in half the time
Census = Mapping[str, Mapping[str | int, int]]  # column -> code -> persons who have it


def part_path(order: ExtractOrder, number: int) -> Path:
    """Return where a part's file lies."""
    return order.folder / f"part-{number:05d}.parquet"


def persons_path(order: ExtractOrder, number: int) -> Path:
    """Return where the part's pseudonyms lie, both halves, in order: for the check that no two persons share one."""
    return order.folder / f"persons-{number:05d}.npy"


class Gatherer:
    """Does parts of one order."""

    def __init__(self, order: ExtractOrder, layout: Layout) -> None:
        self.order, self.layout = order, layout
        self.columns = order.extracted.columns
        leaving = {column.name for column in self.columns}
        declared = (column for column in order.schema.columns if column.name in leaving)
        self.rare = {c.name: s for c in declared for s in order.steps(c) if isinstance(s, SuppressRare)}

    def census(self, number: int) -> dict[str, dict[str | int, int]]:
        """Return how many persons of the part have each code, of the columns whose rare codes are left out."""
        table = self._read(number, [PSEUDONYM, *self.rare])
        pid = _plain(table.column(PSEUDONYM))
        order = person_order(pid, (), prefix_bits=self.layout.prefix_bits)
        counts: dict[str, dict[str | int, int]] = {}
        for name in self.rare:
            words, where = _encoded(table.column(name))
            seen: NDArray[np.int64] = np.zeros(len(words) + 1, np.int64)
            count_persons(pid[order], where[order], np.full(len(words) + 1, -1, np.int64), seen)
            counts[name] = dict(zip(words, seen[:-1].tolist(), strict=True))
        return counts

    def gather(self, number: int, census: Census) -> PartFile:
        """Write the part's file and its list of persons, unless they are there."""
        target, people = part_path(self.order, number), persons_path(self.order, number)
        if not (target.exists() and people.exists()):
            table = self._suppressed(self._read(number), census)
            columns = {column.name: _compact(table.column(column.name)) for column in self.columns}
            pid, rest = _plain(table.column(PSEUDONYM)), _plain(table.column(REST))
            keys = [key for column in self._in_turn() for key in _keys(columns[column.name])]
            order = person_order(pid, [rest, *keys] if self.order.wide else keys, prefix_bits=self.layout.prefix_bits)
            pid, rest = pid[order], rest[order]
            other = (pid[1:] != pid[:-1]) | (rest[1:] != rest[:-1])
            firsts = np.flatnonzero(np.r_[np.ones(min(len(pid), 1), np.bool_), other])
            _save(people, np.column_stack((pid[firsts], rest[firsts])))
            self._write(target, columns, order, firsts, self._pseudonyms(pid, rest))
        with pq.ParquetFile(target) as file:
            rows = file.metadata.num_rows
        return PartFile(target, file_sha256(target), rows, len(np.load(people, mmap_mode="r")))

    def _read(self, number: int, names: Sequence[str] | None = None) -> Any:
        pieces = []
        for chunk in range(len(self.layout.chunks)):
            with pa.memory_map(str(chunk_path(self.order, chunk))) as source, pa.ipc.open_file(source) as file:
                piece = pa.table(file.get_batch(number))
                pieces.append(piece.select(names) if names else piece)
        if not pieces:
            return self._nothing()
        table = pa.concat_tables(pieces).unify_dictionaries()
        return table.combine_chunks()

    def _nothing(self) -> Any:
        fields = [(c.name, CODED if c.type == "string" else ARROW[c.type]) for c in self.columns]
        return pa.schema([(PSEUDONYM, pa.uint64()), (REST, pa.uint64()), *fields]).empty_table()

    def _suppressed(self, table: Any, census: Census) -> Any:
        for column in self.columns:
            name, step = column.name, self.rare.get(column.name)
            if step is None:
                continue
            rare = [code for code, persons in census.get(name, {}).items() if persons < step.persons]
            words, where = _encoded(table.column(name))
            kind = pl.String if column.type == "string" else pl.Int64
            frame = pl.DataFrame({name: pl.Series(name, [*words, None], kind)})
            done = frame.select(suppressing(column, step, rare))[name].to_arrow().cast(ARROW[column.type])
            taken = done.take(pa.array(where))
            array = taken.dictionary_encode().cast(CODED) if column.type == "string" else taken
            table = table.set_column(table.schema.get_field_index(name), name, array)
        return table

    def _in_turn(self) -> list[Column]:
        """Return the columns that order a person's rows: dates first, so that the first row is the earliest.

        Columns that depend on other persons come last: which rows come first must not (`hvelv.privacy.domain.accounting`).
        """
        return sorted(self.columns, key=lambda column: (column.depends_on_others, column.type != "date"))

    def _pseudonyms(self, pid: Words, rest: Words) -> Any:
        if not self.order.wide:
            return pa.array(pid)
        both = np.column_stack((pid.byteswap(), rest.byteswap()))  # so that bytes sort as numbers do
        return pa.FixedSizeBinaryArray.from_buffers(WIDE, len(pid), [None, pa.py_buffer(np.ascontiguousarray(both))])

    def _write(
        self, target: Path, columns: Mapping[str, Any], order: NDArray[np.int64], firsts: NDArray[np.int64], pid: Any
    ) -> None:
        layout = pa.schema(
            [
                (PSEUDONYM, WIDE if self.order.wide else pa.uint64()),
                *((c.name, CODED if c.type == "string" else ARROW[c.type]) for c in self.columns),
            ]
        )
        with (
            written(target) as piece,
            pq.ParquetWriter(
                piece,
                layout,
                use_dictionary=[c.name for c in self.columns if c.type in REPEATING],
                **STORED,
            ) as writer,
        ):
            for start, end in _groups(len(order), firsts):
                rows = pa.array(order[start:end])
                taken = [columns[column.name].take(rows) for column in self.columns]
                writer.write_table(pa.table([pid[start:end], *taken], schema=layout), row_group_size=GROUP_ROWS * 2)


def _count_persons(pid: Any, where: Any, last: Any, seen: Any) -> None:
    """Count for each code the persons who have it. Rows are sorted by person."""
    person = 0
    for i in range(len(pid)):
        if i > 0 and pid[i] != pid[i - 1]:
            person += 1
        if last[where[i]] != person:
            last[where[i]] = person
            seen[where[i]] += 1


count_persons = compiled(_count_persons)


def _whole(column: Any) -> Any:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def _encoded(column: Any) -> tuple[list[str | int], NDArray[np.int64]]:
    """Return a column's distinct values and which of them each row has; the one past the end is none."""
    array = _whole(column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    words: list[str | int] = array.dictionary.to_pylist()
    return words, array.indices.fill_null(len(words)).to_numpy(zero_copy_only=False).astype(np.int64)


def _plain(column: Any) -> NDArray[np.uint64]:
    words: NDArray[np.uint64] = _whole(column).to_numpy(zero_copy_only=False)
    return words


def _compact(column: Any) -> Any:
    """Return a text column whose codes stand in the order of their texts, and only those that some row has.

    What order the codes came in depends on the chunks; the bytes of a file must not.
    """
    array = _whole(column)
    if not pa.types.is_dictionary(array.type):
        return array
    found = array.indices.drop_null().to_numpy()
    used = np.flatnonzero(np.bincount(found, minlength=len(array.dictionary)))
    words = array.dictionary.take(pa.array(used))
    order = pc.sort_indices(words).to_numpy()
    place: NDArray[np.int32] = np.zeros(len(array.dictionary) + 1, np.int32)
    place[used[order]] = np.arange(len(used), dtype=np.int32)
    missing = array.indices.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    codes = place[array.indices.fill_null(len(array.dictionary)).to_numpy(zero_copy_only=False)]
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing), words.take(pa.array(order)))


def _keys(array: Any) -> list[Words]:
    """Return the words by which a column's values are ordered, missing ones last."""
    if pa.types.is_dictionary(array.type):
        array = array.indices
    values, there = numbers(array)
    return ordered_words(values, None if array.null_count == 0 else there)


def _groups(count: int, firsts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return where row groups begin and end: between persons, and about as large as they should be."""
    edges = [0]
    while edges[-1] < count:
        wanted = edges[-1] + GROUP_ROWS
        at = np.searchsorted(firsts, wanted)
        edges.append(int(firsts[at]) if at < len(firsts) else count)
    return list(itertools.pairwise(edges))


def _save(path: Path, pairs: NDArray[np.uint64]) -> None:
    with written(path) as piece, piece.open("wb") as file:
        np.save(file, pairs)
