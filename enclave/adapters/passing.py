"""One websocket's messages on their way: counted, held to a size and a rate, and said so where one is held back."""

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hvelv.enclave.domain.idle import is_use_message
from hvelv.enclave.domain.kernel_messages import Heads, heads, instead
from hvelv.enclave.domain.traffic import KERNEL, Account, Bucket, TrafficLimits, mebibytes

TOO_LARGE = (
    "Hvelv: En melding på {size} ble ikke vist; én melding kan være høyst {most}. "
    "Vis mindre om gangen, for eksempel de første radene. Kjernen går videre."
)
FAR_TOO_LARGE = (
    "Hvelv: En melding var større enn det som kan tas imot, og ble ikke vist; én melding kan være høyst {most}. "
    "Vis mindre om gangen, for eksempel de første radene. Kjernen går videre."
)
TOO_LARGE_IN = (
    "Hvelv: En melding på {size} ble ikke sendt til kjernen; én melding kan være høyst {most}. "
    "Legg store tabeller i prosjektet i stedet for i cellen."
)


def size_of(data: bytes | str) -> int:
    """Return how many bytes a message is on the wire."""
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())


def today() -> str:
    """Return the day in UTC, as rows of the audit are dated."""
    return datetime.now(UTC).date().isoformat()


@dataclass
class Passing:
    """What stands between the two ends of one websocket. Kernels' messages are answered for; others only counted."""

    account: Account
    limits: TrafficLimits
    of_kernel: bool
    alarmed: Callable[[], None]
    active: Callable[[], None]
    protocol: str | None = None
    sent: int = 0
    received: int = 0
    asked: Heads | None = None  # the last that the browser asked a kernel; what comes is an answer to it
    bucket: Bucket = field(init=False)

    def __post_init__(self) -> None:
        """Begin with a full bucket."""
        self.bucket = Bucket(self.limits.rate, self.limits.burst)

    def _say(self, of: Heads, sentence: str, size: int = 0) -> bytes | str:
        text = sentence.format(size=mebibytes(size), most=mebibytes(self.limits.message))
        at = datetime.now(UTC).isoformat()
        return instead(of, text, identity=uuid.uuid4().hex, at=at, protocol=self.protocol)

    def _answering(self) -> Heads | None:
        return Heads("iopub", {}, self.asked.header) if self.asked else None

    def to_session(self, data: bytes | str) -> tuple[bytes | str | None, bytes | str | None]:
        """Return what goes on to the session, and what goes back to the browser instead."""
        size = size_of(data)
        said = heads(data, self.protocol) if self.of_kernel else None
        if size > self.limits.message:
            self.account.kept_back(day=today())
            answering = Heads("iopub", {}, said.header) if said else self._answering()
            return None, self._say(answering, TOO_LARGE_IN, size) if answering else None
        if said and said.channel == "shell":
            self.asked = said
        self.account.came(size, day=today())
        self.sent += size
        if self.of_kernel and is_use_message(said.header if said else None):
            self.active()
        return data, None

    def _count(self, data: bytes | str) -> tuple[bytes | str | None, int]:
        size = size_of(data)
        if size <= self.limits.message:
            return data, size
        self.account.kept_back(day=today())
        of = (heads(data, self.protocol) or self._answering()) if self.of_kernel else None
        said = self._say(of, TOO_LARGE, size) if of else None
        return said, size_of(said) if said is not None else 0

    async def to_browser(self, data: bytes | str) -> bytes | str | None:
        """Return what goes on to the browser, after waiting for as long as the rate demands.

        While one websocket waits nothing is read of it: the kernel's own output stands still, and no other's does.
        """
        kept, size = self._count(data)
        self.received += size
        now = time.monotonic()
        if self.account.saw(KERNEL, size, day=today(), now=now):
            self.alarmed()
        if self.account.window.over(now) and self.bucket.rate > self.limits.slow:
            self.bucket.slow_down(self.limits.slow)
        if wait := self.bucket.take(size, now):
            await asyncio.sleep(wait)
        return kept

    def far_too_large(self) -> bytes | str | None:
        """Return what the browser gets when a message came that was not even taken in."""
        self.account.kept_back(day=today())
        answering = self._answering() if self.of_kernel else None
        return self._say(answering, FAR_TOO_LARGE) if answering else None


async def send(target: Any, data: bytes | str | None) -> None:
    """Send a message in the form it has; None is nothing."""
    if isinstance(data, str):
        await target.send_str(data)
    elif data is not None:
        await target.send_bytes(data)
