"""From a real extract's pseudonyms back to people, over the custodian's own door, also of people whose number changed."""

import io
import logging
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI

from hvelv.kernel.errors import Denied
from hvelv.kernel.ids import RandomIds
from hvelv.kernel.link import ACTOR
from hvelv.kernel.web import answer_refusals
from hvelv.privacy.pages import reidentification_api
from hvelv.workflows import provision
from hvelv.workflows.reidentifying import reidentifying
from tests.builders_portal import TestClient
from tests.builders_privacy import DATASET, PROJECT, a_person_number, some_rows
from tests.builders_provision import a_desk

pytestmark = pytest.mark.integration
NOW_CALLED = "41819912345"


@pytest.fixture
def desk(database_url, tmp_path):
    """Return a custodian whose extract is published; person 3 has another number by now."""
    desk = a_desk(database_url, tmp_path)
    desk.privacy.canonical.take_in(
        [{"old": a_person_number(3), "new": NOW_CALLED}],
        "registrar",
    )
    provision.provision_project(desk, "job-1", tmp_path / "work")
    desk.office.grant = lambda person, _project, _now: _must_be_kari(person)
    found = desk.versions.find()
    desk.versions.find = lambda *_: SimpleNamespace(**vars(found), holder="h")
    yield desk
    desk.database.close()


def _must_be_kari(person):
    if person != "kari":
        raise Denied("Nei.")


def a_door(desk, folder):
    """Return a way to ask the custodian's door as somebody."""
    app = FastAPI()
    app.state.reidentification = reidentifying(
        desk.database, desk.office, desk.versions, desk.privacy, desk.objects, desk.clock, RandomIds(), folder=folder
    )
    app.include_router(reidentification_api.router)
    answer_refusals(app)
    client = TestClient(app)

    def ask(person, path, **body):
        return client.post(f"/reidentifications{path}", json=body, headers={ACTOR: person})

    ask.all = lambda: client.get("/reidentifications", headers={ACTOR: "rita"}).json()
    return ask


def pseudonyms_of(desk):
    """Return the pseudonyms as the project sees them."""
    names = [name for name in desk.objects.names("rooms") if name.endswith(".parquet") and "/labs" in name]
    tables = [pq.read_table(io.BytesIO(desk.objects.get("rooms", name)), columns=["pid"]) for name in names]
    return sorted({pid for table in tables for pid in table.column("pid").to_pylist()})


@pytest.mark.attack("PS11")
def test_the_people_behind_an_extracts_pseudonyms_are_found_and_stand_nowhere_else(desk, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    ask, pids = a_door(desk, tmp_path / "finding"), pseudonyms_of(desk)
    found = {}
    for start in (0, 20, 40):
        wanted = [str(pid) for pid in pids[start : start + 20]]
        case = ask(
            "kari", "", project=PROJECT, dataset=DATASET, reason="danger", text="Haster.", pseudonyms=wanted
        ).json()["id"]
        assert ask("stine", f"/{case}/approve", side="steward", holder="h").status_code == 200
        assert ask("stine", f"/{case}/execute", side="steward", holder="h").status_code == 409
        assert ask("even", f"/{case}/approve", side="ethics").json()["state"] == "approved"
        answer = ask("stine", f"/{case}/execute", side="steward", holder="h").json()["persons"]
        found |= {one["pseudonym"]: one["person_number"] for one in answer}
        assert ask("stine", f"/{case}/execute", side="steward", holder="h").status_code == 409

    expected = {row["person_number"] for row in some_rows(60)} - {a_person_number(3)} | {NOW_CALLED}
    assert set(found) == {str(pid) for pid in pids}
    assert set(found.values()) == expected
    with desk.database.reading() as session:
        told = "".join(
            f"{row.actor} {row.action} {row.subject} {row.detail}" for row in desk.database.trail.rows(session)
        )
    for number in (*expected, *found):
        assert number not in caplog.text
        assert number not in told
        assert number not in str(ask.all())
    assert (
        ask("kari", "", project=PROJECT, dataset=DATASET, reason="danger", text="Igjen.", pseudonyms=["17"]).status_code
        == 409
    )


def test_a_stranger_and_a_person_number_get_nothing(desk, tmp_path):
    ask = a_door(desk, tmp_path / "finding")
    body = {"project": PROJECT, "dataset": DATASET, "reason": "danger", "text": "Haster."}

    assert ask("per", "", **body, pseudonyms=["17"]).status_code == 403
    assert ask("kari", "", **(body | {"dataset": "ds-none"}), pseudonyms=["17"]).status_code == 404
    case = ask("kari", "", **body, pseudonyms=[a_person_number(1)]).json()["id"]  # a number is no pseudonym of anybody
    ask("stine", f"/{case}/approve", side="steward", holder="h")
    ask("even", f"/{case}/approve", side="ethics")
    (answer,) = ask("stine", f"/{case}/execute", side="steward", holder="h").json()["persons"]
    assert answer["person_number"] is None
