"""A release that somebody wishes for and does not wait for: where it stands. Nothing is paid before the work begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WishState(StrEnum):
    """Where a wish stands."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


MOVES: Mapping[WishState, frozenset[WishState]] = {
    WishState.WAITING: frozenset({WishState.WORKING, WishState.CANCELLED}),
    WishState.WORKING: frozenset({WishState.DONE, WishState.FAILED}),  # what is being paid for is not called off
    WishState.DONE: frozenset(),
    WishState.FAILED: frozenset(),
    WishState.CANCELLED: frozenset(),
}


@dataclass(frozen=True)
class Wish:
    """One release wished for: the question as it was sent, the price, and by whom.

    `key`: its idempotency key. `release`: the answer's id once it is there. `message`: why it failed, in words for people.
    """

    id: str
    project: str
    person: str
    question: str
    rho_micro: int
    key: str
    again: bool
    at: datetime
    state: WishState = WishState.WAITING
    release: str = ""
    message: str = ""

    def may(self, state: WishState) -> bool:
        """Say whether it can come to stand so."""
        return state in MOVES[self.state]
