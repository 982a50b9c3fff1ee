"""Those who wait for a room to be opened when many ask at once: first come, first served, and nobody is lost."""

import threading
from dataclasses import dataclass, field

AT_ONCE = 3  # who may try: as many as the hub starts at the same time
LOOKING = 15.0  # seconds since somebody looked; who does not look now keeps the place and holds up nobody
GIVEN_UP = 600.0

Key = tuple[str, str]


@dataclass
class Line:
    """In the order they came: person and project, and when they last looked. Seconds of any steady clock."""

    waiting: dict[Key, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def join(self, key: Key, now: float) -> None:
        """Wait; who waits already keeps the place."""
        with self.lock:
            self.waiting[key] = now

    def leave(self, key: Key) -> None:
        """Wait no longer."""
        with self.lock:
            self.waiting.pop(key, None)

    def place(self, key: Key, now: float) -> int:
        """Return the place, 1 is first, counting those who look now; 0 for who does not wait."""
        with self.lock:
            if key not in self.waiting:
                return 0
            self.waiting[key] = now
            for other in [k for k, seen in self.waiting.items() if now - seen > GIVEN_UP]:
                del self.waiting[other]
            looking = [k for k, seen in self.waiting.items() if now - seen <= LOOKING]
            return looking.index(key) + 1
