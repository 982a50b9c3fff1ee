"""The portal's inner door, on a unix socket and for the hub alone: it answers whether someone is who they say they are."""

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from hvelv.kernel.clock import Clock
from hvelv.kernel.errors import Denied, _
from hvelv.kernel.web import answer_refusals
from hvelv.portal.wiring import People

FAILURES = 5
WINDOW = timedelta(minutes=5)
MOST_NAMES = 10_000
HASHES_AT_ONCE = 2  # a password hash takes 64 MB and a processor


class Presented(BaseModel):
    """What was typed at the hub's sign-in. The bounds keep a long name out of the log and a long password off the hash."""

    model_config = ConfigDict(extra="forbid")

    person: str = Field(max_length=64)
    password: str = Field(max_length=1024, repr=False)
    otp: str = Field("", max_length=16, repr=False)


class Throttle:
    """Holds back guessing: after five failures on one name, that name waits until five minutes have passed.

    By name and not by address: the hub asks on everyone's behalf, and what it says of addresses could be made up. The
    names are counted as typed in small letters, known or not, so that the answer tells nobody which exist.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, list[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def holds(self, name: str) -> bool:
        """Say whether `name` must wait."""
        since = self._clock.now() - WINDOW
        with self._lock:
            recent = [at for at in self._failed.get(name, ()) if at > since]
        return len(recent) >= FAILURES

    def failed(self, name: str) -> None:
        """Count a failure."""
        now = self._clock.now()
        with self._lock:
            recent = [at for at in self._failed.pop(name, ()) if at > now - WINDOW]
            self._failed[name] = [*recent, now][-FAILURES:]
            while len(self._failed) > MOST_NAMES:
                self._failed.popitem(last=False)

    def passed(self, name: str) -> None:
        """Forget the failures of someone who has signed in."""
        with self._lock:
            self._failed.pop(name, None)


def create_internal(people: People, clock: Clock) -> FastAPI:
    """Return the app that the hub's authenticator asks: POST /sign-in."""
    app = FastAPI(title="Hvelv, inner door", docs_url=None, redoc_url=None, openapi_url=None)
    answer_refusals(app)
    throttle, limiter = Throttle(clock), CapacityLimiter(HASHES_AT_ONCE)

    @app.post("/sign-in")
    async def sign_in(presented: Presented) -> dict[str, str]:
        name = presented.person.strip().lower()

        def check() -> dict[str, str] | None:
            if throttle.holds(name):  # asked here, so that no more than two are on their way past it
                return None
            person = people.check(name, presented.password, presented.otp.strip(), clock.now())
            if person is None:
                throttle.failed(name)
                return None
            throttle.passed(name)
            return {"person": person.id, "name": person.name}

        found = await to_thread.run_sync(check, limiter=limiter)
        if found is None:
            raise Denied(_("Navn, passord eller engangskode stemmer ikke."), code="sign-in")
        return found

    return app
