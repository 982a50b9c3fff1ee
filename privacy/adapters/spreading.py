"""The first pass over a source: the permitted rows of those who have not objected, by the first bits of the pseudonym.

The source is read in chunks of row groups. A chunk becomes one file with a batch for each part of the extract to come,
so that any part can be read from all chunks without reading the rest. A chunk is done when its file has its name.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hvelv.privacy.adapters.compiled import compiled
from hvelv.privacy.adapters.files import written
from hvelv.privacy.adapters.membership import Members
from hvelv.privacy.adapters.predicates import rows_meeting
from hvelv.privacy.adapters.pseudonyms import NO_BLOCKS, Blocks, PersonCipher
from hvelv.privacy.adapters.transforms import FIRST_DAY, LAST_DAY, MOST_DAYS, SHIFT, expression
from hvelv.privacy.domain.checking import conditions_of
from hvelv.privacy.domain.identifiers import BLOCK_BYTES
from hvelv.privacy.domain.schema import PSEUDONYM, Column
from hvelv.privacy.domain.transforms import ShiftDate, SuppressRare
from hvelv.privacy.service.extraction import ExtractOrder

CHUNK_ROWS = 1 << 20
PART_ROWS = 1 << 21  # of the source; with filters and objections a part has fewer
REST = "__rest"  # the pseudonym's other half
ARROW: dict[str, Any] = {
    "string": pa.string(),
    "integer": pa.int64(),
    "decimal": pa.float64(),
    "date": pa.date32(),
    "boolean": pa.bool_(),
}
CODED = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Layout:
    """How a source is cut: row groups of each chunk, and the bits by which parts are told apart. Of its size alone."""

    chunks: tuple[tuple[int, ...], ...]
    prefix_bits: int

    @property
    def parts(self) -> int:
        """Return how many parts there are."""
        return 1 << self.prefix_bits

    @property
    def pieces(self) -> int:
        """Return how many pieces of work there are."""
        return len(self.chunks) + self.parts


def layout_of(source: Path) -> Layout:
    """Return how the Parquet file is cut. The same for the same file, whoever works on it."""
    with pq.ParquetFile(source) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    chunks: list[list[int]] = []
    room = 0
    for number, size in enumerate(sizes):
        if not chunks or room < size:
            chunks.append([])
            room = CHUNK_ROWS
        chunks[-1].append(number)
        room -= size
    return Layout(tuple(map(tuple, chunks)), max((sum(sizes) - 1) // PART_ROWS, 0).bit_length())


def chunk_path(order: ExtractOrder, number: int) -> Path:
    """Return where a chunk's file lies."""
    return order.folder / f"chunk-{number:05d}.arrow"


def _places(blocks: Any, keep: Any, shift: Any, starts: Any, order: Any) -> int:
    """Put the numbers of the kept rows in the order of their parts; return how many. `starts` is zero before."""
    for i in range(len(blocks)):
        if keep[i]:
            starts[((blocks[i, 0] >> np.uint64(1)) >> shift) + np.uint64(1)] += 1
    for p in range(1, len(starts)):
        starts[p] += starts[p - 1]
    for i in range(len(blocks)):
        if keep[i]:
            part = (blocks[i, 0] >> np.uint64(1)) >> shift  # twice, since a shift by all 64 bits is none
            order[starts[part]] = i
            starts[part] += 1
    for p in range(len(starts) - 1, 0, -1):
        starts[p] = starts[p - 1]
    starts[0] = 0
    return int(starts[len(starts) - 1])


places = compiled(_places)


class Spreader:
    """Does chunks of one order."""

    def __init__(self, order: ExtractOrder) -> None:
        self.order, self.layout = order, layout_of(order.source)
        self.person = order.schema.person_id.name
        self.made = {column.name: column for column in order.extracted.columns}
        self.kept = tuple(column for column in order.schema.columns if column.name in self.made)
        self.conditions = conditions_of(order.where, order.schema)
        self.cipher = PersonCipher(order.keys.persons)
        self.dates = PersonCipher(order.keys.dates)
        register = PersonCipher(order.register_key) if order.register_key else None
        self.objectors = Members(_ours(order.objections, register, self.cipher))
        pairs = _ours(order.canonical, register, self.cipher)
        self.renumbered = Members(pairs[0::2], pairs[1::2])
        self._space: NDArray[np.uint8] = np.empty(0, np.uint8)

    def spread(self, number: int) -> None:
        """Write the chunk's file, unless it is there. Refuses bad identifiers without quoting them."""
        target = chunk_path(self.order, number)
        if target.exists():
            return
        columns, starts = self.columns(self._read(self.layout.chunks[number]))
        with (
            written(target) as piece,
            pa.OSFile(str(piece), "wb") as file,
            pa.ipc.new_file(file, columns.schema) as writer,
        ):
            for start, end in itertools.pairwise(starts):
                writer.write_batch(columns.slice(start, end - start))

    def columns(self, rows: Any) -> tuple[Any, list[int]]:
        """Return the extract's columns of the kept rows, by part, and where each part begins."""
        blocks = self._blocks(rows.column(self.person))
        keep = np.ones(len(blocks), np.bool_)
        for condition in self.conditions:
            keep &= rows_meeting(condition, rows.column(condition.column.name))
        self.objectors.drop(blocks, keep)
        starts: NDArray[np.int64] = np.zeros(self.layout.parts + 1, np.int64)
        order: NDArray[np.int64] = np.empty(len(blocks), np.int64)
        shift = np.uint64(63 - self.layout.prefix_bits)
        chosen = order[: places(blocks, keep, shift, starts, order)]
        blocks = blocks[chosen]
        shifts = self._shifts(blocks)
        named = {PSEUDONYM: pa.array(blocks[:, 0]), REST: pa.array(blocks[:, 1])}
        named |= {column.name: self._made(column, rows.column(column.name), chosen, shifts) for column in self.kept}
        batch = pa.record_batch(list(named.values()), names=list(named))
        return batch, starts.tolist()

    def _read(self, groups: Sequence[int]) -> Any:
        names = [self.person, *(c.name for c in self.kept), *(c.column.name for c in self.conditions)]
        texts = [c.name for c in self.order.schema.columns if c.type == "string" and c.name != self.person]
        with pq.ParquetFile(self.order.source, read_dictionary=texts, pre_buffer=False) as file:
            table = file.read_row_groups(list(groups), columns=list(dict.fromkeys(names)), use_threads=False)
        batches = table.unify_dictionaries().combine_chunks().to_batches()
        if len(batches) > 1:  # more than 2 GB of text in one column of one chunk
            raise ValueError("a chunk of the source is too large")
        return batches[0] if batches else _no_rows(table)

    def _blocks(self, ids: Any) -> Blocks:
        if pa.types.is_dictionary(ids.type):
            ids = ids.cast(ids.type.value_type)
        size = BLOCK_BYTES * (len(ids) + 1)
        if len(self._space) < size:
            self._space = np.empty(size, np.uint8)
        blocks = self.cipher.blocks(ids, self._space)
        self.renumbered.replace(blocks)
        return blocks

    def _shifts(self, blocks: Blocks) -> NDArray[np.int32] | None:
        """Return each row's days in [-365, 365], of the person alone and of a key of its own."""
        if not any(isinstance(s, ShiftDate) for c in self.kept for s in self.order.steps(c)):
            return None
        words = self.dates.encrypted(blocks)[:, 0]
        return (words % np.uint64(2 * MOST_DAYS + 1)).astype(np.int32) - MOST_DAYS

    def _made(self, column: Column, values: Any, chosen: NDArray[np.int64], shifts: NDArray[np.int32] | None) -> Any:
        """Return the extract's column, of the chosen rows: cleaned, and after all steps that look at one row."""
        made = self.made[column.name]
        steps = tuple(s for s in self.order.steps(column) if not isinstance(s, SuppressRare))
        if column.type == "string":
            return self._made_text(column, made, _coded(values), chosen, steps)
        array = _clean(_taken(values, chosen), column)
        if steps:
            frame = {column.name: pl.Series(column.name, array)}
            if shifts is not None:
                frame[SHIFT] = pl.Series(SHIFT, shifts)
            array = pl.DataFrame(frame).select(expression(column, steps, self.order.keys.codes))[column.name].to_arrow()
        return _typed(array, made)

    def _made_text(self, column: Column, made: Column, values: Any, chosen: Any, steps: Any) -> Any:
        """Return a text's column: steps are done once for each distinct text."""
        codes = _taken(values.indices, chosen)
        if not steps:
            return _typed(pa.DictionaryArray.from_arrays(codes, values.dictionary), made)
        words = pl.DataFrame({column.name: pl.Series(column.name, values.dictionary)})
        done = words.select(expression(column, steps, self.order.keys.codes))[column.name].to_arrow()
        if made.type != "string":
            return _typed(done.take(codes), made)
        again = _coded(done)
        return _typed(pa.DictionaryArray.from_arrays(again.indices.take(codes), again.dictionary), made)


def _ours(stored: bytes, register: PersonCipher | None, cipher: PersonCipher) -> Blocks:
    """Return blocks of the register as they are under the project's key."""
    if not stored or register is None:
        return NO_BLOCKS
    return register.rekeyed(np.frombuffer(stored, "<u8").reshape(-1, 2), cipher)


def _no_rows(table: Any) -> Any:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in table.schema], schema=table.schema)


def _coded(values: Any) -> Any:
    """Return a text column as codes and their texts."""
    if not pa.types.is_dictionary(values.type):
        values = pc.dictionary_encode(values.cast(pa.string()))
    return values if values.type == CODED else values.cast(CODED)


def _taken(values: Any, chosen: NDArray[np.int64]) -> Any:
    """Return the chosen rows of a column."""
    if values.null_count == 0 and pa.types.is_primitive(values.type) and not pa.types.is_boolean(values.type):
        plain = values.view(pa.int32()) if pa.types.is_date32(values.type) else values
        return pa.array(plain.to_numpy()[chosen]).view(values.type)
    return values.take(pa.array(chosen))


def _clean(array: Any, column: Column) -> Any:
    """Return the values in the column's one type: NaN, infinity and absurd days become missing, and -0.0 becomes 0.0."""
    values = array.cast(ARROW[column.type])
    if column.type == "date":
        return _dated(values)
    if column.type != "decimal":
        return values
    finite = pc.fill_null(pc.is_finite(values), fill_value=False)
    return pc.if_else(finite, pc.add(values, 0.0), pa.scalar(None, pa.float64()))


def _dated(days: Any) -> Any:
    """Return the days with those outside the years 1 to 9999 missing."""
    first, last = (pa.scalar(day, pa.date32()) for day in (FIRST_DAY, LAST_DAY))
    inside = pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last))
    return pc.if_else(inside, days, pa.scalar(None, pa.date32()))


def _typed(array: Any, column: Column) -> Any:
    """Return the column as extracts have it; texts as codes."""
    if column.type == "string":
        return _coded(array)
    return array.cast(ARROW[column.type])
