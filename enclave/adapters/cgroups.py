"""Limits on memory, processors and processes by control groups, version 2 or 1, and the last word when a session ends."""

import hashlib
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hvelv.enclave.domain.sessions import PERIOD, SessionLimits

ROOT = Path("/sys/fs/cgroup")
SYSTEMD = Path("/run/systemd/system")  # there when systemd runs the machine: sd_booted(3)
INSIDE_RUNTIME = "/tmp"  # noqa: S108 - the sandbox's own
CONTROLLERS = ("memory", "cpu", "pids")
PATIENCE = 5.0  # seconds that killed processes get to disappear
ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 71; shift; done; shift; exec "$@"'


def settings_v1(controller: str, limits: SessionLimits) -> list[tuple[str, str]]:
    """Return the files to write, and what, in one controller's folder."""
    return {
        "memory": [("memory.limit_in_bytes", str(limits.memory)), ("memory.swappiness", "0")],
        "cpu": [("cpu.cfs_period_us", str(PERIOD)), ("cpu.cfs_quota_us", str(limits.cpu_quota))],
        "pids": [("pids.max", str(limits.processes))],
    }[controller]


def settings_v2(limits: SessionLimits) -> list[tuple[str, str]]:
    """Return the files to write, and what, in the one folder."""
    return [
        ("memory.max", str(limits.memory)),
        ("memory.swap.max", "0"),
        ("cpu.max", f"{limits.cpu_quota} {PERIOD}"),
        ("pids.max", str(limits.processes)),
    ]


@dataclass(frozen=True)
class Cgroups:
    """The groups of one installation, told from another's on the same machine by its run folder."""

    run_dir: Path
    root: Path = ROOT
    parent: str = field(init=False)

    def __post_init__(self) -> None:
        """Name the folder above all of this installation's groups."""
        object.__setattr__(self, "parent", "hvelv-" + hashlib.sha256(str(self.run_dir).encode()).hexdigest()[:8])

    @property
    def unified(self) -> bool:
        """Say whether the machine has version 2 only."""
        return (self.root / "cgroup.controllers").exists()

    @property
    def available(self) -> bool:
        """Say whether limits can be set: by root, with the controllers in place."""
        if os.geteuid() != 0:
            return False
        return self.unified or all((self.root / name / "cgroup.procs").exists() for name in CONTROLLERS)

    def _parents(self) -> list[Path]:
        if self.unified:
            return [self.root / self.parent]
        return [self.root / name / self.parent for name in CONTROLLERS]

    def folders(self, sid: str) -> list[Path]:
        """Return the session's groups: one in version 2, one for each controller in version 1."""
        return [parent / sid for parent in self._parents()]

    def create(self, sid: str, limits: SessionLimits) -> list[Path]:
        """Make the session's groups with their limits in force, and return them."""
        if self.unified:
            for above in (self.root, self.root / self.parent):
                above.mkdir(exist_ok=True)
                (above / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in CONTROLLERS))
        made = self.folders(sid)
        for folder, controller in zip(made, CONTROLLERS, strict=False):
            folder.mkdir(parents=True, exist_ok=True)
            for name, value in settings_v2(limits) if self.unified else settings_v1(controller, limits):
                if name.startswith("memory.sw") and not (folder / name).exists():
                    continue  # a kernel without swap accounting has no such file
                (folder / name).write_text(value)
        return made

    def sids(self) -> set[str]:
        """Return the sessions that have groups, also those a crashed hub left behind."""
        return {
            child.name for parent in self._parents() if parent.is_dir() for child in parent.iterdir() if child.is_dir()
        }

    def processes(self, sid: str) -> set[int]:
        """Return who is in the session's groups."""
        found: set[int] = set()
        for folder in self.folders(sid):
            with suppress(OSError):
                found |= {int(line) for line in (folder / "cgroup.procs").read_text().split()}
        return found

    def kill(self, sid: str, *, patience: float = PATIENCE) -> bool:
        """Kill everything in the session's groups; False when something is still there after `patience` seconds."""
        end = time.monotonic() + patience
        while members := self.processes(sid):
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def remove(self, sid: str) -> None:
        """Remove the session's empty groups."""
        for folder in self.folders(sid):
            for _attempt in range(50):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:  # the last process is still being taken down
                    time.sleep(0.02)
                else:
                    break

    def remove_all(self) -> None:
        """Kill and remove every session's groups, and the folder above them: what a hub does when it starts."""
        for sid in self.sids():
            self.kill(sid)
            self.remove(sid)
        for parent in self._parents():
            with suppress(OSError):
                parent.rmdir()


def systemd_scope(limits: SessionLimits, environ: Mapping[str, str], *, booted: Path = SYSTEMD) -> list[str]:
    """Return the command that runs what follows in a scope of the user's own systemd, or nothing where there is none.

    For those who are not root. The session's own environment has another runtime folder than systemd is asked in.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if not runtime or not booted.is_dir() or shutil.which("systemd-run", path=environ.get("PATH")) is None:
        return []
    properties = {
        "MemoryMax": str(limits.memory),
        "MemorySwapMax": "0",
        "CPUQuota": f"{max(1, round(limits.cpus * 100))}%",
        "TasksMax": str(limits.processes),
    }
    asked = [part for name, value in properties.items() for part in ("-p", f"{name}={value}")]
    run = ["systemd-run", "--user", "--scope", "--quiet", "--collect", *asked, "--"]
    return ["env", f"XDG_RUNTIME_DIR={runtime}", *run, "env", f"XDG_RUNTIME_DIR={INSIDE_RUNTIME}"]


def entering(folders: Sequence[Path]) -> list[str]:
    """Return the command that joins the groups and becomes what follows it."""
    return ["/bin/sh", "-c", ENTER, "enter", *map(str, folders), "--"] if folders else []
