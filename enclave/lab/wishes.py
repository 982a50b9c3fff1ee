"""A release that is made while you do something else: wished for, looked at, waited for, taken back."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hvelv.enclave.lab import shown
from hvelv.enclave.lab.answers import Release
from hvelv.enclave.lab.door import Door, Refused

ENDED = frozenset({"done", "failed", "cancelled"})
STATES = {
    "waiting": "venter på tur",
    "working": "arbeides med",
    "done": "ferdig",
    "failed": "mislyktes",
    "cancelled": "tatt tilbake",
}
PAUSE = 1.0  # seconds between looks
WIDTH = 20  # characters of a progress bar


def _shown(line: str) -> None:
    """Write a line over the one before."""
    sys.stdout.write(f"\r{line}")
    sys.stdout.flush()


@dataclass(repr=False)
class Wish:
    """A release on its way. Nothing is charged before the work on it begins."""

    door: Door = field(repr=False)
    document: Mapping[str, Any]
    called: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def id(self) -> str:
        """Return its name, by which `project.wishes` lists it."""
        return str(self.document["id"])

    @property
    def state(self) -> str:
        """Return how it stood when last looked at: waiting, working, done, failed or cancelled."""
        return str(self.document["state"])

    def look(self) -> "Wish":
        """Look again how it stands. Raises `Refused`."""
        self.document = self.door.get(f"/lab/wishes/{self.id}")
        return self

    def wait(self, seconds: float | None = None, *, told: Callable[[str], None] | None = None) -> Release:
        """Wait until it is ended, showing how far it is, and return the release. Raises `Refused` where there is none."""
        until = None if seconds is None else time.monotonic() + seconds
        tell = told or _shown
        while self.look().state not in ENDED:
            tell(self._bar())
            if until is not None and time.monotonic() >= until:
                raise Refused(
                    "Svaret er ikke klart ennå.", remedy="Vent lenger med .wait(), eller se senere med .look()."
                )
            time.sleep(PAUSE)
        tell(f"{self._bar()}\n")
        return self.release()

    def release(self) -> Release:
        """Return the certified answer. Raises `Refused` as long as there is none."""
        name = self.document.get("release")
        if not name:
            reason = str(self.document.get("message") or f"Svaret {STATES.get(self.state, self.state)}.")
            raise Refused(reason, remedy="" if self.state in ENDED else "Vent på det med .wait().")
        return Release(self.door.get(f"/lab/releases/{name}"), self.called)

    def cancel(self) -> "Wish":
        """Take it back. Raises `Refused` once the work has begun, for then it is paid for."""
        self.document = self.door.post(f"/lab/wishes/{self.id}/cancel", {}, again=True)
        return self

    def _bar(self) -> str:
        step, steps = int(self.document.get("step") or 0), int(self.document.get("steps") or 0)
        done = WIDTH if self.state == "done" else round(WIDTH * step / steps) if steps else 0
        told = str(self.document.get("message") or "") if self.state == "working" else ""
        return f"[{'█' * done}{'·' * (WIDTH - done)}] {STATES.get(self.state, self.state)} {told}".rstrip()

    def _repr_html_(self) -> str:
        return shown.lines(self._bar())

    def __repr__(self) -> str:
        return f"{self.id}: {self._bar()}"
