"""Two linked tables, persons and events, as extracts: whole persons, their questions, and their files."""

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from hvelv.privacy.domain.checking import scale_of
from hvelv.privacy.domain.framing import framed
from hvelv.privacy.domain.schema import PSEUDONYM, Column, Schema
from hvelv.privacy.domain.source import Asked

PERSONS = Schema(
    "persons",
    (
        Column("sex", "string", "attribute", categories=("f", "m")),
        Column("born", "date", "date"),
        Column("died", "date", "date"),
        Column("ward", "integer", "attribute", low=1, high=9, categories=(1, 2, 3)),
        Column("weight", "decimal", "sensitive", low=0, high=200, step=0.5),
        Column("sick", "boolean", "sensitive"),
    ),
)
EVENTS = Schema(
    "events",
    (
        Column("code", "string", "sensitive", categories=("a1", "a2", "b")),
        Column("day", "date", "date"),
        Column("until", "date", "date"),
        Column("amount", "decimal", "sensitive", low=-10, high=50, step=0.1),
        Column("n", "integer", "attribute", low=0, high=20),
        Column("urgent", "boolean", "attribute"),
    ),
)
SCHEMAS = {"persons": PERSONS, "events": EVENTS}
ARROW = {
    "string": pa.string(), "date": pa.date32(), "integer": pa.int64(), "decimal": pa.float64(), "boolean": pa.bool_(),
}  # fmt: skip
NAN, INF = float("nan"), float("inf")
DAYS = st.sampled_from(
    [None, date.min, date.max, date(1969, 12, 31), date(2000, 2, 29), date(2001, 2, 28), date(2001, 2, 28), date(2001, 3, 1)]
)  # fmt: skip
NUMBERS = st.sampled_from([None, NAN, INF, -INF, -0.0, 0.05, 0.25, 7.0, 12.3, 49.95, 200.0, 1e300, -1e300, 5e-324])
WHOLE = st.sampled_from([None, -5, 0, 1, 2, 3, 20, 2**40, -(2**62)])
TRUTH = st.sampled_from([None, True, False])
ROWS = {
    "persons": st.fixed_dictionaries(
        {
            "sex": st.sampled_from(["f", "m", "x", None]),
            "born": DAYS,
            "died": DAYS,
            "ward": WHOLE,
            "weight": NUMBERS,
            "sick": TRUTH,
        }
    ),
    "events": st.fixed_dictionaries(
        {
            "code": st.sampled_from(["a1", "a2", "b", "ø", None]),
            "day": DAYS,
            "until": DAYS,
            "amount": NUMBERS,
            "n": WHOLE,
            "urgent": TRUTH,
        }
    ),
}
PID = st.sampled_from([0, 1, 2, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1])
PERSON = st.fixed_dictionaries(
    {"persons": st.lists(ROWS["persons"], max_size=2), "events": st.lists(ROWS["events"], max_size=5)}
)
PEOPLE = st.dictionaries(PID, PERSON, min_size=1, max_size=6)
EVENT = st.fixed_dictionaries(
    {"code": st.sampled_from(["a1", "b"]), "day": DAYS, "until": DAYS, "amount": NUMBERS, "n": WHOLE, "urgent": TRUTH}
)
WALKERS = st.dictionaries(
    PID,
    st.fixed_dictionaries({"persons": st.just([]), "events": st.lists(EVENT, min_size=2, max_size=5)}),
    min_size=1,
    max_size=4,
)


def write(folder: Path, people, *, wide=False):
    """Write both tables, sorted by person; wide: with pseudonyms of 16 bytes, in the same order. Return the files."""
    found = {}
    for table, schema in SCHEMAS.items():
        rows = [{PSEUDONYM: pid} | row for pid in sorted(people) for row in people[pid][table]]
        layout = [(PSEUDONYM, pa.uint64())] + [(c.name, ARROW[c.type]) for c in schema.columns]
        made = pa.Table.from_pylist(rows, pa.schema(layout))
        if wide:
            pids = [wide_of(row[PSEUDONYM]) for row in rows]
            made = made.set_column(0, PSEUDONYM, pa.array(pids, pa.binary(16)))
        path = folder / f"{table}.parquet"
        pq.write_table(made, path, row_group_size=3)
        found[table] = [path]
    return found


def wide_of(pid: int) -> bytes:
    """Return 16 bytes in the order of `pid`, of which two persons share the first eight."""
    return (pid // 2).to_bytes(8, "big") + pid.to_bytes(8, "big")


# questions ---------------------------------------------------------------------------------------------------------
def edges_of(column: Column, bins: int = 3):
    scale = scale_of(column)
    units = int((scale.high - scale.low) / scale.step)
    width = max(1, units // bins)
    return [float(scale.low + scale.step * min(u, units)) for u in [*range(0, units, width), units]]


def derived_of(columns):
    """Yield columns that can be made, without their names."""
    dates = [c.name for c in columns if c.type == "date"]
    truths = [c.name for c in columns if c.type == "boolean"]
    numbers = [c for c in columns if scale_of(c) and c.low < c.high]
    for name in dates:
        yield from ({"kind": "date", "column": name, "part": part} for part in ("month", "weekday"))
        yield {"kind": "date", "column": name, "part": "year", "low": 1990, "high": 2010}
        for other in dates:
            yield {"kind": "days", "start": name, "end": other, "high": 730, "low": -40}
            yield {"kind": "days", "start": name, "end": other, "high": 50, "unit": "months"}
            yield {"kind": "days", "start": name, "end": other, "high": 5, "low": -5, "unit": "years"}
    if truths:
        yield from ({"kind": "logic", "op": op, "columns": truths[:8]} for op in ("all", "any", "none"))
    for column in numbers:
        yield {"kind": "band", "column": column.name, "edges": edges_of(column)}
        if column.high < 1_000:
            yield from ({"kind": "arithmetic", "op": op, "left": column.name, "right": numbers[0].name} for op in "+-*")
    for column in columns:
        yield from ({"kind": "flag"} | condition for condition in conditions_of(column))
        codes = [code for code in (column.keys or ())[:30] if column.type != "boolean"]
        if len(codes) > 1:
            yield {"kind": "group", "column": column.name, "groups": [codes[1:2], codes[:1]]}
        if column.type == "string":
            yield {"kind": "prefix", "column": column.name, "length": 1}


def conditions_of(column: Column):
    """Yield filters on a column."""
    if column.type == "date":
        yield {"column": column.name, "op": ">=", "value": "2000-02-29"}
        yield {"column": column.name, "op": "in", "value": ["2001-02-28", "1969-12-31"]}
    elif column.type == "boolean":
        yield {"column": column.name, "op": "!=", "value": True}
    elif column.keys:
        yield {"column": column.name, "op": "!=", "value": column.keys[0]}
        yield {"column": column.name, "op": "in", "value": list(column.keys[:2])}
    elif column.type in {"integer", "decimal"}:
        yield from ({"column": column.name, "op": op, "value": 2} for op in ("<", ">=", "!="))


def summaries_of(columns):
    """Yield columns that can be made of a person's rows, without their names."""
    yield {"kind": "count", "high": 3}
    yield {"kind": "any"}
    for column in columns:
        yield {"kind": "value", "column": column.name}
        if column.type == "date":
            yield from ({"kind": kind, "column": column.name} for kind in ("first", "last"))
        elif scale_of(column):
            yield from ({"kind": kind, "column": column.name} for kind in ("min", "max"))
            if column.name in {"n", "ward", "amount", "weight"}:
                yield {"kind": "sum", "column": column.name, "low": 1, "high": 30}
                yield {"kind": "sum", "column": column.name, "low": -20, "high": 100}


class _Names:
    def __init__(self) -> None:
        self.given = 0

    def name(self, how):
        self.given += 1
        return how | {"name": f"x{self.given}"}


def _some(draw, items, most):
    items = list(items)
    return draw(st.lists(st.sampled_from(items), max_size=most)) if items else []


def _row_steps(draw, names, columns_after, most=2):
    """Draw derived columns, one after the other, and filters."""
    derive, where = [], []
    for _one in range(draw(st.integers(0, most))):
        derive.append(names.name(draw(st.sampled_from(list(derived_of(columns_after(derive)))))))
    where = _some(draw, (c for column in columns_after(derive) for c in conditions_of(column)), 1)
    return {"derive": derive, "where": where}


def _reduction(draw, names, table, wrap):
    """Draw a reduction of a table. `wrap` puts it in a question, whose frame knows the columns."""

    def after(derive):
        probe = wrap({"derive": derive, "where": [], "columns": [{"kind": "any", "name": "x99"}]})
        return [*SCHEMAS[table].columns, *(made.column for made in probe.made)]

    part = _row_steps(draw, names, after)
    columns = draw(
        st.lists(st.sampled_from(list(summaries_of(after(part["derive"])))), min_size=1, max_size=3, unique_by=str)
    )
    return part | {"columns": [names.name(how) for how in columns]}


def frame_of(document):
    """Return the frame of a question. Raises `Invalid`."""
    found, checker = framed(Asked.model_validate_json(json.dumps(document)), SCHEMAS)
    checker.done()
    return found


@st.composite
def questions(draw, kinds=("rows", "people", "steps", "paths"), links=2):
    """Draw where rows come from."""
    names, table = _Names(), draw(st.sampled_from(sorted(SCHEMAS)))
    kind = draw(st.sampled_from(kinds))
    question = {"dataset": "events" if kind in {"steps", "paths"} else table}
    if kind == "people":
        part = _reduction(draw, names, table, lambda p: frame_of(question | {"of": {"kind": "people"} | p}).of)
        question["of"] = {"kind": "people"} | part
    elif kind != "rows":
        shape = {"high": 365, "end": draw(st.booleans())} if kind == "steps" else {
            "length": draw(st.integers(2, 3)), "distinct": draw(st.booleans()),
        }  # fmt: skip
        walk = {"kind": kind, "event": "code", "at": "day"} | shape

        def after(derive):
            return [
                *EVENTS.columns,
                *(m.column for m in frame_of(question | {"of": walk | {"derive": derive}}).of.made),
            ]

        question["of"] = walk | _row_steps(draw, names, after)
    question["links"] = []
    for _one in range(draw(st.integers(0, links))):
        other = draw(st.sampled_from(sorted(SCHEMAS)))
        link = _reduction(
            draw, names, other, lambda p, t=other: frame_of(question | {"links": [{"table": t} | p]}).links[-1]
        )
        question["links"].append({"table": other} | link)
    last = _row_steps(draw, names, lambda derive: frame_of(question | {"derive": derive}).schema.columns)
    return question | last
