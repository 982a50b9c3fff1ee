"""A real Chromium, and the portal in this process for it to look at."""

import asyncio
import os
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from tests.builders_portal import a_portal

CHROMIUM = os.environ.get("HVELV_CHROMIUM", "/usr/bin/chromium")
AXE = Path("build/axe/lib/node_modules/axe-core/axe.min.js")
PHONE = 320  # pixels: WCAG 1.4.10
PATIENCE = 120_000  # milliseconds
LATE = 0.3  # seconds that the portal takes to answer a form: what does not wait for the answer then fails in every run
in_a_browser = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets.*"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:uvicorn.*"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium here"),
]


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def _late(app):
    async def answer(scope, receive, send):
        if scope["type"] == "http" and scope["method"] == "POST":
            await asyncio.sleep(LATE)
        await app(scope, receive, send)

    return answer


@contextmanager
def served(folder):
    """Serve a portal on a free port; give it, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    portal = a_portal(folder, portal_port=port, hub_port=port + 1)
    server = uvicorn.Server(
        uvicorn.Config(_late(portal.app), host="127.0.0.1", port=port, log_level="error", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield portal, f"http://localhost:{port}"
    finally:
        server.should_exit = True
        thread.join()


def a_window(site, chromium, person, *, width=1280, scheme="", scripts=True):
    """Return a page in a window of its own, signed in as `person`, and what its console complains of."""
    portal, origin = site
    context = chromium.new_context(viewport={"width": width, "height": 900}, java_script_enabled=scripts)
    known = {"scheme": scheme} if scheme else {}
    if person:
        known["hvelv_session"] = portal.wiring.sign_in.sessions.begin(person)
    context.add_cookies([{"name": name, "value": value, "url": origin} for name, value in known.items()])
    page, complaints = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    return page, complaints


def followed(page, place):
    """Click on a link, or a button that sends a form, and wait for the page it leads to: the old one may look the same."""
    with page.expect_navigation(wait_until="load"):
        (page.locator(place) if isinstance(place, str) else place).click()


def pictured(page, folder, name):
    """Leave a picture of the whole page."""
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def violations(page):
    """Return the barriers that axe finds on the page. Without axe this is no test: it is skipped, and fails where all is built."""
    if not AXE.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("axe is missing: make axe")
    page.evaluate(AXE.read_text())
    return page.evaluate("axe.run().then(r => r.violations.map(v => v.id))")
