"""The steward's page of an extract that is being made anew, and of one that nobody is in."""

import pytest

from hvelv.kernel.clock import SetClock
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

    browser.post(f"{PAGE}/apply", data=fields | {"extra": "{}"})

    assert custodian.reviews.steps("p-0001", "lab_values", 1) == {}
    custodian.offer()
    assert "Slipp uttrekket" in browser.get(PAGE).text


def test_an_extract_of_nobody_is_shown_as_empty_with_nothing_to_try(opened):
    browser, _custodian = opened([])
    page = browser.get(PAGE)
    assert page.status_code == 200
    assert "Uttrekket er tomt." in page.text
    assert "Slipp uttrekket" in page.text
    assert "<table" not in page.text
    assert "Vis hva det gjør" not in page.text
    assert "Uttrekket er tomt." in browser.get("/extracts").text
