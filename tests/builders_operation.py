"""Installations for tests of running: a short folder, ports of their own, and the command line as a process."""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hvelv.kernel.settings import Settings
from hvelv.operation.running import STORE_PORTS, taken

EPHEMERAL = 32_768  # from here on the kernel gives ports to outgoing connections
MARK = "HVELV_TEST_MARK"


def free_ports(count: int, *, far: int = 0) -> int:
    """Return the first of `count` neighbouring free ports; with `far`, those so much higher are free too."""
    source = random.SystemRandom()
    while True:
        first = source.randrange(20_000, EPHEMERAL - far - count)
        if not any(taken(first + n + step) for n in range(count) for step in {0, far}):
            return first


def port_settings() -> dict[str, str]:
    """Return an environment in which every port is free."""
    first = free_ports(7)
    names = ("PORTAL", "HUB", "HUB_API", "PROXY_API", "GATEWAY", "PREFECT", "STORE")
    ports = {f"HVELV_{name}_PORT": str(first + n) for n, name in enumerate(names)}
    return ports | {"HVELV_STORE_INTERNAL_PORT": str(free_ports(STORE_PORTS, far=10_000))}


@contextmanager
def short_folder() -> Iterator[Path]:
    """Yield a folder whose path is short enough for the sockets below it, behind one that only its owner can pass."""
    with tempfile.TemporaryDirectory(prefix="hv-") as folder:
        yield Path(folder) / "i"


class Installation:
    """One installation that a test starts and stops."""

    def __init__(self, folder: Path, **extra: str) -> None:
        self.folder = folder
        self.environment = port_settings() | {"HVELV_DATA_DIR": str(folder), MARK: str(folder)} | extra

    @property
    def settings(self) -> Settings:
        fields = {
            name.removeprefix("HVELV_").lower(): value for name, value in self.environment.items() if name != MARK
        }
        return Settings(**fields)

    def hvelv(self, *words: str, timeout: float = 280) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hvelv.operation.cli", *words]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HVELV_")} | self.environment
        environment["COLUMNS"] = "200"
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)

    def marked(self) -> list[int]:
        """Return the processes that carry this installation's mark, which the platform itself does not look at."""
        mark = f"{MARK}={self.folder}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return sorted(found)
