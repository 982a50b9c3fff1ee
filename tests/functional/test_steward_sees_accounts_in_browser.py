"""Two stewards in a real Chromium: one sees what is spent and proposes a larger account, the other confirms it.

The books behind the pages are real. Pictures are left in build/screenshots/accounts.
"""

import os
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from tests.builders_accounts import CAP
from tests.builders_portal import a_portal

CHROMIUM = os.environ.get("HVELV_CHROMIUM", "/usr/bin/chromium")
AXE = Path("build/axe/node_modules/axe-core/axe.min.js")
PICTURES = Path("build/screenshots/accounts")
PHONE = 320
PAGE = "/accounts/ds-0001"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:uvicorn.*"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium here"),
]


@pytest.fixture
def site(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    portal = a_portal(tmp_path, portal_port=port, hub_port=port + 1)
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


def a_window(site, chromium, person, *, width=1280, scheme="light"):
    portal, origin = site
    context = chromium.new_context(viewport={"width": width, "height": 900})
    value = portal.wiring.sign_in.sessions.begin(person)
    context.add_cookies(
        [
            {"name": "hvelv_session", "value": value, "url": origin},
            {"name": "scheme", "value": scheme, "url": origin},
        ]
    )
    page, complaints = context.new_page(), []
    page.set_default_timeout(120_000)
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    return page, complaints


def pictured(page, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


def violations(page):
    if not AXE.exists():
        return []
    page.evaluate(AXE.read_text())
    return page.evaluate("axe.run().then(r => r.violations.map(v => v.id))")


def test_two_stewards_make_an_account_larger(site, chromium):
    portal, origin = site
    stine, complaints = a_window(site, chromium, "stine")
    sigrid, _complaints = a_window(site, chromium, "sigrid")
    accounts = portal.wiring.accounts.books.accounts

    stine.goto(origin + "/accounts")
    pictured(stine, "1-accounts")
    stine.click("article a.ds-link")
    pictured(stine, "2-account")
    assert violations(stine) == []
    stine.fill("input[name=cap]", "2,5")
    stine.fill("textarea[name=reason]", "Ny finansiering for 2027.")
    stine.fill("input[name=period_from]", "2027-01-01")
    stine.fill("input[name=period_until]", "2027-12-31")
    stine.click("button:has-text('Send forslaget')")
    stine.wait_for_selector("text=En annen forvalter må bekrefte det.")
    pictured(stine, "3-proposed")
    assert accounts.account("ds-0001").cap == CAP

    sigrid.goto(origin + "/accounts")
    sigrid.wait_for_selector("nav .ds-tag:has-text('1')")
    sigrid.click("ul.tasks a")
    sigrid.click("button:has-text('Bekreft')")
    sigrid.wait_for_selector(".ds-tag:has-text('Bekreftet')")
    pictured(sigrid, "4-confirmed")
    assert violations(sigrid) == []

    assert accounts.account("ds-0001").cap == 2_500_000
    assert complaints == []


@pytest.mark.parametrize(("name", "width", "scheme"), [("phone", PHONE, "light"), ("dark", 1280, "dark")])
def test_the_account_is_readable_on_a_phone_and_in_the_dark(site, chromium, name, width, scheme):
    page, complaints = a_window(site, chromium, "stine", width=width, scheme=scheme)
    page.goto(site[1] + PAGE)
    pictured(page, f"5-{name}")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    assert complaints == []


def test_a_researcher_sees_what_is_reserved_and_left_on_the_projects_page(site, chromium):
    page, complaints = a_window(site, chromium, "ola")
    page.goto(site[1] + "/projects/p-0001")
    pictured(page, "6-project")

    assert page.locator("svg.bar[role=img][aria-label*='reservert']").count() == 1
    assert "± 2,4 i 95 av 100 tilfeller" in page.inner_text("main")
    assert violations(page) == []
    assert complaints == []
