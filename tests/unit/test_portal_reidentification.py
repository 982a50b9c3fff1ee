"""The page for leading pseudonyms back: who sees what, and that nobody's number is where it could stay."""

import pytest

from hvelv.portal.access import ROUTES
from tests.builders_portal import a_portal
from tests.builders_reidentification import NUMBER

PATH = "/reidentification"
FORM = {"place": "p-0001/ds-0001", "reason": "danger", "text": "Bør ringes.", "pseudonyms": "17\n18"}


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    return a_portal(tmp_path_factory.mktemp("portal"))


@pytest.mark.parametrize(
    ("person", "sees", "ways"),
    [
        ("ola", True, {"withdraw"}),
        ("stine", True, {"execute"}),
        ("kari", True, {"approve"}),
        ("rita", True, set()),
        ("tor", False, set()),
        ("eva", False, set()),
    ],
)
def test_each_sees_and_can_do_what_is_theirs(portal, person, sees, ways):
    page = portal.browser(person).get(PATH).text

    assert ("Et svar som bør følges opp raskt." in page) == sees
    assert {way for way in ("withdraw", "execute", "approve") if f'/{way}"' in page} == ways
    assert NUMBER not in page


def test_a_member_asks_and_is_told_what_to_mend(portal):
    browser = portal.browser("ola")

    assert browser.post(PATH, data=FORM).status_code == 303
    wrong = browser.post(PATH, data=FORM | {"text": "født 010199 12345"})
    assert wrong.status_code == 422
    assert "andre lange tall" in wrong.text
    assert browser.post(PATH, data=FORM | {"place": "p-0001/ds-9999"}).status_code == 422
    assert portal.browser("eva").post(PATH, data=FORM).status_code == 422


@pytest.mark.attack("PS11")
def test_the_steward_is_told_in_the_answer_itself_which_nothing_keeps(portal):
    answer = portal.browser("stine").post(f"{PATH}/rid-0001/execute")

    assert answer.status_code == 200
    assert NUMBER in answer.text
    assert answer.headers["cache-control"] == "no-store"
    for person in ("tor", "ola", "kari", "rita"):
        assert NUMBER not in portal.browser(person).post(f"{PATH}/rid-0001/execute").text


def test_nobody_decides_for_a_side_that_is_not_theirs(portal):
    for person, side in (("stine", "ethics"), ("kari", "steward"), ("kari", ""), ("stine", "both")):
        assert portal.browser(person).post(f"{PATH}/rid-0001/approve", data={"side": side}).status_code == 403
    assert portal.browser("kari").post(f"{PATH}/rid-0001/approve", data={"side": "ethics"}).status_code == 303
    assert portal.browser("stine").post(f"{PATH}/rid-0001/refuse", data={"side": "steward"}).status_code == 303


@pytest.mark.attack("PS11")
def test_no_other_route_of_the_portal_takes_a_persons_number_or_a_pseudonym(portal):
    """Everything that leads a pseudonym back, or makes one, goes through these five."""
    assert {path for _method, path in ROUTES if "reidentif" in path or "pseudonym" in path} == {
        PATH,
        *(f"{PATH}/{{case_id}}/{what}" for what in ("approve", "refuse", "withdraw", "execute")),
    }
