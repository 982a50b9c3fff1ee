"""Steps and paths of registers that say when by days from some beginning, as the demo's do."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.adapters.frames import rows
from hvelv.privacy.domain.framing import framed
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.domain.source import Asked

SCHEMA = Schema(
    "events",
    (
        Column("code", "string", "attribute", categories=("a", "b", "c")),
        Column("days", "integer", "attribute", low=-100, high=1000),
        Column("weight", "decimal", "attribute", low=0, high=100, step=0.5),
    ),
)


def frame_of(at="days", **how):
    of = {"kind": "steps", "event": "code", "at": at, "high": 300} | how
    frame, checker = framed(Asked.model_validate({"dataset": "events", "of": of}, strict=False), {"events": SCHEMA})
    checker.done()
    return frame


def made(folder, frame, events):
    pids = [pid for pid, _code, _day in events]
    table = pa.table(
        {"pid": pids, "code": [e[1] for e in events], "days": pa.array([e[2] for e in events], pa.int64())}
    )
    pq.write_table(table, folder / "events.parquet")
    names = [column.name for column in frame.schema.columns]
    return [row for piece in rows({"events": [folder / "events.parquet"]}, frame, names) for row in piece.to_pylist()]


EVENTS = [
    ("p1", "b", 40),
    ("p1", "a", -60),
    ("p1", "c", 900),
    ("p1", "a", None),
    ("p2", "c", 5),
    ("p3", "b", 2**62),
    ("p3", "a", -(2**62)),
]


def test_steps_are_counted_in_days_and_held_within_the_bound(tmp_path):
    found = [(row["pid"], row["from"], row["to"], row["days"]) for row in made(tmp_path, frame_of(), EVENTS)]
    assert found[:2] == [("p1", "a", "b", 100), ("p1", "b", "c", 300)]
    assert [row[:3] for row in found[2:]] == [("p3", "a", "b")]  # absurd days: held within the bound, whatever it is
    assert 0 <= found[2][3] <= 300


def test_paths_are_in_the_order_of_the_days(tmp_path):
    of = {"kind": "paths", "event": "code", "at": "days", "length": 2}
    frame, checker = framed(Asked.model_validate({"dataset": "events", "of": of}, strict=False), {"events": SCHEMA})
    checker.done()
    found = {row["pid"]: row["path"] for row in made(tmp_path, frame, EVENTS)}
    assert found == {"p1": "a > b", "p2": "c", "p3": "a > b"}


@pytest.mark.parametrize("at", ["code", "weight"])
def test_what_is_no_day_cannot_tell_when(at):
    with pytest.raises(Invalid):
        frame_of(at)
