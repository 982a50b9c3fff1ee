"""What may pass between browser, session and platform: the rules as tables."""

import json

import pytest

from hvelv.enclave.domain import policy
from hvelv.enclave.domain.policy import (
    CLOSED,
    content_security_policy,
    cookies_for_session,
    decide,
    is_activity,
    may_ask_custodian,
    may_ask_hub,
    may_set_cookie,
    without_tokens,
)
from hvelv.enclave.domain.sessions import SessionName

KARI = SessionName("kari", "p-abc")
BASE = "/user/kari/p-abc"
HOST = {"host": "lab.example:8000"}


def verdict(path, method="GET", query="", **headers):
    return decide(
        KARI, method, BASE + path, query, HOST | {key.replace("_", "-"): value for key, value in headers.items()}
    )


OPEN = [
    "", "/", "/lab", "/lab/tree/notebooks/first.ipynb", "/lab/api/settings/@jupyterlab/apputils-extension:themes",
    "/lab/api/workspaces/default", "/api/contents", "/api/contents/a%20folder/notes%2Etxt", "/api/contents/files/x.ipynb",
    "/api/contents/tree", "/api/contents/100%25.ipynb", "/api/kernels", "/api/kernels/1-2/channels", "/api/sessions",
    "/static/lab/main.js", "/static/lab/main.js.map", "/api/kernelspecs", "/oauth_callback", "/api/me", "/lsp/status",
    "/api/contents/r%C3%A5data.ipynb/checkpoints", "/git/settings", "/git/felles/diff", "/nbdime/api/gitdiff",
    "/hvelv/panel", "/lab/extensions/hvelv-panel/static/remoteEntry.js",
]  # fmt: skip
SHUT = {
    "/files/data.csv": "files", "/files": "files", "/FILES/data.csv": "files", "//files/data.csv": "files", "/%66iles/x": "files",
    "/%2566iles/x": "files", "/lab/../files/x": "path", "/lab/%2e%2e/files/x": "path", "/lab/%252e%252e/files/x": "path",
    "/files;v=1/x": "files", "/;v=1/files/x": "files", "/lab\\..\\files\\x": "path", "/lab%5c..%5cfiles": "path", "\\files\\x": "files",
    "/%2ffiles/x": "files", "/./files/x": "files", "/lab/..;/files/x": "path", "/files%00.ipynb": "path", "/%0a": "path",
    "/nbconvert/html/a.ipynb": "nbconvert", "/api/nbconvert": "nbconvert", "/terminals/1": "terminal", "/api/terminals": "terminal",
    "/terminals/websocket/1": "terminal", "/tree": "tree", "/notebooks/a.ipynb": "tree", "/edit/a": "tree", "/view/a": "tree",
    "/nbdime/difftool": "tree", "/nbdime/git-difftool": "tree", "/nbdime/checkpoint-difftool": "tree", "/proxy/8888/": "proxy", "/proxy/absolute/80": "proxy", "/lab/api/extensions": "extensions", "/lab/api/plugins/x": "extensions",
    "/lab/api/news": "news", "/lab/api/update": "news", "/lab/api/build": "build", "/api/contents/a.ipynb/trust": "trust",
    "/api/contents/a/b/download": "download", "/api/shutdown": "shutdown", "/../../ola/p-abc/lab": "path", "/../p-xyz/lab": "path",
    "/..%2f..%2f..%2fhub/api": "path", "/" + "a" * 5000: "path", "/%25252525252525252525252566iles": "path",
}  # fmt: skip


@pytest.mark.parametrize("path", OPEN)
def test_what_jupyterlab_needs_is_open(path):
    assert verdict(path).allowed, verdict(path)


@pytest.mark.attack("BR08")
@pytest.mark.parametrize(("path", "kind"), SHUT.items())
def test_ways_to_carry_bytes_out_are_shut_however_they_are_written(path, kind):
    assert (verdict(path).allowed, verdict(path).kind) == (False, kind)


@pytest.mark.parametrize("rule", CLOSED, ids=lambda rule: rule.kind)
def test_every_closed_path_says_why(rule):
    assert rule.reason


@pytest.mark.parametrize("query", ["download=1", "download", "DOWNLOAD=1", "content=1&download=", "a=1&%64ownload=1"])
def test_a_download_asked_for_by_query_is_refused(query):
    assert verdict("/api/contents/a", query=query).kind == "download"


@pytest.mark.attack("SB09")
@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("token=s3", ""),
        ("a=1&token=s3&b=2", "a=1&b=2"),
        ("TOKEN=x&a", "a"),
        ("%74oken=x", ""),
        ("tokens=1", "tokens=1"),
        ("", ""),
    ],
)
def test_tokens_in_the_query_never_reach_a_session(query, kept):
    assert without_tokens(query) == kept


def test_authorization_never_reaches_a_session():
    assert "authorization" in policy.DROPPED_TO_SESSION


WHERE_FROM = [
    ("GET", {"sec_fetch_dest": "iframe", "sec_fetch_site": "same-site"}, "pass"),
    ("GET", {"sec_fetch_dest": "document", "sec_fetch_site": "same-site"}, "top-level"),
    ("GET", {"sec_fetch_dest": "object"}, "top-level"),
    ("GET", {"sec_fetch_dest": "serviceworker"}, "service-worker"),
    ("GET", {"service_worker": "script"}, "service-worker"),
    ("GET", {"sec_fetch_site": "cross-site"}, "site"),
    ("POST", {"origin": "http://lab.example:8000"}, "pass"),
    ("POST", {"origin": "http://lab.example:8010"}, "origin"),
    ("POST", {"origin": "null"}, "origin"),
    ("POST", {}, "pass"),
    ("GET", {"upgrade": "websocket", "origin": "http://lab.example:8000"}, "pass"),
    ("GET", {"upgrade": "websocket", "origin": "http://evil.example"}, "origin"),
    ("GET", {"upgrade": "WebSocket"}, "origin"),
    ("TRACE", {}, "method"),
    ("CONNECT", {}, "method"),
]


@pytest.mark.attack("BR07")
@pytest.mark.parametrize(("method", "headers", "kind"), WHERE_FROM)
def test_only_the_sessions_own_page_in_the_portals_frame_is_answered(method, headers, kind):
    assert verdict("/lab", method, **headers).kind == kind


HUB = [
    ("GET", "/hub/api", True), ("GET", "/hub/api/", True), ("GET", "/hub/api/user", True),
    ("POST", "/hub/api/oauth2/token", True), ("POST", "/hub/api/users/kari/activity", True),
    ("POST", "/hub/api/users/ola/activity", False), ("GET", "/hub/api/users/kari", False), ("GET", "/hub/api/users", False),
    ("POST", "/hub/api/users/kari/servers/p-abc", False), ("DELETE", "/hub/api/users/kari/servers/p-abc", False),
    ("POST", "/hub/api/users/kari/tokens", False), ("GET", "/hub/api/info", False), ("GET", "/hub/api/proxy", False),
    ("POST", "/hub/api/shutdown", False), ("GET", "/hub/api/user/../users", False), ("GET", "/hub/login", False),
    ("POST", "/hub/api/shares/kari/p-abc", False), ("POST", "/hub/api/user", False), ("GET", "/hub/api/user%2f..%2fusers", False),
    ("GET", "/hub/metrics", False), ("GET", "//hub/api/user", False), ("POST", "/hub/api/users/k%61ri/activity", False),
]  # fmt: skip


@pytest.mark.attack("SB07")
@pytest.mark.parametrize(("method", "path", "may"), HUB)
def test_a_session_may_ask_the_hub_three_things(method, path, may):
    assert may_ask_hub(KARI, method, path) is may


LAB = [
    ("/lab/project", True), ("/lab/datasets/patients/parts/0", True), ("/lab/../grants/kari/p-abc", False), ("/grants/kari/p-abc", False),
    ("/lab", False), ("//lab/project", False), ("/lab//x", False), ("/lab/%2e%2e/grants", False), ("/lab/..%2fgrants", False),
    ("/lab/a;b/c", False), ("/lab/./x", False), ("/lab/x/", False), ("/LAB/project", False), ("http://x/lab/project", False),
]  # fmt: skip


@pytest.mark.parametrize(("path", "may"), LAB)
def test_a_session_may_ask_the_custodians_lab_and_nothing_else_of_it(path, may):
    assert may_ask_custodian(path) is may


@pytest.mark.attack("BR04")
def test_a_session_sees_its_own_cookies_and_not_the_portals_or_the_hubs():
    sent = (
        "_xsrf=1; portal-session=secret; jupyterhub-user-kari-p-abc=mine; jupyterhub-user-kari-p-xyz=other; "
        "jupyterhub-hub-login=hub; jupyterhub-session-id=s; jupyterhub-user-kari-p-abc-oauth-state-1=o; jupyterhub-user-kari-p-abcd=x"
    )
    assert cookies_for_session(sent, KARI) == (
        "_xsrf=1; jupyterhub-user-kari-p-abc=mine; jupyterhub-session-id=s; jupyterhub-user-kari-p-abc-oauth-state-1=o"
    )


COOKIES = [
    ("jupyterhub-user-kari-p-abc=1; Path=/user/kari/p-abc/; HttpOnly", True),
    ("_xsrf=1; Path=/user/kari/p-abc/", True),
    ("_xsrf=1; Path=/", False),
    ("_xsrf=1; Path=/hub/", False),
    ("_xsrf=1", False),
    ("portal-session=x; Path=/user/kari/p-abc/", False),
    ("_xsrf=1; Path=/user/kari/p-abc/; Domain=example", False),
    ("_xsrf=1; Path=/user/kari/p-abcd/", False),
    ("_xsrf=1; path=/user/kari/p-abc", True),
    ("_xsrf=1; Path=/user/kari/p-abc/; Path=/", False),
]


@pytest.mark.attack("BR04")
@pytest.mark.parametrize(("header", "may"), COOKIES)
def test_a_session_may_set_its_own_cookies_only(header, may):
    assert may_set_cookie(header, KARI) is may


def test_the_page_policy_names_no_host_but_the_portal():
    value = content_security_policy("http://portal.example:8010")
    directives = dict(part.strip().split(" ", 1) for part in value.split(";"))
    assert directives["frame-ancestors"] == "'self' http://portal.example:8010"
    assert directives["sandbox"].split() == ["allow-scripts", "allow-same-origin", "allow-forms", "allow-modals"]
    assert directives["connect-src"] == directives["default-src"] == "'self'"
    assert "http" not in value.replace("http://portal.example:8010", "")


WHEN = "2026-12-01T04:52:00.123456Z"
ACTIVITIES = [
    ({"servers": {KARI.project: {"last_activity": WHEN}}, "last_activity": WHEN}, True),
    ({"last_activity": WHEN}, True),
    ({"servers": {"another": {"last_activity": WHEN}}}, False),
    ({"servers": {KARI.project: {"last_activity": WHEN, "note": "x"}}}, False),
    ({"servers": {KARI.project: {"last_activity": "a name"}}}, False),
    ({"servers": [KARI.project]}, False),
    ({"last_activity": 7}, False),
    ({"note": "x"}, False),
    ([], False),
]


@pytest.mark.attack("SB07")
@pytest.mark.parametrize(("told", "may"), ACTIVITIES)
def test_a_session_tells_the_hub_when_it_was_used_and_nothing_else(told, may):
    assert is_activity(KARI, json.dumps(told).encode()) is may


def test_an_empty_message_carries_nothing_and_is_the_hubs_to_refuse():
    assert is_activity(KARI, b"")


@pytest.mark.parametrize("body", [b" ", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_tells_nothing(body):
    assert not is_activity(KARI, body)
