"""Extract parts for measuring risk, and a slow model in plain Python of what is measured."""

import itertools
import math
from collections import Counter, defaultdict

import polars as pl

from hvelv.privacy.adapters.risk import PolarsMeasurer
from hvelv.privacy.domain.risk import Policy
from hvelv.privacy.domain.schema import Column, Schema

POLICY = Policy()
PERSONS = Schema(
    "persons",
    (
        Column("age", "integer", "quasi_identifier", low=0, high=110, unit="år"),
        Column("sex", "string", "quasi_identifier", categories=("f", "m")),
        Column("place", "string", "quasi_identifier"),
        Column("day", "date", "date"),
        Column("code", "string", "sensitive"),
        Column("value", "decimal", "sensitive", low=0, high=100, step=0.5),
        Column("note", "string", "attribute"),
    ),
)
TYPES = {
    "age": pl.Int64,
    "sex": pl.String,
    "place": pl.String,
    "day": pl.Date,
    "code": pl.String,
    "value": pl.Float64,
    "note": pl.String,
}


def a_schema(*names):
    """Return the schema of some of the columns."""
    return Schema("persons", tuple(c for c in PERSONS.columns if c.name in names))


def some_parts(folder, rows, cuts=()):
    """Write rows (dicts with `pid`) as parts, sorted by person; each of `cuts` begins a part at that person."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = sorted(rows, key=lambda row: row["pid"])
    names = [name for name in TYPES if rows and name in rows[0]]
    layout = {"pid": pl.UInt64} | {name: TYPES[name] for name in names}
    edges = [0, *sorted(cuts), 2**64]
    parts = []
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        path = folder / f"{number}.parquet"
        pl.DataFrame([row for row in rows if low <= row["pid"] < high], schema=layout).write_parquet(path)
        parts.append(path)
    return parts


def measured(folder, rows, schema=PERSONS, *, cuts=(), policy=POLICY, extra=None, population=None):
    """Return the report on `rows`."""
    measurer, gathered = PolarsMeasurer(), folder / "gathered"
    counted = measurer.gather(some_parts(folder / "parts", rows, cuts), schema, gathered)
    beside = None
    if population is not None:
        beside = folder / "population"
        measurer.gather(some_parts(folder / "all", population), schema, beside)
    return measurer.measure(gathered, schema, policy, counted, extra or {}, population=beside)


class Slow:
    """The same measures, row by row."""

    def __init__(self, rows, quasi):
        self.rows, self.quasi = rows, quasi
        self.persons = {row["pid"] for row in rows}
        self.classes = self.by(quasi)

    def by(self, names):
        found = defaultdict(set)
        for row in self.rows:
            found[tuple(row[name] for name in names)].add(row["pid"])
        return found

    @property
    def smallest(self):
        found = {}
        for members in self.classes.values():
            for person in members:
                found[person] = min(found.get(person, math.inf), len(members))
        return found

    def below(self, limit):
        return sum(size < limit for size in self.smallest.values())

    def alone(self, names):
        return len({next(iter(members)) for members in self.by(names).values() if len(members) == 1})

    def _cells(self, column):
        found = defaultdict(set)
        for row in self.rows:
            found[tuple(row[name] for name in self.quasi), row[column]].add(row["pid"])
        return {cell: len(members) for cell, members in found.items()}

    def sensitive(self, column, *, ordered):
        cells = self._cells(column)
        values = sorted({value for _key, value in cells}, key=lambda v: (v is not None, v))
        whole = Counter()
        for (_key, value), count in cells.items():
            whole[value] += count
        total = sum(whole.values())
        distinct, entropy, distance, exposed = math.inf, math.inf, 0.0, set()
        for key, members in self.classes.items():
            own = {value: cells.get((key, value), 0) for value in values}
            size = sum(own.values())
            shares = [own[v] / size for v in values]
            distinct = min(distinct, sum(s > 0 for s in shares))
            entropy = min(entropy, math.exp(-sum(s * math.log(s) for s in shares if s)))
            gaps = [own[v] / size - whole[v] / total for v in values]
            moved = sum(abs(g) for g in gaps) / 2
            if ordered:
                moved = sum(abs(a) for a in itertools.accumulate(gaps)) / max(len(values) - 1, 1)
            distance = max(distance, moved)
            if sum(s > 0 for s in shares) == 1:
                exposed |= members
        return distinct, entropy, distance, len(exposed)
