"""The session gateway: the one process between browsers and sessions, and between sessions and the platform.

It keeps nothing. What sessions there are it reads from the folders that the hub announces them in, so that it can be
stopped and started while they live.
"""

import asyncio
import os
import re
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from hvelv.enclave.adapters.egress import Egress
from hvelv.enclave.adapters.grants import GrantDoor
from hvelv.enclave.adapters.ingress import Ingress
from hvelv.enclave.adapters.open_sessions import OpenSessions
from hvelv.enclave.adapters.relay import server_of
from hvelv.enclave.adapters.rooms import announced, control_socket
from hvelv.enclave.adapters.told import Told
from hvelv.enclave.adapters.traffic import TrafficLog
from hvelv.enclave.domain.sessions import SID_LENGTH, SessionLayout, bytes_in
from hvelv.enclave.domain.traffic import TrafficLimits
from hvelv.kernel.settings import Settings

TELL_EVERY = 2.0  # seconds between looks at whether there is something to tell
SID = re.compile(f"[0-9a-f]{{{SID_LENGTH}}}")


def traffic_limits(settings: Settings) -> TrafficLimits:
    """Return what may pass in this installation."""
    return TrafficLimits(
        answer=bytes_in(settings.session_answer_limit), message=bytes_in(settings.session_message_limit),
        hour=bytes_in(settings.session_hour_limit),
    )  # fmt: skip


@dataclass
class Gateway:
    """The parts, wired."""

    settings: Settings
    log: TrafficLog
    egress: Egress
    sessions: OpenSessions
    told: Told

    @classmethod
    def of(cls, settings: Settings, log: TrafficLog | None = None) -> "Gateway":
        """Return a gateway of the installation. Needs a running loop."""
        log = log or TrafficLog()
        egress = Egress.of(settings, log)
        door = settings.custodian_socket("enclave")
        told = Told(door)
        sessions = OpenSessions(GrantDoor(door), egress.open, told.end, traffic_limits(settings))
        return cls(settings, log, egress, sessions, told)

    def _layout(self, home: Path) -> SessionLayout:
        return SessionLayout(self.settings.run_dir, self.settings.domain_dir("hub") / "workspaces", announced(home))

    async def take_up(self, sid: str) -> bool:
        """Take up the session that is announced as `sid`; False when there is none, or it has no grant."""
        try:
            layout = self._layout(self.settings.run_dir / "sessions" / sid)
        except (OSError, ValueError, KeyError) as error:
            self.log.line(None, "session-unreadable", sid=sid, why=type(error).__name__)
            return False
        session = await self.sessions.add(layout)
        self.log.line(session.name, "session-known")
        return session.holds()

    async def take_up_all(self) -> None:
        """Take up every session that is announced: what a gateway does when it starts."""
        folder = self.settings.run_dir / "sessions"
        for home in await asyncio.to_thread(lambda: sorted(folder.iterdir()) if folder.is_dir() else []):
            with suppress(OSError):
                await self.take_up(home.name)

    async def _came(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        held = bool(SID.fullmatch(sid)) and await self.take_up(sid)
        return web.Response(status=204 if held else 403)

    async def _went(self, request: web.Request) -> web.Response:
        await self.sessions.drop(request.match_info["sid"])
        return web.Response(status=204)

    async def _used(self, request: web.Request) -> web.Response:
        session = self.sessions.known.get(request.match_info["sid"])
        return web.json_response(session.use()) if session else web.Response(status=404)

    async def _alive(self, _request: web.Request) -> web.Response:
        return web.json_response({"sessions": len(self.sessions.known)})

    def apps(self) -> tuple[web.Application, web.Application]:
        """Return what browsers reach and what the hub reaches."""
        ingress = Ingress(self.sessions.find, self.settings.portal_url, self.log, self.sessions.limits)
        outside = web.Application(client_max_size=0)
        outside.router.add_route("*", "/{path:.*}", ingress.handle)
        control = web.Application()
        control.router.add_put("/sessions/{sid}", self._came)
        control.router.add_delete("/sessions/{sid}", self._went)
        control.router.add_get("/sessions/{sid}/use", self._used)
        control.router.add_get("/health", self._alive)
        return outside, control

    async def tell(self) -> None:
        """Tell the custodian for ever what sessions pass."""
        while True:
            await self.told.look(list(self.sessions.known.values()))
            await asyncio.sleep(TELL_EVERY)

    async def close(self) -> None:
        """Close every session's sockets and the clients."""
        await self.sessions.close()
        await self.egress.close()


async def serve(settings: Settings, stop: asyncio.Event, log: TrafficLog | None = None) -> None:
    """Run the gateway until `stop` is set."""
    gateway = Gateway.of(settings, log)
    outside, control = gateway.apps()
    socket = control_socket(settings.run_dir)
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    socket.unlink(missing_ok=True)
    runners = [server_of(app, 2) for app in (outside, control)]
    for runner in runners:
        await runner.setup()
    await gateway.take_up_all()
    await web.UnixSite(runners[1], str(socket)).start()
    await asyncio.to_thread(os.chmod, socket, 0o600)
    await web.TCPSite(runners[0], "127.0.0.1", settings.gateway_port).start()
    watching = [asyncio.create_task(gateway.sessions.watch_rights()), asyncio.create_task(gateway.tell())]
    try:
        await stop.wait()
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await gateway.close()
        for runner in runners:
            await runner.cleanup()


def main(settings: Settings) -> None:
    """Run the gateway until SIGTERM or SIGINT."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(settings, stop)

    asyncio.run(run())
