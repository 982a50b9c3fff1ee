"""A session that nobody uses: its person is warned on the page, may keep it open, and is told afterwards why it closed."""

from datetime import timedelta

import pytest

from hvelv.enclave.domain.idle import Use
from hvelv.enclave.service.rooms import RoomState
from hvelv.kernel.errors import Unavailable
from tests.builders_enclave import wait_for
from tests.builders_portal import NOON, a_portal

OLA = ("ola", "p-0001")
LAB, IDLE, KEEP = "/projects/p-0001/lab", "/projects/p-0001/lab/idle", "/projects/p-0001/lab/keep"
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def portal(tmp_path, monkeypatch):
    portal = a_portal(tmp_path)
    monkeypatch.setattr("hvelv.enclave.pages.rooms.SystemClock", lambda: portal.clock)
    portal.rooms.states[OLA] = RoomState.OPEN
    portal.rooms.uses[OLA] = Use(NOON)
    return portal


def after(portal, minutes):
    """Let time pass, and return a browser in which Ola signs in just then."""
    portal.clock.at = NOON + minutes * MINUTE
    return portal.browser("ola")


def rows(portal, action):
    registry = portal.wiring.registry
    with registry.reading() as session:
        return [
            (row.actor, row.subject, dict(row.detail))
            for row in registry.trail.rows(session)
            if row.action == f"session.{action}"
        ]


def test_the_page_says_nothing_while_the_session_is_used(portal):
    page = after(portal, 224).get(LAB).text
    assert 'id="idle" role="status"' in page
    assert "Hold den åpen" not in page


def test_the_page_warns_says_when_and_has_a_form_that_needs_no_script(portal):
    page = after(portal, 226).get(LAB).text
    assert "Arbeidsøkten lukkes kl. 17.00" in page  # 16:00 UTC, in Norway
    assert f'<form method="post" action="{KEEP}"' in page
    assert page.index('id="idle"') < page.index("<iframe")  # above the frame, not over it


def test_the_warning_is_in_english_too(portal):
    ola = after(portal, 226)
    ola.cookies.set("lang", "en")
    page = ola.get(IDLE, headers=HTMX).text
    assert "The session closes at 17:00" in page
    assert "Keep it open" in page


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_to_keep_it_open_counts_as_use(portal, headers):
    ola = after(portal, 239)
    answer = ola.post(KEEP, headers=headers)

    if headers:
        assert "Arbeidsøkten holdes åpen" in answer.text
        assert "<iframe" not in answer.text
    else:
        assert (answer.status_code, answer.headers["location"]) == (303, LAB)
    assert rows(portal, "kept_open") == [("ola", "p-0001", {})]
    assert "Hold den åpen" not in after(portal, 241).get(IDLE).text
    assert portal.wiring.unused.close_unused() == 0
    assert "Arbeidsøkten lukkes kl. 20.59" in after(portal, 239 + 226).get(IDLE).text
    after(portal, 239 + 240)
    assert portal.wiring.unused.close_unused() == 1
    assert rows(portal, "stopped")[0][2]["since"] == (NOON + 239 * MINUTE).isoformat(timespec="seconds")


def test_to_look_for_the_warning_is_no_use(portal):
    for minutes in range(230, 240):
        assert "Hold den åpen" in after(portal, minutes).get(IDLE, headers=HTMX).text
    after(portal, 240)
    assert portal.wiring.unused.close_unused() == 1


def test_one_persons_word_keeps_nobody_elses_session(portal):
    portal.rooms.states["per", "p-0001"] = RoomState.OPEN
    after(portal, 239)
    assert portal.browser("per").post(KEEP).status_code == 303
    after(portal, 241)
    assert portal.wiring.unused.close_unused() == 1
    assert OLA not in portal.rooms.states
    assert portal.browser("eva").post(KEEP).status_code == 404


def test_it_is_closed_once_with_a_reason_and_its_owner_is_told(portal):
    ola = after(portal, 240)
    assert portal.wiring.unused.close_unused() == 1
    assert portal.wiring.unused.close_unused() == 0

    assert portal.rooms.states == {}
    since = NOON.isoformat(timespec="seconds")
    assert rows(portal, "stopped") == [("hvelv", "p-0001", {"person": "ola", "reason": "unused", "since": since})]
    told = ola.get("/projects/p-0001").text
    assert "Arbeidsøkten din ble lukket 2. mars 2026 kl. 17.00 fordi den ikke hadde vært i bruk siden" in told
    assert "Drift stanset" not in told
    assert "fordi den ikke hadde" not in portal.browser("per").get("/projects/p-0001").text
    left_open = ola.get(IDLE, headers=HTMX).text
    assert "Arbeidsøkten er lukket" in left_open
    assert "Hold den åpen" not in left_open
    ola.post(KEEP)
    assert rows(portal, "kept_open") == []


def test_while_a_cell_runs_it_is_neither_warned_nor_closed(portal):
    portal.rooms.uses[OLA] = Use(NOON, busy=True)
    assert "Hold den åpen" not in after(portal, 5000).get(LAB).text
    assert portal.wiring.unused.close_unused() == 0


def test_one_of_which_nothing_is_known_is_kept(portal):
    del portal.rooms.uses[OLA]
    after(portal, 5000)
    assert portal.wiring.unused.close_unused() == 0


def test_a_closing_that_the_hub_did_not_take_is_not_written_and_the_others_are_closed(portal, monkeypatch):
    portal.rooms.states["per", "p-0001"] = RoomState.OPEN
    portal.rooms.uses["per", "p-0001"] = Use(NOON)
    close = portal.rooms.close_room

    def deaf_to_ola(person, project):
        if person == "ola":
            raise Unavailable("Huben svarer ikke.")
        close(person, project)

    monkeypatch.setattr(portal.rooms, "close_room", deaf_to_ola)
    after(portal, 240)
    assert portal.wiring.unused.close_unused() == 1
    assert [detail["person"] for _actor, _project, detail in rows(portal, "stopped")] == ["per"]
    assert set(portal.rooms.states) == {OLA}


def test_where_it_is_switched_off_nothing_is_closed(tmp_path):
    portal = a_portal(tmp_path, session_idle=0)
    portal.rooms.states[OLA], portal.rooms.uses[OLA] = RoomState.OPEN, Use(NOON)
    assert "Hold den åpen" not in after(portal, 100_000).get(LAB).text
    assert portal.wiring.unused.close_unused() == 0


def test_while_the_portal_is_served_it_looks_after_them_by_itself_and_one_fault_does_not_end_it(portal, monkeypatch):
    close, faults = portal.wiring.unused.rooms.running, [Unavailable("Huben svarer ikke."), ValueError("?")]

    def running():
        if faults:
            raise faults.pop()
        return close()

    monkeypatch.setattr("hvelv.portal.app.ROUND_SECONDS", 0.01)
    monkeypatch.setattr(portal.rooms, "running", running)
    after(portal, 240)
    with portal.visitor():
        wait_for(lambda: portal.rooms.states == {}, 10)
    assert len(rows(portal, "stopped")) == 1
