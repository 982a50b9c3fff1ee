"""Two persons whose pseudonyms begin alike: all tables of the run show 16 bytes, and everybody stays one person."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hvelv.privacy.adapters import spreading
from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.domain.permission import PermittedTable
from hvelv.privacy.service.extraction import Wanted
from tests.builders_privacy import ASKED, PROJECT, PURPOSE, a_person_number, a_source, a_world, labs_schema, some_rows

FEW_BITS = np.uint64(0xF << 60)


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(spreading, "PART_ROWS", 16)
    world = a_world(f"sqlite:///{tmp_path / 'test.sqlite'}", tmp_path)
    world.open_project()
    yield world
    world.database.close()


@pytest.fixture
def alike(monkeypatch):
    """Leave four bits of the first half of each pseudonym, so that many begin alike."""
    real = PersonCipher.blocks

    def blocks(self, ids, into=None):
        found = real(self, ids, into)
        found[:, 0] &= FEW_BITS
        return found

    monkeypatch.setattr(PersonCipher, "blocks", blocks)


def prepared(world, *tables):
    """Return what is prepared of tables of the laboratory, each with its rows."""
    wanted = [
        Wanted(PermittedTable(ASKED.dataset, f"t{i}", "v", ("sex", "age")), labs_schema(), a_source(world.folder / f"{i}.parquet", rows))
        for i, rows in enumerate(tables)
    ]  # fmt: skip
    seen = world.desk.optouts.look([ASKED], PURPOSE)
    made = world.desk.extraction.prepare(PROJECT, wanted, seen, world.folder / "work", told=lambda _done, _of: None)
    return [pa.concat_tables([pq.read_table(part.path) for part in one.parts]) for one in made], made


def test_without_a_collision_pseudonyms_have_eight_bytes(world):
    (table,), _made = prepared(world, some_rows(30))

    assert table.column("pid").type == pa.uint64()


def test_with_one_all_tables_have_sixteen_and_everybody_is_one_person_still(world, alike):
    (one, other), made = prepared(world, some_rows(30), some_rows(50))

    assert {one.column("pid").type, other.column("pid").type} == {pa.binary(16)}
    assert [len(set(table.column("pid").to_pylist())) for table in (one, other)] == [30, 50]
    assert [each.persons for each in made] == [30, 50]
    assert set(one.column("pid").to_pylist()) < set(other.column("pid").to_pylist())
    for table in (one, other):
        pids = table.column("pid").to_pylist()
        assert pids == sorted(pids)


def test_a_collision_between_two_tables_is_seen_though_neither_has_one(world, alike):
    """One person in each table: the two begin alike in one of sixteen ways."""
    first = [some_rows(1, each=1)]
    numbers = pa.array([a_person_number(n) for n in range(200)])
    with world.database.reading():
        cipher = PersonCipher(world.desk.keys.project(PROJECT).persons)
    begins = cipher.blocks(numbers)[:, 0]
    twin = next(n for n in range(1, 200) if begins[n] == begins[0])
    second = [row | {"person_number": a_person_number(twin)} for row in first[0]]

    tables, _made = prepared(world, first[0], second)

    assert {table.column("pid").type for table in tables} == {pa.binary(16)}
    assert tables[0].column("pid").to_pylist() != tables[1].column("pid").to_pylist()
