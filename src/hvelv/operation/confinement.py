"""How a process is started: as its domain's own user, in a view of the machine that holds its own folder and no other's.

As root, bubblewrap builds the view (system folders, our code, the domain's folder, the meeting places it may enter; a
process list of its own) and setpriv steps down to the user, for good. The installation may lie below a folder that
this user cannot pass, or that holds other things: neither matters, since only what is named here is in the view.

Signals: the supervisor signals the whole process group, bubblewrap's waiting process ignores what the process inside
handles, and whoever dies takes everything below with it (parent-death signals and the process namespace).
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path

from hvelv.kernel.settings import Settings
from hvelv.operation.domains import CUSTODIAN, MEETINGS, PORTAL, STAYS_ROOT, separated, user_of
from hvelv.operation.trouble import Trouble

SYSTEM = ("/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
STEPS_DOWN = ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP")
DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
PASSED_IN = ("TERM", "INT", "HUP")
PROBE_SECONDS = 30


class Footing(StrEnum):
    """How well the domains are kept apart on this machine."""

    VIEWS = "views"  # own user and own view of the file system: as root with bubblewrap
    USERS = "users"  # own user only: as root where bubblewrap does not work
    SHARED = "shared"  # one user for all: not root, or switched off


def argv(settings: Settings, domain: str, command: Sequence[str], footing: Footing) -> list[str]:
    """Return the command line that runs `command` as `domain`."""
    if footing is Footing.SHARED or domain in STAYS_ROOT:
        return [*DIES_WITH_PARENT, *command]
    user = user_of(settings, domain)
    step_down = (
        f"--reuid={user.uid}",
        f"--regid={user.gid}",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
        "--no-new-privs",
    )
    if footing is Footing.USERS:
        return [*DIES_WITH_PARENT, *step_down, *command]
    ignored = [f"--ignore-signal={name}" for name in PASSED_IN]
    restored = [f"--default-signal={name}" for name in PASSED_IN]
    return [
        *(*DIES_WITH_PARENT, "env", *ignored),
        *("bwrap", "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL"),
        *(*STEPS_DOWN, *view(settings, domain), "--"),
        *("env", *restored, "setpriv", *step_down, *command),
    ]


def view(settings: Settings, domain: str) -> list[str]:
    """Return bubblewrap's arguments for what `domain` can see."""
    words = [word for path in SYSTEM for word in _system(Path(path))]
    words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108 - inside the view
    words += ["--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108 - inside the view
    for path in code():
        words += _bound(path, writable=False)
    cover = _cover(settings.root)
    words += [*_parents(cover), "--perms", "0755", "--tmpfs", str(cover)]
    words += [*_parents(settings.root), "--perms", "0755", "--dir", str(settings.root)]
    words += _bound(settings.domain_dir(domain), writable=True)
    for meeting in MEETINGS:
        if domain in (meeting.owner, meeting.visitor):
            words += _bound(settings.run_dir / meeting.folder, writable=domain == meeting.owner or meeting.filled)
    words += [*_parents(settings.public_key), "--ro-bind-try", str(settings.public_key), str(settings.public_key)]
    for folder in _database_folders(settings, domain):
        words += _bound(folder, writable=True)
    if domain == CUSTODIAN:
        words += _key_places(settings)
        environment = settings.session_environment.absolute()  # work on blocks of persons is run by its Python
        words += [*_parents(environment), "--ro-bind-try", str(environment), str(environment)]
    return [*words, "--chdir", "/"]


def _key_places(settings: Settings) -> list[str]:
    """Return arguments for folders with copies of the keyring and files for the key service that lie outside."""
    files = [file for file in (settings.vault_token_file, settings.vault_ca_file) if file is not None]
    places = [(folder, True) for folder in settings.key_copies] + [(file, False) for file in files]
    outside = [(place.absolute(), writable) for place, writable in places if not place.is_relative_to(settings.root)]
    return [
        word
        for place, writable in outside
        for word in (*_parents(place), "--bind-try" if writable else "--ro-bind-try", str(place), str(place))
    ]


def _cover(root: Path) -> Path:
    """Return the folder to hide so that nothing but what is named shows below `root`, and the way to it is passable.

    A data folder in the checkout lies below folders that are in the view with the code, and may be its owner's alone.
    """
    for folder in code():
        if root != folder and root.is_relative_to(folder):
            return folder / root.relative_to(folder).parts[0]
    return root


def _system(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.exists() else []


def _bound(path: Path, *, writable: bool) -> list[str]:
    return [*_parents(path), "--bind" if writable else "--ro-bind", str(path), str(path)]


def _parents(path: Path) -> Iterator[str]:
    """Yield arguments that make the folders above `path`, passable for all. Existing ones are left as they are."""
    for parent in reversed(path.parents[:-1]):
        if str(parent) not in SYSTEM:
            yield from ("--perms", "0755", "--dir", str(parent))


@cache
def code() -> tuple[Path, ...]:
    """Return the folders of Python and of our code, outermost first, none of them inside a system folder."""
    here = Path(__file__).resolve()
    ours = next((parent for parent in here.parents if (parent / "pyproject.toml").is_file()), here.parents[1])
    found = {Path(sys.prefix), Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), ours}
    outside = sorted(path for path in found if not any(path.is_relative_to(system) for system in SYSTEM))
    return tuple(path for path in outside if not any(path != other and path.is_relative_to(other) for other in outside))


def _database_folders(settings: Settings, domain: str) -> Iterator[Path]:
    """Yield the folder of a PostgreSQL socket or an SQLite file that the settings name outside the data folder."""
    url = {PORTAL: settings.registry_url, CUSTODIAN: settings.custodian_url}.get(domain)
    if url is None:
        return
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    place = parsed.query.get("host") if parsed.get_backend_name() == "postgresql" else parsed.database
    if not isinstance(place, str) or not place.startswith("/"):
        return
    folder = Path(place) if parsed.get_backend_name() == "postgresql" else Path(place).parent
    if not folder.is_relative_to(settings.root):
        yield folder


def footing(settings: Settings) -> Footing:
    """Return the best that works on this machine, found by trying it.

    Raises `Trouble` when domains are to be kept apart and neither way works: rather no platform than one whose walls
    are missing without anyone having said so.
    """
    if not separated(settings):
        return Footing.SHARED
    for candidate in (Footing.VIEWS, Footing.USERS):
        if probe(settings, candidate) is None:
            return candidate
    wrong = probe(settings, Footing.VIEWS)
    raise Trouble(
        f"The processes cannot be kept apart on this machine: {wrong}",
        "Install bubblewrap (apt-get install bubblewrap), or set HVELV_SEPARATE_USERS=false to run all as one user.",
    )


def probe(settings: Settings, candidate: Footing) -> str | None:
    """Start a small Python as the portal's user.

    Returns None if it is that user, can import our code and enter its own folder; else what went wrong.
    """
    wanted = user_of(settings, PORTAL).uid
    program = f"import os, hvelv.kernel.settings; os.chdir({str(settings.domain_dir(PORTAL))!r}); print(os.getuid())"
    command = argv(settings, PORTAL, [sys.executable, "-c", program], candidate)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode or done.stdout.strip() != str(wanted):
        return (done.stderr.strip().splitlines() or ["it runs as another user"])[-1]
    return None
