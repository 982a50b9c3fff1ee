"""A question's rows are made of one person at a time: nobody else's rows, and no cut between batches, changes them."""

import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvelv.kernel.errors import Unavailable
from hvelv.privacy.adapters.aggregate import totals
from hvelv.privacy.adapters.frames import rows
from hvelv.privacy.domain.checking import Key
from hvelv.privacy.domain.measuring import ROWS, Cells
from hvelv.privacy.domain.schema import PSEUDONYM
from tests.builders_events import PEOPLE, WALKERS, frame_of, questions, wide_of, write
from tests.plain_frames import rows_of

FEW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
LINKED = questions().filter(lambda question: not frame_of(question).is_plain)


def rows_by_person(people, frame, *, size=0, wide=False):
    """Return each person's rows, as the engine reads them from files."""
    names = [column.name for column in frame.schema.columns]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for piece in rows(write(Path(folder), people, wide=wide), frame, names, size=size):
            for row in piece.to_pylist():
                found.setdefault(row.pop(PSEUDONYM), []).append(row)
    return found


@pytest.mark.attack("DP11")
@pytest.mark.attack("DP14")
@FEW
@given(PEOPLE, LINKED)
def test_rows_are_what_a_plain_loop_over_each_person_says(people, question):
    frame = frame_of(question)
    expected = {pid: own for pid in people if (own := rows_of(people[pid], question, frame))}

    assert rows_by_person(people, frame) == expected


@FEW
@given(WALKERS, questions(("steps", "paths"), links=0))
def test_a_persons_steps_and_path_are_the_events_in_time(people, question):
    frame = frame_of(question)
    expected = {pid: own for pid in people if (own := rows_of(people[pid], question, frame))}

    assert rows_by_person(people, frame) == expected


@pytest.mark.attack("DP11")
@FEW
@given(PEOPLE, LINKED, st.sampled_from([1, 2, 7]), st.booleans())
def test_no_cut_between_batches_and_no_form_of_pseudonym_changes_a_row(people, question, size, wide):
    frame = frame_of(question)
    whole = rows_by_person(people, frame)

    cut = rows_by_person(people, frame, size=size, wide=wide)

    assert cut == ({wide_of(pid): own for pid, own in whole.items()} if wide else whole)


@pytest.mark.attack("DP11")
@pytest.mark.attack("DP14")
@FEW
@given(PEOPLE, LINKED, st.data(), st.sampled_from([0, 1, 2]), st.booleans())
def test_a_person_out_of_all_tables_changes_nobody_elses_rows(people, question, data, size, wide):
    frame, away = frame_of(question), data.draw(st.sampled_from(sorted(people)))
    without = {pid: own for pid, own in people.items() if pid != away}

    before = rows_by_person(people, frame, size=size, wide=wide)
    before.pop(wide_of(away) if wide else away, None)

    assert rows_by_person(without, frame, size=size, wide=wide) == before


@pytest.mark.attack("DP11")
@pytest.mark.attack("DP14")
@FEW
@given(PEOPLE, questions(), st.data(), st.integers(1, 3), st.integers(1, 3))
def test_a_person_out_of_all_tables_moves_no_cell_further_than_the_bound(people, question, data, max_rows, max_groups):
    frame, away = frame_of(question), data.draw(st.sampled_from(sorted(people)))
    coded = [column for column in frame.schema.columns if column.keys]
    keys = (
        data.draw(st.lists(st.sampled_from(coded), max_size=2, unique_by=lambda column: column.name)) if coded else []
    )
    ask = Cells(tuple(Key(column, codes=column.keys) for column in keys), (ROWS,), max_rows, max_groups)

    moved = cells(people, frame, ask) - cells({pid: own for pid, own in people.items() if pid != away}, frame, ask)

    assert np.abs(moved).max() <= max_rows
    assert np.count_nonzero(moved) <= max_groups
    alone = cells({away: people[away]}, frame, ask)
    assert (moved == alone).all()


def cells(people, frame, ask):
    with tempfile.TemporaryDirectory() as folder:
        return np.array(totals(write(Path(folder), people), frame, ask, batch=2)[0])


ONE = {"code": "b", "day": date(2000, 1, 1), "until": date(2000, 1, 1), "amount": 1.0, "n": 1, "urgent": True}
PERSON_ROW = {"sex": "f", "born": date(1950, 1, 1), "died": None, "ward": 1, "weight": 70.0, "sick": True}
VISITS = {
    "dataset": "persons",
    "links": [
        {
            "table": "events",
            "columns": [
                {"kind": "any", "name": "x1"},
                {"kind": "sum", "name": "x2", "column": "n", "low": 2, "high": 10},
                {"kind": "last", "name": "x3", "column": "day"},
            ],
        }
    ],
}


@pytest.mark.attack("DP14")
@pytest.mark.parametrize("files", ["no rows", "no files"])
@pytest.mark.parametrize("wide", [False, True])
def test_an_empty_table_that_is_linked_looks_like_a_person_without_rows_there(tmp_path, files, wide):
    frame = frame_of(VISITS)
    sources = write(tmp_path, {7: {"persons": [PERSON_ROW], "events": []}}, wide=wide)
    if files == "no files":
        sources["events"] = []

    (piece,) = rows(sources, frame, ["x1", "x2", "x3"])

    assert [row | {PSEUDONYM: 7} for row in piece.to_pylist()] == [{PSEUDONYM: 7, "x1": False, "x2": 2, "x3": None}]


@pytest.mark.attack("DP14")
@pytest.mark.parametrize("number", [2**31 - 1, -(2**31), -719_163, 2_932_897])
def test_a_date_that_no_calendar_has_is_a_missing_one(tmp_path, number):
    parts = [
        {"kind": "days", "name": "x1", "start": "born", "end": "died", "high": 10},
        {"kind": "days", "name": "x2", "start": "died", "end": "born", "high": 10, "unit": "months"},
        {"kind": "date", "name": "x3", "column": "died", "part": "weekday"},
        {"kind": "flag", "name": "x4", "column": "died", "op": ">", "value": "1900-01-01"},
    ]
    sources = write(tmp_path, {7: {"persons": [PERSON_ROW], "events": []}})
    table = pq.read_table(sources["persons"][0])
    there = table.schema.get_field_index("died")
    pq.write_table(
        table.set_column(there, "died", pa.array([number], pa.int32()).cast(pa.date32())), sources["persons"][0]
    )

    (piece,) = rows(sources, frame_of({"dataset": "persons", "derive": parts}), ["x1", "x2", "x3", "x4"])

    assert piece.drop_columns([PSEUDONYM]).to_pylist() == [{"x1": None, "x2": None, "x3": None, "x4": False}]


@pytest.mark.attack("DP11")
def test_a_person_with_a_thousand_events_is_one_person(tmp_path):
    people = {pid: {"persons": [PERSON_ROW], "events": [ONE] * (1000 if pid == 2 else 1)} for pid in (1, 2, 3)}
    found = rows_by_person(people, frame_of(VISITS), size=7)

    assert {pid: [row["x2"] for row in own] for pid, own in found.items()} == {1: [2], 2: [10], 3: [2]}


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("table", ["persons", "events"])
@pytest.mark.parametrize("size", [1, 2, 0])
def test_linked_tables_in_another_order_are_refused(tmp_path, wide, table, size):
    people = {pid: {"persons": [PERSON_ROW], "events": [ONE]} for pid in (1, 2, 3)}
    sources = write(tmp_path, people, wide=wide)
    pq.write_table(pq.read_table(sources[table][0]).take([0, 2, 1]), sources[table][0])

    with pytest.raises(Unavailable):
        list(rows(sources, frame_of(VISITS), ["x1"], size=size))
