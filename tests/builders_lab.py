"""A session's JupyterLab in a real Chromium, shown as the portal shows it: in its page's frame, with its headers."""

import re
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import FrameLocator, Page, expect

from hvelv.portal.security import content_policy
from tests.builders_enclave import CODE, PASSWORD, Browser, Installation, a_data_dir, an_installation, need_hub

PROJECT = "p-aaaaaaaaaa"
TEMPLATE = Path(__file__).parents[1] / "src" / "hvelv" / "portal" / "templates" / "lab.html"
PATIENCE = 90_000  # milliseconds, for what starts processes on a busy machine
VARIABLES = [
    {
        "name": "age", "title": {"nb": "Alder", "en": "Age"}, "type": "integer", "role": "quasi_identifier", "unit": "år",
        "low": 0, "high": 110, "step": None, "in_queries": True, "categories": None, "notes": ["i grupper på 5"],
    },
    {
        "name": "sex", "title": {"nb": "Kjønn", "en": "Sex"}, "type": "string", "role": "quasi_identifier", "unit": None,
        "low": None, "high": None, "step": None, "in_queries": True, "notes": [],
        "categories": [{"code": "M", "label": {"nb": "Mann", "en": "Man"}}, {"code": "F", "label": {"nb": "Kvinne", "en": "Woman"}}],
    },
]  # fmt: skip
DOCUMENTS: dict[str, Any] = {
    "/lab/project": {
        "id": PROJECT, "title": "Trivsel og alder", "purpose": "Å vite mer.", "person": "kari",
        "permit": {"id": "pm-1", "version": 1, "valid_until": "2030-01-01T00:00:00+00:00", "conditions": [], "members": ["kari"]},
        "datasets": [
            {"name": "wellbeing", "title": {"nb": "Trivsel", "en": "Wellbeing"}, "rows": 600, "persons": 400, "hash": "aa", "variables": VARIABLES}
        ],
        "budget": [
            {
                "dataset": "ds-1", "table": "wellbeing", "title": {"nb": "Trivsel", "en": "Wellbeing"}, "allocated": 200_000,
                "spent": 50_000, "epsilon_allocated": 3.2, "epsilon_spent": 1.5,
            }
        ],
    },
    "/lab/releases": [
        {"id": "r-1", "at": "2026-01-02T03:04:05+00:00", "person": "kari", "dataset": "wellbeing", "summary": "count", "rho_micro": 50_000}
    ],
    "/lab/exports": [
        {"id": "e-1", "title": "Til artikkelen", "state": "released", "asked_at": "2026-01-02T03:04:05+00:00", "findings": []},
        {
            "id": "e-2", "title": "For smått", "state": "refused", "asked_at": "2026-01-03T03:04:05+00:00",
            "findings": [{"item": 1, "reason": "Tabellen har for små celler.", "remedy": "Slå sammen grupper."}],
        },
    ],
}  # fmt: skip


def portal_page(at: Installation, person: str) -> web.Application:
    """The portal's page of the lab: its own frame, cut from its template, under its own policy."""
    address = f"{at.settings.hub_url}/user/{person}/{PROJECT}/lab"
    frame = re.search(r"<iframe .*?</iframe>", TEMPLATE.read_text())[0]  # type: ignore[index]
    frame = re.sub(r'title="{{.*?}}"', 'title="JupyterLab"', frame.replace("{{ address }}", address))
    assert "{{" not in frame

    async def show(_request: web.Request) -> web.Response:
        style = "<link rel=stylesheet href=/frame.css>"
        return web.Response(
            text=f"<!doctype html><title>lab</title>{style}{frame}",
            content_type="text/html",
            headers={"Content-Security-Policy": content_policy(hub=at.settings.hub_url, frames=True)},
        )

    async def style(_request: web.Request) -> web.Response:
        return web.Response(text="html,body,iframe{margin:0;border:0;width:100%;height:100%}", content_type="text/css")

    async def home(_request: web.Request) -> web.Response:
        return web.Response(text="portal")

    app = web.Application()
    app.router.add_get("/lab", show)
    app.router.add_get("/frame.css", style)
    app.router.add_get("/{path:.*}", home)
    return app


@contextmanager
def a_lab(person: str = "kari"):
    """An installation with one person's session, ready, and the page that shows it."""
    need_hub()
    with a_data_dir() as data_dir, an_installation(data_dir) as at:
        at.custodian.grants.add((person, PROJECT))
        at.custodian.documents.update(DOCUMENTS)
        at.servers.on_port(portal_page(at, person), at.settings.portal_port)
        at.start_gateway()
        at.start_hub()
        first = Browser(at)  # the hub knows only people who have signed in
        assert first.sign_in(person).status_code == 302
        first.client.close()
        at.open_session(person, PROJECT)
        yield at


class AtTheLab:
    """A person who has signed in and sees their session's JupyterLab in the portal's frame."""

    def __init__(self, at: Installation, chromium: Chromium, person: str = "kari", **context: Any) -> None:
        self.at = at
        given = {"locale": "nb-NO", "viewport": {"width": 1440, "height": 950}} | context
        self.context = chromium.new_context(**given)
        self.context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)  # its own five seconds are too few on a busy machine
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.page.on(
            "console", lambda m: self.said.append(f"{m.type}: {m.text}") if m.type in {"error", "warning"} else None
        )
        self.page.on("pageerror", lambda e: self.said.append(f"pageerror: {e}"))
        self.page.goto(f"{at.settings.hub_url}/hub/login")
        self.page.fill("input[name=username]", person)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.fill("input[name=otp]", CODE)
        self.page.locator("[type=submit]").first.click()
        self.page.wait_for_url(f"{at.settings.portal_url}/**")
        self.said.clear()
        self.enter()

    def enter(self) -> None:
        """Open the portal's page of the lab, and wait for JupyterLab."""
        self.page.goto(f"{self.at.settings.portal_url}/lab")
        expect(self.lab.locator("#jp-main-dock-panel")).to_be_visible(timeout=PATIENCE)

    @property
    def lab(self) -> FrameLocator:
        return self.page.frame_locator("iframe")

    @property
    def panel(self):
        return self.lab.locator(".hvelv-panel")

    def open_panel(self) -> None:
        """Click the panel's tab in the right-hand bar."""
        if not self.panel.is_visible():
            self.lab.locator('li.lm-TabBar-tab[data-id="hvelv-panel"]').click()
        expect(self.panel).to_be_visible()

    def new_notebook(self) -> None:
        """Make a notebook by the launcher, and wait until its kernel is attached and idle."""
        self.lab.locator('.jp-FileBrowser-toolbar [data-jp-item-name="new-launcher"]').click()
        self.lab.locator(".jp-Launcher:not(.lm-mod-hidden) .jp-LauncherCard[data-category=Notebook]").last.click()
        self.kernel_is_idle()

    def kernel_is_idle(self) -> None:
        expect(
            self.lab.locator(
                ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator[data-status=idle]"
            ).first
        ).to_be_visible(timeout=PATIENCE)
        expect(self.lab.get_by_text(re.compile(r"ipykernel\) \| Idle")).first).to_be_visible(timeout=PATIENCE)

    @property
    def cells(self):
        return self.lab.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")

    def run(self, code: str) -> Any:
        """Type into the last cell, run it, and return its outputs' place."""
        cell = self.cells.last
        cell.locator(".cm-content").click()
        self.page.keyboard.insert_text(code)
        count = self.cells.count()
        self.page.keyboard.press("Shift+Enter")
        expect(self.cells).to_have_count(count + 1)
        return self.cells.nth(count - 1).locator(".jp-Cell-outputArea")

    def menu(self, bar: str, *items: str) -> None:
        """Choose in the menus, from the bar on."""
        self.lab.locator(f'.lm-MenuBar-itemLabel:text-is("{bar}")').click()
        for item in items:
            self.lab.locator(f'.lm-Menu-itemLabel:text-is("{item}")').click()

    def picture(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(folder / f"{name}.png"))

    def close(self) -> None:
        self.context.close()


@pytest.fixture(scope="module")
def at():
    """An installation with kari's session, for the tests of a file."""
    with a_lab() as installation:
        yield installation


@pytest.fixture
def kari(at, chromium):
    """Kari at her session's JupyterLab."""
    someone = AtTheLab(at, chromium)
    yield someone
    someone.close()
