"""The custodian's accounts as the portal reaches them: over the link, on a steward's behalf."""

from typing import Any
from urllib.parse import quote

from hvelv.kernel.link import Link
from hvelv.privacy.service.reviews import Steward


class LinkedAccounts:
    """An `AccountDoor` over a `Link`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def all(self, steward: Steward) -> dict[str, Any]:
        """Return the holder's accounts in brief, and the proposals that wait."""
        return self._ask("GET", steward, "/accounts")

    def one(self, steward: Steward, population: str) -> dict[str, Any]:
        """Return an account with all that was charged to it. Raises `NotFound`."""
        return self._ask("GET", steward, f"/accounts/{quote(population, safe='')}")

    def propose(
        self, steward: Steward, population: str, cap: int, reason: str, period: tuple[str, str] | None
    ) -> dict[str, Any]:
        """Propose a larger account. Raises `Invalid`, `NotFound`, `NotPossible`."""
        body = {"cap": cap, "reason": reason, "period": period}
        return self._ask("POST", steward, f"/accounts/{quote(population, safe='')}/topups", body)

    def decide(self, steward: Steward, topup: str, answer: str) -> dict[str, Any]:
        """Confirm, refuse or withdraw a proposal. Raises `Denied`, `NotFound`, `NotPossible`."""
        return self._ask("POST", steward, f"/topups/{quote(topup, safe='')}/{quote(answer, safe='')}")

    def _ask(self, method: str, steward: Steward, path: str, body: Any = None) -> dict[str, Any]:
        asked = {"holder": steward.holder}
        found: dict[str, Any] = self._link.call(method, path, actor=steward.person, json=body, params=asked)
        return found
