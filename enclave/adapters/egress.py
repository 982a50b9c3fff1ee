"""The only two ways out of a session: `hub.sock` (three questions to the hub) and `lab.sock` (the custodian's lab).

Each session has its own pair in its own folder, and sees no other's. So which socket a request came by says who asks;
nothing that a session writes into a request can say it is somebody else.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
import yarl
from aiohttp import web

from hvelv.enclave.adapters.open_sessions import EGRESS, OpenSession
from hvelv.enclave.adapters.relay import answer_like, chosen, client, has_body, send_on, server_of
from hvelv.enclave.adapters.traffic import TrafficLog
from hvelv.enclave.domain.policy import (
    ACTIVITY,
    DROPPED_FROM_PLATFORM,
    DROPPED_TO_CUSTODIAN,
    DROPPED_TO_PLATFORM,
    METHODS,
    WORKS,
    is_activity,
    may_ask_custodian,
    may_ask_hub,
)
from hvelv.kernel.link import ACTOR
from hvelv.kernel.settings import Settings

PROJECT = "x-hvelv-project"
LARGEST_QUESTION = 1 << 20
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refusal(status: int, code: str, message: str, remedy: str = "") -> web.Response:
    """Return a refusal in the form that the lab shows to people."""
    return web.json_response({"code": code, "message": message, "remedy": remedy, "params": {}}, status=status)


RIGHTS_ENDED = ("rights", "Du har ikke lenger tilgang til prosjektet.", "Se prosjektets side om datatillatelsen.")


@dataclass(frozen=True)
class Question:
    """What is passed on, and where to."""

    kind: str
    url: yarl.URL
    headers: list[tuple[str, str]]


@dataclass(frozen=True)
class Egress:
    """Opens each session's pair of sockets."""

    settings: Settings
    log: TrafficLog
    hub: aiohttp.ClientSession
    custodian: aiohttp.ClientSession

    @classmethod
    def of(cls, settings: Settings, log: TrafficLog) -> "Egress":
        """Return one with clients of hub and custodian. Needs a running loop.

        No connection is used twice: two sessions never speak on the same one.
        """
        hub = aiohttp.TCPConnector(limit=0, force_close=True)
        door = aiohttp.UnixConnector(str(settings.custodian_socket("enclave")), limit=0, force_close=True)
        return cls(settings, log, client(hub), client(door))

    async def open(self, session: OpenSession) -> web.AppRunner:
        """Listen on the session's two sockets, which only it and the gateway can reach."""
        app = web.Application(client_max_size=LARGEST_QUESTION)
        app.router.add_route("*", "/{path:.*}", self._by_socket(session))
        runner = server_of(app, 1)
        await runner.setup()
        for name in EGRESS:
            path = session.layout.egress / name
            with suppress(FileNotFoundError):
                path.unlink()
            await web.UnixSite(runner, str(path)).start()
            await asyncio.to_thread(os.chmod, path, 0o660)
        return runner

    def _by_socket(self, session: OpenSession) -> Handler:
        ways = {"hub.sock": self._to_hub, "lab.sock": self._to_custodian}

        async def handle(request: web.Request) -> web.StreamResponse:
            transport = request.transport
            socket = transport.get_extra_info("sockname") if transport else None
            way = ways.get(os.path.basename(str(socket)))  # noqa: PTH119 - a socket's name, not a file's
            if way is None:
                return refusal(403, "socket", "Veien ut er ikke kjent.")
            if not session.holds():
                self.log.line(session.name, "refused", kind="rights", method=request.method)
                return refusal(403, *RIGHTS_ENDED)
            if "Content-Encoding" in request.headers:
                return refusal(415, "encoding", "Spørsmål sendes som de er, ikke komprimert.")
            with session.in_use():
                return await way(session, request)

        return handle

    async def _to_hub(self, session: OpenSession, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if (request.method, request.raw_path) == WORKS:
            session.works()
            return web.Response(status=204)
        if not may_ask_hub(session.name, request.method, path):
            self.log.line(session.name, "refused", kind="hub", method=request.method)
            return refusal(403, "hub", "Arbeidsøkter får ikke spørre huben om dette.")
        if path.endswith(ACTIVITY) and not is_activity(session.name, await request.read()):
            self.log.line(session.name, "refused", kind="hub", method=request.method)
            return refusal(403, "hub", "Meldingen sier noe annet enn når arbeidsøkten sist ble brukt.")
        # without the query: none of the questions has one, and the hub writes it into its log
        url = yarl.URL(f"http://127.0.0.1:{self.settings.hub_api_port}{path}", encoded=True)
        headers = chosen(request.headers, DROPPED_TO_PLATFORM)
        return await self._pass(session, request, Question("hub", url, headers))

    async def _to_custodian(self, session: OpenSession, request: web.Request) -> web.StreamResponse:
        if request.method not in METHODS or not may_ask_custodian(request.raw_path.partition("?")[0]):
            self.log.line(session.name, "refused", kind="lab", method=request.method)
            return refusal(403, "lab", "Arbeidsøkter får ikke spørre om dette.")
        kept = [
            (key, value)
            for key, value in chosen(request.headers, DROPPED_TO_PLATFORM)
            if not DROPPED_TO_CUSTODIAN.fullmatch(key)
        ]
        headers = [*kept, (ACTOR, session.name.person), (PROJECT, session.name.project)]
        url = yarl.URL(f"http://custodian{request.raw_path}", encoded=True)
        return await self._pass(session, request, Question("lab", url, headers))

    async def _pass(self, session: OpenSession, request: web.Request, question: Question) -> web.StreamResponse:
        to = self.hub if question.kind == "hub" else self.custodian
        body = await request.read()  # at most LARGEST_QUESTION, or 413
        sent = body if body and has_body(request) else None
        try:
            async with to.request(
                request.method, question.url, headers=question.headers, data=sent, allow_redirects=False
            ) as upstream:
                answer = answer_like(upstream)
                for key, value in chosen(upstream.headers, DROPPED_FROM_PLATFORM):
                    answer.headers.add(key, value)
                size = await send_on(request, upstream, answer)
        except aiohttp.ClientError:
            return refusal(
                503, "unavailable", "En del av plattformen svarer ikke. Ingenting er gjort.", "Prøv igjen om litt."
            )
        self.log.line(session.name, question.kind, method=request.method, status=answer.status, received=size)
        return answer

    async def close(self) -> None:
        """Close the clients."""
        await self.hub.close()
        await self.custodian.close()
