"""What this machine lacks for running the platform, why it matters, and the command that mends it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hvelv.enclave.adapters import disks
from hvelv.enclave.adapters.cgroups import systemd_scope
from hvelv.enclave.domain.sessions import SessionLimits, bytes_in
from hvelv.kernel.settings import Settings
from hvelv.operation import store
from hvelv.operation.confinement import Footing, probe
from hvelv.operation.domains import separated
from hvelv.operation.processes import processes
from hvelv.operation.running import ports, taken
from hvelv.operation.supervision import Supervisor

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
FREE_BYTES = 5 << 30
FIRST_YEAR = 2026
PROBE_SECONDS = 20
UNLIMITED = "One person can fill the disk that all share: only the size of a single file is limited."


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # it runs, with less protection
    MISSING = "missing"  # it does not run


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    grade: Grade
    found: str = ""
    why: str = ""
    remedy: str = ""


def _ok(what: str, found: str = "") -> Finding:
    return Finding(what, Grade.OK, found)


def python(_settings: Settings) -> Finding:
    """Look at Python's version."""
    version = sys.version.split()[0]
    if OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        return _ok("Python", version)
    remedy = "make setup PYTHON=/path/to/python3.11"
    return Finding("Python", Grade.MISSING, version, "The platform is made for Python 3.11 to 3.13.", remedy)


def program(name: str, package: str, why: str) -> Callable[[Settings], Finding]:
    """Return a check that looks for a program of the system."""

    def check(_settings: Settings) -> Finding:
        path = shutil.which(name)
        return _ok(name, path) if path else Finding(name, Grade.MISSING, "", why, f"apt-get install {package}")

    return check


def made(what: str, path: Callable[[Settings], Path], why: str, target: str) -> Callable[[Settings], Finding]:
    """Return a check that looks for something the set-up makes."""

    def check(settings: Settings) -> Finding:
        place = path(settings).absolute()
        return (
            _ok(what, str(place)) if place.exists() else Finding(what, Grade.MISSING, str(place), why, f"make {target}")
        )

    return check


def users(settings: Settings) -> Finding:
    """Look at how well trust domains can be kept apart."""
    what = "separate users"
    if os.geteuid() != 0:
        why = (
            "Without root every process is the same user: whoever takes over the portal or the hub can read the vault, the "
            "keys and the database of the custodian, and sessions run as the hub's own user inside their sandbox."
        )
        return Finding(what, Grade.WARNING, "not root", why, "sudo .venv/bin/hvelv up")
    if not separated(settings):
        why = "A compromised portal could read the vault and the keys."
        return Finding(what, Grade.WARNING, "switched off", why, "unset HVELV_SEPARATE_USERS")
    wrong = probe(settings, Footing.VIEWS) if settings.domain_dir("portal").exists() else _bubblewrap_as_root()
    if wrong is None:
        return _ok(what, "own user and own view of the files for each trust domain")
    why = "Each trust domain's own view of the files cannot be made; they would only differ by user."
    return Finding(what, Grade.WARNING, wrong, why, "apt-get install bubblewrap")


def _bubblewrap_as_root() -> str | None:
    return _tried(["bwrap", "--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "true"])


def sandbox(_settings: Settings) -> Finding:
    """Try the kernel features that a session's sandbox needs."""
    command = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--ro-bind", "/", "/", "--proc", "/proc"]
    wrong = _tried([*command, "true"])
    if wrong is None:
        return _ok("session sandbox", "user, network and process namespaces work")
    why = "Sessions are confined by user namespaces; without them none can be started."
    remedy = "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000"
    return Finding("session sandbox", Grade.MISSING, wrong, why, remedy)


def _tried(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it failed"])[-1]


def limits(_settings: Settings) -> Finding:
    """Look for a writable cgroup tree."""
    top = Path("/sys/fs/cgroup")
    places = (top, top / "memory", top / "pids")
    if any(place.is_dir() and os.access(place, os.W_OK) and (place / "cgroup.procs").exists() for place in places):
        return _ok("session limits", "cgroups can be written")
    if systemd_scope(SessionLimits(1, 1.0, 1), os.environ):
        return _ok("session limits", "by scopes of systemd")
    why = "Without cgroups a session's memory and processes are limited only by the machine."
    remedy = "run as root, or as a systemd service with Delegate=yes (deploy/)"
    return Finding("session limits", Grade.WARNING, "cgroups cannot be written", why, remedy)


def workspaces(settings: Settings) -> Finding:
    """Try whether workspaces can have disks of their own."""
    what = "workspace limits"
    if not bytes_in(settings.session_disk):
        return Finding(what, Grade.WARNING, "switched off", UNLIMITED, "unset HVELV_SESSION_DISK")
    wrong = disks.works()
    if not wrong:
        return _ok(what, f"{settings.session_disk} and {settings.session_files} files, a disk for each")
    return Finding(
        what, Grade.WARNING, wrong, UNLIMITED, "run as root with e2fsprogs installed and loop devices allowed"
    )


def free_ports(settings: Settings) -> Finding:
    """Look for ports that something else uses, unless the platform itself is running."""
    if Supervisor(settings).alive():
        return _ok("ports", "in use by the running platform")
    busy = [(name, port) for name, port in ports(settings, processes(settings)) if taken(port)]
    if not busy:
        return _ok("ports", "all free")
    name, port = busy[0]
    remedy = f"stop that program, or set HVELV_{name.upper()} to another port"
    return Finding("ports", Grade.MISSING, f"{port} is taken", "A process cannot listen there.", remedy)


def disk(settings: Settings) -> Finding:
    """Look at the free space where the data folder lies."""
    place = next(path for path in (settings.root, *settings.root.parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free >> 30} GiB free at {place}"
    if free >= FREE_BYTES:
        return _ok("disk space", found)
    remedy = "make room, or set HVELV_DATA_DIR to a folder on a larger disk"
    return Finding("disk space", Grade.WARNING, found, "A full disk stops the store and both databases.", remedy)


def encryption(settings: Settings) -> Finding:
    """Ask a store that was configured whether it encrypts what it keeps. The embedded one is made to."""
    what = "encryption at rest"
    if not settings.store_endpoint:
        return _ok(what, "the embedded store encrypts every bucket")
    try:
        found = store.unencrypted(settings)
    except OSError:
        return _ok(what, "not known: the store does not answer")
    if not found:
        return _ok(what, "every bucket has a default encryption")
    why = "Whoever gets at the store's disks reads registers and extracts."
    remedy = "hvelv up (it sets SSE-S3), or switch it on in the store; encrypted disks will do, too"
    return Finding(what, Grade.WARNING, f"not on for {', '.join(found)}", why, remedy)


def clock(_settings: Settings) -> Finding:
    """Look whether the clock is plausible: one-time codes, permits and links depend on it."""
    year = time.gmtime().tm_year
    if year >= FIRST_YEAR:
        return _ok("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))
    why = "One-time codes, permits and download links depend on the time."
    return Finding("clock", Grade.MISSING, f"it says {year}", why, "timedatectl set-ntp true")


def database_tools(_settings: Settings) -> Finding:
    """Look for PostgreSQL's own programs, which only the tests use."""
    if any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return _ok("PostgreSQL (tests only)")
    why = "Half of the integration tests are skipped."
    return Finding("PostgreSQL (tests only)", Grade.WARNING, "", why, "apt-get install postgresql")


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    python,
    program("bwrap", "bubblewrap", "Sessions run in a bubblewrap sandbox."),
    program("setpriv", "util-linux", "Processes step down to their own user with it, and die with their parent."),
    made("object store", lambda _: Path(sys.executable).with_name("weed"), "Datasets are kept in it.", "setup"),
    made(
        "hub's proxy",
        lambda settings: settings.node_prefix / "lib/node_modules/configurable-http-proxy/package.json",
        "JupyterHub cannot start without it.",
        "node-tools",
    ),
    made(
        "session environment",
        lambda settings: settings.session_environment / "bin" / "python",
        "It is the Python that sessions see.",
        "session-env",
    ),
    users,
    sandbox,
    limits,
    workspaces,
    free_ports,
    disk,
    encryption,
    clock,
    database_tools,
)


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield what each check found."""
    for check in CHECKS:
        yield check(settings)
