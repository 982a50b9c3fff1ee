"""What a question costs to ask, and asking it: a price in rho or epsilon, a quote, a release. Also a question in SQL."""

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hvelv.enclave.lab import shown
from hvelv.enclave.lab.answers import Release
from hvelv.enclave.lab.door import Door, Refused
from hvelv.enclave.lab.quotes import Quote
from hvelv.enclave.lab.wishes import Wish

DELTA = 1e-6
DIGITS = 2


def rho_of(epsilon: float, delta: float) -> float:
    """Return the rho whose zCDP guarantee is (epsilon, delta): rho + 2·√(rho·ln 1/delta) = epsilon.

    Bun & Steinke 2016, proposition 1.3; the platform's own conversion is tighter, so the epsilon you see is at most this.
    """
    reach = math.log(1 / delta)
    return float((math.sqrt(reach + epsilon) - math.sqrt(reach)) ** 2)


def micro(rho: float | None, epsilon: float | None, delta: float) -> int:
    """Return the price in millionths of rho. Raises `Refused` unless exactly one price above zero is given.

    A price in rho is sent as it is, and the platform takes it with two significant digits; one in epsilon is rounded
    down to that, so that it never costs more than was said.
    """
    if (rho is None) == (epsilon is None):
        raise Refused(
            "Gi prisen som enten rho eller epsilon.", remedy="For eksempel .quote(rho=0.01) eller .quote(epsilon=0.5)."
        )
    price = rho if rho is not None else rho_of(float(epsilon or 0), delta)
    if not math.isfinite(price) or price <= 0:
        raise Refused("Prisen må være større enn null.")
    if rho is not None:
        return max(1, round(price * shown.MICRO))
    return max(1, rounded_down(math.floor(price * shown.MICRO)))


def rounded_down(price: int) -> int:
    """Return the nearest price at or below `price` that the platform takes: one with two significant digits."""
    unit = int(10 ** max(0, len(str(price)) - DIGITS))
    return price // unit * unit


class Priced:
    """What can be quoted and released: it says what is sent, and what its made columns are called here."""

    door: Door
    delta: float

    def body(self) -> dict[str, Any]:
        """Return what is sent of the question."""
        raise NotImplementedError

    @property
    def called(self) -> Mapping[str, str]:
        """Return what x1, x2 … are called in this notebook."""
        return {}

    def quote(self, *, rho: float | None = None, epsilon: float | None = None) -> Quote:
        """Return what the answer would cost and how far off it would be. Free. Raises `Refused`."""
        price = micro(rho, epsilon, self.delta)
        return Quote(self.door.post("/lab/quotes", self.body() | {"rho_micro": price}, again=True), self.called)

    def release(self, *, rho: float | None = None, epsilon: float | None = None, again: bool = False) -> Release:
        """Return the certified answer and have it charged, once, also when the connection breaks. Raises `Refused`.

        A question that was answered before, at no lower a price, gets the same answer and costs nothing; with `again` it
        gets new noise, which is paid for.
        """
        asked = self._sent(rho, epsilon, again=again)
        return Release(self.door.post("/lab/releases", asked, again=True), self.called)

    def wish(self, *, rho: float | None = None, epsilon: float | None = None, again: bool = False) -> Wish:
        """Ask for the certified answer without waiting for it: for large tables and long calculations. Raises `Refused`.

        It can be taken back with `.cancel()` until the work on it begins; nothing is charged before that.
        """
        return Wish(
            self.door, self.door.post("/lab/wishes", self._sent(rho, epsilon, again=again), again=True), self.called
        )

    def _sent(self, rho: float | None, epsilon: float | None, *, again: bool) -> dict[str, Any]:
        asked = self.body() | {"rho_micro": micro(rho, epsilon, self.delta), "idempotency_key": uuid.uuid4().hex}
        return asked | ({"again": True} if again else {})


@dataclass(frozen=True, repr=False)
class Sql(Priced):
    """A question written in SQL, which the platform reads."""

    door: Door = field(repr=False, compare=False)
    text: str
    delta: float = field(default=DELTA, compare=False)

    def body(self) -> dict[str, Any]:
        """Return what is sent of the question."""
        return {"sql": self.text}

    def as_dict(self) -> dict[str, Any]:
        """Return what the platform reads it as; free. Raises `Refused`, with line and character."""
        return dict(self._read()["query"])

    @property
    def called(self) -> Mapping[str, str]:
        """Return what the statement calls x1, x2 and so on; free. Raises `Refused`."""
        return dict(self._read()["names"])

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = self.door.post("/lab/questions", self.body(), again=True)
        return found

    def __repr__(self) -> str:
        return f"spørring i SQL: {' '.join(self.text.split())}"
