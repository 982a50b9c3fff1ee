"""The gateway between stand-ins: who a socket says you are, what passes, and when it stops passing."""

import asyncio
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from hvelv.enclave.adapters.gateway import serve
from hvelv.enclave.adapters.rooms import control_socket, make_folders, remove_folders
from hvelv.enclave.adapters.spawner import layout_of
from hvelv.enclave.adapters.traffic import TrafficLog
from hvelv.enclave.domain import rights
from hvelv.enclave.domain.kernel_messages import V1, heads, written
from hvelv.enclave.domain.sessions import SessionLayout, SessionName
from hvelv.enclave.domain.traffic import TrafficLimits
from tests.builders_enclave import ROOT, UID, Installation, a_data_dir, an_installation, wait_for

pytestmark = pytest.mark.integration
KARI, OLA = SessionName("kari", "p-aaaaaaaaaa"), SessionName("ola", "p-bbbbbbbbbb")
KERNEL = KARI.prefix + "api/kernels/1/channels"
K = 1 << 10
LIMITS = TrafficLimits(answer=256 * K, message=64 * K, rate=64 * K, burst=512 * K, hour=300 * K, slow=64 * K)


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("hvelv", timeout=10)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self.path))


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: list[tuple[str, str]] = (),
) -> Answer:
    """Send exactly these bytes of a path and these headers: no client in between tidies them up."""
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        content = json.dumps(body).encode() if body is not None else b""
        for key, value in headers:
            connection.putheader(key, value)
        if content:
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content or None)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


class FakeServer:
    """Stands where a session's JupyterLab would, and tells what reached it."""

    printed = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            ws = web.WebSocketResponse(protocols=[V1], max_msg_size=1 << 30)
            await ws.prepare(request)
            async for message in ws:
                if message.type is WSMsgType.BINARY:
                    await self.run(ws, message.data)
                if message.type is WSMsgType.TEXT:
                    await ws.send_str(message.data[::-1])
            return ws
        if "large.csv" in request.path:
            return await self.large(request)
        headers = [
            ("Content-Security-Policy", "default-src *"), ("Content-Disposition", "attachment"), ("Access-Control-Allow-Origin", "*"),
            ("Set-Cookie", "_xsrf=ok; Path=/user/kari/p-aaaaaaaaaa/"), ("Set-Cookie", "portal=stolen; Path=/"), ("X-Frame-Options", "ALLOW"),
            ("Link", "<http://evil.example>; rel=preload"), ("Refresh", "0; url=http://evil.example"),
        ]  # fmt: skip
        body = {"path": request.raw_path, "headers": {k.lower(): v for k, v in request.headers.items()}}
        response = web.json_response(body)
        for key, value in headers:
            response.headers.add(key, value)
        return response

    async def run(self, ws: web.WebSocketResponse, asked: bytes) -> None:
        """Print as a kernel does: so many messages of such a size, then the answer that the cell has run."""
        said = heads(asked, V1)
        wanted = json.loads(asked[int.from_bytes(asked[40:48], "little") :])
        for number in range(wanted["times"]):
            await ws.send_bytes(printed("x" * wanted["size"], said.header))
            self.printed = number + 1
        await ws.send_bytes(message_of("shell", "execute_reply", {"status": "ok"}, said.header))

    async def large(self, request: web.Request) -> web.StreamResponse:
        """Give a file larger than may be shown, with its length said or not."""
        if request.query_string == "said":
            return web.Response(body=b"Kari Nordmann;" * 30_000)
        response = web.StreamResponse()
        await response.prepare(request)
        for _piece in range(100):
            await response.write(b"Kari Nordmann;" * 1000)
        return response


def message_of(channel: str, kind: str, content: dict[str, Any], parent: Any) -> bytes:
    header = {"msg_id": f"{kind}-1", "msg_type": kind, "session": "s", "username": "", "version": "5.3", "date": ""}
    document = {"header": header, "parent_header": dict(parent), "metadata": {}, "content": content}
    return written(channel, document, V1)


def printed(text: str, parent: Any) -> bytes:
    return message_of("iopub", "stream", {"name": "stdout", "text": text}, parent)


@dataclass
class Desk:
    """An installation with a gateway in this process and sessions whose servers are stand-ins."""

    at: Installation
    log: io.StringIO = field(default_factory=io.StringIO)
    servers: dict[SessionName, FakeServer] = field(default_factory=dict)
    stop_event: asyncio.Event | None = None
    task: Any = None

    def start(self) -> None:
        async def begin() -> None:
            self.stop_event = asyncio.Event()
            self.task = asyncio.create_task(serve(self.at.settings, self.stop_event, TrafficLog(self.log)))

        self.at.servers.call(begin())
        wait_for(lambda: self._listens() or (self.task.done() and self.task.result()), 10)

    def _listens(self) -> bool:
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.at.settings.gateway_port)) == 0

    def stop(self) -> None:
        async def end() -> None:
            self.stop_event.set()
            await self.task

        self.at.servers.call(end())

    def announce(self, name: SessionName) -> SessionLayout:
        """Make a session's folders and tell the gateway, as the spawner does."""
        layout = layout_of(self.at.settings, name)
        make_folders(layout, None)
        self.servers[name] = FakeServer()
        self.at.servers.on_socket(self.servers[name].app(), layout.server_socket)
        assert (
            ask(UnixConnection(control_socket(self.at.settings.run_dir)), "PUT", f"/sessions/{name.sid}").status == 204
        )
        return layout

    def browse(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.at.settings.gateway_port, timeout=10)
        return ask(connection, method, path, headers=[(key.replace("_", "-"), value) for key, value in headers.items()])

    def websocket(self, path: str, origin: str = "", **more: Any) -> Any:
        host = f"127.0.0.1:{self.at.settings.gateway_port}"
        return connect(f"ws://{host}{path}", origin=origin or f"http://{host}", **more)

    def kernel(self) -> Any:
        return self.websocket(KERNEL, subprotocols=[V1], max_size=1 << 30)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with pytest.MonkeyPatch.context() as patch, a_data_dir() as data_dir, an_installation(data_dir) as at:
        patch.setattr(rights, "ASK_EVERY", 0.2)
        patch.setattr("hvelv.enclave.adapters.open_sessions.LOOK_EVERY", 0.1)
        at.custodian.grants |= {("kari", KARI.project), ("ola", OLA.project)}
        patch.setattr("hvelv.enclave.adapters.gateway.traffic_limits", lambda _settings: LIMITS)
        patch.setattr("hvelv.enclave.adapters.gateway.TELL_EVERY", 0.1)
        desk = Desk(at)
        desk.start()
        yield desk
        desk.stop()


@pytest.fixture
def kari(desk) -> Iterator[SessionLayout]:
    desk.at.custodian.grants |= {("kari", KARI.project)}
    desk.at.custodian.broken = False
    layout = desk.announce(KARI)
    yield layout
    ask(UnixConnection(control_socket(desk.at.settings.run_dir)), "DELETE", f"/sessions/{KARI.sid}")
    remove_folders(layout)


@pytest.fixture
def ola(desk) -> Iterator[SessionLayout]:
    layout = desk.announce(OLA)
    yield layout
    ask(UnixConnection(control_socket(desk.at.settings.run_dir)), "DELETE", f"/sessions/{OLA.sid}")
    remove_folders(layout)


def last_seen(desk) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in desk.at.custodian.seen[-1]["headers"]:
        found.setdefault(key, []).append(value)
    return found


# ---- lab.sock


@pytest.mark.attack("S301")
def test_the_socket_says_who_asks_and_nothing_in_the_request_can(desk, kari, ola):
    spoofed = [("X-Hvelv-Actor", "ola"), ("x-hvelv-project", "p-bbbbbbbbbb"), ("X-HVELV-ACTOR", "admin"), ("x-hvelv-anything", "1"),
               ("Authorization", "token x"), ("Cookie", "a=b"), ("X-Forwarded-For", "1.1.1.1")]  # fmt: skip
    assert ask(UnixConnection(kari.egress / "lab.sock"), "GET", "/lab/project", headers=spoofed).status == 200
    seen = last_seen(desk)
    assert (seen["x-hvelv-actor"], seen["x-hvelv-project"]) == (["kari"], ["p-aaaaaaaaaa"])
    assert not set(seen) & {"x-hvelv-anything", "authorization", "cookie", "x-forwarded-for"}
    assert ask(UnixConnection(ola.egress / "lab.sock"), "POST", "/lab/quotes", {"a": 1}).status == 200
    seen = last_seen(desk)
    assert (seen["x-hvelv-actor"], seen["x-hvelv-project"]) == (["ola"], ["p-bbbbbbbbbb"])


@pytest.mark.parametrize(
    "path", ["/grants/kari/p-aaaaaaaaaa", "/lab/../grants/a/b", "/lab/%2e%2e/grants/a/b", "//lab/x", "/health", "/lab"]
)
def test_of_the_custodian_a_session_reaches_the_lab_only(desk, kari, path):
    before = len(desk.at.custodian.seen)
    assert ask(UnixConnection(kari.egress / "lab.sock"), "GET", path).status == 403
    assert len(desk.at.custodian.seen) == before


def test_an_absolute_address_is_not_followed(desk, kari):
    assert ask(UnixConnection(kari.egress / "lab.sock"), "GET", "http://127.0.0.1:1/lab/project").status in {400, 403}


def test_a_question_that_is_too_large_is_refused(desk, kari):
    assert ask(UnixConnection(kari.egress / "lab.sock"), "POST", "/lab/quotes", {"a": "x" * (2 << 20)}).status == 413


# ---- hub.sock


@pytest.mark.attack("SB07")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/hub/api/users"), ("POST", "/hub/api/users/kari/tokens"), ("POST", "/hub/api/users/kari/servers/p-aaaaaaaaaa"),
        ("POST", "/hub/api/users/ola/activity"), ("GET", "/hub/api/info"), ("GET", "/hub/api/shares/x/y"), ("GET", "/hub/home"),
        ("GET", "/hub/api/user/%2e%2e/users"), ("DELETE", "/hub/api/user"), ("GET", "/api/routes"), ("GET", "/lab/project"),
    ],
)  # fmt: skip
def test_the_hub_answers_a_session_three_questions_only(desk, kari, method, path):
    assert ask(UnixConnection(kari.egress / "hub.sock"), method, path).status == 403


def test_the_hubs_own_three_are_passed_on(desk, kari):
    # no hub runs here, so what is let through finds nobody
    for method, path, body in (
        ("GET", "/hub/api/user", None),
        ("POST", "/hub/api/oauth2/token", None),
        ("POST", "/hub/api/users/kari/activity", {"last_activity": "2026-12-01T04:52:00.123456Z"}),
    ):
        assert ask(UnixConnection(kari.egress / "hub.sock"), method, path, body).status == 503


def test_a_message_of_activity_with_more_in_it_is_not_passed_on(desk, kari):
    body = {"last_activity": "2026-12-01T04:52:00.123456Z", "servers": {"a name": {}}}
    assert ask(UnixConnection(kari.egress / "hub.sock"), "POST", "/hub/api/users/kari/activity", body).status == 403


# ---- from the browser


def test_a_session_gets_its_own_cookies_and_no_token(desk, kari):
    answer = desk.browse(
        KARI.prefix + "api/me?token=s3cret&a=1", Authorization="token s3cret", X_Hvelv_Actor="ola",
        Cookie="portal=1; _xsrf=2; jupyterhub-user-kari-p-aaaaaaaaaa=3; jupyterhub-hub-login=4",
    )  # fmt: skip
    got = answer.json
    assert got["path"] == KARI.prefix + "api/me?a=1"
    assert got["headers"]["cookie"] == "_xsrf=2; jupyterhub-user-kari-p-aaaaaaaaaa=3"
    assert not set(got["headers"]) & {"authorization", "x-hvelv-actor"}


@pytest.mark.attack("BR10")
def test_every_answer_has_our_headers_and_none_of_the_sessions_own(desk, kari):
    for path, status in (
        (KARI.prefix + "lab", 200),
        (KARI.prefix + "files/x", 403),
        ("/user/nobody/p-x/lab", 503),
        ("/", 404),
    ):
        answer = desk.browse(path)
        assert answer.status == status
        assert answer.headers.get_all("Content-Security-Policy")[0].startswith("default-src 'self'; script-src 'self'")
        assert "sandbox allow-scripts" in answer.headers["Content-Security-Policy"]
        assert len(answer.headers.get_all("Content-Security-Policy")) == 1
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        for name in ("Content-Disposition", "Access-Control-Allow-Origin", "X-Frame-Options", "Link", "Refresh"):
            assert name not in answer.headers
    assert desk.browse(KARI.prefix + "lab").headers.get_all("Set-Cookie") == ["_xsrf=ok; Path=/user/kari/p-aaaaaaaaaa/"]


@pytest.mark.attack("BR08")
@pytest.mark.parametrize(
    "tail",
    [
        "files/a.csv",
        "%66iles/a",
        "//files/a",
        "lab/%2e%2e/files/a",
        "nbconvert/html/a",
        "api/contents/a?download=1",
        "api/terminals",
    ],
)
def test_downloads_are_refused_before_they_reach_the_session(desk, kari, tail):
    assert desk.browse(KARI.prefix + tail).status == 403


def test_a_page_is_not_shown_outside_the_frame(desk, kari):
    assert desk.browse(KARI.prefix + "lab", Sec_Fetch_Dest="document").status == 403
    assert desk.browse(KARI.prefix + "lab", Sec_Fetch_Dest="iframe").status == 200


def test_websockets_pass_both_ways_and_are_counted(desk, kari):
    with desk.websocket(KARI.prefix + "api/kernels/1/channels") as ws:
        ws.send("abc")
        assert ws.recv(5) == "cba"
    wait_for(lambda: '"websocket"' in desk.log.getvalue(), 5)
    line = next(json.loads(each) for each in desk.log.getvalue().splitlines() if '"websocket"' in each)
    assert (line["sent"], line["received"]) == (3, 3)


@pytest.mark.attack("BR07")
def test_a_websocket_from_another_page_is_refused(desk, kari):
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus, match="403"):
        desk.websocket(KARI.prefix + "api/kernels/1/channels", origin="http://evil.example")


def test_the_log_tells_kinds_and_never_paths(desk, kari):
    desk.browse(KARI.prefix + "api/contents/Ola%20Nordmann%2001017012345.csv?secret=1")
    wait_for(lambda: '"kind": "api/contents"' in desk.log.getvalue(), 5)
    text = desk.log.getvalue()
    assert "Nordmann" not in text
    assert "secret" not in text


# ---- how much passes


def ran(ws: Any) -> list[tuple[str, str]]:
    """Return what a cell shows until it has run: streams and answers."""
    shown = []
    while True:
        message = ws.recv(20)
        said = heads(message, V1)
        content = json.loads(message[int.from_bytes(message[40:48], "little") :])
        assert said.parent == {"msg_id": "cell", "session": "s"}
        if said.header["msg_type"] == "execute_reply":
            return shown
        shown.append((content["name"], content["text"]))


def cell(times: int, size: int) -> bytes:
    document = {"header": {"msg_id": "cell", "session": "s"}, "parent_header": {}, "metadata": {}}
    return written("shell", document | {"content": {"times": times, "size": size}}, V1)


def told_of(desk: Desk, person: str) -> list[dict[str, Any]]:
    path = f"/traffic/{person}/"
    return [json.loads(seen["body"]) for seen in desk.at.custodian.seen if seen["path"].startswith(path)]


@pytest.mark.parametrize(("size", "says"), [(100 * K, "høyst 0 MB"), (500 * K, "større enn det som kan tas imot")])
def test_in_place_of_a_message_that_is_too_large_the_cell_shows_a_sentence(desk, kari, size, says):
    with desk.kernel() as ws:
        ws.send(cell(1, size))
        if size < 2 * LIMITS.message:
            (name, text), *others = ran(ws)
            assert others == []
        else:  # not taken in at all: the page is told, and opens its websocket anew
            content = ws.recv(10)
            name, text = json.loads(content[int.from_bytes(content[40:48], "little") :]).values()
        assert name == "stderr"
        assert says in text
        assert "xxx" not in text
    with desk.kernel() as ws:
        ws.send(cell(2, 10))
        assert ran(ws) == [("stdout", "x" * 10)] * 2


def test_a_cell_that_is_too_large_is_not_sent_and_says_so(desk, kari):
    with desk.kernel() as ws:
        document = {"header": {"msg_id": "cell", "session": "s"}, "parent_header": {}, "metadata": {}}
        ws.send(written("shell", document | {"content": {"code": "#" * 100 * K}}, V1))
        message = ws.recv(10)
        assert heads(message, V1).parent["msg_id"] == "cell"
        assert "ikke sendt til kjernen" in json.loads(message[int.from_bytes(message[40:48], "little") :])["text"]


def test_a_file_larger_than_one_answer_may_be_is_refused_with_a_sentence(desk, kari):
    answer = desk.browse(KARI.prefix + "api/contents/large.csv?said")
    assert answer.status == 413
    assert "for stor til å vises" in answer.json["message"]
    assert "Nordmann" not in answer.body.decode()
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_an_answer_that_does_not_say_how_long_it_is_is_broken_off_where_it_is_too_large(desk, kari):
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        desk.browse(KARI.prefix + "api/contents/large.csv?unsaid")


def test_one_endless_output_holds_up_neither_other_kernels_nor_pages(desk, ola):
    other = OLA.prefix + "api/kernels/1/channels"
    with desk.websocket(other, subprotocols=[V1], max_size=1 << 30) as flooding:
        flooding.send(cell(4000, 60 * K))
        for _message in range(5):
            flooding.recv(10)
        with desk.websocket(OLA.prefix + "api/kernels/2/channels") as ws:
            ws.send("abc")
            assert ws.recv(10) == "cba"
        assert desk.browse(OLA.prefix + "lab").status == 200
        server = desk.servers[OLA]
        assert server.printed < 4000  # the kernel's own output stands still, instead of filling the gateway


def test_what_passed_is_told_by_kind_and_at_the_end_and_an_unusual_hour_at_once(desk, kari):
    desk.at.custodian.seen.clear()
    desk.browse(KARI.prefix + "api/contents/x.csv")
    with desk.kernel() as ws:
        ws.send(cell(6, 60 * K))  # more than an hour may hold
        assert len(ran(ws)) == 6
    wait_for(lambda: any(row["alarms"] == 1 for row in told_of(desk, "kari")), 10)
    ask(UnixConnection(control_socket(desk.at.settings.run_dir)), "DELETE", f"/sessions/{KARI.sid}")
    wait_for(lambda: any(row["ended"] for row in told_of(desk, "kari")) or told_of(desk, "kari"), 10)
    rows = told_of(desk, "kari")
    viewed = {kind: sum(row["viewed"].get(kind, 0) for row in rows) for row in rows for kind in row["viewed"]}
    assert set(viewed) == {"api/contents", "kernel"}
    assert 6 * 60 * K < viewed["kernel"] < 7 * 60 * K
    assert sum(row["alarms"] for row in rows) == 1
    assert sum(row["sent"] for row in rows) == len(cell(6, 60 * K))
    assert "x.csv" not in str(rows)


def test_what_the_custodian_does_not_take_is_told_later(desk, ola):
    desk.at.custodian.seen.clear()
    desk.at.custodian.deaf = True
    desk.browse(OLA.prefix + "api/contents/x.csv")
    ask(UnixConnection(control_socket(desk.at.settings.run_dir)), "DELETE", f"/sessions/{OLA.sid}")
    assert told_of(desk, "ola") == []
    desk.at.custodian.deaf = False
    wait_for(lambda: [row["ended"] for row in told_of(desk, "ola")] == [True], 10)


# ---- what counts as use


def unused(desk: Desk, name: SessionName) -> float:
    answer = ask(UnixConnection(control_socket(desk.at.settings.run_dir)), "GET", f"/sessions/{name.sid}/use")
    return float(answer.json["unused"])


def asked(kind: str) -> bytes:
    header = {"msg_id": kind, "msg_type": kind, "session": "s"}
    document = {"header": header, "parent_header": {}, "metadata": {}, "content": {"times": 1, "size": 9}}
    return written("shell", document, V1)


@pytest.mark.parametrize("message", ["kernel_info_request", "comm_info_request"])
def test_an_open_page_that_asks_by_itself_is_no_use(desk, kari, message):
    time.sleep(0.5)
    for tail in ("api/contents/?content=1&hash=0&1764600000", "api/kernels", "api/sessions", "api/kernelspecs", "lab"):
        assert desk.browse(KARI.prefix + tail).status == 200
    assert desk.browse(KARI.prefix + "git/status", "POST").status == 200  # the side bar asks every few seconds
    with desk.kernel() as ws:
        ws.send(asked(message))
        ws.recv(10)  # what a kernel prints, is no use either: that it runs, its server says
        ws.recv(10)
    assert unused(desk, KARI) >= 0.5


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("PUT", "api/contents/a.ipynb"),
        ("POST", "api/sessions"),
        ("PATCH", "api/contents/a"),
        ("GET", "api/contents/a.ipynb?type=notebook&content=1"),
    ],
)
def test_what_a_person_opens_or_changes_is_use(desk, kari, method, tail):
    time.sleep(0.5)
    assert desk.browse(KARI.prefix + tail, method).status == 200
    assert unused(desk, KARI) < 0.5


def test_to_run_a_cell_is_use(desk, kari):
    time.sleep(0.5)
    with desk.kernel() as ws:
        ws.send(asked("execute_request"))
        ws.recv(10)
    assert unused(desk, KARI) < 0.5


def test_a_session_says_that_a_cell_runs_for_itself_alone_and_nothing_more(desk, kari, ola):
    def busy(name: SessionName) -> bool:
        control = UnixConnection(control_socket(desk.at.settings.run_dir))
        return bool(ask(control, "GET", f"/sessions/{name.sid}/use").json["busy"])

    assert not busy(KARI)
    for path in ("/session/works?a=1", "/session/works/x", "/session"):
        assert ask(UnixConnection(kari.egress / "hub.sock"), "POST", path).status == 403
    assert ask(UnixConnection(kari.egress / "lab.sock"), "POST", "/session/works").status == 403
    assert not busy(KARI)
    assert ask(UnixConnection(kari.egress / "hub.sock"), "POST", "/session/works").status == 204
    assert busy(KARI)
    assert not busy(OLA)


def test_of_a_session_that_is_not_there_no_use_is_told(desk):
    control = UnixConnection(control_socket(desk.at.settings.run_dir))
    assert ask(control, "GET", f"/sessions/{'0' * 16}/use").status == 404


# ---- the session's own folder is not to be trusted


@pytest.mark.attack("SB04")
@pytest.mark.parametrize("what", ["link to a socket", "link to a folder", "file", "fifo", "folder", "nothing"])
def test_what_a_session_puts_in_its_sockets_place_is_not_followed(desk, kari, what):
    place = kari.server_socket
    place.unlink()
    target = control_socket(desk.at.settings.run_dir)
    {
        "link to a socket": lambda: place.symlink_to(target),
        "link to a folder": lambda: place.symlink_to(target.parent),
        "file": place.touch,
        "fifo": lambda: os.mkfifo(place),
        "folder": place.mkdir,
        "nothing": lambda: None,
    }[what]()
    assert desk.browse(KARI.prefix + "health").status == 503


# ---- rights


def test_a_session_whose_right_ends_is_cut_off_everywhere(desk, kari):
    with desk.websocket(KARI.prefix + "api/kernels/1/channels") as ws:
        desk.at.custodian.grants.discard(("kari", KARI.project))
        with pytest.raises(ConnectionClosed):
            ws.recv(10)
    assert desk.browse(KARI.prefix + "lab").status == 403
    refused = ask(UnixConnection(kari.egress / "lab.sock"), "GET", "/lab/project")
    assert (refused.status, refused.json["code"]) == (403, "rights")
    assert ask(UnixConnection(kari.egress / "hub.sock"), "GET", "/hub/api/user").status == 403


def test_a_custodian_that_only_fails_closes_sessions_in_time(desk, kari, monkeypatch):
    monkeypatch.setattr(rights, "TRUST_FOR", 1.0)
    desk.at.custodian.broken = True
    assert desk.browse(KARI.prefix + "lab").status == 200
    time.sleep(1.3)
    assert desk.browse(KARI.prefix + "lab").status == 403
    desk.at.custodian.broken = False
    wait_for(lambda: desk.browse(KARI.prefix + "lab").status == 200, 5)


def test_a_session_without_a_grant_is_not_taken_up(desk):
    stranger = SessionName("per", KARI.project)
    layout = layout_of(desk.at.settings, stranger)
    make_folders(layout, None)
    control = control_socket(desk.at.settings.run_dir)
    assert ask(UnixConnection(control), "PUT", f"/sessions/{stranger.sid}").status == 403
    assert desk.browse(stranger.prefix + "lab").status == 403
    assert ask(UnixConnection(control), "PUT", "/sessions/..%2f..%2fx").status in {403, 404}
    ask(UnixConnection(control), "DELETE", f"/sessions/{stranger.sid}")
    remove_folders(layout)


def test_a_gateway_that_is_started_anew_knows_the_sessions_that_live(desk, kari):
    desk.stop()
    assert not desk._listens()
    desk.start()
    assert desk.browse(KARI.prefix + "lab").status == 200
    assert ask(UnixConnection(kari.egress / "lab.sock"), "GET", "/lab/project").status == 200


def test_an_ended_session_is_forgotten(desk, ola):
    assert desk.browse(OLA.prefix + "lab").status == 200
    ask(UnixConnection(control_socket(desk.at.settings.run_dir)), "DELETE", f"/sessions/{OLA.sid}")
    assert desk.browse(OLA.prefix + "lab").status == 503
    assert not (ola.egress / "lab.sock").exists()


# ---- as a user of its own


LISTEN = "import socket,sys,os,time; os.umask(0o117); s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); time.sleep(60)"
TRY = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(3); s.connect(sys.argv[1]); print('in')"


def as_user(uid: int, code: str, *args: str, **popen: Any) -> "subprocess.Popen[str]":
    argv = [
        "setpriv",
        "--reuid",
        str(uid),
        "--regid",
        str(uid),
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        code,
        *args,
    ]
    return subprocess.Popen(argv, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen)


@pytest.mark.skipif(not ROOT or shutil.which("setpriv") is None, reason="needs root")
def test_as_users_of_their_own_gateway_and_session_reach_each_other_and_no_others():
    gateway, kari, ola = 190_002, UID, UID + 1
    if subprocess.run(
        ["setpriv", "--reuid", str(gateway), "--clear-groups", "test", "-r", __file__], check=False
    ).returncode:
        pytest.skip("the checkout lies where only root can read it")
    with a_data_dir(0o711) as data_dir, an_installation(data_dir) as at:
        run = at.settings.run_dir
        for path in (data_dir, run):
            path.chmod(0o711)
        control_socket(run).parent.mkdir(mode=0o700)
        os.chown(control_socket(run).parent, gateway, gateway)
        for folder in ("sessions", "egress"):
            (run / folder).mkdir(mode=0o750)
            os.chown(run / folder, 0, gateway)
        at.custodian.grants |= {("kari", KARI.project), ("ola", OLA.project)}
        setpriv = ["setpriv", "--reuid", str(gateway), "--regid", str(gateway), "--clear-groups"]
        code = "from hvelv.enclave.adapters.gateway import main; from hvelv.kernel.settings import Settings; main(Settings())"
        at.start("gateway", [*setpriv, sys.executable, "-c", code])
        wait_for(lambda: control_socket(run).exists(), 30, lambda: at.log_of("gateway"))
        layouts = {}
        for name, uid in ((KARI, kari), (OLA, ola)):
            layouts[name] = layout_of(at.settings, name)
            make_folders(layouts[name], uid)
            assert ask(UnixConnection(control_socket(run)), "PUT", f"/sessions/{name.sid}").status == 204, (
                at.log_of("gateway"),
                at.custodian.asked,
            )
        mine, others = layouts[KARI].egress / "lab.sock", layouts[OLA].egress / "lab.sock"
        assert (mine.stat().st_uid, mine.stat().st_gid, mine.stat().st_mode & 0o777) == (gateway, kari, 0o660)
        # by the path on the host a session's user cannot even come near: it has its own folder bound instead
        for uid in (kari, ola):
            assert "PermissionError" in as_user(uid, TRY, str(mine)).communicate(timeout=10)[0]
        assert "PermissionError" in as_user(ola, TRY, str(control_socket(run))).communicate(timeout=10)[0]
        inside = "import os,sys,socket; d=os.open(sys.argv[1], os.O_PATH); print('opened')"
        assert "PermissionError" in as_user(kari, inside, str(others)).communicate(timeout=10)[0]
        server = subprocess.Popen(
            ["/bin/sh", "-c", f'cd "$0" && exec setpriv --reuid {kari} --regid {kari} --clear-groups /usr/bin/python3 -c "$1" jupyter.sock',
             str(layouts[KARI].server_socket_dir), LISTEN],
        )  # fmt: skip
        try:
            wait_for(layouts[KARI].server_socket.exists, 10)
            assert layouts[KARI].server_socket.stat().st_gid == gateway
            probe = as_user(gateway, TRY, str(layouts[KARI].server_socket)).communicate(timeout=10)[0]
            assert probe.strip() == "in"
            assert "PermissionError" in as_user(ola, TRY, str(layouts[KARI].server_socket)).communicate(timeout=10)[0]
        finally:
            server.kill()
            server.wait(10)
