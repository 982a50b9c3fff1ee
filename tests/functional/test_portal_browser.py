"""The portal in a real Chromium: nothing blocked by its own policy, nothing to scroll sideways for on a phone."""

import re
from datetime import timedelta

import pytest

from hvelv.enclave.domain.idle import Use
from hvelv.enclave.service.rooms import RoomState
from tests.browser import PHONE, a_window, followed, in_a_browser, served
from tests.unit.test_portal_pages import PAGES

pytestmark = in_a_browser


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with served(tmp_path_factory.mktemp("portal")) as (portal, origin):
        portal.rooms.states["ola", "p-0001"] = RoomState.OPENING
        yield portal, origin


def test_no_page_scrolls_sideways_on_a_phone_or_offends_its_own_policy(site, chromium):
    for person, path in PAGES:
        page, complaints = a_window(site, chromium, person, width=PHONE)
        page.goto(site[1] + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE, path
        assert complaints == [], path
        page.context.close()


def test_the_first_stop_of_the_keyboard_leads_past_the_menu(site, chromium):
    page, _complaints = a_window(site, chromium, "ola")
    page.goto(site[1] + "/catalogue")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"


def test_a_draft_saves_itself_while_one_writes(site, chromium):
    portal, origin = site
    page, complaints = a_window(site, chromium, "ola")
    page.goto(origin + "/applications/app-0001")
    version = page.input_value('#state input[name="version"]')
    page.fill('input[name="title"]', "Skrevet i nettleseren")
    page.keyboard.press("Tab")
    page.wait_for_selector(f'#state input[name="version"]:not([value="{version}"])', state="attached")

    assert portal.applications.kept["app-0001"].draft.title == "Skrevet i nettleseren"
    assert page.input_value('input[name="title"]') == "Skrevet i nettleseren"
    assert complaints == []


def test_a_search_shows_its_hits_without_a_new_page(site, chromium):
    page, complaints = a_window(site, chromium, "ola")
    page.goto(site[1] + "/catalogue")
    page.fill("#q", "kjønn")
    page.wait_for_selector("#hits mark")

    assert "q=kj" in page.url
    assert complaints == []


def test_the_selection_works_without_javascript(site, chromium):
    page, _complaints = a_window(site, chromium, "per", scripts=False)
    page.goto(site[1] + "/datasets/ds-0002")
    page.check('input[name="variable"][value="age"]')
    followed(page, "text=Legg de valgte i utvalget")
    page.goto(site[1] + "/selection")

    assert page.locator('input[name="variable"]').count() == 1


def test_what_is_injected_into_a_page_is_not_run(site, chromium):
    page, complaints = a_window(site, chromium, "ola")
    page.goto(site[1] + "/catalogue")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    page.wait_for_timeout(200)

    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in c for c in complaints)


def test_the_mark_over_the_lab_says_who_and_when_and_is_in_nobodys_way(site, chromium):
    portal, origin = site
    portal.rooms.states["ola", "p-0001"] = RoomState.OPEN
    page, _complaints = a_window(site, chromium, "ola")
    page.goto(origin + "/projects/p-0001/lab")
    portal.rooms.states["ola", "p-0001"] = RoomState.OPENING
    said = page.locator("#mark text").first.text_content()
    box = page.locator("iframe").bounding_box()
    middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]

    assert "Ola" in said
    assert "p-0001" in said
    assert re.search(r"20\d\d.*\d\d[:.]\d\d", said)
    assert page.locator("#mark").bounding_box() == box
    assert page.locator("#mark").get_attribute("aria-hidden") == "true"
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).tagName", middle) == "IFRAME"
    assert page.evaluate("getComputedStyle(document.querySelector('#mark text')).fillOpacity") == "0.3"
    page.context.close()


SAVES = "<!doctype html><title>lab</title><a id=save download=rows.csv href=data:text/csv,person>Lagre</a>"


@pytest.mark.attack("BR08")
def test_what_is_shown_in_the_labs_frame_saves_no_file_on_the_readers_machine(site, chromium, monkeypatch):
    """By the frame alone: the page in it comes without the headers that the gateway would set."""
    portal, origin = site
    hub = portal.wiring.settings.hub_url
    monkeypatch.setattr(portal.rooms, "room_url", lambda person, project: f"{hub}/user/{person}/{project}/lab")
    monkeypatch.setitem(portal.rooms.states, ("ola", "p-0001"), RoomState.OPEN)
    page, complaints = a_window(site, chromium, "ola")
    page.context.route(f"{hub}/**", lambda route: route.fulfill(body=SAVES, content_type="text/html"))
    saved = []
    page.on("download", lambda download: saved.append(download.suggested_filename))

    page.goto(f"{hub}/user/ola/p-0001/lab")
    with page.expect_download():
        page.click("#save")
    assert saved == ["rows.csv"]  # so it is the frame that keeps the browser from it

    page.goto(origin + "/projects/p-0001/lab")
    page.frame_locator("iframe").locator("#save").click()
    while len(saved) == 1 and not complaints:  # until it is saved, or the browser says why it is not
        page.wait_for_timeout(50)
    assert saved == ["rows.csv"]
    assert ["allow-downloads" in complaint for complaint in complaints] == [True], complaints
    page.context.close()


def test_a_session_about_to_be_closed_is_kept_open_without_disturbing_the_lab(site, chromium):
    portal, origin = site
    portal.rooms.states["ola", "p-0001"] = RoomState.OPEN
    portal.rooms.uses["ola", "p-0001"] = Use(portal.clock.now() - timedelta(minutes=230))
    page, complaints = a_window(site, chromium, "ola")
    page.goto(origin + "/projects/p-0001/lab")
    warning = page.locator("#idle[role=status]")
    assert "Arbeidsøkten lukkes kl." in warning.inner_text()
    frame, box = page.locator("iframe").bounding_box(), warning.bounding_box()
    assert box["y"] + box["height"] <= frame["y"]
    page.evaluate("document.querySelector('iframe').same = true")

    page.get_by_role("button", name="Hold den åpen").click()
    page.wait_for_selector("#idle:not(:has(button))", state="attached")

    assert warning.inner_text().strip() == "Arbeidsøkten holdes åpen."
    assert page.locator("iframe").bounding_box()["y"] < frame["y"]  # the warning's room is the lab's again
    assert page.evaluate("document.querySelector('iframe').same")  # JupyterLab was not loaded anew
    assert page.url.endswith("/lab")
    assert [text for text in complaints if "frame" not in text.lower()] == []
    portal.rooms.states["ola", "p-0001"] = RoomState.OPENING
    page.context.close()
