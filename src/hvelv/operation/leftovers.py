"""Processes that outlived their supervisor: found by the marker in their environment, or by a sandbox's arguments."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from hvelv.kernel.settings import Settings
from hvelv.operation.environment import MARKER

SECONDS = 3.0
STEP = 0.05


def leftovers(settings: Settings) -> list[int]:
    """Return the ids of processes that belong to this installation, this one and its parents not counted."""
    mark = f"{MARKER}={settings.root}\0".encode()
    sandbox = f"{settings.run_dir / 'sessions'}/".encode()
    ours = set(_ancestry())
    return [
        pid
        for pid in sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        if pid not in ours and (mark in _read(pid, "environ") + b"\0" or _is_sandbox(_read(pid, "cmdline"), sandbox))
    ]


def end(pids: list[int]) -> None:
    """Kill the processes and wait until they are gone."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and any(_read(pid, "cmdline") for pid in pids):
        time.sleep(STEP)


def _is_sandbox(arguments: bytes, sandbox: bytes) -> bool:
    return arguments.split(b"\0")[0].endswith(b"bwrap") and sandbox in arguments


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _ancestry() -> Iterator[int]:
    pid = os.getpid()
    while pid > 1:
        yield pid
        status = _read(pid, "stat").rsplit(b")", 1)
        pid = int(status[1].split()[1]) if len(status) == 2 else 0  # noqa: PLR2004 - "name) state ppid"
