"""The steward's page of an extract that is being made anew, and of one that nobody is in."""

import pytest

from hvelv.kernel.clock import SetClock
from hvelv.kernel.errors import Unavailable
from tests.builders_portal import a_portal
from tests.builders_reviews import AskedReviews, lab_rows

PAGE = "/extracts/p-0001/lab_values"
YEAR = '{"day":[{"kind":"year"}]}'


@pytest.fixture
def opened(tmp_path):
    made = []

    def opener(rows):
        portal = a_portal(tmp_path)
        asked = AskedReviews(tmp_path / "asked", SetClock(), project="p-0001", dataset="ds-0001", rows=rows)
        portal.app.state.reviews = asked
        made.append(asked.custodian)
        return portal.browser("stine"), asked.custodian

    yield opener
    for one in made:
        one.database.close()


def test_steps_are_taken_back_on_the_page_while_the_extract_is_made_anew(opened):
    browser, custodian = opened(lab_rows(100))
    custodian.answering = False
    fields = {"fingerprint": "f[]", "extra": YEAR}
    browser.post(f"{PAGE}/apply", data=fields)
    page = browser.get(PAGE).text
    assert "Ta tilbake trinnene" in page
    assert "Uttrekket er laget med dine trinn" not in page  # it is not yet
    assert ">Før<" not in page  # nor is there anything to hold it against

    browser.post(f"{PAGE}/apply", data=fields | {"extra": "{}"})

    assert custodian.reviews.steps("p-0001", "lab_values", 1) == {}
    custodian.offer()
    assert "Slipp uttrekket" in browser.get(PAGE).text


def test_the_page_asks_until_the_extract_is_back_and_is_then_shown_anew(opened):
    browser, custodian = opened(lab_rows(100))
    custodian.answering = False
    browser.post(f"{PAGE}/apply", data={"fingerprint": "f[]", "extra": YEAR})
    assert f'hx-get="{PAGE}" hx-trigger="every' in browser.get(PAGE).text
    asking = {"HX-Request": "true", "HX-Request-Type": "partial"}
    assert browser.get(PAGE, headers=asking).status_code == 204

    custodian.offer()

    assert browser.get(PAGE, headers=asking).headers["hx-redirect"] == PAGE
    page = browser.get(PAGE).text
    assert 'hx-trigger="every' not in page
    assert ">Før<" in page


def test_what_is_tried_is_chosen_in_the_lists_so_that_it_can_be_changed(opened):
    browser, _custodian = opened(lab_rows(100))
    assert "selected" not in browser.get(PAGE).text.split('id="f-step"')[1].split("</form>")[0]

    page = browser.post(f"{PAGE}/try", data={"extra": YEAR}).text

    chosen = page.split('id="step-day"')[1].split("</select>")[0]
    assert chosen.count("selected") == 1
    assert "selected>Bare årstallet utleveres." in chosen


def test_the_start_page_says_that_an_extract_waits_and_leads_to_it(opened):
    browser, custodian = opened(lab_rows(100))
    page = browser.get("/").text
    assert "Uttrekk som venter på deg: 1." in page
    assert '<a class="ds-link" href="/extracts">Se uttrekkene</a>' in page

    browser.post(f"{PAGE}/approve", data={"fingerprint": "f[]"})

    assert custodian.verdicts
    assert "Uttrekk som venter på deg" not in browser.get("/").text


def test_the_start_page_opens_when_the_custodian_is_silent(opened, monkeypatch):
    browser, custodian = opened(lab_rows(100))

    def silent(_holder):
        raise Unavailable("En del av plattformen svarer ikke. Ingenting er gjort.")

    monkeypatch.setattr(custodian.reviews, "of_holder", silent)

    page = browser.get("/")

    assert page.status_code == 200
    assert "Uttrekk som venter på deg" not in page.text


def test_an_extract_of_nobody_is_shown_as_empty_with_nothing_to_try(opened):
    browser, _custodian = opened([])
    page = browser.get(PAGE)
    assert page.status_code == 200
    assert "Uttrekket er tomt." in page.text
    assert "Slipp uttrekket" in page.text
    assert "<table" not in page.text
    assert "Vis hva det gjør" not in page.text
    assert "Uttrekket er tomt." in browser.get("/extracts").text
