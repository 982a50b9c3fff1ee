"""When a session's right to be open ends: on a no at once, and when nobody has answered for too long."""

from dataclasses import dataclass

ASK_EVERY = 20.0  # seconds between two questions
TRUST_FOR = 45.0  # seconds that the last yes counts when nobody answers; with one round of asking, less than 60


@dataclass
class RightsWatch:
    """What is known about one session's grant. Times are seconds of any steady clock."""

    asked_at: float | None = None
    granted_at: float | None = None
    denied: bool = False

    def due(self, now: float) -> bool:
        """Say whether it is time to ask."""
        return self.asked_at is None or now - self.asked_at >= ASK_EVERY

    def granted(self, now: float) -> None:
        """Note a yes."""
        self.asked_at = self.granted_at = now
        self.denied = False

    def refused(self, now: float) -> None:
        """Note a no. It stands until there is a yes."""
        self.asked_at = now
        self.denied = True

    def unanswered(self, now: float) -> None:
        """Note that nobody answered: ask again soon, trust the last yes for a while."""
        self.asked_at = now - ASK_EVERY + ASK_EVERY / 4

    def holds(self, now: float) -> bool:
        """Say whether the session may go on."""
        return not self.denied and self.granted_at is not None and now - self.granted_at <= TRUST_FOR
