"""Measuring re-identification risk over the parts of an extract: Polars reads and codes, arrays are sorted and counted."""

import itertools
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.adapters import risk_table
from hvelv.privacy.adapters.risk_buckets import IN_MEMORY, Bucketed, Rows, Standing, keyed
from hvelv.privacy.adapters.risk_codes import Coding
from hvelv.privacy.adapters.risk_counts import (
    DENSE,
    EXACT,
    Alone,
    Cells,
    Classes,
    Counts,
    Keys,
    Persons,
    alone,
    cells,
    cells_of_one_row,
    classes,
    codes_of,
    keys_of,
    mixed,
    owners,
    product,
    spread,
)
from hvelv.privacy.adapters.risk_loops import expose
from hvelv.privacy.adapters.risk_suggestions import Trials
from hvelv.privacy.adapters.risk_table import Coded, Table
from hvelv.privacy.domain.reviewing import Extra
from hvelv.privacy.domain.risk import (
    LIMITS,
    MOST_TOGETHER,
    SIZES,
    Policy,
    Report,
    Risk,
    Sensitive,
    Subset,
    is_ordered,
    quasi,
    sensitive,
)
from hvelv.privacy.domain.schema import Schema

Owned = tuple[Keys, Persons]


def _risk(persons: NDArray[np.int64], limit: float) -> Risk:
    """Return the risk where so many persons stand in a class of 0, 1, 2 … persons."""
    sizes = np.flatnonzero(persons)
    chance, among = 1.0 / sizes, persons[sizes]
    whole = among.sum()
    return Risk(float(chance @ among / whole), float(chance.max()), float(among[chance > limit].sum() / whole))


class _Sensitive:
    """One sensitive variable over all buckets."""

    def __init__(self, name: str, radix: int, persons: int, *, ordered: bool) -> None:
        self.name, self.radix, self.ordered = name, radix, ordered
        self.whole: Counts = np.zeros(radix, np.int64)
        self.exposed = np.zeros(persons, np.bool_)
        self.distinct, self.entropy, self.closeness = np.iinfo(np.int64).max, np.inf, 0.0

    def count(self, found: Cells) -> None:
        """Take in how many have each value."""
        self.whole += np.bincount(found.value, minlength=self.radix)

    def compare(self, found: Cells, among: Classes) -> None:
        """Take in how the classes stand to the whole, once that is counted, and who is in one with a single value."""
        if not len(found.value):
            return
        made = spread(found, self.whole, ordered=self.ordered)
        expose(among.begins, among.person, made.distinct, self.exposed)
        self.distinct = min(self.distinct, int(made.distinct.min()))
        self.entropy = min(self.entropy, made.entropy)
        self.closeness = max(self.closeness, made.distance)

    def result(self) -> Sensitive:
        """Return what was found, rounded so that equal risks look equal."""
        exposed = int(self.exposed.sum())
        closeness, entropy = round(max(self.closeness, 0.0), 9), round(self.entropy, 9)
        return Sensitive(self.name, self.ordered, self.distinct, entropy, closeness, exposed)


def _cells(one: _Sensitive, among: Classes, rows: Rows, persons: int) -> Cells:
    if not one.ordered and np.array_equal(rows.person, np.arange(persons)):  # all are here, with a row each
        return cells_of_one_row(among, rows.values[one.name])
    return cells(among, rows.keys, rows.below, rows.values[one.name], one.radix, rows.person, persons)


class PolarsMeasurer:
    """`Measurer` on this machine."""

    def gather(self, parts: Sequence[Path], schema: Schema, folder: Path) -> int:
        """Write what risk is measured on to `folder` and return how many rows the parts have."""
        return risk_table.gather(parts, [c.name for c in (*quasi(schema), *sensitive(schema))], folder)

    def measure(
        self, folder: Path, schema: Schema, policy: Policy, rows: int, extra: Extra, *, population: Path | None = None
    ) -> Report:
        """Measure all there is to a report, as if `extra` steps were done with what was gathered."""
        table = Table(folder, schema, extra)
        kept = Schema(schema.table, tuple(table.columns.values()))
        by, about = [c.name for c in quasi(kept)], sensitive(kept)
        if table.persons == 0:
            return _empty(rows, by)
        codings = table.codings()
        found = Standing(table.persons)
        told = [_Sensitive(c.name, codings[c.name].radix, table.persons, ordered=is_ordered(c)) for c in about]
        whole = Table(population, schema, extra) if population else None
        with tempfile.TemporaryDirectory(dir=folder, prefix="buckets-") as work:
            pieces = keyed(table, codings, by, [c.name for c in about])
            bucketed = Bucketed(pieces, table.rows, Path(work) / "extract")
            known = _population(whole, codings, by, bucketed.buckets, Path(work)) if whole else None
            owned = self._classes(bucketed, known, found, told)
        by_size = np.bincount(found.smallest)
        below = {limit: int(by_size[:limit].sum()) for limit in sorted({*LIMITS, policy.min_k})}
        return Report(
            rows=rows,
            persons=table.persons,
            quasi=tuple(by),
            classes=found.classes,
            k=int(np.flatnonzero(by_size)[0]),
            small=below[policy.min_k] / table.persons,
            below=tuple(below.items()),
            sizes=_sizes(by_size),
            subsets=_subsets(table, codings, by, owned),
            sensitive=tuple(one.result() for one in told),
            prosecutor=_risk(by_size, policy.max_highest),
            journalist=_risk(np.bincount(found.rarest), policy.max_highest) if whole else None,
            population=whole.persons if whole else None,
        )

    @staticmethod
    def _classes(
        bucketed: Bucketed, known: "_Known | None", found: Standing, told: Sequence[_Sensitive]
    ) -> Sequence[Owned]:
        """Count classes, then compare each with the whole: the whole is known when all buckets are counted.

        Returns the classes with whose they are, or nothing where there are too many to keep.
        """
        persons, single = len(found.smallest), bucketed.buckets == 1
        held: list[tuple[Classes, list[Cells]] | None] = []
        owned: list[Owned] = []
        for number, rows in enumerate(bucketed):
            among = classes(rows.keys, rows.below, rows.person, persons)
            found.add(among, known.sizes(number, among) if known else None)
            made = [_cells(one, among, rows, persons) for one in told]
            for one, some in zip(told, made, strict=True):
                one.count(some)
            held.append((among, made) if single else None)
            if found.classes <= IN_MEMORY:
                owned.append((among.keys, owners(among, persons)))
        for kept, rows in zip(held, bucketed, strict=True) if told else ():
            among = kept[0] if kept else classes(rows.keys, rows.below, rows.person, persons)
            for place, one in enumerate(told):
                one.compare(kept[1][place] if kept else _cells(one, among, rows, persons), among)
        return owned if found.classes <= IN_MEMORY else ()

    def suggestions(
        self, folder: Path, schema: Schema, policy: Policy, done: Extra, declared: Schema | None = None
    ) -> list[dict[str, Any]]:
        """Try steps and return those that help most."""
        return Trials(folder, schema, policy, done, declared).suggestions()


@dataclass(frozen=True)
class _Known:
    """The classes of the population, by bucket."""

    found: Sequence[tuple[Keys, Counts]]

    def sizes(self, number: int, among: Classes) -> Counts:
        """Return the size of each class in the population; never less than in the extract."""
        keys, sizes = self.found[number]
        if not len(keys):
            return among.sizes
        place = np.minimum(np.searchsorted(keys, among.keys), len(keys) - 1)
        there: Counts = np.where(keys[place] == among.keys, sizes[place], 0)
        return np.maximum(there, among.sizes)


def _population(table: Table, codings: Mapping[str, Coding], by: Sequence[str], buckets: int, work: Path) -> _Known:
    bucketed = Bucketed(keyed(table, codings, by, ()), buckets * IN_MEMORY, work / "population")
    found = [classes(rows.keys, rows.below, rows.person, table.persons) for rows in bucketed]
    return _Known([(one.keys, one.sizes) for one in found])


def _empty(rows: int, by: Sequence[str]) -> Report:
    nothing = Risk(0.0, 0.0, 0.0)
    return Report(rows, 0, tuple(by), 0, 0, 0.0, (), (), (), (), nothing)


def _sizes(persons: NDArray[np.int64]) -> tuple[tuple[int, int | None, int], ...]:
    each = np.concatenate((persons, np.zeros(SIZES[-1] + 1, np.int64)))
    counts = np.add.reduceat(each, SIZES)
    ends = [*(size - 1 for size in SIZES[1:]), None]
    return tuple((start, end, int(count)) for start, end, count in zip(SIZES, ends, counts, strict=True))


def _subsets(
    table: Table, codings: Mapping[str, Coding], by: Sequence[str], owned: Sequence[Owned]
) -> tuple[Subset, ...]:
    """Count the persons who are alone with their values of each one, two and three of the variables.

    `owned`: the classes, where they could be kept. They say as much as the rows do, and are fewer.
    """
    radixes = {name: codings[name].radix for name in by}
    all_radixes = list(radixes.values())
    kept: list[Coded] | None = None
    if owned and product(all_radixes) < EXACT:
        kept = [Coded(whose, dict(zip(by, codes_of(keys, all_radixes), strict=True))) for keys, whose in owned]

    def look() -> Iterable[Coded]:
        return kept if kept is not None else table.coded({name: codings[name] for name in by})

    tables = Alone(lambda: (([p.codes[n] for n in by], p.person) for p in look()), all_radixes, table.persons)

    def count(names: tuple[str, ...]) -> int:
        own = [radixes[name] for name in names]
        if product(own) > DENSE:
            return _alone(look, names, own, table)
        return tables.count(tuple(by.index(name) for name in names))

    most = min(MOST_TOGETHER, len(by))
    together = [names for size in range(1, most + 1) for names in itertools.combinations(by, size)]
    found = {names: count(names) for names in reversed(together)}  # of those of more, those of fewer can be made
    return tuple(Subset(names, found[names]) for names in together)


def _alone(look: Callable[[], Iterable[Coded]], names: Sequence[str], radixes: Sequence[int], table: Table) -> int:
    """Return how many persons are alone with their values of `names`, of which there are too many to list: in passes."""
    held = np.zeros(table.persons, np.bool_)
    passes = max(-(-table.rows // IN_MEMORY), 1)
    for number in range(passes):
        rows = [_within(piece, names, radixes, number, passes) for piece in look()]
        keys, person = np.concatenate([k for k, _b, _p in rows]), np.concatenate([p for _k, _b, p in rows])
        held[alone(keys, rows[0][1], person, table.persons)] = True
    return int(held.sum())


def _within(
    piece: Coded, names: Sequence[str], radixes: Sequence[int], number: int, passes: int
) -> tuple[Keys, int, NDArray[np.uint32]]:
    keys, below = keys_of([piece.codes[n] for n in names], radixes, len(piece.person))
    if passes == 1:
        return keys, below, piece.person
    here = mixed(keys) % np.uint64(passes) == number
    return keys[here], below, piece.person[here]
