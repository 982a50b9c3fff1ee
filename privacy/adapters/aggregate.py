"""Exact aggregates in which no person counts for more than their bound, in one pass over a person-sorted extract.

The sensitivity argument is in `hvelv.privacy.domain.accounting`; here is what it rests on. Rows come sorted by
pseudonym, so a person is a run of rows, possibly cut by a batch: the run's state is carried over the cut. Inside a run
the first `max_rows` rows in each of the first `max_groups` cells count. Nothing of one run reaches another, and a
file whose order is wrong is refused, because there a person could count twice.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hvelv.privacy.adapters.cell_passes import CELL_PASSES, NOWHERE, Bounded, cells_of, warm_up
from hvelv.privacy.adapters.compiled import compiled
from hvelv.privacy.adapters.frames import passing, wrong_order
from hvelv.privacy.adapters.predicates import Mask, numbers, positions
from hvelv.privacy.domain.checking import Amount
from hvelv.privacy.domain.framing import Framed
from hvelv.privacy.domain.measuring import Ask, Cells, Part, RowVectors
from hvelv.privacy.domain.plan import Plan
from hvelv.privacy.domain.schema import PSEUDONYM

MOST_NUMBERS = 1 << 22  # in a matrix of row vectors at a time

Vector = NDArray[np.int64]


def _add_runs(  # noqa: PLR0917 - compiled, where names are not kept
    person: Any,
    cell: Any,
    units: Any,
    limits: Any,
    totals: Any,
    rows: Any,
    met: Any,
    current: Any,
    max_rows: int,
    max_groups: int,
) -> bool:
    """Add a batch to `totals` (part, cell). Returns False where the order of persons is wrong.

    `limits`: to how many of a person's rows in a cell each part is limited: one where persons are counted.

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
            totals[part, c] += units[part, i] * (rows[c] <= limits[part])
    return True


add_runs = compiled(_add_runs)


class _Persons:
    """Numbers the persons of passing batches: the same for one, and growing."""

    def __init__(self) -> None:
        self.wide: NDArray[np.uint64] = np.zeros((1, 2), np.uint64)  # the last row's pseudonym of 16 bytes
        self.last = np.uint64(0)

    def of(self, pseudonyms: Any) -> Any:
        """Return a number for each row's person: the pseudonym, or its rank if it is wide."""
        if not (pa.types.is_fixed_size_binary(pseudonyms.type) or pa.types.is_large_binary(pseudonyms.type)):
            return pseudonyms.to_numpy(zero_copy_only=False)
        pseudonyms = (
            pseudonyms.cast(pa.binary(16)) if pa.types.is_fixed_size_binary(pseudonyms.type) else _fixed(pseudonyms)
        )
        raw = np.frombuffer(pseudonyms.buffers()[1], ">u8")[2 * pseudonyms.offset :][: 2 * len(pseudonyms)]
        halves = np.concatenate((self.wide, raw.reshape(-1, 2).astype(np.uint64)))
        first, last = halves[:, 0], halves[:, 1]
        other = (first[1:] != first[:-1]) | (last[1:] != last[:-1])
        if ((first[1:] < first[:-1]) | ((first[1:] == first[:-1]) & (last[1:] < last[:-1]))).any():
            raise wrong_order()
        self.wide = halves[-1:]
        found = self.last + np.cumsum(other, dtype=np.uint64)
        self.last = found[-1] if len(found) else self.last
        return found


def _fixed(pseudonyms: Any) -> Any:
    """Return pseudonyms of 16 bytes that came as bytes of any length (from Polars) as what they are."""
    return pseudonyms.cast(pa.binary()).cast(pa.binary(16))


class _CellPass:
    """Cells: a vector for each part, in which a person counts in the first cells met."""

    def __init__(self, ask: Cells) -> None:
        self.ask = ask
        self.limits: Vector = np.array([part.rows(ask.max_rows) for part in ask.parts], np.int64)
        self.totals: Vector = np.zeros((len(ask.parts), ask.length), np.int64)
        self.rows: Vector = np.zeros(ask.length, np.int64)
        self.met: Vector = np.zeros(1 + ask.max_groups, np.int64)
        self.current: NDArray[np.uint64] = np.zeros(1, np.uint64)

    def add(self, person: Any, column: Mapping[str, Any], inside: Mask) -> None:
        cell = cells_of(self.ask.keys, column, inside)
        units = np.empty((len(self.ask.parts), len(person)), np.int64)
        for i, part in enumerate(self.ask.parts):
            units[i] = contribution(part, column)
        bounds = self.ask.max_rows, self.ask.max_groups
        if not add_runs(person, cell, units, self.limits, self.totals, self.rows, self.met, self.current, *bounds):
            raise wrong_order()

    def result(self) -> list[list[int]]:
        return cast("list[list[int]]", self.totals.tolist())


class _RowPass:
    """Row vectors: the sum over each person's first rows of what a row makes by itself, held to its bound."""

    def __init__(self, ask: RowVectors) -> None:
        self.ask = ask
        self.total: Vector = np.zeros(ask.length, np.int64)
        self.bounded = Bounded(1, ask.max_rows, 1)

    def add(self, person: Any, column: Mapping[str, Any], inside: Mask) -> None:
        given: dict[str, Vector] = {}
        for key in self.ask.positions:
            given[key.name] = positions(key, column[key.name])
            inside &= given[key.name] >= 0
        for amount in self.ask.amounts:
            units, there = units_of(amount, column[amount.column.name])
            given[amount.column.name] = units
            inside &= there
        kept = np.flatnonzero(self.bounded.counted(person, np.where(inside, 0, NOWHERE)))
        size = max(1, MOST_NUMBERS // max(1, self.ask.length))
        for start in range(0, len(kept), size):
            some = kept[start : start + size]
            self.total += self._made({name: values[some] for name, values in given.items()}, len(some))

    def _made(self, given: Mapping[str, Vector], length: int) -> Vector:
        made = np.asarray(self.ask.make(given))
        if made.dtype != np.int64 or made.shape != (length, self.ask.length):
            raise ValueError("row vectors of another form than was said")
        norm = np.sqrt(np.einsum("ij,ij->i", made.astype(np.float64), made.astype(np.float64)))
        made[norm > self.ask.bound] = 0
        total: Vector = made.sum(axis=0)
        return total

    def result(self) -> list[list[int]]:
        return [cast("list[int]", self.total.tolist())]


PASSES: Mapping[type, Callable[[Any], Any]] = {Cells: _CellPass, RowVectors: _RowPass, **CELL_PASSES}


def units_of(amount: Amount, array: Any) -> tuple[Vector, Mask]:
    """Return each row's whole units within the amount's bounds, whatever the row holds, and which rows have a value."""
    values, there = numbers(array)
    if values.dtype.kind in "iu" and amount.step == 1:
        return np.clip(values, amount.low, amount.high).astype(np.int64, copy=False), there
    near = np.clip(np.where(there, values, 0) / float(amount.step), amount.low - 1.0, amount.high + 1.0)
    return np.clip(np.rint(near).astype(np.int64), amount.low, amount.high), there


def contribution(part: Part, column: Mapping[str, Any]) -> Vector | int:
    """Return what each row would add to `part`: whole units within the part's bounds, whatever the row holds."""
    if part.column is None:
        return 1
    if part.kind == "present":
        return numbers(column[part.column.name])[1].astype(np.int64)
    units, there = units_of(Amount(part.column, part.step, part.low, part.high), column[part.column.name])
    moved = units - part.origin if part.origin else units
    if not there.all():
        moved = np.where(there, moved, 0)
    return moved * moved if part.kind == "square" else moved


def totals(sources: Mapping[str, Sequence[Path]], framed: Framed, ask: Ask, *, batch: int = 0) -> list[Any]:
    """Return the exact totals that `ask` is for, over a question's rows: for the noise and for nobody else.

    Each is a list of integers, or a mapping to integers where keys are unknown. `sources`: each table's files, sorted by `pid` from one to the next. Raises `Unavailable` for a wrong order.
    """
    work, persons = PASSES[type(ask)](ask), _Persons()
    for column, inside in passing(sources, framed, ask.columns, size=batch):
        work.add(persons.of(column[PSEUDONYM]), column, inside)
    found: list[Any] = work.result()
    return found


def bounded_totals(paths: Sequence[Path], plan: Plan, *, batch: int = 0) -> list[list[int]]:
    """Return the exact totals of every part and cell of a query to one table."""
    return totals({plan.framed.table: paths}, plan.framed, plan.ask, batch=batch)


class StreamingAggregator:
    """The `Aggregator` that the releases service asks."""

    def totals(self, sources: Mapping[str, Sequence[Path]], framed: Framed, ask: Ask) -> list[Any]:
        """Return the exact, bounded totals: for the noise and for nobody else."""
        return totals(sources, framed, ask)

    def warm_up(self) -> None:
        """Compile the loops before the first person waits for them."""
        empty, nobody = np.zeros(0, np.int64), np.zeros(0, np.uint64)
        add_runs(
            nobody, empty, np.zeros((1, 0), np.int64), np.ones(1, np.int64), np.zeros((1, 1), np.int64),
            np.zeros(1, np.int64), np.zeros(2, np.int64), np.zeros(1, np.uint64), 1, 1,
        )  # fmt: skip
        warm_up()
