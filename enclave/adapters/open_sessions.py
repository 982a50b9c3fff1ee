"""The sessions that the gateway knows: who they are, whether they may go on, and what is open to them right now."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
from aiohttp import WSCloseCode, web

from hvelv.enclave.adapters.grants import GrantDoor
from hvelv.enclave.adapters.relay import client_of_session
from hvelv.enclave.domain.idle import WORKS_FOR
from hvelv.enclave.domain.rights import RightsWatch
from hvelv.enclave.domain.sessions import SessionLayout, SessionName
from hvelv.enclave.domain.traffic import Account, Bucket, TrafficLimits, Window

EGRESS = ("hub.sock", "lab.sock")
LOOK_EVERY = 2.0  # seconds between looks at whether it is time to ask


@dataclass
class OpenSession:
    """One live session."""

    layout: SessionLayout
    client: aiohttp.ClientSession
    watch: RightsWatch = field(default_factory=RightsWatch)
    websockets: set[web.WebSocketResponse] = field(default_factory=set)
    tasks: set["asyncio.Task[object]"] = field(default_factory=set)
    egress: web.AppRunner | None = None
    limits: TrafficLimits = field(default_factory=TrafficLimits)
    account: Account = field(init=False)
    slow: Bucket = field(init=False)
    unusual: bool = False
    active_at: float = field(default_factory=time.monotonic)
    works_at: float | None = None

    def __post_init__(self) -> None:
        """Begin with nothing counted."""
        self.account = Account(Window(self.limits.hour))
        self.slow = Bucket(self.limits.slow, self.limits.slow)

    @classmethod
    def of(cls, layout: SessionLayout, limits: TrafficLimits | None = None) -> "OpenSession":
        """Return a session about which nothing is known yet, so that nothing is open."""
        return cls(layout, client_of_session(layout.server_socket), limits=limits or TrafficLimits())

    def active(self) -> None:
        """Note that somebody uses it now."""
        self.active_at = time.monotonic()

    def works(self) -> None:
        """Note that a cell runs in it now; when it ends, the session has been used until then."""
        self.works_at = time.monotonic()
        self.active()

    def use(self) -> dict[str, float | bool]:
        """Return for how many seconds it has not been used, and whether a cell runs."""
        now = time.monotonic()
        busy = self.works_at is not None and now - self.works_at <= WORKS_FOR
        return {"unused": now - self.active_at, "busy": busy}

    def alarmed(self) -> None:
        """Have the custodian told soon that an hour has become unusual."""
        self.unusual = True

    @property
    def name(self) -> SessionName:
        """Return whose it is."""
        return self.layout.name

    def holds(self) -> bool:
        """Say whether it may go on."""
        return self.watch.holds(time.monotonic())

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Count the current request, so that it can be cut off."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - handlers run in tasks
        self.tasks.add(task)
        try:
            yield
        finally:
            self.tasks.discard(task)

    @contextmanager
    def has_open(self, websocket: web.WebSocketResponse) -> Iterator[None]:
        """Count an open websocket, so that it can be closed."""
        self.websockets.add(websocket)
        try:
            yield
        finally:
            self.websockets.discard(websocket)

    async def cut_off(self) -> None:
        """Close every websocket and end every request that is under way."""
        for websocket in tuple(self.websockets):
            with suppress(TimeoutError, ConnectionError, RuntimeError):
                await asyncio.wait_for(websocket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"rights ended"), 1)
        for task in tuple(self.tasks - {asyncio.current_task()}):
            task.cancel()

    async def close(self) -> None:
        """Cut everything off and take the session's sockets away."""
        await self.cut_off()
        if self.egress is not None:
            await self.egress.cleanup()
            for name in EGRESS:
                with suppress(OSError):
                    (self.layout.egress / name).unlink()
        await self.client.close()


@dataclass
class OpenSessions:
    """All of them, by sid. `open_egress` makes a session's own two sockets."""

    door: GrantDoor
    open_egress: Callable[[OpenSession], Awaitable[web.AppRunner]]
    ended: Callable[[OpenSession], Awaitable[None]]
    limits: TrafficLimits = field(default_factory=TrafficLimits)
    known: dict[str, OpenSession] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def find(self, name: SessionName) -> OpenSession | None:
        """Return the session of that name, if it is known."""
        found = self.known.get(name.sid)
        return found if found is not None and found.name == name else None

    async def add(self, layout: SessionLayout) -> OpenSession:
        """Take up a session, anew if it was known: ask for its grant and open its way out."""
        async with self.lock:
            await self._drop(layout.name.sid)
            session = OpenSession.of(layout, self.limits)
            try:
                await self.door.check(session.name, session.watch, time.monotonic())
                session.egress = await self.open_egress(session)
            except BaseException:
                await session.close()
                raise
            self.known[layout.name.sid] = session
            return session

    async def _drop(self, sid: str) -> None:
        session = self.known.pop(sid, None)
        if session is not None:
            await session.close()
            await self.ended(session)

    async def drop(self, sid: str) -> None:
        """Forget a session and close everything of it."""
        async with self.lock:
            await self._drop(sid)

    async def watch_rights(self) -> None:
        """Ask for every session's grant for ever, and cut off those that have none."""
        while True:
            await asyncio.gather(
                *(self._look(session) for session in tuple(self.known.values())), return_exceptions=True
            )
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self, session: OpenSession) -> None:
        if not await self.door.check(session.name, session.watch, time.monotonic()):
            await session.cut_off()

    async def close(self) -> None:
        """Close all."""
        for sid in tuple(self.known):
            await self.drop(sid)
