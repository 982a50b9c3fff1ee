"""Provisioning: one look at the register for all tables, one publication, and jobs that wait instead of failing."""

import threading
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from hvelv.kernel.errors import Refusal, Unavailable
from hvelv.privacy.domain.permission import Permission, PermittedTable
from hvelv.privacy.domain.rooms import BUCKET
from hvelv.privacy.service.jobs import JobState
from hvelv.requests.domain.permit import PermitState
from hvelv.workflows import provision, reporting
from tests.builders_privacy import PROJECT, VERSION, a_person_number, a_source, a_world, some_rows
from tests.builders_provision import OTHER, PermitOffice, a_permit

PERSONS = len({row["person_number"] for row in some_rows()})


class Declaration:
    """What both tables are declared as."""

    def as_dict(self) -> dict[str, Any]:
        sex = {"name": "sex", "type": "string", "role": "attribute", "categories": [{"code": "f"}, {"code": "m"}]}
        return {"table": "labs", "variables": [{"name": "person_number", "type": "string", "role": "person_id"}, sex]}


@pytest.fixture
def desk(database_url, tmp_path):
    world = a_world(database_url, tmp_path)
    world.open_project()
    with world.database.transaction() as unit:
        world.desk.accounts.open_account(unit, OTHER, "Mer", 1_000, "steward")
        world.desk.jobs.queue(unit, "job-1", "provision", PROJECT)
    world.store.ensure_bucket("vault")
    world.store.put_file("vault", "source", a_source(tmp_path / "source.parquet", some_rows()))
    found = SimpleNamespace(object_name="source", declaration=Declaration())
    yield SimpleNamespace(
        privacy=world.desk, jobs=world.desk.jobs, office=PermitOffice(), clock=world.clock, objects=world.store,
        versions=SimpleNamespace(find=lambda *_: found), database=world.database,
    )  # fmt: skip
    world.database.close()


def run(desk, tmp_path):
    """Do the job as the flow does."""
    try:
        provision.provision_project(desk, "job-1", tmp_path / "work")
    except Unavailable:
        raise
    except Refusal as refusal:
        provision.settle(desk, "job-1", refusal)
    return desk.jobs.job("job-1")


def objecting(desk, number):
    row = {"person_number": a_person_number(number), "scope": "all", "since": "2026-01-01"}
    desk.privacy.optouts.take_in([row], "registrar")


def test_both_tables_are_published_and_the_job_is_done(desk, tmp_path):
    assert run(desk, tmp_path).state is JobState.DONE
    assert [(e.table, e.persons) for e in desk.privacy.extracts.all(PROJECT)] == [("labs", PERSONS), ("more", PERSONS)]


def test_who_objects_between_two_tables_is_in_neither_and_the_job_starts_over(desk, tmp_path):
    real = provision.stored

    def stored(desk, *made):
        if made[4].permitted.table == "more":
            objecting(desk, 3)
        return real(desk, *made)

    with patch.object(provision, "stored", stored), pytest.raises(Unavailable):
        run(desk, tmp_path)
    assert desk.privacy.extracts.all(PROJECT) == []

    assert run(desk, tmp_path).state is JobState.DONE
    assert [e.persons for e in desk.privacy.extracts.all(PROJECT)] == [PERSONS - 1, PERSONS - 1]


@pytest.mark.parametrize("state", [PermitState.ACTIVE, PermitState.SUSPENDED, PermitState.REVOKED])
def test_a_run_killed_between_publishing_and_saying_so_is_done_by_the_next(desk, tmp_path, state):
    with patch.object(type(desk.jobs), "done", side_effect=Unavailable("borte")), pytest.raises(Unavailable):
        run(desk, tmp_path)
    before = desk.privacy.extracts.all(PROJECT)
    objecting(desk, 3)  # made again, the extracts would be others
    desk.office.state = state

    assert run(desk, tmp_path).state is JobState.DONE
    assert desk.privacy.extracts.all(PROJECT) == before


def test_a_job_whose_permit_is_not_yet_valid_waits_and_is_done_then(desk, tmp_path):
    desk.office.permit = a_permit(valid_from="2026-02-01")

    job = run(desk, tmp_path)
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)
    assert "Venter" in job.message

    desk.clock.at = datetime(2026, 2, 1, tzinfo=UTC)
    assert run(desk, tmp_path).state is JobState.DONE


def test_a_job_of_a_suspended_project_waits_also_when_it_was_under_way(desk, tmp_path):
    def suspend(*_):
        desk.office.state = PermitState.SUSPENDED

    with patch.object(desk.objects, "put", suspend):
        assert run(desk, tmp_path).state is JobState.QUEUED
    assert run(desk, tmp_path).state is JobState.QUEUED

    desk.office.state = PermitState.ACTIVE
    assert run(desk, tmp_path).state is JobState.DONE


@pytest.mark.parametrize("state", [PermitState.REVOKED, PermitState.CLOSED, PermitState.EXPIRED])
def test_a_job_whose_permit_will_never_run_again_fails(desk, tmp_path, state):
    desk.office.state = state
    assert run(desk, tmp_path).state is JobState.FAILED


@pytest.mark.parametrize("state", [PermitState.ACTIVE, PermitState.SUSPENDED])
def test_a_job_whose_permits_days_are_over_fails(desk, tmp_path, state):
    desk.office.permit, desk.office.state = a_permit(valid_until=date(2026, 1, 14).isoformat()), state
    assert run(desk, tmp_path).state is JobState.FAILED


def test_the_heart_goes_on_beating_after_a_write_that_failed(desk, monkeypatch):
    monkeypatch.setattr(reporting, "BEAT_SECONDS", 0.01)
    real, beats, enough = desk.jobs.advanced, [], threading.Event()

    def advanced(*args):
        beats.append(1)
        if len(beats) == 1:
            raise OSError("the database is away")
        enough.set()
        return real(*args)

    monkeypatch.setattr(desk.jobs, "advanced", advanced)
    with reporting.reporting(desk.jobs, "job-1"):
        assert enough.wait(10)


def room_of(desk):
    """Return what credentials for the room would reach, and what was published in it."""
    extracts = desk.privacy.extracts.in_use(PROJECT)
    permission = Permission(PROJECT, "kari", 1, (PermittedTable(extracts[0].dataset, extracts[0].table, VERSION, ()),))
    place = desk.privacy.extracts.place(permission)
    reached = desk.objects.names(BUCKET, place)
    return reached, sorted([*(part.name for e in extracts for part in e.parts), place + "manifest.json"])


def test_what_was_stored_with_somebody_who_objected_meanwhile_is_reached_by_nobody(desk, tmp_path):
    """Found by a hostile reader: the next run stored beside it, and the room's credentials reached both."""
    real = provision.publish

    def publish(desk, *rest):
        objecting(desk, 3)
        return real(desk, *rest)

    with patch.object(provision, "publish", publish), pytest.raises(Unavailable):
        run(desk, tmp_path)
    with patch.object(provision, "tidy", lambda *_: None):  # killed before it tidied
        run(desk, tmp_path)
    reached, published = room_of(desk)
    assert reached == published
    assert len(desk.objects.names(BUCKET)) > len(published)

    with desk.database.transaction() as unit:
        desk.jobs.queue(unit, "job-2", "provision", PROJECT)
    provision.provision_project(desk, "job-2", tmp_path / "work")

    assert desk.objects.names(BUCKET) == published


def test_two_runs_of_one_project_do_not_work_at_once(desk, tmp_path):
    with provision.alone(tmp_path / "work", PROJECT), pytest.raises(Unavailable) as refusal:
        run(desk, tmp_path)

    assert refusal.value.code == "not-alone"
    assert desk.jobs.job("job-1").attempts == 0
    assert run(desk, tmp_path).state is JobState.DONE


def test_what_is_not_in_the_room_is_not_published_and_made_again_if_it_gets_lost(desk, tmp_path):
    real = desk.objects.put

    def put(bucket, name, data):
        for stored in [n for n in desk.objects.names(BUCKET) if n.endswith(".parquet")][:1]:
            desk.objects.delete(BUCKET, stored)
        return real(bucket, name, data)

    with patch.object(desk.objects, "put", put), pytest.raises(Unavailable) as refusal:
        run(desk, tmp_path)
    assert refusal.value.code == "store-lacks"
    assert desk.privacy.extracts.all(PROJECT) == []
    assert run(desk, tmp_path).state is JobState.DONE

    lost = desk.privacy.extracts.in_use(PROJECT)[0].parts[0].name
    desk.objects.delete(BUCKET, lost)
    with desk.database.transaction() as unit:
        desk.jobs.queue(unit, "job-2", "provision", PROJECT)
    provision.provision_project(desk, "job-2", tmp_path / "work")

    reached, published = room_of(desk)
    assert reached == published
    assert {e.generation for e in desk.privacy.extracts.in_use(PROJECT)} == {2}


def test_while_a_steward_is_waited_for_no_attempt_counts_and_no_numbers_lie_on_disk(desk, tmp_path):
    desk.office.permit = a_permit(
        datasets=[entry.as_dict() | {"go_ahead": True} for entry in desk.office.permit.datasets]
    )

    for _look in range(6):
        job = run(desk, tmp_path)
        assert (job.state, job.attempts) == (JobState.QUEUED, 0)
        assert not list((tmp_path / "work").rglob("sources/*"))
        assert not list((tmp_path / "work").rglob("registers/*"))
    assert desk.privacy.extracts.all(PROJECT) == []


def test_the_steward_sees_the_risk_against_the_whole_register(desk, tmp_path):
    """The extract has one sex; who only knows that somebody is in the register finds them among both."""
    few = [{"column": "sex", "op": "==", "value": "f"}]
    desk.office.permit = a_permit(
        datasets=[entry.as_dict() | {"go_ahead": True, "where": few} for entry in desk.office.permit.datasets]
    )

    with patch.object(desk.privacy.reviews, "offer", wraps=desk.privacy.reviews.offer) as offer:
        run(desk, tmp_path)

    for call in offer.call_args_list:
        assert call.kwargs["population"]
    reviews = desk.privacy.reviews.of_holder("h")
    assert {review["table"] for review in reviews} == {"labs", "more"}
