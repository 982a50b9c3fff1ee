"""Exact aggregates in which no person counts for more than their bound, in one pass over a person-sorted extract.

The sensitivity argument is in `hvelv.privacy.domain.accounting`; here is what it rests on. Rows come sorted by
pseudonym, so a person is a run of rows, possibly cut by a batch: the run's state is carried over the cut. Inside a run
the first `max_rows` rows in each of the first `max_groups` cells count. Nothing of one run reaches another, and a
file whose order is wrong is refused, because there a person could count twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hvelv.kernel.errors import Unavailable, _
from hvelv.privacy.adapters.compiled import compiled
from hvelv.privacy.adapters.predicates import Mask, Positions, numbers, positions, rows_meeting
from hvelv.privacy.domain.plan import Part, Plan
from hvelv.privacy.domain.schema import PSEUDONYM

BATCH = 1 << 16
MOST_ROWS = 2**31  # with values below 2^31 units no sum leaves 63 bits

Vector = NDArray[np.int64]


def _add_runs(  # noqa: PLR0917 - compiled, where names are not kept
    person: Any, cell: Any, units: Any, totals: Any, rows: Any, met: Any, current: Any, max_rows: int, max_groups: int
) -> bool:
    """Add a batch to `totals` (part, cell). Returns False where the order of persons is wrong.

    `current[0]` is the present person; `met[0]` how many cells that person counts in, and `met[1:]` which;
    `rows[c]` how many of the person's rows are counted in cell c, zero elsewhere.
    """
    for i in range(len(person)):
        if person[i] != current[0]:
            if person[i] < current[0]:
                return False
            for j in range(met[0]):
                rows[met[1 + j]] = 0
            met[0] = 0
            current[0] = person[i]
        c = cell[i]
        if c < 0:
            continue
        if rows[c] == 0:
            if met[0] >= max_groups:
                continue
            met[0] += 1
            met[met[0]] = c
        if rows[c] >= max_rows:
            continue
        rows[c] += 1
        for part in range(len(units)):
            totals[part, c] += units[part, i]
    return True


add_runs = compiled(_add_runs)


@dataclass
class _Pass:
    """The state of one pass over a file."""

    plan: Plan

    def __post_init__(self) -> None:
        cells = self.plan.cells
        self.totals: Vector = np.zeros((len(self.plan.parts), cells), np.int64)
        self.rows: Vector = np.zeros(cells, np.int64)
        self.met: Vector = np.zeros(1 + self.plan.max_groups, np.int64)
        self.current: NDArray[np.uint64] = np.zeros(1, np.uint64)
        self.wide: NDArray[np.uint64] = np.zeros((1, 2), np.uint64)  # the last row's pseudonym of 16 bytes

    def add(self, batch: Any) -> None:
        column = {name: batch.column(name) for name in batch.schema.names}
        person = self.persons(column[PSEUDONYM])
        cell = self.cells(column, len(person))
        units = np.empty((len(self.plan.parts), len(person)), np.int64)
        for i, part in enumerate(self.plan.parts):
            units[i] = contribution(part, column)
        bounds = self.plan.max_rows, self.plan.max_groups
        if not add_runs(person, cell, units, self.totals, self.rows, self.met, self.current, *bounds):
            raise _wrong_order()

    def persons(self, pseudonyms: Any) -> Any:
        """Return a number for each row's person, the same for one and growing: the pseudonym, or its rank if it is wide."""
        if not pa.types.is_fixed_size_binary(pseudonyms.type):
            return pseudonyms.to_numpy(zero_copy_only=False)
        raw = np.frombuffer(pseudonyms.buffers()[1], ">u8")[2 * pseudonyms.offset :][: 2 * len(pseudonyms)]
        halves = np.concatenate((self.wide, raw.reshape(-1, 2).astype(np.uint64)))
        first, last = halves[:, 0], halves[:, 1]
        other = (first[1:] != first[:-1]) | (last[1:] != last[:-1])
        if ((first[1:] < first[:-1]) | ((first[1:] == first[:-1]) & (last[1:] < last[:-1]))).any():
            raise _wrong_order()
        self.wide = halves[-1:]
        return self.current[0] + np.cumsum(other, dtype=np.uint64)

    def cells(self, column: dict[str, Any], length: int) -> Positions:
        cell: Positions = np.zeros(length, np.int64)
        inside: Mask = np.ones(length, np.bool_)
        for key in self.plan.keys:
            at = positions(key, column[key.name])
            inside &= at >= 0
            cell *= len(key.labels)
            cell += at
        for condition in self.plan.conditions:
            inside &= rows_meeting(condition, column[condition.column.name])
        cell[~inside] = -1
        return cell


def contribution(part: Part, column: dict[str, Any]) -> Vector | int:
    """Return what each row would add to `part`: whole units within the part's bounds, whatever the row holds."""
    if part.column is None:
        return 1
    values, there = numbers(column[part.column.name])
    if part.kind == "present":
        return there.astype(np.int64)
    if values.dtype.kind == "i" and part.step == 1:
        whole = np.clip(values, part.low, part.high) - part.origin
        return np.where(there, whole, 0).astype(np.int64)
    near = np.clip(np.where(there, values, 0) / float(part.step), part.low - 1.0, part.high + 1.0)
    units = np.clip(np.rint(near).astype(np.int64), part.low, part.high) - part.origin
    return np.where(there, units, 0)


def bounded_totals(paths: Sequence[Path], plan: Plan, *, batch: int = BATCH) -> list[list[int]]:
    """Return the exact totals of every part and cell over an extract's files (Parquet, sorted by `pid` from one to the next)."""
    names = [PSEUDONYM, *plan.columns]
    work = _Pass(plan)
    rows = 0
    for path in paths:
        with pq.ParquetFile(path, read_dictionary=_texts(path, names), pre_buffer=False) as file:
            rows += file.metadata.num_rows
            if rows >= MOST_ROWS:
                raise Unavailable(_("Uttrekket har for mange rader til å summeres trygt."), code="rows")
            for piece in file.iter_batches(batch_size=batch, columns=names):
                work.add(piece)
    return cast("list[list[int]]", work.totals.tolist())


def _wrong_order() -> Unavailable:
    return Unavailable(_("Uttrekket er ikke ordnet etter person og kan ikke brukes."), code="order")


def _texts(path: Path, names: Sequence[str]) -> list[str]:
    schema = pq.read_schema(path)
    return [name for name in names if pa.types.is_string(schema.field(name).type)]


class StreamingAggregator:
    """The `Aggregator` that the releases service asks."""

    def totals(self, paths: Sequence[Path], plan: Plan) -> list[list[int]]:
        """Return the exact, bounded totals: for the noise and for nobody else."""
        return bounded_totals(paths, plan)

    def warm_up(self) -> None:
        """Compile the loop before the first person waits for it."""
        empty = np.zeros(0, np.int64)
        add_runs(
            np.zeros(0, np.uint64), empty, np.zeros((1, 0), np.int64), np.zeros((1, 1), np.int64),
            np.zeros(1, np.int64), np.zeros(2, np.int64), np.zeros(1, np.uint64), 1, 1,
        )  # fmt: skip
