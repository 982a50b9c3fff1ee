"""From an objection to data without the person: the real register, the real flow, and every file that is left."""

from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hvelv.kernel.ids import RandomIds
from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.service.jobs import JobState
from hvelv.workflows import provision
from hvelv.workflows.desk import Queue
from hvelv.workflows.refresh import Refresh
from tests.builders_privacy import PROJECT, a_person_number
from tests.builders_provision import a_desk

WHO, OTHER_NUMBER = 3, 7_000


@pytest.fixture
def desk(tmp_path):
    desk = a_desk(f"sqlite:///{tmp_path}/c.sqlite", tmp_path)
    provision.provision_project(desk, "job-1", tmp_path / "work")
    for extract in desk.privacy.extracts.in_use(PROJECT):
        desk.privacy.extracts.paths(extract)  # a copy in the custodian's cache, as after a release
    yield desk
    desk.database.close()


def refreshed(desk, tmp_path):
    """Do one round of the chore, and the job that it puts on the list. Returns how many jobs there were."""
    office = SimpleNamespace(all=lambda: [SimpleNamespace(permit=desk.office.permit, state=desk.office.state)])
    privacy, queue = desk.privacy, Queue(desk.jobs, RandomIds())
    parts = {"permits": office, "extracts": privacy.extracts, "register": privacy.optouts, "jobs": desk.jobs}
    chore = Refresh(desk.database, **parts, queue=queue, clock=desk.clock, days=30)
    due = chore.run()
    for job in desk.jobs.unfinished():
        provision.provision_project(desk, job.id, tmp_path / "work")
    assert chore.run() == 0
    return due


def pseudonyms(desk, *numbers):
    """Return the pseudonyms that persons have in the project."""
    cipher = PersonCipher(desk.privacy.keys.project(PROJECT).persons)
    return set(cipher.blocks(pa.array([a_person_number(number) for number in numbers]))[:, 0].tolist())


def left_in_files(folder):
    """Return every pseudonym in any table in any file, wherever it lies."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == b"PAR1" and "pid" in pq.read_schema(path).names:
            found |= set(np.asarray(pq.read_table(path, columns=["pid"]).column("pid")).tolist())
    return found


@pytest.mark.attack("PS12")
@pytest.mark.parametrize("under", ["the number in the data", "another number of the person"])
def test_the_pseudonym_of_who_objects_is_in_no_file_after_the_stated_days(desk, tmp_path, under):
    (gone,) = pseudonyms(desk, WHO)
    before = left_in_files(tmp_path)
    assert gone in before

    number = a_person_number(WHO if under == "the number in the data" else OTHER_NUMBER)
    if number != a_person_number(WHO):
        desk.privacy.canonical.take_in([{"old": a_person_number(WHO), "new": number}], "registrar")
    desk.privacy.optouts.take_in([{"person_number": number, "scope": "all", "since": "2026-01-01"}], "registrar")
    desk.clock.at += timedelta(days=29)
    assert refreshed(desk, tmp_path) == 0
    desk.clock.at += timedelta(days=1)
    assert refreshed(desk, tmp_path) == 1

    assert left_in_files(tmp_path) == before - {gone}
    assert desk.jobs.newest(PROJECT).state is JobState.DONE


def test_who_takes_an_objection_back_is_in_the_next_extract_again(desk, tmp_path):
    before = left_in_files(tmp_path)
    row = {"person_number": a_person_number(WHO), "scope": "purpose:scientific_research"}
    desk.office.permit = type(desk.office.permit).from_document(
        desk.office.permit.as_dict() | {"purpose": "scientific_research"}
    )
    desk.privacy.optouts.take_in([row | {"since": "2026-01-01"}], "registrar")
    desk.clock.at += timedelta(days=31)
    assert refreshed(desk, tmp_path) == 1
    assert left_in_files(tmp_path) == before - pseudonyms(desk, WHO)

    desk.privacy.optouts.withdraw([row | {"until": "2026-02-01"}], "registrar")
    desk.clock.at += timedelta(days=31)

    assert refreshed(desk, tmp_path) == 1
    assert left_in_files(tmp_path) == before
