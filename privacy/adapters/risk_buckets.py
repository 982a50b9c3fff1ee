"""Rows of an extract in buckets of whole classes, and how each person stands in them.

Memory is flat in rows; what grows is a few bytes for each person. A bucket is a range of mixed keys; where everything
fits in one there is nothing to write to disk.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.adapters.risk_codes import Coding
from hvelv.privacy.adapters.risk_counts import Classes, Codes, Counts, Keys, classes, keys_of, mixed
from hvelv.privacy.adapters.risk_loops import lower
from hvelv.privacy.adapters.risk_table import Coded, Table
from hvelv.privacy.domain.risk import Outline, Policy, quasi
from hvelv.privacy.domain.schema import Schema

IN_MEMORY = 1 << 23  # rows in one bucket


@dataclass(frozen=True)
class Rows:
    """Rows of whole classes: keys of all quasi-identifiers, all below `below`, whose, and the sensitive codes."""

    keys: Keys
    below: int
    person: NDArray[np.uint32]
    values: Mapping[str, Codes]

    def split(self, buckets: int) -> Iterator["Rows"]:
        """Yield the rows of each bucket: those whose mixed key falls in its range."""
        number = (mixed(self.keys) >> np.uint64(40)) * np.uint64(buckets) >> np.uint64(24)
        for bucket in range(buckets):
            here = number == bucket
            values = {name: codes[here] for name, codes in self.values.items()}
            yield Rows(self.keys[here], self.below, self.person[here], values)


class Bucketed:
    """The rows of a table by bucket, in memory or in files of their own."""

    def __init__(self, pieces: Iterator[Rows], rows: int, folder: Path) -> None:
        self.buckets = max(-(-rows // IN_MEMORY), 1)
        self._folder, self._kept = folder, list[Rows]()
        self._written = 0
        folder.mkdir()
        for piece in pieces:
            if self.buckets == 1:
                self._kept.append(piece)
                continue
            for bucket, part in enumerate(piece.split(self.buckets)):
                name = self._folder / f"{bucket:04d}-{self._written:06d}.npz"
                np.savez(name, **_arrays(part))
            self._written += 1

    def __iter__(self) -> Iterator[Rows]:
        """Yield the buckets."""
        if self.buckets == 1:
            if self._kept:
                yield joined(self._kept)
            return
        for bucket in range(self.buckets):
            yield joined([_loaded(path) for path in sorted(self._folder.glob(f"{bucket:04d}-*.npz"))])


def _arrays(rows: Rows) -> dict[str, Any]:
    values = {f"value {name}": codes for name, codes in rows.values.items()}
    return {"keys": rows.keys, "person": rows.person, "last": np.uint64(rows.below - 1), **values}


def _loaded(path: Path) -> Rows:
    with np.load(path) as kept:
        values = {name.removeprefix("value "): kept[name] for name in kept.files if name.startswith("value ")}
        return Rows(kept["keys"], int(kept["last"]) + 1, kept["person"], values)


def joined(pieces: Sequence[Rows]) -> Rows:
    if len(pieces) == 1:
        return pieces[0]
    values = {name: np.concatenate([piece.values[name] for piece in pieces]) for name in pieces[0].values}
    keys = np.concatenate([piece.keys for piece in pieces])
    return Rows(keys, pieces[0].below, np.concatenate([piece.person for piece in pieces]), values)


def keyed(table: Table, codings: Mapping[str, Coding], by: Sequence[str], values: Sequence[str]) -> Iterator[Rows]:
    """Yield the table's rows by the key of `by`, without those whose codes are not known."""
    radixes = [codings[name].radix for name in by]
    for coded in table.coded({name: codings[name] for name in (*by, *values)}):
        if not coded.known:
            known = np.ones(len(coded.person), np.bool_)
            for name, radix in zip(by, radixes, strict=True):
                known &= coded.codes[name] < radix
            codes = {name: column[known] for name, column in coded.codes.items()}
            coded = Coded(coded.person[known], codes)  # noqa: PLW2901
        keys, below = keys_of([coded.codes[name] for name in by], radixes, len(coded.person))
        yield Rows(keys, below, coded.person, {name: coded.codes[name] for name in values})


class Standing:
    """The smallest class of each person, and its size in the population where that is known."""

    def __init__(self, persons: int) -> None:
        self.smallest = np.full(persons, np.iinfo(np.uint32).max, np.uint32)
        self.rarest = self.smallest.copy()
        self.classes = 0

    def add(self, found: Classes, population: Counts | None) -> None:
        """Take in the classes of a bucket."""
        self.classes += len(found.keys)
        lower(self.smallest, found.begins, found.person, found.sizes)
        if population is not None:
            lower(self.rarest, found.begins, found.person, population)


def outlined(table: Table, policy: Policy) -> Outline:
    """Return the few numbers by which steps are compared."""
    by = [column.name for column in quasi(Schema("", tuple(table.columns.values())))]
    if table.persons == 0:
        return Outline(0, 0.0, 0.0)
    codings, found = table.codings(), Standing(table.persons)
    rows = joined(list(keyed(table, codings, by, ())))
    found.add(classes(rows.keys, rows.below, rows.person, table.persons), None)
    small = float((found.smallest < policy.min_k).mean())
    return Outline(int(found.smallest.min()), small, float((1.0 / found.smallest).mean()))
