"""What risk is measured on: each person as a running number, and the codes of the variables that count.

Written by `gather` as files that never cut a person; read as whole numbers, file by file, so that memory does not grow
with rows. Steps that a steward tries are done on the way.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hvelv.privacy.adapters.risk_counts import Codes
from hvelv.privacy.adapters.transforms import expression, suppressing
from hvelv.privacy.domain.reviewing import Extra
from hvelv.privacy.domain.risk import quasi, sensitive
from hvelv.privacy.domain.schema import PSEUDONYM, Column, Schema
from hvelv.privacy.domain.steps import SuppressRare
from hvelv.privacy.domain.transforms import transformed

PERSON = "__person"
BATCH = 1 << 20  # rows read at a time
WIDEST = 1 << 31  # numbers farther apart than this are looked up instead of counted from the lowest
PERSONS = "persons"


def gather(parts: Sequence[Path], names: Sequence[str], folder: Path) -> int:
    """Write (running number of the person, `names`), distinct within a person, to `folder`. Returns the parts' rows."""
    folder.mkdir(parents=True, mode=0o700)
    rows = persons = written = 0
    for part in parts:
        for frame in _whole_persons(part, names):
            rows += frame.height
            numbered = frame.select(
                (pl.col(PSEUDONYM).rle_id() + persons).cast(pl.UInt32).alias(PERSON), *(pl.col(name) for name in names)
            )
            held = int(numbered[PERSON][-1]) + 1 - persons
            if held < frame.height:
                numbered = numbered.unique(maintain_order=True)
            numbered.write_parquet(folder / f"{written:06d}.parquet", compression="lz4", statistics=False)
            persons, written = persons + held, written + 1
    (folder / PERSONS).write_text(str(persons))
    return rows


def _whole_persons(part: Path, names: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield a part's rows in pieces that end with a person's last row."""
    total, kept = pq.read_metadata(part).num_rows, None
    for start in range(0, total, BATCH):
        read = pl.scan_parquet(part).select(PSEUDONYM, *names).slice(start, BATCH).collect()
        frame = read if kept is None else pl.concat([kept, read])
        ids = frame[PSEUDONYM].rle_id()
        whole = int(ids.search_sorted(ids[-1])) if start + BATCH < total else frame.height
        kept = frame.slice(whole)
        if whole:
            yield frame.head(whole)


class Coding(Protocol):
    """How one variable's values are whole numbers: 0 is missing, and order is kept."""

    @property
    def radix(self) -> int:
        """Return the number of codes."""
        ...

    def expression(self, name: str) -> pl.Expr:
        """Return the codes, UInt32; `radix` for a value that was not there when the coding was made."""
        ...


@dataclass(frozen=True)
class Counted:
    """Whole numbers, days and truth values, counted from the lowest."""

    low: int
    high: int

    @property
    def radix(self) -> int:
        """Return the number of codes."""
        return self.high - self.low + 2

    def expression(self, name: str) -> pl.Expr:
        """Return the codes."""
        value = pl.col(name).to_physical().cast(pl.Int64)
        code = pl.when(value.is_between(self.low, self.high)).then(value - self.low + 1).otherwise(self.radix)
        return pl.when(value.is_null()).then(0).otherwise(code).cast(pl.UInt32).alias(name)


@dataclass(frozen=True)
class Listed:
    """Any values, by their place in the list of those that are there."""

    values: pl.Series

    @property
    def radix(self) -> int:
        """Return the number of codes."""
        return len(self.values) + 1

    def expression(self, name: str) -> pl.Expr:
        """Return the codes."""
        if self.values.dtype == pl.String:
            code = pl.col(name).cast(pl.Enum(self.values), strict=False).to_physical().cast(pl.UInt32) + 1
            return pl.when(pl.col(name).is_null()).then(0).otherwise(code.fill_null(self.radix)).alias(name)
        value = pl.col(name).to_physical()
        code = pl.lit(self.radix)
        if len(self.values):
            place = pl.lit(self.values).search_sorted(value)
            there = pl.lit(self.values).gather(place.clip(0, len(self.values) - 1)) == value
            code = pl.when(there).then(place + 1).otherwise(self.radix)
        return pl.when(value.is_null()).then(0).otherwise(code).cast(pl.UInt32).alias(name)


@dataclass(frozen=True)
class Coded:
    """Some rows: whose they are, and their codes by variable."""

    person: NDArray[np.uint32]
    codes: Mapping[str, Codes]


class Table:
    """A gathered folder, looked at with `extra` steps done."""

    def __init__(self, folder: Path, schema: Schema, extra: Extra, *, most_rows: int | None = None) -> None:
        self.files = sorted(folder.glob("*.parquet"))
        before = {column.name: column for column in (*quasi(schema), *sensitive(schema))}
        self.columns = {n: made for n, c in before.items() if (made := transformed(c, extra.get(n, ())))}
        self.sampled = False
        if most_rows is not None:
            self._sample(most_rows)
        self.persons = self._persons(folder)
        key = os.urandom(32)
        self._steps: list[pl.Expr] = [
            expression(before[name], steps, key) for name, steps in extra.items() if name in self.columns
        ]
        self._rare = [
            self._suppression(self.columns[name], steps) for name, steps in extra.items() if name in self.columns
        ]
        self._coded: Path | None = None  # the file whose codes are kept, since a table of one file is coded twice
        self._codes: dict[str, tuple[Coding, Codes]] = {}
        self._loaded = lru_cache(maxsize=1)(self._frame)

    def _sample(self, most_rows: int) -> None:
        """Look at the first files only. Order is by pseudonym, so that these are persons drawn at random."""
        counts = np.cumsum([pq.read_metadata(path).num_rows for path in self.files])
        enough = int(np.searchsorted(counts, most_rows)) + 1
        self.sampled = enough < len(self.files)
        self.files = self.files[:enough]

    def _persons(self, folder: Path) -> int:
        if not self.sampled:
            return int((folder / PERSONS).read_text())
        return int(pl.read_parquet(self.files[-1], columns=[PERSON])[PERSON][-1]) + 1

    def _suppression(self, column: Column, steps: Sequence[Any]) -> pl.Expr | None:
        """Return the last step where it counts persons, over all files."""
        if not self.files or not steps or not isinstance(steps[-1], SuppressRare):
            return None
        counts = pl.concat(self._read(path, column.name).unique().group_by(column.name).len() for path in self.files)
        held = counts.group_by(column.name).agg(pl.col("len").sum())
        rare = held.filter((pl.col("len") < steps[-1].persons) & pl.col(column.name).is_not_null())[column.name]
        return suppressing(column, steps[-1], rare.to_list())

    def _read(self, path: Path, *names: str) -> pl.DataFrame:
        steps = [step for step in self._steps if step.meta.output_name() in names]
        return pl.read_parquet(path, columns=[PERSON, *names]).with_columns(steps)

    def _frame(self, path: Path) -> pl.DataFrame:
        return self._read(path, *self.columns).with_columns(step for step in self._rare if step is not None)

    @property
    def rows(self) -> int:
        """Return how many rows there are to look at."""
        return sum(pq.read_metadata(path).num_rows for path in self.files)

    def codings(self) -> dict[str, Coding]:
        """Return how each variable's values become whole numbers, from all files."""
        seen = [_seen(self._loaded(path), tuple(self.columns)) for path in self.files]
        return {name: _coding([one[name] for one in seen], partial(self._values, name)) for name in self.columns}

    def _values(self, name: str) -> pl.Series:
        found = [self._loaded(path)[name].to_physical().unique().drop_nulls() for path in self.files]
        return pl.concat(found).unique().sort()

    def coded(self, codings: Mapping[str, Coding]) -> Iterator[Coded]:
        """Yield the rows of each file as codes. Codes of values that a coding does not know are its radix."""
        for path in self.files:
            known = self._codes if path == self._coded else {}
            new = {name: coding for name, coding in codings.items() if known.get(name, (None,))[0] is not coding}
            frame = self._loaded(path).select(PERSON, *(coding.expression(name) for name, coding in new.items()))
            known = known | {name: (coding, frame[name].to_numpy()) for name, coding in new.items()}
            self._coded, self._codes = path, known
            yield Coded(frame[PERSON].to_numpy(), {name: known[name][1] for name in codings})


def _seen(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, tuple[int, int] | pl.Series | None]:
    """Return lowest and highest of each variable of whole numbers (None without any), and the values of each other."""
    whole = [n for n in names if frame.schema[n].is_integer() or frame.schema[n] in {pl.Date, pl.Boolean}]
    numbers = frame.select(pl.col(n).to_physical().cast(pl.Int64) for n in whole)
    low, high = numbers.min(), numbers.max()
    found: dict[str, tuple[int, int] | pl.Series | None] = {}
    for name in names:
        if name not in whole:
            found[name] = frame[name].unique().drop_nulls()
        else:
            found[name] = None if low[name][0] is None else (low[name][0], high[name][0])
    return found


def _coding(seen: Sequence[tuple[int, int] | pl.Series | None], values: Callable[[], pl.Series]) -> Coding:
    """Return the coding that holds all that was seen. `values` looks once more, for numbers too far apart to count."""
    listed = [one for one in seen if isinstance(one, pl.Series)]
    if listed:
        return Listed(pl.concat(listed).unique().sort())
    ranges = [one for one in seen if isinstance(one, tuple)]
    low, high = min((r[0] for r in ranges), default=0), max((r[1] for r in ranges), default=0)
    return Counted(low, high) if high - low <= WIDEST else Listed(values())
