"""Telling the custodian what sessions have passed: rows in its audit, by the door that grants are asked at."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx

from hvelv.enclave.adapters.open_sessions import OpenSession
from hvelv.enclave.adapters.unix_http import asking
from hvelv.enclave.domain.sessions import SessionName
from hvelv.enclave.domain.traffic import REPORT_EVERY, Account
from hvelv.kernel.link import ACTOR

SECONDS = 5.0


@dataclass
class Told:
    """What has been told, and what is still to be. What the custodian has not taken is kept and told again.

    A row that was written though its answer was lost is told twice: counts may be too high, never too low.
    """

    socket: Path
    ended: list[tuple[SessionName, Account]] = field(default_factory=list)
    at: dict[str, float] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def _tell(self, name: SessionName, account: Account, *, ended: bool) -> bool:
        path = f"/traffic/{quote(name.person, safe='')}/{quote(name.project, safe='')}"
        for day in account.days():
            told = account.told(day)
            try:
                async with asking(self.socket, seconds=SECONDS) as client:
                    answer = await client.post(path, headers={ACTOR: name.person}, json=told | {"ended": ended})
            except httpx.HTTPError:
                return False
            if not answer.is_success:
                return False
            account.forget(told)
        return True

    async def tell(self, session: OpenSession, now: float) -> None:
        """Tell of a session if it is time to, or if its hour has become unusual."""
        sid = session.name.sid
        if not session.unusual and now - self.at.setdefault(sid, now) < REPORT_EVERY:
            return
        async with self.lock:
            if await self._tell(session.name, session.account, ended=False):
                session.unusual = False
                self.at[sid] = now

    async def end(self, session: OpenSession) -> None:
        """Tell the last of a session; what is not taken now is told later."""
        self.at.pop(session.name.sid, None)
        self.ended.append((session.name, session.account))
        await self.catch_up()

    async def catch_up(self) -> None:
        """Tell what is left of sessions that have ended."""
        async with self.lock:
            self.ended = [left for left in self.ended if not await self._tell(*left, ended=True)]

    async def look(self, sessions: list[OpenSession]) -> None:
        """Tell what is due of all."""
        if self.ended:
            await self.catch_up()
        for session in sessions:
            await self.tell(session, time.monotonic())
