"""Passing a request on: to a unix socket that may not be what it seems, with headers chosen by policy."""

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.client_proto import ResponseHandler

from hvelv.enclave.adapters.passing import Passing, send
from hvelv.enclave.domain.policy import SAFE_METHODS

PIECE = 64 << 10
FIRST_FINAL_STATUS = 200


class UntrustedSocket(aiohttp.UnixConnector):
    """Connects to a socket in a folder that a session can write, and never through a link it may have put there.

    The name is opened without following, found to be a socket, and connected to by its descriptor.
    """

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:  # noqa: ARG002, ASYNC109
        try:
            descriptor = os.open(self.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise aiohttp.ClientConnectionError("not there") from error
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                raise aiohttp.ClientConnectionError("not a socket")
            _transport, protocol = await self._loop.create_unix_connection(self._factory, f"/proc/self/fd/{descriptor}")
        except OSError as error:
            raise aiohttp.ClientConnectionError("no connection") from error
        finally:
            os.close(descriptor)
        return protocol


def client(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """Return a client that keeps no cookies and hands bodies on as they come."""
    return aiohttp.ClientSession(
        connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=10), skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )  # fmt: skip


def server_of(app: web.Application, seconds: float) -> web.AppRunner:
    """Return what serves `app`, with bodies as they came: unpacked, one would not have the length that its head says.

    When it is closed, requests have `seconds` to end.
    """
    return web.AppRunner(app, access_log=None, shutdown_timeout=seconds, auto_decompress=False)


def client_of_session(socket: Path) -> aiohttp.ClientSession:
    """Return a client of a session's own server. Each request has a connection to itself: browsers of several people ask."""
    return client(UntrustedSocket(str(socket), limit=0, force_close=True))


def chosen(headers: Mapping[str, str], dropped: Container[str]) -> list[tuple[str, str]]:
    """Return the headers, in order and with repeats, but for those in `dropped` (lower case)."""
    return [(key, value) for key, value in headers.items() if key.lower() not in dropped]


def has_body(request: web.BaseRequest) -> bool:
    """Say whether there is a body to pass on: one that a question which changes nothing came with is left behind."""
    return request.body_exists and request.method not in SAFE_METHODS


def answer_like(upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    """Return an answer with the upstream's status, and no header yet. Raises `ClientError` when it is no final answer."""
    if upstream.status < FIRST_FINAL_STATUS:
        raise aiohttp.ClientPayloadError("not an answer to what was asked")
    return web.StreamResponse(status=upstream.status, reason=upstream.reason)


@contextmanager
def begun(request: web.BaseRequest) -> Iterator[None]:
    """Break the connection off if what is done within fails: an answer has begun, and no second one may follow on it."""
    try:
        yield
    except aiohttp.ClientError:
        if request.transport is not None:
            request.transport.abort()


async def freely(_size: int) -> None:
    """Let a piece pass at once."""


async def send_on(
    request: web.BaseRequest,
    upstream: aiohttp.ClientResponse,
    answer: web.StreamResponse,
    paced: Callable[[int], Awaitable[None]] = freely,
) -> int:
    """Stream the upstream's body to the asker, each piece when `paced` lets it; return how many bytes were passed on."""
    size = 0
    with begun(request):
        await answer.prepare(request)
        async for piece in upstream.content.iter_chunked(PIECE):
            await paced(len(piece))
            await answer.write(piece)
            size += len(piece)
        await answer.write_eof()
    return size


async def _signals(message: aiohttp.WSMessage, target: Any) -> None:
    if message.type == aiohttp.WSMsgType.PING:
        await target.ping(message.data)
    elif message.type == aiohttp.WSMsgType.PONG:
        await target.pong(message.data)


DATA = frozenset({aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY})


async def _inwards(down: web.WebSocketResponse, up: aiohttp.ClientWebSocketResponse, passing: Passing) -> None:
    async for message in down:
        if message.type in DATA:
            on, back = passing.to_session(message.data)
            await send(up, on)
            await send(down, back)
        await _signals(message, up)
    await up.close()


async def _outwards(down: web.WebSocketResponse, up: aiohttp.ClientWebSocketResponse, passing: Passing) -> None:
    async for message in up:
        if message.type in DATA:
            await send(down, await passing.to_browser(message.data))
        elif message.type == aiohttp.WSMsgType.ERROR and up.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            await send(down, passing.far_too_large())
        await _signals(message, down)
    await down.close()


async def join_websockets(down: web.WebSocketResponse, up: aiohttp.ClientWebSocketResponse, passing: Passing) -> None:
    """Connect two websockets until either ends; `passing` counts, slows and holds back."""
    halves = [asyncio.ensure_future(_inwards(down, up, passing)), asyncio.ensure_future(_outwards(down, up, passing))]
    try:
        await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for half in halves:
            half.cancel()
        await asyncio.gather(*halves, return_exceptions=True)
