"""One person in or out of all tables changes one block, and what it can say is bounded."""

import math
import struct
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvelv.privacy.adapters.blocks import SamplingAggregator, dealt
from hvelv.privacy.domain.methods import blocks as method_blocks
from hvelv.privacy.domain.questions import query_from
from hvelv.privacy.domain.schema import Column, Schema
from tests.builders_blocks import HereRunner

PERSONS = Schema(
    "persons",
    (
        Column("age", "integer", "attribute", low=0, high=100),
        Column("sex", "string", "attribute", categories=("f", "m")),
        Column("born", "date", "date"),
    ),
)
VISITS = Schema("visits", (Column("cost", "decimal", "attribute", low=0, high=100, step=0.5),))
SCHEMAS = {"persons": PERSONS, "visits": VISITS}
TEXT = "def estimate(frame):\n    return [frame.to_numpy(dtype=float, na_value=0).sum() * 1e3, len(frame)]\n"
LINK = {"table": "visits", "columns": [{"kind": "sum", "name": "x1", "column": "cost", "low": 0, "high": 50}]}
KEY = bytes(range(32))
odd = st.one_of(st.none(), st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1e308]))
person = st.tuples(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(-5, 200)), st.sampled_from(["f", "m", "?", None]), st.one_of(st.none(), st.integers(-9999, 20_000))), min_size=1, max_size=4),
    st.lists(odd, max_size=4),
)  # fmt: skip


def written(folder, people):
    rows = [(pid, *row) for pid, (own, _visits) in sorted(people.items()) for row in own]
    visits = [(pid, cost) for pid, (_own, costs) in sorted(people.items()) for cost in costs]
    first = {"pid": pa.uint64(), "age": pa.int64(), "sex": pa.string(), "born": pa.int32()}
    columns = list(zip(*rows, strict=True)) or [()] * 4
    table = pa.table({n: pa.array(c, t) for (n, t), c in zip(first.items(), columns, strict=True)})
    table = table.set_column(3, "born", table["born"].cast(pa.date32()))
    pq.write_table(table, folder / "persons.parquet", row_group_size=3)
    second = list(zip(*visits, strict=True)) or [(), ()]
    pq.write_table(
        pa.table({"pid": pa.array(second[0], pa.uint64()), "cost": pa.array(second[1], pa.float64())}),
        folder / "visits.parquet",
    )
    return {"persons": [folder / "persons.parquet"], "visits": [folder / "visits.parquet"]}


def question(**changes):
    given = {
        "kind": "blocks", "dataset": "persons", "blocks": 50, "max_rows": 2,
        "work": {"kind": "code", "columns": ["age", "born"], "text": TEXT},
        "numbers": [{"low": 0, "high": 10}, {"low": 0, "high": 5}],
    }  # fmt: skip
    return method_blocks.prepare(query_from(given | changes), SCHEMAS)


def blocks_of(people, method, *, batch=0):
    with tempfile.TemporaryDirectory() as folder:
        sources = written(Path(folder), people)
        return list(dealt(sources, method.framed, method.ask, KEY, batch=batch))


@pytest.mark.attack("DP11")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    people=st.dictionaries(st.integers(1, 2**63), person, min_size=1, max_size=12),
    linked=st.booleans(),
    batch=st.sampled_from([0, 1, 3]),
    data=st.data(),
)
def test_a_person_changes_one_block_and_leaves_all_others_as_they_were(people, linked, batch, data):
    columns = ["age", "sex", "born", "x1"] if linked else ["age", "sex", "born"]
    method = question(links=[LINK] if linked else [], work={"kind": "code", "columns": columns, "text": TEXT})
    gone = data.draw(st.sampled_from(sorted(people)))
    with_all = blocks_of(people, method, batch=batch)
    without = blocks_of({pid: rows for pid, rows in people.items() if pid != gone}, method)
    assert len(with_all) == len(without) == 50
    changed = [i for i, (a, b) in enumerate(zip(with_all, without, strict=True)) if a != b]
    assert len(changed) <= 1


@pytest.mark.attack("DP11")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(people=st.dictionaries(st.integers(1, 2**63), person, min_size=1, max_size=12), data=st.data(), said=st.binary(max_size=40) | st.tuples(st.floats(), st.floats()).map(lambda two: struct.pack("<2d", *two)))  # fmt: skip
def test_whatever_a_persons_block_says_the_sums_move_no_more_than_was_said(people, data, said):
    method = question(spread=True)
    gone = data.draw(st.sampled_from(sorted(people)))
    totals = []
    for some in (people, {pid: rows for pid, rows in people.items() if pid != gone}):
        raw = blocks_of(some, method)
        runner, task = HereRunner(), dict(method.ask.task)
        answers = [runner._one(task, block) for block in raw]
        if some is people:
            alone = blocks_of({gone: people[gone]}, method)
            hers = next((i for i, block in enumerate(alone) if block), None)
            if hers is not None:
                answers[hers] = said  # her block may say anything whatever
        totals.append(method.ask.totals(answers))
    for dose, one, other in zip(method.doses(1_000_000), *totals, strict=True):
        assert math.dist(one, other) <= dose.sensitivity


def test_no_block_is_told_what_occurs_in_another_one():
    """The codes that a block gets are the public ones, and no type is guessed from others' values."""
    plain = {pid: ([(40, "f", 0)], []) for pid in range(1, 40)}
    odd = plain | {40: ([(None, "?", None)], [math.nan])}
    method = question(work={"kind": "code", "columns": ["age", "sex", "born"], "text": TEXT})
    changed = [a != b for a, b in zip(blocks_of(plain, method), blocks_of(odd, method), strict=True)]
    assert sum(changed) == 1


def test_all_rows_of_a_person_are_in_one_block_and_only_the_first_ones_count(tmp_path):
    people = {pid: ([(pid, "f", 0)] * 4, []) for pid in range(1, 30)}
    method = question()
    found = [np.frombuffer(raw, "<i8").reshape(3, -1) for raw in blocks_of(people, method)]
    ages = [sorted(block[1].view("<f8").tolist()) for block in found if block.size]
    assert sorted(age for block in ages for age in block) == sorted([float(pid) for pid in people for _ in range(2)])
    assert all(block.count(age) == 2 for block in ages for age in block)


def test_who_is_with_whom_is_drawn_anew_each_time(tmp_path):
    people = {pid: ([(50, "f", 0)], []) for pid in range(1, 30)}
    sources, method, seen = written(tmp_path, people), question(), set()
    for _ in range(2):
        runner = HereRunner()
        SamplingAggregator(None, runner).totals(sources, method.framed, method.ask)
        seen.add(tuple(len(raw) for raw in runner.given))
    assert len(seen) == 2


def test_nobody_is_still_so_many_blocks(tmp_path):
    method = question()
    assert blocks_of({}, method) == [b""] * 50
