"""Where time comes from. Nothing else in the house reads the clock."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of the present moment, always in UTC."""

    def now(self) -> datetime:
        """Return the present moment, timezone-aware."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)


@dataclass
class SetClock:
    """A clock that stands where it was set, for tests."""

    at: datetime = datetime(2026, 1, 15, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the moment it was set to."""
        return self.at

    def advance(self, step: timedelta) -> None:
        """Move the hands by `step`."""
        self.at += step
