"""What one session sends is one question to the platform, and what it is answered is one answer: no byte is left over."""

import asyncio
import contextlib
import gzip
import io
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h11
import pytest
import uvicorn
from aiohttp import web
from fastapi import FastAPI, Request

from hvelv.enclave.adapters.egress import Egress
from hvelv.enclave.adapters.ingress import Ingress
from hvelv.enclave.adapters.open_sessions import OpenSession
from hvelv.enclave.adapters.relay import server_of
from hvelv.enclave.adapters.traffic import TrafficLog
from hvelv.enclave.domain.sessions import SessionLayout, SessionName
from hvelv.enclave.domain.traffic import TrafficLimits
from hvelv.kernel.settings import Settings
from tests.builders_enclave import a_data_dir, some_settings

pytestmark = pytest.mark.integration
KARI, OLA = SessionName("kari", "p-aaaaaaaaaa"), SessionName("ola", "p-bbbbbbbbbb")
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
WAYS = {"lab": b"/lab/quotes", "hub": b"/hub/api/users/kari/activity", "browser": KARI.prefix.encode() + b"api/x"}
NEVER_PASSED_ON = {b"content-encoding", b"transfer-encoding", b"expect", b"te", b"trailer"}
ZIPPED = gzip.compress(b"{}" * 40, mtime=0)


class Held(OpenSession):
    """A session whose right is not in question."""

    def holds(self) -> bool:
        return True


@dataclass
class Upstream:
    """Stands at the platform's end of a way: writes down every byte of each connection and answers each as told."""

    answer: bytes = FINE
    hangs_up: bool = False
    connections: list[bytearray] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = bytearray()
        self.connections.append(got)
        with contextlib.closing(writer):
            while piece := await reader.read(65536):
                got += piece
                writer.write(self.answer)
                if self.hangs_up:
                    break


@dataclass
class Gate:
    """The gateway's own parts between raw bytes on both sides."""

    settings: Settings
    up: Upstream = field(default_factory=Upstream)
    sockets: dict[str, Path] = field(default_factory=dict)

    async def send(self, way: str, content: bytes) -> bytes:
        """Send these bytes on one connection; return all that comes back until it is closed or falls silent."""
        reader, writer = await asyncio.open_unix_connection(str(self.sockets[way]))
        writer.write(content)
        got = b""
        with contextlib.closing(writer), contextlib.suppress(TimeoutError, ConnectionResetError):
            while piece := await asyncio.wait_for(reader.read(65536), 0.5):
                got += piece
        return got


async def a_session(settings: Settings, name: SessionName) -> Held:
    session = Held.of(SessionLayout(settings.run_dir, settings.root / "w", name))
    for folder in (session.layout.egress, session.layout.server_socket.parent):
        folder.mkdir(parents=True)
    return session


@contextlib.asynccontextmanager
async def a_gate(settings: Settings) -> AsyncIterator[Gate]:
    """Kari's session with raw stand-ins for custodian, hub and her own server."""
    gate, log = Gate(settings), TrafficLog(io.StringIO())
    session = await a_session(settings, KARI)
    servers = [
        await asyncio.start_unix_server(gate.up.serve, settings.custodian_socket("enclave")),
        await asyncio.start_unix_server(gate.up.serve, session.layout.server_socket),
        await asyncio.start_server(gate.up.serve, "127.0.0.1", settings.hub_api_port),
    ]
    egress = Egress.of(settings, log)
    app = web.Application(client_max_size=0)
    app.router.add_route(
        "*", "/{path:.*}", Ingress(lambda _name: session, settings.portal_url, log, TrafficLimits()).handle
    )
    front = server_of(app, 1)
    await front.setup()
    await web.UnixSite(front, str(settings.run_dir / "front.sock")).start()
    runner = await egress.open(session)
    gate.sockets = {way: session.layout.egress / f"{way}.sock" for way in ("lab", "hub")}
    gate.sockets["browser"] = settings.run_dir / "front.sock"
    try:
        yield gate
    finally:
        await runner.cleanup()
        await front.cleanup()
        await egress.close()
        await session.client.close()
        for server in servers:
            server.close()


def at_a_gate(scenario: Callable[[Gate], Awaitable[None]]) -> None:
    async def run(settings: Settings) -> None:
        async with a_gate(settings) as gate:
            await scenario(gate)

    with a_data_dir() as data_dir:
        settings = some_settings(data_dir)
        settings.custodian_socket("enclave").parent.mkdir(parents=True)
        asyncio.run(run(settings))


def request(way: str, method: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([method + b" " + WAYS[way] + b" HTTP/1.1", b"Host: a", *headers, b"", body])


def parsed(role: type[h11.CLIENT | h11.SERVER], content: bytes, asked: bytes = b"") -> tuple[Any, bytes]:
    """Return the one message in these bytes, and its body. Fails if it is not complete, or if there is more."""
    connection = h11.Connection(role)
    if role is h11.CLIENT:
        connection.send(h11.Request(method=asked, target="/", headers=[("host", "a")]))
        connection.send(h11.EndOfMessage())
    connection.receive_data(content)
    head, body = connection.next_event(), b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage), event
    assert connection.trailing_data == (b"", False)
    return head, body


def status(content: bytes) -> int:
    assert content.count(b"HTTP/1.1 ") == 1, content
    return int(content.split(b" ", 2)[1])


# ---- the whole attack, with the server that the custodian has


def swallowing(size: int) -> bytes:
    """Return `size` bytes of gzip that are nothing when unpacked."""
    empty = gzip.compress(b"", mtime=0)
    extra = size - len(empty) - 2
    head = bytearray(empty[:10])
    head[3] |= 4  # there is an extra field
    return bytes(head) + struct.pack("<H", extra) + b"\0" * extra + empty[10:]


def a_lab(seen: list[tuple[str, str | None, str | None]]) -> FastAPI:
    app = FastAPI()

    @app.api_route("/lab/{path:path}", methods=["GET", "POST"])
    async def answer(path: str, request: Request) -> dict[str, str | None]:
        if request.method == "POST":  # the body of the other is left lying, as the custodian's own routes leave it
            await request.body()
        who = request.headers.get("x-hvelv-actor")
        project = request.headers.get("x-hvelv-project")
        seen.append((path, who, project))
        return {"path": path, "actor": who, "project": project}

    return app


@pytest.mark.attack("S301")
def test_a_session_cannot_hide_a_question_in_another_ones_name_behind_its_own():
    seen: list[tuple[str, str | None, str | None]] = []
    hidden = b"GET /lab/datasets/labs/data HTTP/1.1\r\nhost: x\r\nx-hvelv-actor: ola\r\nx-hvelv-project: p-bbbbbbbbbb\r\n\r\n"
    # what the gateway writes before the hidden question when the second is asked; the first makes the server swallow it
    head = (
        b"POST /lab/quotes HTTP/1.1\r\nHost: custodian\r\nContent-Length: %d\r\nx-hvelv-actor: kari\r\n"
        b"x-hvelv-project: p-aaaaaaaaaa\r\n\r\n" % len(hidden)
    )
    swallow = swallowing(len(head))
    first = b"GET /lab/project HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(
        swallow
    )
    second = b"POST /lab/quotes HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(hidden)

    async def scenario(settings: Settings) -> tuple[bytes, bytes, bytes]:
        uds = str(settings.custodian_socket("enclave"))
        server = uvicorn.Server(uvicorn.Config(a_lab(seen), uds=uds, http="h11", log_level="warning"))
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0.02)
        egress = Egress.of(settings, TrafficLog(io.StringIO()))
        sessions = [await a_session(settings, name) for name in (KARI, OLA)]
        runners = [await egress.open(session) for session in sessions]
        gate = Gate(settings, sockets={s.name.person: s.layout.egress / "lab.sock" for s in sessions})
        try:
            return (
                await gate.send("kari", first + swallow),
                await gate.send("kari", second + hidden),
                await gate.send("ola", b"GET /lab/project HTTP/1.1\r\nHost: a\r\n\r\n"),
            )
        finally:
            for runner, session in zip(runners, sessions, strict=True):
                await runner.cleanup()
                await session.client.close()
            await egress.close()
            server.should_exit = True
            await serving

    with a_data_dir() as data_dir:
        settings = some_settings(data_dir)
        settings.custodian_socket("enclave").parent.mkdir(parents=True)
        answers = asyncio.run(scenario(settings))
    assert [status(answer) for answer in answers] == [415, 200, 200]
    assert seen == [("quotes", "kari", KARI.project), ("project", "ola", OLA.project)]


# ---- byte for byte


PASSED_ON = {
    "as it should be": ((b"POST", b"Content-Length: 2"), b"{}", b"{}"),
    "nothing in it": ((b"POST", b"Content-Length: 0"), b"", b""),
    "waiting to be let on": ((b"POST", b"Content-Length: 2", b"Expect: 100-continue"), b"{}", b"{}"),
    "in pieces, with trailers": (
        (b"POST", b"Transfer-Encoding: chunked", b"TE: trailers", b"Trailer: x-hvelv-actor"),
        b"2\r\n{}\r\n0\r\nx-hvelv-actor: ola\r\n\r\n",
        b"{}",
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", PASSED_ON)
def test_what_is_passed_on_is_one_message_of_the_length_it_says(way, what):
    head, body, wanted = PASSED_ON[what]

    async def scenario(gate: Gate) -> None:
        got = await gate.send(way, request(way, *head, body=body))
        assert b"200 OK" in got
        (sent,) = gate.up.connections
        message, passed = parsed(h11.SERVER, bytes(sent))
        names = [key for key, _ in message.headers]
        assert passed == wanted
        assert not set(names) & (NEVER_PASSED_ON - ({b"transfer-encoding"} if way == "browser" else set()))
        assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
        assert b"x-hvelv-actor: ola" not in bytes(sent)

    at_a_gate(scenario)


@pytest.mark.parametrize("way", ["lab", "browser"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
@pytest.mark.parametrize("length", [b"Content-Length: 42", b"Transfer-Encoding: chunked"])
def test_a_question_that_changes_nothing_is_passed_on_without_its_body(way, method, length):
    hidden = b"GET /lab/x HTTP/1.1\r\nHost: aaaaaaaaaaa\r\n\r\n"
    assert len(hidden) == 42
    body = hidden if length.startswith(b"C") else b"2a\r\n" + hidden + b"\r\n0\r\n\r\n"

    async def scenario(gate: Gate) -> None:
        await gate.send(way, request(way, method, length, body=body))
        (sent,) = gate.up.connections
        message, passed = parsed(h11.SERVER, bytes(sent))
        assert passed == b""
        assert b"/lab/x" not in bytes(sent)
        assert not {key for key, _ in message.headers} & {b"content-length", b"transfer-encoding"}

    at_a_gate(scenario)


REFUSED = {
    "compressed": ((b"POST", b"Content-Encoding: gzip", b"Content-Length: %d" % len(ZIPPED)), ZIPPED, {415}),
    "deflated": ((b"POST", b"content-ENCODING: deflate", b"Content-Length: 2"), b"{}", {415}),
    "compressed, it says, as nothing": ((b"POST", b"Content-Encoding: identity", b"Content-Length: 2"), b"{}", {415}),
    "compressed without a body": ((b"GET", b"Content-Encoding: gzip"), b"", {415}),
    "two lengths": ((b"POST", b"Content-Length: 2", b"Content-Length: 0"), b"{}", {400}),
    "a length and pieces": ((b"POST", b"Content-Length: 2", b"Transfer-Encoding: chunked"), b"0\r\n\r\n", {400}),
    "pieces of something": ((b"POST", b"Transfer-Encoding: chunked, gzip"), b"0\r\n\r\n", {400}),
    "a tunnel": ((b"TRACE",), b"", {400, 403, 405}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", REFUSED)
def test_what_can_be_measured_in_two_ways_reaches_nobody(way, what):
    head, body, wanted = REFUSED[what]

    async def scenario(gate: Gate) -> None:
        got = await gate.send(way, request(way, *head, body=body))
        assert int(got.split(b" ", 2)[1]) in (wanted | {403} if way == "hub" and head[0] == b"GET" else wanted)
        assert gate.up.connections == []

    at_a_gate(scenario)


@pytest.mark.parametrize("way", WAYS)
def test_no_connection_is_used_for_two_questions(way):
    async def scenario(gate: Gate) -> None:
        asked = request(way, b"POST", b"Content-Length: 2", body=b"{}")
        assert (await gate.send(way, asked * 3)).count(b"HTTP/1.1 200 OK") == 3
        assert [bytes(each).count(b"HTTP/1.1") for each in gate.up.connections] == [1, 1, 1]

    at_a_gate(scenario)


# ---- and back


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "broken",
    [b"Content-Length: 100\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"],
)  # fmt: skip
def test_an_answer_that_breaks_off_is_followed_by_nothing(way, broken):
    async def scenario(gate: Gate) -> None:
        gate.up.answer, gate.up.hangs_up = b"HTTP/1.1 200 OK\r\n" + broken, True
        got = await gate.send(way, request(way, b"POST", b"Content-Length: 2", body=b"{}") * 2)
        assert got.count(b"HTTP/1.1 ") <= 1
        assert b"unavailable" not in got
        assert b"not ready" not in got
        assert not got.endswith(b"0\r\n\r\n")  # nor does it look complete
        assert len(gate.up.connections) == 1  # the second question went down with the connection

    at_a_gate(scenario)


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_has_one_length(way):
    inner = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"

    async def scenario(gate: Gate) -> None:
        gate.up.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)  # fmt: skip
        got = await gate.send(way, request(way, b"POST", b"Content-Length: 2", body=b"{}"))
        message, body = parsed(h11.CLIENT, got, b"POST")
        names = [key for key, _ in message.headers]
        assert (message.status_code, body == inner) in {(200, True), (503, False)}
        assert names.count(b"content-length") + names.count(b"transfer-encoding") == 1
        assert b"trailer" not in names

    at_a_gate(scenario)


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_that_would_open_a_tunnel_is_none(way):
    async def scenario(gate: Gate) -> None:
        gate.up.answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + FINE
        got = await gate.send(way, request(way, b"POST", b"Content-Length: 2", body=b"{}"))
        assert status(got) == 503

    at_a_gate(scenario)


@pytest.mark.parametrize("way", WAYS)
def test_a_compressed_answer_stays_what_it_says_it_is(way):
    async def scenario(gate: Gate) -> None:
        gate.up.answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (
            len(ZIPPED),
            ZIPPED,
        )
        got = await gate.send(way, request(way, b"POST", b"Content-Length: 2", body=b"{}"))
        message, body = parsed(h11.CLIENT, got, b"POST")
        assert dict(message.headers)[b"content-encoding"] == b"gzip"
        assert gzip.decompress(body) == b"{}" * 40

    at_a_gate(scenario)
