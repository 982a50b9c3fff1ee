"""What a session uses now, read from its control groups; nothing where there are none."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hvelv.enclave.adapters.cgroups import Cgroups

SHORTEST = 1.0  # seconds between two readings that a share of a processor is worked out from


def _numbers(folders: list[Path], names: tuple[str, ...]) -> Iterator[int]:
    for folder in folders:
        for name in names:
            with suppress(OSError, ValueError, IndexError):
                words = (folder / name).read_text().split()
                yield int(words[1] if words[0] == "usage_usec" else words[0])


def _processor_seconds(folders: list[Path]) -> float | None:
    for nanoseconds in _numbers(folders, ("cpuacct.usage",)):
        return nanoseconds / 1e9
    return next((microseconds / 1e6 for microseconds in _numbers(folders, ("cpu.stat",)) if microseconds), None)


def _of_processes(members: set[int]) -> float:
    """Return the seconds of the processes that live now: version 1 counts no others where `cpuacct` is a tree of its own."""
    ticks = 0
    for pid in members:
        with suppress(OSError, ValueError, IndexError):
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass
class Meter:
    """One session's, read now and then."""

    groups: Cgroups
    sid: str
    last: tuple[float, float] | None = field(default=None)
    cores: float | None = None

    def read(self) -> dict[str, float | None]:
        """Return bytes of memory, processes, and cores used since the reading before; None is not known."""
        if not self.groups.available:
            return {"memory": None, "processes": None, "cores": None}
        folders = self.groups.folders(self.sid)
        spent, now = _processor_seconds(folders), time.monotonic()
        if spent is None:
            spent = _of_processes(self.groups.processes(self.sid))
        if self.last is None:
            self.last = (now, spent)
        elif now - self.last[0] >= SHORTEST:
            self.cores = max(0.0, spent - self.last[1]) / (now - self.last[0])
            self.last = (now, spent)
        memory = next(_numbers(folders, ("memory.current", "memory.usage_in_bytes")), None)
        return {"memory": memory, "processes": next(_numbers(folders, ("pids.current",)), None), "cores": self.cores}
