"""The steward's pages of accounts, and the custodian's door behind them."""

import re
from types import SimpleNamespace

import pytest
from fastapi import FastAPI

from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible
from hvelv.kernel.link import ACTOR, refusal_from
from hvelv.kernel.web import answer_refusals
from hvelv.privacy.adapters.accounts_link import LinkedAccounts
from hvelv.privacy.pages import accounts_api
from hvelv.privacy.service.reviews import Steward
from tests.builders_accounts import BLOOD, CAP, DONORS, SIGRID, STINE, TOR, URINE, a_purchase, opened_books
from tests.builders_portal import TestClient, a_portal

PAGE = "/accounts/ds-0001"
FORM = {"cap": "2", "reason": "Ny finansiering.", "period_from": "2027-01-01", "period_until": "2027-12-31"}


@pytest.fixture
def portal(tmp_path):
    made = a_portal(tmp_path)
    yield made
    made.app.state.accounts.books.database.close()


def cap(portal):
    return portal.app.state.accounts.books.accounts.account("ds-0001").cap


def text_of(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


@pytest.mark.attack("DP08")
def test_a_steward_sees_what_is_spent_reserved_and_left_by_whom_and_on_what(portal):
    stine = portal.browser("stine")

    page, listed = text_of(stine.get(PAGE)), text_of(stine.get("/accounts"))

    for said in (
        "Brukt av alle prosjekter til sammen: ε = 3,13 (rho 0,2)",
        "Av det reservert til svar som ikke er gitt: rho 0,02",
        "Tildelt: rho 0,6",
        "2 svar er betalt. Ikke tildelt: rho 0,4.",
        "± 2,2 i 95 av 100 tilfeller",
        "Plattformens egen andel er rho 0,1.",
        "Ola Forsker : rho 0,2",
        "labs: count",
        "Besvart",
        "Reservert",
    ):
        assert said.replace(" :", ":") in page.replace(" :", ":"), said
    assert "ds-0001" in listed
    assert 'class="held" x="18.0" width="2.0"' in stine.get(PAGE).text


@pytest.mark.attack("DP23")
def test_one_steward_proposes_and_another_confirms_on_the_page(portal):
    stine, sigrid = portal.browser("stine"), portal.browser("sigrid")
    stine.post(f"{PAGE}/topups", data=FORM)
    (topup,) = portal.app.state.accounts.books.topups.of_population("ds-0001")
    decide = f"{PAGE}/topups/{topup['id']}"

    assert "En annen forvalter må bekrefte det." in text_of(stine.get(PAGE))
    assert f"{decide}/confirm" not in stine.get(PAGE).text
    assert stine.post(f"{decide}/confirm").status_code == 403
    assert cap(portal) == CAP
    assert "1" in text_of(sigrid.get("/account-count"))
    assert text_of(stine.get("/account-count")) == ""
    assert "Ny finansiering." in text_of(sigrid.get(PAGE))

    answer = sigrid.post(f"{decide}/confirm", follow_redirects=True)

    assert "Kontoen er gjort større." in text_of(answer)
    assert cap(portal) == 2 * CAP
    assert "Stine Forvalter , Sigrid Forvalter" in text_of(answer).replace("Forvalter,", "Forvalter ,")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("cap", "1", "Kontoen må bli større enn den er"),
        ("cap", "nan", "Skriv hvor stor hele kontoen skal bli"),
        ("cap", "mye", "Skriv hvor stor hele kontoen skal bli"),
        ("reason", "", "Skriv en begrunnelse."),
        ("period_until", "", "En periode har en første og en siste dag"),
    ],
)
def test_what_is_wrong_with_a_proposal_is_said_at_its_field_and_the_rest_is_kept(portal, field, value, said):
    answer = portal.browser("stine").post(f"{PAGE}/topups", data=FORM | {field: value})

    assert answer.status_code == 422
    assert said in text_of(answer)
    anchor = "period_from" if field == "period_until" else field
    assert f'href="#f-{anchor}"' in answer.text
    if field != "reason":
        assert "Ny finansiering.</textarea>" in answer.text
    assert portal.app.state.accounts.books.topups.of_population("ds-0001") == []


def test_a_proposal_can_be_withdrawn_and_refused_on_the_page(portal):
    stine, sigrid = portal.browser("stine"), portal.browser("sigrid")
    for who, answer, said in ((stine, "withdraw", "Trukket"), (sigrid, "refuse", "Avslått")):
        stine.post(f"{PAGE}/topups", data=FORM)
        waiting = portal.app.state.accounts.books.topups.waiting(STINE)[0]
        assert said in text_of(who.post(f"{PAGE}/topups/{waiting['id']}/{answer}", follow_redirects=True))

    assert cap(portal) == CAP


@pytest.mark.attack("DP23")
def test_another_holders_steward_finds_no_such_account(portal):
    tor = portal.browser("tor")

    for answer in (tor.get(PAGE), tor.post(f"{PAGE}/topups", data=FORM), tor.post(f"{PAGE}/topups/top-1/confirm")):
        assert answer.status_code == 404
    assert "ds-0001" not in tor.get("/accounts").text
    assert portal.app.state.accounts.books.topups.of_population("ds-0001") == []


def test_the_pages_are_in_english_too(portal):
    stine = portal.browser("stine")
    stine.post("/settings", data={"lang": "en"})

    page = stine.get(PAGE).text

    assert "Spent by all projects together" in page
    assert "Propose a larger account" in page


# the custodian's door ----------------------------------------------------------------------------------------------
class OverHttp:
    """A link whose other end is an app in this process."""

    def __init__(self, app):
        self.client = TestClient(app, raise_server_exceptions=False)

    def call(self, method, path, *, actor="", json=None, params=None):
        answer = self.client.request(method, path, json=json, params=params, headers={ACTOR: actor})
        if answer.is_success:
            return answer.json() if answer.content else None
        raise refusal_from(answer.status_code, answer.json())


@pytest.fixture
def kept(tmp_path):
    made = opened_books(f"sqlite:///{tmp_path}/books.sqlite", authority="pop")
    made.give("p-one", {BLOOD: 100_000, URINE: 100_000})
    made.accounts.charge(a_purchase((BLOOD, URINE), 5_000))
    yield made
    made.database.close()


@pytest.fixture
def door(kept):
    app = FastAPI()
    app.state.privacy = SimpleNamespace(statements=kept.statements, topups=kept.topups)
    app.include_router(accounts_api.router)
    answer_refusals(app)
    return LinkedAccounts(OverHttp(app))


@pytest.mark.attack("DP08")
@pytest.mark.attack("DP23")
def test_the_door_tells_a_steward_and_takes_two_for_a_larger_account(kept, door):
    assert [one["population"] for one in door.all(STINE)["accounts"]] == [DONORS]
    found = door.one(STINE, DONORS)
    assert (found["spent"], found["reserved"]) == (5_000, 5_000)

    made = door.propose(STINE, DONORS, 2 * CAP, "Nytt år.", ("2027-01-01", "2027-12-31"))
    assert [one["id"] for one in door.all(SIGRID)["waiting"]] == [made["id"]]
    assert door.decide(SIGRID, made["id"], "confirm")["state"] == "confirmed"

    assert kept.accounts.account(BLOOD).cap == 2 * CAP
    assert door.one(STINE, DONORS)["topups"][0]["reason"] == "Nytt år."


def test_the_authority_sees_what_it_decides_on(door):
    made = door.propose(STINE, DONORS, 2 * CAP, "Nytt år.", None)

    assert door.one(TOR, DONORS)["population"] == DONORS  # pop is the authority here
    assert door.decide(TOR, made["id"], "confirm")["decided_by"] == "tor"


def test_refusals_come_across_as_they_are(door):
    made = door.propose(STINE, DONORS, 2 * CAP, "Nytt år.", None)
    eva = Steward("eva", "other")
    for refusal, ask in (
        (NotFound, lambda: door.one(eva, DONORS)),
        (NotFound, lambda: door.one(STINE, "none")),
        (NotFound, lambda: door.decide(eva, made["id"], "confirm")),
        (NotFound, lambda: door.propose(TOR, DONORS, 3 * CAP, "x", None)),
        (Denied, lambda: door.decide(STINE, made["id"], "confirm")),
        (Denied, lambda: door.all(Steward("", "lab"))),
        (Invalid, lambda: door.propose(STINE, DONORS, CAP, "x", None)),
        (Invalid, lambda: door.decide(SIGRID, made["id"], "pay")),
        (Invalid, lambda: door.all(Steward("stine", ""))),
        (NotPossible, lambda: door.propose(SIGRID, DONORS, 3 * CAP, "x", None)),
    ):
        with pytest.raises(refusal):
            ask()
