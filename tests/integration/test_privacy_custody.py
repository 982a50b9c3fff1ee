"""Keys, objections, published extracts and jobs, on both databases."""

from dataclasses import replace
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from hvelv.kernel.errors import Denied, NotPossible, Unavailable
from hvelv.privacy.service.jobs import JobState
from hvelv.privacy.service.keys import project_key
from tests.builders_privacy import (
    ASKED,
    DATASET,
    PERSON,
    PROJECT,
    PURPOSE,
    a_person_number,
    a_working_world,
    a_world,
    some_rows,
)


@pytest.fixture
def world(database_url, tmp_path):
    world = a_world(database_url, tmp_path)
    world.open_project()
    with world.database.transaction() as unit:
        world.desk.accounts.open_account(unit, "another", "Et annet", 10_000, "steward")
    yield world
    world.database.close()


def some_persons():
    """Return how many people are in the source."""
    return len({row["person_number"] for row in some_rows()})


def everything_in(world):
    """Return all text in all of privacy's and the audit's tables."""
    with world.database.reading() as session:
        names = [name for name in world.database.metadata.tables if name.startswith(("privacy_", "audit_"))]
        return "".join(str(session.execute(text(f"SELECT * FROM {name}")).all()) for name in names)  # noqa: S608


def objection(number, **changes):
    return {"person_number": a_person_number(number), "scope": "all", "since": "2026-01-01"} | changes


def test_a_projects_key_is_made_once_and_kept_wrapped(world):
    key = world.desk.keys.opened(project_key(PROJECT))

    world.open_project()

    assert world.desk.keys.opened(project_key(PROJECT)) == key
    assert len(key) == 32
    assert key.hex() not in everything_in(world)
    assert world.actions().count("key.made") == 3  # for persons, date shifts and codes


def test_a_destroyed_key_is_gone_for_good(world):
    with world.database.transaction() as unit:
        world.desk.projects.end(unit, PROJECT, 0, "office")

    with pytest.raises(NotPossible):
        world.desk.keys.opened(project_key(PROJECT))
    world.open_project()
    with pytest.raises(NotPossible):
        world.desk.keys.opened(project_key(PROJECT))
    assert "key.destroying" in world.actions()
    assert world.desk.destructions.finish() == 1
    assert "key.destroyed" in world.actions()


def test_a_rolled_back_permit_leaves_no_key_and_no_allocation(world):
    with pytest.raises(RuntimeError), world.database.transaction() as unit:
        world.desk.projects.open(unit, "p-two", {DATASET: 10}, "office")
        raise RuntimeError

    assert world.desk.accounts.allocations("p-two") == []
    with pytest.raises(NotPossible):
        world.desk.keys.opened(project_key("p-two"))


def test_who_objected_is_in_no_extract_from_the_day_it_holds(world):
    world.desk.optouts.take_in(
        [objection(1), objection(2, scope=DATASET), objection(3, scope="another"), objection(4, since="2030-01-01")],
        "registrar",
    )

    extract = world.provision(rows=some_rows(10))

    assert extract.persons == 8


CHANGES = {
    "somebody objects": {"number": 2},
    "somebody objects to this dataset": {"number": 2, "scope": DATASET},
    "an objection is moved earlier": {"number": 3, "since": "2026-01-02"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_published_that_was_made_with_objections_as_they_no_longer_are(world, change):
    world.desk.optouts.take_in([objection(1), objection(3, since="2026-12-01")], "registrar")
    look = world.desk.optouts.look
    take_in = world.desk.optouts.take_in
    with patch.object(world.desk.optouts, "look", lambda *asked: (look(*asked), take_in([new], "registrar"))[0]):
        new = objection(**CHANGES[change])
        with pytest.raises(Unavailable):
            world.provision()

    assert world.desk.extracts.all(PROJECT) == []
    assert world.provision().persons == some_persons() - 2


def test_an_extract_is_published_once_and_never_replaced(world):
    extract = world.provision()
    seen = world.desk.optouts.look([ASKED], PURPOSE)

    world.desk.extracts.publish([extract], seen, "provision")
    with pytest.raises(NotPossible):
        world.desk.extracts.publish([replace(extract, sha256="0" * 64)], seen, "provision")
    assert world.desk.extracts.all(PROJECT) == [extract]
    assert world.actions().count("extract.published") == 1


def test_a_new_generation_withdraws_the_earlier_one_and_its_local_copies(world):
    old = world.provision()
    (copy,) = world.desk.extracts.paths(old)
    world.desk.optouts.take_in([objection(1)], "registrar")

    new = world.provision()

    assert new.generation == old.generation + 1
    assert new.persons == old.persons - 1
    assert [e.generation for e in world.desk.extracts.in_use(PROJECT)] == [new.generation]
    assert world.desk.extracts.all(PROJECT)[1].withdrawn_at is not None
    assert world.desk.extracts.current(world.permits.permission(PROJECT, PERSON), "labs") == new
    assert world.actions().count("extract.withdrawn") == 1
    assert [part.name for part in world.desk.extracts.superseded(PROJECT)] == [part.name for part in old.parts]
    assert not copy.exists()
    with pytest.raises(NotPossible):
        world.desk.extracts.handed_out(world.permits.permission(PROJECT, PERSON), "labs", old.parts[0].sha256)


def test_a_session_gets_the_extracts_own_bytes_and_it_is_written_down(world):
    extract = world.provision()
    permission = world.permits.permission(PROJECT, PERSON)

    path = world.desk.extracts.handed_out(permission, "labs", extract.parts[0].sha256)

    assert pq.read_table(path).num_rows == extract.rows
    assert world.actions()[-1] == "extract.read"


def test_changed_bytes_in_the_store_are_not_used(world):
    extract = world.provision()
    world.store.objects[PROJECT, extract.parts[0].name] += b" "

    with pytest.raises(Unavailable):
        world.desk.extracts.paths(extract)
    assert not list((world.folder / "cache").glob("*"))


def test_a_stranger_gets_nothing(world):
    with pytest.raises(Denied):
        world.desk.releases.quote(PROJECT, "stranger", {}, 1)


def test_a_job_goes_its_way_and_stays_done(world):
    jobs = world.desk.jobs
    with world.database.transaction() as unit:
        jobs.queue(unit, "job-1", "provision", PROJECT)
        jobs.queue(unit, "job-1", "provision", PROJECT)

    assert [job.id for job in jobs.unfinished()] == ["job-1"]
    assert jobs.started("job-1", 4).attempts == 1
    assert jobs.advanced("job-1", 2, "Leser").step == 2
    assert jobs.failed("job-1", "Lageret svarer ikke").state is JobState.FAILED
    assert jobs.again("job-1").state is JobState.QUEUED
    assert jobs.started("job-1", 4).attempts == 2
    assert jobs.done("job-1").state is JobState.DONE
    assert jobs.advanced("job-1", 1, "for sent").state is JobState.DONE
    assert jobs.unfinished() == []
    assert jobs.newest(PROJECT) == jobs.job("job-1")


def test_the_way_from_source_to_answer(database_url, tmp_path):
    world = a_working_world(database_url, tmp_path)

    answer = world.release(by=[], max_rows=3)

    assert len(answer["rows"]) == 1
    world.database.close()
