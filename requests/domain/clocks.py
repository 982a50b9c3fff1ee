"""Clocks: when a decision and the data are due. The decision's clock stands still while the application is returned."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hvelv.requests.domain.lifecycle import UNDER_REVIEW, State


class Move(Protocol):
    """A change of state, as the application's history tells it."""

    @property
    def at(self) -> datetime: ...
    @property
    def state(self) -> State: ...


@dataclass(frozen=True)
class Clocks:
    """What is due when. `paused` tells that the decision's clock stands still; then its due date is not set yet."""

    decision_due: datetime | None
    data_due: datetime | None
    paused: bool

    def overdue(self, now: datetime, state: State) -> bool:
        """Say whether a decision is late."""
        return state in UNDER_REVIEW and self.decision_due is not None and now > self.decision_due


def clocks(moves: Iterable[Move], *, decision_days: int, data_days: int) -> Clocks:
    """Read the clocks off the history, oldest move first.

    The decision is due `decision_days` of review time after the first submission: time in SUBMITTED and IN_REVIEW
    counts, time at the applicant's does not (EHDS article 68 and domain.md).
    """
    left = timedelta(days=decision_days)
    running_since: datetime | None = None
    approved_at: datetime | None = None
    started = False
    for move in moves:
        reviewing = move.state in UNDER_REVIEW
        if reviewing and running_since is None:
            running_since, started = move.at, True
        elif not reviewing and running_since is not None:
            left -= move.at - running_since
            running_since = None
        if move.state is State.APPROVED:
            approved_at = move.at
    return Clocks(
        decision_due=running_since + left if running_since else None,
        data_due=approved_at + timedelta(days=data_days) if approved_at else None,
        paused=started and running_since is None and approved_at is None,
    )
