"""How much may pass between a browser and a session, and when that is unusual: numbers and counting, without a clock.

What is viewed cannot be unseen, so it is counted: bytes by kind and day, never paths or content. What one message or
answer may carry, how fast it may come, and how much an hour may hold before people in charge are told, stands here.
"""

from collections import Counter
from dataclasses import dataclass, field

HOUR = 3600.0  # seconds
REPORT_EVERY = 300.0  # seconds between two rows in the audit for a session that is used
KERNEL = "kernel"  # kernels' messages; the other kinds are those of adapters.traffic
NOT_VIEWED = frozenset({"static"})  # JupyterLab's own programs: in the rows, but nobody is alarmed by them


@dataclass(frozen=True)
class TrafficLimits:
    """What may pass. Sizes in bytes, rates in bytes a second."""

    answer: int = 64 << 20  # one answer to a browser
    message: int = 32 << 20  # one websocket message, either way
    rate: float = 8 << 20  # a websocket's messages to the browser, in the long run
    burst: float = 128 << 20  # ahead of the rate: a large table or a few figures come at once
    hour: int = 256 << 20  # viewed in an hour before it is unusual
    slow: float = 256 << 10  # the rate for what comes after that


@dataclass
class Bucket:
    """How long the next bytes must wait, so that in the long run no more than `rate` pass."""

    rate: float
    burst: float
    level: float = field(init=False)
    at: float | None = None

    def __post_init__(self) -> None:
        """Begin full."""
        self.level = self.burst

    def take(self, size: int, now: float) -> float:
        """Take `size` bytes out and return the seconds to wait before the next."""
        gone = now - self.at if self.at is not None else 0.0
        self.level = min(self.burst, self.level + gone * self.rate) - size
        self.at = now
        return max(0.0, -self.level / self.rate)

    def slow_down(self, rate: float) -> None:
        """Let no more than `rate` pass from now on, and nothing ahead of it."""
        self.rate, self.burst, self.level = rate, rate, min(self.level, rate)


@dataclass
class Window:
    """What was viewed in the hour that runs, and whether that is more than usual."""

    most: int
    begun: float | None = None
    viewed: int = 0

    def add(self, size: int, now: float) -> bool:
        """Count; True once in each hour, when it becomes unusual."""
        if self.begun is None or now - self.begun >= HOUR:
            self.begun, self.viewed = now, 0
        before, self.viewed = self.viewed, self.viewed + size
        return before <= self.most < self.viewed

    def over(self, now: float) -> bool:
        """Say whether the hour that runs has more than usual."""
        return self.begun is not None and now - self.begun < HOUR and self.viewed > self.most


@dataclass
class Account:
    """What one session has passed since it was last told of, by day, and its hour."""

    window: Window
    viewed: dict[str, Counter[str]] = field(default_factory=dict)  # day -> kind -> bytes
    sent: Counter[str] = field(default_factory=Counter)  # day -> bytes
    held: Counter[str] = field(default_factory=Counter)  # day -> messages and answers that were too large
    alarms: list[str] = field(default_factory=list)  # days on which an hour became unusual, not yet told

    def saw(self, kind: str, size: int, *, day: str, now: float) -> bool:
        """Count bytes to the browser; True when the hour becomes unusual by them."""
        self.viewed.setdefault(day, Counter())[kind] += size
        unusual = kind not in NOT_VIEWED and self.window.add(size, now)
        if unusual:
            self.alarms.append(day)
        return unusual

    def came(self, size: int, *, day: str) -> None:
        """Count bytes from the browser."""
        self.sent[day] += size

    def kept_back(self, *, day: str) -> None:
        """Count a message or an answer that was too large."""
        self.held[day] += 1

    def days(self) -> list[str]:
        """Return the days there is something to tell of, oldest first."""
        return sorted({*self.viewed, *self.sent, *self.held, *self.alarms})

    def told(self, day: str) -> dict[str, object]:
        """Return what is told of a day."""
        return {
            "day": day,
            "viewed": dict(self.viewed.get(day, {})),
            "sent": self.sent[day],
            "held_back": self.held[day],
            "alarms": self.alarms.count(day),
        }

    def forget(self, told: dict[str, object]) -> None:
        """Take away what has been told and written down; what came meanwhile stays."""
        day = str(told["day"])
        viewed = self.viewed.get(day, Counter())
        viewed.subtract(told["viewed"])  # type: ignore[call-overload]
        if not (left := +viewed):
            self.viewed.pop(day, None)
        else:
            self.viewed[day] = left
        for counter, name in ((self.sent, "sent"), (self.held, "held_back")):
            counter[day] -= int(str(told[name]))
            if not counter[day]:
                del counter[day]
        for _alarm in range(int(str(told["alarms"]))):
            self.alarms.remove(day)


def mebibytes(size: int) -> str:
    """Return a size for people to read."""
    return f"{size / (1 << 20):.0f} MB".replace(".", ",")
