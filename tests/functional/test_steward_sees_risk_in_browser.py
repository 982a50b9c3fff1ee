"""A steward in a real Chromium: sees the risk of an extract, tries a step, sees it fall, applies it, lets the extract go.

The custodian's side is real (reviews, measuring, transforms), and so is what comes back after the steps: the extract is
made anew with them and measured again. Pictures of each page are left in build/screenshots/risk.
"""

import re
from pathlib import Path

import pytest

from hvelv.privacy.domain.reviewing import Verdict
from tests.browser import PHONE, a_window, followed, in_a_browser, pictured, served

PICTURES = Path("build/screenshots/risk")
PAGE = "/extracts/p-0001/lab_values"
pytestmark = in_a_browser


@pytest.fixture
def site(tmp_path):
    with served(tmp_path) as found:
        yield found


def share_in_small_groups(page, column):
    row = page.locator("tr", has_text="Personer i små grupper").first
    text = row.locator("td").nth(column).inner_text()
    return float(re.search(r"[\d,]+", text)[0].replace(",", "."))


def test_a_steward_sees_the_risk_applies_a_step_sees_it_fall_and_lets_the_extract_go(site, chromium):
    portal, origin = site
    custodian = portal.wiring.reviews.custodian
    page, complaints = a_window(site, chromium, "stine")

    page.goto(origin + "/extracts")
    page.wait_for_selector("nav .ds-tag:has-text('1')")
    pictured(page, PICTURES, "1-waiting")
    followed(page, "a:has-text('Blodprøver')")
    assert page.locator("figure.picture svg[role=img][aria-label]").count() == 3
    pictured(page, PICTURES, "2-risk")
    at_first = share_in_small_groups(page, 1)

    followed(page, page.locator("form[action$='/try'] button", has_text="Prøv").first)
    page.wait_for_selector("#tried")
    pictured(page, PICTURES, "3-tried")
    assert share_in_small_groups(page, 1) == at_first  # how it is now stands beside how it would be
    tried = share_in_small_groups(page, 2)
    assert tried < at_first / 2
    assert custodian.reviews.steps("p-0001", "lab_values", 1) == {}

    followed(page, "button:has-text('Bruk trinnene')")
    page.wait_for_selector("text=Uttrekket er laget med dine trinn")
    pictured(page, PICTURES, "4-narrowed")
    assert (share_in_small_groups(page, 1), share_in_small_groups(page, 2)) == (at_first, tried)
    assert custodian.verdicts[-1] is Verdict.WAITING

    followed(page, "button:has-text('Slipp uttrekket')")
    page.wait_for_selector(".ds-tag:has-text('Sluppet')")
    pictured(page, PICTURES, "5-let-go")
    assert custodian.verdicts[-1] is Verdict.GO
    assert [a for who, a in custodian.actions() if who == "stine"] == [
        "extract.previewed",
        "extract.narrowed",
        "extract.approved",
    ]
    assert complaints == []


def test_a_steward_chooses_a_step_of_their_own_and_refuses_without_javascript_too(site, chromium):
    portal, origin = site
    page, _complaints = a_window(site, chromium, "stine", scripts=False)
    page.goto(origin + PAGE)
    page.select_option("select[name='step.day']", label="Bare årstallet utleveres.")
    followed(page, "button:has-text('Vis hva det gjør')")
    page.wait_for_selector("#tried")

    followed(page, "text=Forkast")
    page.click("summary:has-text('Nekt uttrekket')")
    followed(page, "button:has-text('Nekt') >> nth=-1")
    assert page.locator("[role=alert]", has_text="Skriv en begrunnelse").count() == 1
    page.fill("textarea[name=reason]", "For få personer i små kommuner.")
    followed(page, "button:has-text('Nekt') >> nth=-1")
    page.wait_for_selector(".ds-tag:has-text('Nektet')")
    assert portal.wiring.reviews.custodian.verdicts[-1] is Verdict.REFUSED


@pytest.mark.parametrize(("name", "width", "scheme"), [("phone", PHONE, "light"), ("dark", 1280, "dark")])
def test_the_risk_is_readable_on_a_phone_and_in_the_dark(site, chromium, name, width, scheme):
    page, complaints = a_window(site, chromium, "stine", width=width, scheme=scheme)
    page.goto(site[1] + PAGE)
    pictured(page, PICTURES, f"6-{name}")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []
