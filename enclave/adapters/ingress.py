"""From the browser to a session: policy first, then the session's own socket, then the headers of our choice."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp
import yarl
from aiohttp import web
from multidict import CIMultiDict

from hvelv.enclave.adapters.open_sessions import OpenSession
from hvelv.enclave.adapters.passing import Passing, today
from hvelv.enclave.adapters.relay import answer_like, begun, chosen, has_body, join_websockets, send_on
from hvelv.enclave.adapters.traffic import TrafficLog, kind_of
from hvelv.enclave.domain.idle import is_use_request
from hvelv.enclave.domain.policy import (
    DROPPED_FROM_SESSION,
    DROPPED_TO_SESSION,
    Verdict,
    cookies_for_session,
    decide,
    may_set_cookie,
    session_headers,
    without_tokens,
)
from hvelv.enclave.domain.sessions import SessionName
from hvelv.enclave.domain.traffic import NOT_VIEWED, TrafficLimits, mebibytes

OWNER = re.compile(r"/user/([^/?]+)/([^/?]+)(?:[/?]|$)")
KERNEL_CHANNELS = re.compile(r"/api/kernels/[^/]+/channels$")
TOO_LARGE = (
    "Filen er for stor til å vises: ett svar kan være høyst {most}. Den ligger urørt i arbeidsrommet. "
    "Les den i en notatbok og vis en del av den."
)

NO_RIGHT = Verdict(allowed=False, kind="rights", reason="the right to be in this project has ended")


@dataclass(frozen=True)
class Ingress:
    """The handler of everything that the hub's proxy sends here."""

    find: Callable[[SessionName], OpenSession | None]
    portal: str
    log: TrafficLog
    limits: TrafficLimits

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        name = named(request.raw_path)
        if name is None:
            return self._closed(404, "sessions are below /user/ only")
        session = self.find(name)
        if session is None:
            return self._closed(503, "there is no such session")  # the hub takes anything below 500 for "ready"
        path, _, query = request.raw_path.partition("?")
        verdict = decide(name, request.method, path, query, lower(request.headers)) if session.holds() else NO_RIGHT
        if not verdict.allowed:
            self.log.line(name, "refused", kind=verdict.kind, method=request.method)
            return self._closed(403, f"closed in the enclave: {verdict.reason}")
        if "Content-Encoding" in request.headers:
            return self._closed(415, "bodies are sent as they are, not compressed")
        query = without_tokens(query)
        url = yarl.URL(f"http://session{path}" + (f"?{query}" if query else ""), encoded=True)
        pass_on = self._websocket if request.headers.get("Upgrade", "").lower() == "websocket" else self._http
        try:
            with session.in_use():
                return await pass_on(request, session, url)
        except aiohttp.ClientError:
            return self._closed(503, "the session is not ready")

    def _closed(self, status: int, sentence: str) -> web.Response:
        return web.Response(
            status=status, text=sentence + "\n", headers=session_headers(self.portal) | {"Cache-Control": "no-store"}
        )

    def _headers(self, request: web.Request, name: SessionName) -> CIMultiDict[str]:
        headers = CIMultiDict(chosen(request.headers, DROPPED_TO_SESSION))
        cookies = cookies_for_session("; ".join(headers.popall("Cookie", [])), name)
        if cookies:
            headers["Cookie"] = cookies
        return headers

    async def _http(self, request: web.Request, session: OpenSession, url: yarl.URL) -> web.StreamResponse:
        headers = self._headers(request, session.name)
        kind = kind_of(request.raw_path.partition("?")[0], session.name)
        body = request.content if has_body(request) else None
        async with session.client.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as upstream:
            answer = answer_like(upstream)
            if (upstream.content_length or 0) > self.limits.answer and request.method != "HEAD":
                return self._too_large(session, kind)
            for key, value in chosen(upstream.headers, DROPPED_FROM_SESSION):
                if key.lower() != "set-cookie" or may_set_cookie(value, session.name):
                    answer.headers.add(key, value)
            answer.headers.update(session_headers(self.portal))
            size = await send_on(request, upstream, answer, self._paced(session, kind))
        sent = request.content.total_bytes
        session.account.came(sent, day=today())
        if is_use_request(kind, request.method, request.query_string):
            session.active()
        if kind != "static":
            self.log.line(
                session.name, "http", kind=kind, method=request.method, status=answer.status, sent=sent, received=size
            )
        return answer

    def _too_large(self, session: OpenSession, kind: str) -> web.Response:
        session.account.kept_back(day=today())
        self.log.line(session.name, "refused", kind="answer-size", asked=kind)
        sentence = TOO_LARGE.format(most=mebibytes(self.limits.answer))
        return web.json_response(
            {"message": sentence, "reason": "too-large"}, status=413,
            headers=session_headers(self.portal) | {"Cache-Control": "no-store"},
        )  # fmt: skip

    def _paced(self, session: OpenSession, kind: str) -> Callable[[int], Awaitable[None]]:
        passed = 0

        async def paced(size: int) -> None:
            nonlocal passed
            passed += size
            if passed > self.limits.answer:
                session.account.kept_back(day=today())
                raise aiohttp.ClientPayloadError("more than one answer may carry")
            now = time.monotonic()
            if session.account.saw(kind, size, day=today(), now=now):
                session.alarmed()
            if kind not in NOT_VIEWED and session.account.window.over(now):
                await asyncio.sleep(session.slow.take(size, now))

        return paced

    async def _websocket(self, request: web.Request, session: OpenSession, url: yarl.URL) -> web.StreamResponse:
        asked = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [part.strip() for part in asked.split(",") if part.strip()]
        headers = [
            item
            for item in self._headers(request, session.name).items()
            if not item[0].lower().startswith("sec-websocket")
        ]
        largest = 2 * self.limits.message  # what is between the two is taken in, and answered for by a sentence
        async with session.client.ws_connect(
            url, headers=headers, protocols=protocols, max_msg_size=largest, autoping=False
        ) as up:
            down = web.WebSocketResponse(
                protocols=[up.protocol] if up.protocol else [], max_msg_size=largest, autoping=False
            )
            passing = Passing(
                session.account, self.limits, KERNEL_CHANNELS.search(url.raw_path) is not None,
                session.alarmed, session.active, up.protocol,
            )  # fmt: skip
            with begun(request), session.has_open(down):
                await down.prepare(request)
                await join_websockets(down, up, passing)
        self.log.line(session.name, "websocket", sent=passing.sent, received=passing.received)
        return down


def named(raw_path: str) -> SessionName | None:
    """Return the session that the path is written for, if it is for any."""
    match = OWNER.match(raw_path)
    try:
        return SessionName(match[1], match[2]) if match else None
    except ValueError:
        return None


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers by lower-case name; of repeated ones the last, or `, `-joined origins that match nothing."""
    found: dict[str, str] = {}
    for key, value in headers.items():
        small = key.lower()
        found[small] = f"{found[small]}, {value}" if small in found else value
    return found
