"""Signing in and out: whose session it is, how long it lives, and what ends it."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlmodel import select

from hvelv.kernel.errors import Denied, NotPossible, Unavailable
from hvelv.portal.hub import Hub
from hvelv.portal.internal import FAILURES, WINDOW, Throttle, create_internal
from hvelv.portal.sessions import PortalSessionRow
from hvelv.portal.sign_in import own_path
from tests.builders_portal import HUB, ORIGIN, Directory, TestClient, a_portal


@pytest.fixture
def portal(tmp_path):
    return a_portal(tmp_path)


def sign_in(browser, name, target="/catalogue"):
    """Go to the hub and come back as `name`."""
    away = browser.get(f"/sign-in?next={target}")
    state = parse_qs(urlsplit(away.headers["location"]).query)["state"][0]
    return browser.get(f"/oauth_callback?code={name}&state={state}")


def test_signing_in_leads_back_to_the_page_that_was_asked_for(portal):
    browser = portal.visitor()

    answer = sign_in(browser, "ola")

    assert (answer.status_code, answer.headers["location"]) == (303, "/catalogue")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert browser.get("/catalogue").status_code == 200


@pytest.mark.attack("PZ07")
def test_a_session_brought_along_is_not_the_one_signed_in_with(portal):
    browser = portal.browser("eva")
    before = browser.cookies["hvelv_session"]

    sign_in(browser, "ola")

    stale = portal.visitor()
    stale.cookies.set("hvelv_session", before)
    assert stale.get("/catalogue").status_code == 303


@pytest.mark.attack("PZ07")
def test_a_session_is_dead_after_signing_out_and_the_hub_is_left_too(portal):
    browser = portal.browser("ola")
    kept = browser.cookies["hvelv_session"]

    answer = browser.post("/sign-out")

    assert answer.headers["location"] == f"{HUB}/hub/logout"
    again = portal.visitor()
    again.cookies.set("hvelv_session", kept)
    assert again.get("/catalogue").status_code == 303


@pytest.mark.parametrize("given", ["", "wrong", "å"])
def test_a_code_without_the_state_that_was_sent_along_is_refused(portal, given):
    browser = portal.visitor()
    browser.get("/sign-in")

    assert browser.get("/oauth_callback", params={"code": "ola", "state": given}).status_code == 403
    assert portal.visitor().get("/oauth_callback", params={"code": "ola", "state": ""}).status_code == 403


@pytest.mark.parametrize("name", ["borte", "nobody"])
def test_whom_the_hub_knows_but_we_do_not_is_not_let_in(portal, name):
    answer = sign_in(portal.visitor(), name)

    assert answer.status_code == 403
    assert "hvelv_session" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(("waited", "alive"), [(timedelta(minutes=59), True), (timedelta(minutes=60), False)])
def test_a_session_ends_after_an_idle_hour(portal, waited, alive):
    browser = portal.browser("ola")
    portal.clock.advance(waited)

    assert (browser.get("/catalogue").status_code == 200) is alive


def test_a_session_ends_after_eight_hours_however_busy(portal):
    browser = portal.browser("ola")
    for _half_hour in range(15):
        portal.clock.advance(timedelta(minutes=30))
        assert browser.get("/catalogue").status_code == 200
    portal.clock.advance(timedelta(minutes=30))

    assert browser.get("/catalogue").status_code == 303


def test_a_forged_or_altered_cookie_signs_nobody_in(portal):
    browser = portal.browser("ola")
    name, _dot, mac = browser.cookies["hvelv_session"].partition(".")
    other_end = "1" if mac.endswith("0") else "0"
    for forged in (name, f"{name}.", f"{name}.{mac[:-1]}{other_end}", f"x{name}.{mac}", "." + mac, "å.æ"):
        other = portal.visitor()
        assert other.get("/catalogue", headers={"Cookie": f"hvelv_session={forged}".encode()}).status_code == 303


def test_the_database_holds_no_name_that_signs_in(portal):
    cookie = portal.browser("ola").cookies["hvelv_session"]

    with portal.wiring.registry.reading() as session:
        rows = session.exec(select(PortalSessionRow)).all()
        kept = [row.name_hash for row in rows]

    assert kept
    assert not any(part in kept for part in cookie.split("."))


def test_a_lost_right_holds_from_the_next_request(portal):
    browser = portal.browser("rita")
    assert browser.get("/audit").status_code == 200
    del portal.people["rita"]

    assert browser.get("/audit").status_code == 303


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:x", "/a\nb", "", "x"]
)
def test_no_address_but_our_own_is_led_to(path):
    assert own_path(path) == "/"


def test_settings_are_kept_and_lead_back(portal):
    answer = portal.visitor().post("/settings", data={"lang": "en", "scheme": "dark", "next": "/projects-register"})

    assert answer.headers["location"] == "/projects-register"
    cookies = answer.headers.get_list("set-cookie")
    assert any(c.startswith("lang=en") for c in cookies)
    assert not any(
        "xx" in c for c in portal.visitor().post("/settings", data={"lang": "xx"}).headers.get_list("set-cookie")
    )


# The hub


def a_hub(answers):
    """Return the hub's client on made-up answers, and what it was asked."""
    asked = []

    def answer(request):
        asked.append(request)
        status, body = answers[request.method, request.url.path]
        return httpx.Response(status, json=body)

    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://127.0.0.1:8081")
    return Hub(HUB, ORIGIN, "secret-token", client), asked


def test_a_code_becomes_a_name_with_the_portals_own_secret():
    hub, asked = a_hub(
        {
            ("POST", "/hub/api/oauth2/token"): (200, {"access_token": "t"}),
            ("GET", "/hub/api/user"): (200, {"name": "ola"}),
        }
    )

    assert hub.name_for("code") == "ola"
    assert b"client_secret=secret-token" in asked[0].content
    assert "authorization" not in asked[0].headers
    assert asked[1].headers["authorization"] == "token t"


def test_a_used_code_is_denied():
    hub, _asked = a_hub({("POST", "/hub/api/oauth2/token"): (400, {})})

    with pytest.raises(Denied):
        hub.name_for("code")


@pytest.mark.parametrize(
    ("server", "state"),
    [
        ({}, "closed"),
        ({"p-1": {"ready": True}}, "open"),
        ({"p-1": {"ready": False, "pending": "spawn"}}, "opening"),
        ({"p-1": {"ready": True, "pending": "stop"}}, "closing"),
        ({"p-1": {"ready": False, "stopped": True}}, "closed"),
        ({"p-2": {"ready": True}}, "closed"),
    ],
)
def test_a_room_is_what_the_hub_says_of_that_server(server, state):
    hub, _asked = a_hub({("GET", "/hub/api/users/ola"): (200, {"servers": server})})

    assert hub.room("ola", "p-1").state == state


def test_opening_an_open_room_is_no_fault_but_a_refused_one_is():
    path = ("POST", "/hub/api/users/ola/servers/p-1")
    hub, _asked = a_hub({path: (400, {}), ("GET", "/hub/api/users/ola"): (200, {"servers": {"p-1": {"ready": True}}})})
    hub.open_room("ola", "p-1")

    hub, _asked = a_hub({path: (400, {}), ("GET", "/hub/api/users/ola"): (200, {"servers": {}})})
    with pytest.raises(NotPossible):
        hub.open_room("ola", "p-1")
    with pytest.raises(Denied):
        a_hub({path: (403, {})})[0].open_room("ola", "p-1")
    with pytest.raises(Unavailable):
        a_hub({path: (500, {})})[0].open_room("ola", "p-1")


# The inner door


def an_inner_door(portal):
    return TestClient(create_internal(Directory(portal.people), portal.clock))


def test_the_inner_door_knows_the_right_password_and_code(portal):
    answer = an_inner_door(portal).post("/sign-in", json={"person": " OLA ", "password": "riktig", "otp": "123456"})

    assert answer.json() == {"person": "ola", "name": "Ola Forsker"}


@pytest.mark.attack("PZ13")
def test_every_wrong_sign_in_gets_the_same_answer(portal):
    door = an_inner_door(portal)
    tries = [
        ("ola", "feil", "123456"),
        ("ola", "riktig", "0"),
        ("nobody", "riktig", "123456"),
        ("borte", "riktig", "123456"),
    ]

    answers = [door.post("/sign-in", json={"person": p, "password": w, "otp": o}) for p, w, o in tries]

    assert {a.status_code for a in answers} == {403}
    assert len({a.text for a in answers}) == 1


@pytest.mark.attack("PZ15")
def test_guessing_is_held_back_also_with_the_right_password_and_another_spelling(portal):
    door = an_inner_door(portal)
    for _try in range(FAILURES):
        door.post("/sign-in", json={"person": "ola", "password": "feil", "otp": "1"})
    right = {"person": "OLA", "password": "riktig", "otp": "123456"}

    assert door.post("/sign-in", json=right).status_code == 403
    assert door.post("/sign-in", json=right | {"person": "per"}).status_code == 200
    portal.clock.advance(WINDOW)
    assert door.post("/sign-in", json=right).status_code == 200


@pytest.mark.attack("PZ16")
def test_a_name_without_end_is_not_taken_in(portal):
    answer = an_inner_door(portal).post("/sign-in", json={"person": "x" * 10_000, "password": "p", "otp": "1"})

    assert answer.status_code == 422
    assert "xxx" not in answer.text


def test_the_throttle_remembers_a_bounded_number_of_names(portal):
    throttle = Throttle(portal.clock)
    for number in range(10_050):
        throttle.failed(f"name-{number}")

    assert len(throttle._failed) == 10_000
