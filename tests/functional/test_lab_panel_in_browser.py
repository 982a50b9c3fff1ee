"""The project's panel in JupyterLab, in a real session and a real Chromium: what it shows, what a click inserts, how it refuses."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import AXE, in_a_browser
from tests.builders_lab import PATIENCE, AtTheLab, at, kari

__all__ = ["at", "kari"]
pytestmark = [
    *in_a_browser,
    pytest.mark.integration,
    pytest.mark.timeout(600),
]
PICTURES = Path("build/screenshots/lab")
RIGHTS = {
    "code": "rights",
    "message": "Du har ikke lenger tilgang til prosjektet.",
    "remedy": "Se prosjektets side.",
    "params": {},
}
OTHER = {"code": "other", "message": "Utleveringer er stengt i kveld.", "remedy": "", "params": {}}


def refresh(someone, button="Hent på nytt", done="Hentet kl"):
    """Click refresh, and wait until something has come."""
    someone.panel.get_by_role("button", name=button).click()
    expect(someone.panel.get_by_role("status")).to_have_text(re.compile(done))


def barriers(someone):
    """Return what axe finds in the panel as it stands."""
    if not AXE.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("axe is missing: make axe")
    frame = someone.page.frames[1]
    frame.evaluate(AXE.read_text())
    return frame.evaluate("axe.run('.hvelv-panel').then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")


def test_the_panel_shows_the_project_and_a_click_inserts_what_a_cell_then_runs(at, kari):
    kari.open_panel()
    panel = kari.panel
    expect(panel.get_by_role("heading", name="Trivsel og alder")).to_be_visible()
    panel.get_by_role("button", name="Hent på nytt").click()
    expect(panel.get_by_role("status")).to_have_text(re.compile("Hentet kl"))
    panel.locator("details.hvelv-table > summary").click()
    expect(panel.get_by_text("600 rader, 400 personer")).to_be_visible()
    expect(panel.get_by_text("integer · enhet år · 0–110 · i grupper på 5")).to_be_visible()
    panel.get_by_text("Kategorier (2)").click()
    expect(panel.get_by_text("F Kvinne")).to_be_visible()
    meter = panel.get_by_role("meter")
    assert (meter.get_attribute("max"), meter.get_attribute("value")) == ("200000", "50000")
    expect(panel.get_by_text("Brukt 0,05 av 0,2 ρ (0,15 igjen), ε 1,5 / 3,2")).to_be_visible()
    for part in ("Resultater", "Utleveringer", "De første stegene"):
        panel.get_by_text(part, exact=True).click()
    expect(panel.get_by_text("→ Slå sammen grupper.")).to_be_visible()

    panel.get_by_role("button", name="Sett inn kode som leser wellbeing").click()
    expect(panel.get_by_role("status")).to_have_text(re.compile("Ingen notatbok er åpen"))
    kari.new_notebook()
    kari.run("1 + 1")
    panel.get_by_role("button", name="Sett inn kode som leser wellbeing").click()
    expect(kari.cells.last).to_contain_text('wellbeing = project.read("wellbeing")')
    expect(kari.cells.last).to_contain_text("from hvelv.enclave.lab import project")
    kari.cells.last.locator(".cm-content").click()
    kari.page.keyboard.press("Control+Home")
    kari.page.keyboard.insert_text("from hvelv.enclave.lab import Project\nimport pandas as pd\n")
    kari.page.keyboard.insert_text("Project.read = lambda self, table: pd.DataFrame({'age': [40, 60]})\n")
    kari.page.keyboard.press("Control+End")
    kari.page.keyboard.insert_text('print(wellbeing["')
    panel.get_by_role("button", name="Sett inn age").click()
    kari.page.keyboard.press("End")
    kari.cells.last.locator(".cm-content").click()
    kari.page.keyboard.press("Control+End")
    kari.page.keyboard.insert_text('"].mean())')
    kari.picture(PICTURES, "panel")
    kari.page.keyboard.press("Shift+Enter")
    expect(kari.lab.locator(".jp-OutputArea-output").last).to_have_text(re.compile(r"50\.0"), timeout=PATIENCE)


def test_every_refusal_says_what_to_do_and_a_refresh_gets_over_it(at, kari):
    kari.open_panel()
    shown = kari.panel.get_by_role("alert")
    at.custodian.refused["/lab/exports"] = OTHER
    refresh(kari)
    kari.panel.get_by_text("Utleveringer", exact=True).click()
    expect(shown).to_contain_text("Utleveringer er stengt i kveld.")
    expect(shown).to_contain_text("→ Hent på nytt om litt. Hjelper det ikke, si fra til drift.")
    expect(kari.panel.get_by_text("Tabeller", exact=True)).to_be_visible()  # one part refused leaves the others

    at.custodian.refused = {"/lab/project": RIGHTS}
    refresh(kari)
    expect(shown).to_contain_text("Du har ikke lenger tilgang til prosjektet.")
    expect(shown).to_contain_text("→ Se prosjektets side.")
    expect(kari.panel.get_by_text("Tabeller", exact=True)).to_have_count(0)
    kari.picture(PICTURES, "panel-no-permit")

    at.custodian.refused, at.custodian.silent = {}, True
    refresh(kari)
    expect(shown).to_contain_text("En del av plattformen svarer ikke.")
    expect(shown).to_contain_text("→ Prøv igjen om litt.")

    at.custodian.silent = False
    kari.page.route("**/hvelv/panel*", lambda route: route.abort())
    refresh(kari)
    expect(shown).to_contain_text("Arbeidsøkten svarer ikke.")
    expect(shown).to_contain_text("→ Vent litt og hent på nytt.")
    kari.page.unroute("**/hvelv/panel*")
    refresh(kari)
    expect(shown).to_have_count(0)
    expect(kari.panel.get_by_role("heading", name="Trivsel og alder")).to_be_visible()


def test_in_english_by_keyboard_and_in_the_dark(at, chromium):
    someone = AtTheLab(at, chromium, locale="en-GB")
    try:
        panel, keyboard = someone.panel, someone.page.keyboard
        someone.new_notebook()
        someone.cells.last.locator(".cm-content").click()
        keyboard.press("Control+Alt+h")
        expect(panel.get_by_role("button", name="Refresh")).to_be_focused()
        keyboard.press("Tab")  # the part of the tables, open from the start
        keyboard.press("Tab")
        expect(panel.locator("details.hvelv-table > summary")).to_be_focused()
        keyboard.press("Enter")
        expect(panel.get_by_text("600 rows, 400 persons")).to_be_visible()
        keyboard.press("Tab")
        keyboard.press("Enter")
        expect(panel.get_by_role("status")).to_have_text('Inserted: wellbeing = project.read("wellbeing")')
        expect(someone.cells.last).to_contain_text('wellbeing = project.read("wellbeing")')
        for part in ("Releases", "Exports", "The first steps"):
            panel.get_by_text(part, exact=True).click()
        panel.get_by_label("Find a variable: wellbeing").fill("wom")
        expect(panel.get_by_role("button", name="Insert sex")).to_be_visible()
        expect(panel.get_by_role("button", name="Insert age")).to_be_hidden()
        assert barriers(someone) == []
        someone.menu("Settings", "Theme", "JupyterLab Dark")
        expect(someone.lab.locator("body")).to_have_attribute("data-jp-theme-light", "false")
        expect(someone.lab.locator("body")).to_have_attribute("data-jp-theme-name", "JupyterLab Dark")
        expect(someone.lab.locator("#jupyterlab-splash")).to_have_count(0)
        someone.picture(PICTURES, "panel-dark")
        assert barriers(someone) == []
    finally:
        someone.close()
