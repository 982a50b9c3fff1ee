"""Choosing in which form variables leave, in a real Chromium without scripts: the steward, then the applicant."""

import json
from pathlib import Path

import pytest

from tests.browser import PHONE, a_window, followed, in_a_browser, pictured
from tests.builders_portal import a_declaration
from tests.functional.test_portal_browser import site

__all__ = ["site"]
pytestmark = in_a_browser
PICTURES = Path("build/screenshots/forms")


@pytest.fixture
def declared(tmp_path):
    """Return a file with a declaration, to be uploaded."""
    path = tmp_path / "declaration.json"
    path.write_text(json.dumps(a_declaration("browser_table", "Prøver", "Tests")))
    return path


def test_the_steward_says_the_least_coarse_form_and_everyone_can_read_it(site, chromium, tmp_path, declared):
    page, complaints = a_window(site, chromium, "stine", scripts=False)
    rows = tmp_path / "rows.csv"
    rows.write_text("person,age,sex,value\n01817012345,54,1,3.4\n")
    page.goto(site[1] + "/publish/new")
    page.set_input_files("input[type=file]", rows)
    followed(page, page.locator("main form button").first)
    page.get_by_text("Deklarasjonen som JSON").click()
    page.set_input_files("#f-declaration_file", declared)
    followed(page, page.get_by_role("button", name="Kontroller filen").last)

    page.get_by_label("Utleveres slik, rad 2").select_option(label="Grupper på 10")
    page.get_by_label("Vi ser på uttrekket før det leveres").check()
    followed(page, page.get_by_role("button", name="Kontroller filen").first)
    pictured(page, PICTURES, "1-steward")
    followed(page, page.get_by_role("button", name="Publiser versjonen"))

    assert "Tallet er gjort om til grupper, med grenser ved 20, 30, 40 … 100." in page.inner_text("main")
    assert "Datainnehaveren ser på uttrekket før det leveres." in page.inner_text("main")
    pictured(page, PICTURES, "2-dataset")
    page.set_viewport_size({"width": PHONE, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    pictured(page, PICTURES, "3-dataset-phone")
    assert complaints == []


def test_the_applicant_asks_for_a_coarser_form(site, chromium):
    page, complaints = a_window(site, chromium, "ola", scripts=False)
    page.goto(site[1] + "/applications/app-0001")

    chooser = page.get_by_label("Form: Alder ved prøven").first
    chooser.select_option(label="Grupper på 10")
    page.get_by_label("Alder ved prøven", exact=False).first.check()
    followed(page, page.get_by_role("button", name="Lagre kladden"))

    assert page.get_by_label("Form: Alder ved prøven").first.input_value() == "bands10"
    pictured(page, PICTURES, "4-applicant")
    page.set_viewport_size({"width": PHONE, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    page.goto(site[1] + "/applications/app-0001/answers")
    assert "med grenser ved 20, 30, 40 … 100. (ønsket av søkeren)" in page.inner_text("main")
    pictured(page, PICTURES, "5-answers-phone")
    assert complaints == []
