"""Sessions for people in charge: seen by two roles, stopped by one, with a reason that its owner reads."""

import pytest

from hvelv.enclave.service.rooms import RoomState
from hvelv.kernel.clock import SetClock
from tests.builders import NOON
from tests.builders_portal import a_portal

STOP = "/sessions/ola/p-0001/stop"


@pytest.fixture
def portal(tmp_path):
    portal = a_portal(tmp_path)
    portal.rooms.states["ola", "p-0001"] = RoomState.OPEN
    return portal


def stops(portal):
    registry = portal.wiring.registry
    with registry.reading() as session:
        return [row for row in registry.trail.rows(session) if row.action == "session.stopped"]


def test_people_in_charge_see_who_works_what_it_takes_and_an_unusual_volume(portal):
    page = portal.browser("anna").get("/sessions").text
    for said in ("p-0001", "734", "0,25", "12 av 512", "300", "Uvanlig mye vist i dag", STOP):
        assert said in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "/p-0001/lab" not in page
    assert "/user/" not in page


def test_an_auditor_sees_and_does_not_stop(portal):
    assert STOP not in portal.browser("rita").get("/sessions").text
    assert portal.browser("rita").post(STOP, data={"reason": "x"}).status_code == 403
    assert portal.rooms.states


def test_without_a_reason_nothing_is_stopped(portal):
    answer = portal.browser("anna").post(STOP, data={"reason": " "})
    assert answer.status_code == 422
    assert "Skriv hvorfor" in answer.text
    assert portal.rooms.states
    assert stops(portal) == []


def test_a_stop_is_written_and_its_owner_is_told_why(portal, monkeypatch):
    monkeypatch.setattr("hvelv.enclave.pages.rooms.SystemClock", lambda: SetClock(NOON))
    assert portal.browser("anna").post(STOP, data={"reason": "Vedlikehold kl. 15"}).status_code == 303
    assert portal.rooms.states == {}
    assert [(row.actor, row.subject, dict(row.detail)) for row in stops(portal)] == [
        ("anna", "p-0001", {"person": "ola", "reason": "Vedlikehold kl. 15"})
    ]
    assert "Vedlikehold kl. 15" in portal.browser("ola").get("/projects/p-0001").text
    assert "Vedlikehold kl. 15" not in portal.browser("stine").get("/projects/p-0001").text
    assert portal.browser("anna").post(STOP, data={"reason": "igjen"}).status_code == 404


def test_a_stop_that_the_hub_did_not_take_is_not_written(portal, monkeypatch):
    from hvelv.kernel.errors import Unavailable

    def silent(*_names):
        raise Unavailable("Huben svarer ikke.")

    monkeypatch.setattr(portal.rooms, "close_room", silent)
    assert portal.browser("anna").post(STOP, data={"reason": "x"}).status_code == 503
    assert stops(portal) == []


def test_members_see_who_works_now_and_others_do_not(portal):
    assert "Arbeider nå: Ola" in portal.browser("ola").get("/projects/p-0001").text
    assert "Arbeider nå" not in portal.browser("stine").get("/projects/p-0001").text
