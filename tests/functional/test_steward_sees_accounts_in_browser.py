"""Two stewards in a real Chromium: one sees what is spent and proposes a larger account, the other confirms it.

The books behind the pages are real. Pictures are left in build/screenshots/accounts.
"""

from pathlib import Path

import pytest

from tests.browser import PHONE, a_window, followed, in_a_browser, pictured, served, violations
from tests.builders_accounts import CAP

PICTURES = Path("build/screenshots/accounts")
PAGE = "/accounts/ds-0001"
pytestmark = in_a_browser


@pytest.fixture
def site(tmp_path):
    with served(tmp_path) as found:
        yield found


def test_two_stewards_make_an_account_larger(site, chromium):
    portal, origin = site
    stine, complaints = a_window(site, chromium, "stine")
    sigrid, _complaints = a_window(site, chromium, "sigrid")
    accounts = portal.wiring.accounts.books.accounts

    stine.goto(origin + "/accounts")
    pictured(stine, PICTURES, "1-accounts")
    followed(stine, "article a.ds-link")
    pictured(stine, PICTURES, "2-account")
    assert violations(stine) == []
    stine.fill("input[name=cap]", "2,5")
    stine.fill("textarea[name=reason]", "Ny finansiering for 2027.")
    stine.fill("input[name=period_from]", "2027-01-01")
    stine.fill("input[name=period_until]", "2027-12-31")
    followed(stine, "button:has-text('Send forslaget')")
    stine.wait_for_selector("text=En annen forvalter må bekrefte det.")
    pictured(stine, PICTURES, "3-proposed")
    assert accounts.account("ds-0001").cap == CAP

    sigrid.goto(origin + "/accounts")
    sigrid.wait_for_selector("nav .ds-tag:has-text('1')")
    followed(sigrid, "ul.tasks a")
    followed(sigrid, "button:has-text('Bekreft')")
    sigrid.wait_for_selector(".ds-tag:has-text('Bekreftet')")
    pictured(sigrid, PICTURES, "4-confirmed")
    assert violations(sigrid) == []

    assert accounts.account("ds-0001").cap == 2_500_000
    assert complaints == []


@pytest.mark.parametrize(("name", "width", "scheme"), [("phone", PHONE, "light"), ("dark", 1280, "dark")])
def test_the_account_is_readable_on_a_phone_and_in_the_dark(site, chromium, name, width, scheme):
    page, complaints = a_window(site, chromium, "stine", width=width, scheme=scheme)
    page.goto(site[1] + PAGE)
    pictured(page, PICTURES, f"5-{name}")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []
    assert complaints == []


def test_a_researcher_sees_what_is_reserved_and_left_on_the_projects_page(site, chromium):
    page, complaints = a_window(site, chromium, "ola")
    page.goto(site[1] + "/projects/p-0001")
    pictured(page, PICTURES, "6-project")

    assert page.locator("svg.bar[role=img][aria-label*='reservert']").count() == 1
    assert "± 2,4 i 95 av 100 tilfeller" in page.inner_text("main")
    assert violations(page) == []
    assert complaints == []
