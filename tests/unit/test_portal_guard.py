"""What every request passes and every answer carries."""

import asyncio

import pytest

from hvelv.enclave.service.rooms import RoomState
from hvelv.portal.access import ROUTES
from hvelv.portal.security import BODY_LIMIT, Guard, Guarded
from tests.builders_portal import HUB, ORIGIN, a_portal
from tests.unit.test_portal_access import filled

EXPECTED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; form-action 'self' {HUB}; base-uri 'none'; frame-ancestors 'none'"
    ),
}


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    return a_portal(tmp_path_factory.mktemp("portal"))


@pytest.mark.attack("BR10")
@pytest.mark.parametrize(("method", "path"), [*sorted(ROUTES), ("GET", "/no-such-page"), ("DELETE", "/")])
def test_every_answer_carries_the_same_headers(portal, method, path):
    answer = portal.browser("ola").request(method, filled(path))

    expected = dict(EXPECTED)
    if path.endswith("/lab"):
        expected["content-security-policy"] += f"; frame-src {HUB}"
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert "strict-transport-security" not in answer.headers


def test_only_the_lab_page_may_frame_and_only_the_hub(portal):
    portal.rooms.states["ola", "p-0001"] = RoomState.OPEN

    page = portal.browser("ola").get("/projects/p-0001/lab")

    assert f'src="{HUB}/user/ola/p-0001/lab"' in page.text
    assert 'sandbox="allow-scripts allow-same-origin allow-forms allow-modals" allow=""' in page.text


def test_strict_transport_is_asked_for_where_there_is_https():
    guarded = Guarded("https://portal.example", "https://lab.example", 10)

    assert "Strict-Transport-Security" in guarded.headers("/")
    assert guarded.host == "portal.example"


@pytest.mark.attack("BR05")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": HUB},
        {"Origin": ORIGIN + ".evil.example"},
        {"Origin": "", "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
@pytest.mark.parametrize("path", sorted(path for method, path in ROUTES if method == "POST"))
def test_a_change_asked_for_from_elsewhere_is_refused(portal, path, headers):
    answer = portal.browser("ola").post(filled(path), headers=headers)

    assert answer.status_code == 403
    assert "egne sider" in answer.text


def test_a_change_with_neither_origin_nor_fetch_site_is_refused(portal):
    browser = portal.browser("ola")
    del browser.headers["Origin"]

    assert browser.post("/selection", data={"action": "clear"}).status_code == 403
    assert browser.post("/selection", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_another_host_name_is_not_served(portal):
    browser = portal.browser("ola")

    assert browser.post("/selection", headers={"Host": "evil.example"}).status_code == 421
    answer = browser.get("/catalogue?q=x", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (307, f"{ORIGIN}/catalogue?q=x")


@pytest.mark.attack("PZ15")
def test_what_a_proxy_says_of_the_sender_changes_nothing(portal):
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}

    answer = portal.visitor(**forwarded).get("/audit")

    assert answer.headers["location"] == "/sign-in?next=/audit"


def test_a_form_that_is_too_large_is_not_read(portal):
    assert portal.browser("ola").post("/settings", content=b"x" * (BODY_LIMIT + 1)).status_code == 413


def test_a_body_sent_in_pieces_without_a_length_is_cut_off_at_the_limit():
    taken = []

    async def greedy(_scope, receive, _send):
        while (message := await receive())["type"] == "http.request":
            taken.append(len(message["body"]))

    async def much():
        kind = "http.request" if len(taken) < 100 else "http.disconnect"
        return {"type": kind, "body": b"x" * 100_000, "more_body": True}

    async def nowhere(_message):
        pass

    headers = [(b"host", b"localhost:8010"), (b"origin", ORIGIN.encode())]
    scope = {"type": "http", "method": "POST", "path": "/settings", "query_string": b"", "headers": headers}
    asyncio.run(Guard(greedy, Guarded(ORIGIN, HUB, 10))(scope, much, nowhere))

    assert 0 < sum(taken) <= BODY_LIMIT
