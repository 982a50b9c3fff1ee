"""What risk is measured on: each person as a running number, and the codes of the variables that count.

Written by `gather` as files that never cut a person: each variable's list of values, and each row's place in it. Read
file by file, so that memory does not grow with rows. Steps that a steward tries are done on the lists.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hvelv.privacy.adapters.gathering import count_persons
from hvelv.privacy.adapters.risk_codes import Coding, coding, is_text, listed, plain
from hvelv.privacy.adapters.risk_counts import Codes, keys_of
from hvelv.privacy.adapters.risk_loops import repeated
from hvelv.privacy.adapters.transforms import expression, suppressing
from hvelv.privacy.domain.reviewing import Extra
from hvelv.privacy.domain.risk import quasi, sensitive
from hvelv.privacy.domain.schema import PSEUDONYM, Schema
from hvelv.privacy.domain.steps import SuppressRare
from hvelv.privacy.domain.transforms import transformed

PERSON = "__person"
BATCH = 1 << 20  # rows read at a time
WIDEST = (1 << 16) - 2  # numbers farther apart than this are looked up instead of counted from the lowest
WITHIN = 16  # rows of a person among which one that says the same is left out
PERSONS = "persons"


def gather(parts: Sequence[Path], names: Sequence[str], folder: Path) -> int:
    """Write (running number of the person, codes of `names`) to `folder`. Returns the parts' rows.

    Most rows that say what an earlier one of the person says are left out: they change nothing.
    """
    folder.mkdir(parents=True, mode=0o700)
    rows = persons = written = 0
    for part in parts:
        for table in _whole_persons(part, names):
            rows += len(table)
            number = _numbers(table[PSEUDONYM])
            coded = {name: listed(table[name], WIDEST) for name in names}
            held = int(number[-1]) + 1
            arrays = [pa.array(number + np.uint32(persons)), *coded.values()]
            if held < len(table):
                arrays = _without_repetitions(number, arrays)
            batch = pa.record_batch(arrays, [PERSON, *names])
            with pa.ipc.new_file(str(folder / f"{written:06d}.arrow"), batch.schema) as writer:
                writer.write_batch(batch)
            persons, written = persons + held, written + 1
    (folder / PERSONS).write_text(str(persons))
    return rows


def _numbers(pseudonyms: Any) -> NDArray[np.uint32]:
    """Return for each row how many persons came before its own."""
    return pl.Series(pseudonyms).rle_id().to_numpy()


def _without_repetitions(number: NDArray[np.uint32], arrays: Sequence[Any]) -> list[Any]:
    codes, radixes = [np.asarray(one.indices) for one in arrays[1:]], [len(one.dictionary) for one in arrays[1:]]
    again = np.zeros(len(number), np.bool_)
    repeated(number, keys_of(codes, radixes, len(number))[0], WITHIN, again)
    kept = pa.array(~again)
    return [
        pa.DictionaryArray.from_arrays(one.indices.filter(kept), one.dictionary, safe=False)
        if pa.types.is_dictionary(one.type)
        else one.filter(kept)
        for one in arrays
    ]


def _whole_persons(part: Path, names: Sequence[str]) -> Iterator[Any]:
    """Yield a part's rows in pieces that end with a person's last row."""
    left, kept = pq.read_metadata(part).num_rows, None
    for read in _read(part, names):
        left -= len(read)
        table = read if kept is None else _one([kept, read])
        whole = len(table)
        if left:
            number = _numbers(table[PSEUDONYM])
            whole = int(number.searchsorted(number[-1]))
        kept = table.slice(whole)
        if whole:
            yield table.slice(0, whole)


def _read(part: Path, names: Sequence[str]) -> Iterator[Any]:
    """Yield a part's rows, so many at a time; text is read as places in a list."""
    with pq.ParquetFile(part) as file:
        schema, metadata = file.schema_arrow, file.metadata
    if not metadata.num_rows:
        return
    texts = [name for name in names if is_text(schema.field(name).type)]
    with pq.ParquetFile(part, read_dictionary=texts) as file:
        held: list[int] = []
        for group in range(metadata.num_row_groups):
            held.append(group)
            if group + 1 < metadata.num_row_groups and sum(metadata.row_group(g).num_rows for g in held) < BATCH:
                continue
            table = _one([file.read_row_groups(held, columns=[PSEUDONYM, *names], use_threads=False)])
            yield from (table.slice(start, BATCH) for start in range(0, len(table), BATCH))
            held = []


def _one(tables: Sequence[Any]) -> Any:
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


@dataclass(frozen=True)
class Coded:
    """Some rows: whose they are, and their codes by variable. `known`: no value was without a code."""

    person: NDArray[np.uint32]
    codes: Mapping[str, Codes]
    known: bool = True


class Table:
    """A gathered folder, looked at with `extra` steps done."""

    def __init__(self, folder: Path, schema: Schema, extra: Extra, *, most_rows: int | None = None) -> None:
        self.files = sorted(folder.glob("*.arrow"))
        self._before = {column.name: column for column in (*quasi(schema), *sensitive(schema))}
        self.columns = {n: made for n, c in self._before.items() if (made := transformed(c, extra.get(n, ())))}
        self.sampled = False
        self._loaded = lru_cache(maxsize=1)(_loaded)
        if most_rows is not None:
            self._sample(most_rows)
        self.persons = self._persons(folder)
        self._key = os.urandom(32)
        self._steps = {name: steps for name, steps in extra.items() if name in self.columns and steps}
        self._rare: dict[str, pl.Expr] = {}
        for name, steps in self._steps.items():
            if isinstance(steps[-1], SuppressRare) and self.files:
                self._rare[name] = suppressing(self.columns[name], steps[-1], self._seldom(name, steps[-1].persons))
        self._coded: Path | None = None  # the file whose codes are kept, since a table of one file is coded twice
        self._codes: dict[str, tuple[Coding, Codes, bool]] = {}

    def _sample(self, most_rows: int) -> None:
        """Look at the first files only. Order is by pseudonym, so that these are persons drawn at random."""
        counts = np.cumsum([len(self._loaded(path)) for path in self.files])
        enough = int(np.searchsorted(counts, most_rows)) + 1
        self.sampled = enough < len(self.files)
        self.files = self.files[:enough]

    def _persons(self, folder: Path) -> int:
        if not self.sampled:
            return int((folder / PERSONS).read_text())
        return int(self._loaded(self.files[-1])[PERSON][-1].as_py()) + 1

    def _seldom(self, name: str, persons: int) -> list[Any]:
        """Return the values that some, but fewer than so many persons have, over all files."""
        made = self._coding(name)
        seen = np.zeros(made.radix, np.int64)
        for path in self.files:
            codes, _known = self._column(path, name, made)
            person = np.asarray(self._loaded(path)[PERSON])
            count_persons(person, codes, np.full(made.radix, -1, np.int64), seen)
        few = (seen[1:] > 0) & (seen[1:] < persons)
        rare: list[Any] = made.values.filter(pa.array(few)).to_pylist()
        return rare

    def _values(self, path: Path, name: str) -> Any:
        """Return a file's list of values of a variable, the first missing, after the steps."""
        values = self._loaded(path)[name].dictionary
        steps = self._steps.get(name)
        if not steps:
            return values
        made = pl.DataFrame({name: pl.Series(values)}).select(expression(self._before[name], steps, self._key))
        if name in self._rare:
            made = made.select(self._rare[name])
        return plain(made[name].to_arrow())

    @property
    def rows(self) -> int:
        """Return how many rows there are to look at."""
        return sum(len(self._loaded(path)) for path in self.files)

    def codings(self) -> dict[str, Coding]:
        """Return how each variable's values become whole numbers, from all files."""
        return {name: self._coding(name) for name in self.columns}

    def _coding(self, name: str) -> Coding:
        return coding([self._values(path, name) for path in self.files])

    def _column(self, path: Path, name: str, made: Coding) -> tuple[Codes, bool]:
        """Return a column's codes, and whether every value had one."""
        kept, places = made.codes(self._values(path, name)), np.asarray(self._loaded(path)[name].indices)
        codes: Codes = places
        if len(kept) > made.radix or not np.array_equal(kept, np.arange(len(kept))):
            codes = kept[places]
        return codes, bool(kept.max() < made.radix)

    def coded(self, codings: Mapping[str, Coding]) -> Iterator[Coded]:
        """Yield the rows of each file as codes. Codes of values that a coding does not know are its radix."""
        for path in self.files:
            known = self._codes if path == self._coded else {}
            new = {name: made for name, made in codings.items() if known.get(name, (None,))[0] is not made}
            known = known | {name: (made, *self._column(path, name, made)) for name, made in new.items()}
            self._coded, self._codes = path, known
            person = np.asarray(self._loaded(path)[PERSON])
            yield Coded(person, {n: known[n][1] for n in codings}, all(known[n][2] for n in codings))


def _loaded(path: Path) -> Any:
    """Return what a file holds, where it lies: it is read as it is looked at."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).get_batch(0)
