"""The portal in a real Chromium: nothing blocked by its own policy, nothing to scroll sideways for on a phone."""

import os
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from hvelv.enclave.service.rooms import RoomState
from tests.builders_portal import a_portal
from tests.unit.test_portal_pages import PAGES

CHROMIUM = os.environ.get("HVELV_CHROMIUM", "/usr/bin/chromium")
PHONE = 320  # pixels: WCAG 1.4.10
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:uvicorn.*"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium here"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    portal = a_portal(tmp_path_factory.mktemp("portal"), portal_port=port, hub_port=port + 1)
    portal.rooms.states["ola", "p-0001"] = RoomState.OPENING
    server = uvicorn.Server(uvicorn.Config(portal.app, host="127.0.0.1", port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield portal, f"http://localhost:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def a_window(site, chromium, person, *, width=1280, scripts=True):
    """Return a page in a window of its own, signed in as `person`, and what its console complains of."""
    portal, origin = site
    context = chromium.new_context(viewport={"width": width, "height": 900}, java_script_enabled=scripts)
    if person:
        value = portal.wiring.sign_in.sessions.begin(person)
        context.add_cookies([{"name": "hvelv_session", "value": value, "url": origin}])
    page, complaints = context.new_page(), []
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    return page, complaints


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
    page.click("text=Legg de valgte i utvalget")
    page.goto(site[1] + "/selection")

    assert page.locator('input[name="variable"]').count() == 1


def test_what_is_injected_into_a_page_is_not_run(site, chromium):
    page, complaints = a_window(site, chromium, "ola")
    page.goto(site[1] + "/catalogue")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    page.wait_for_timeout(200)

    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in c for c in complaints)
