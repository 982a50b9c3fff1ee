"""The walls of a session: the bubblewrap command lines, and the files that a session sees as its own /etc.

As root there are two stages. The first, still root, gathers what the session needs below /mnt of a mount namespace, so
that folders which only root can enter may hold the platform; then the session's own user id takes over and builds the
sandbox proper from /mnt, without any right left. Without root there is only the second stage. Nothing secret is ever
an argument: argument lists are readable by everyone on the machine.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hvelv.enclave.adapters.cgroups import entering
from hvelv.enclave.domain.sessions import SHARED, SessionLayout, SessionLimits

ENVIRONMENT = "/opt/hvelv/env"
PYTHON = f"{ENVIRONMENT}/bin/python"
INSIDE_PATH = f"{ENVIRONMENT}/bin:/usr/bin:/bin"
INSIDE_UID = 1000
SESSION_FILES = Path(__file__).parent / "session_files"
PUBLIC_ETC = (
    "/etc/ssl/certs",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
    "/etc/mime.types",
    "/etc/alternatives",
)
ETC = {
    "passwd": f"forsker:x:{INSIDE_UID}:{INSIDE_UID}:forsker:/workspace:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n",
    "group": f"forsker:x:{INSIDE_UID}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost enclave\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    # what members share belongs to several user ids, which git takes for somebody else's unless it is told
    "gitconfig": f"[safe]\n\tdirectory = /workspace/{SHARED}\n\tdirectory = /workspace/{SHARED}/*\n[init]\n\tdefaultBranch = main\n",
}
SCRATCH = ("/tmp", "/dev/shm")  # noqa: S108 - the sandbox's own
GATHER = """set -e
mount -t tmpfs -o mode=0755,nosuid,nodev none /mnt
while [ "$1" != -- ]; do mkdir "/mnt/$1"; mount -o "bind,$2" "$3" "/mnt/$1"; shift 3; done
shift
mount -o remount,ro /mnt
umask 0007
exec "$@"
"""
WALLS = "bwrap --unshare-all --unshare-user --disable-userns --die-with-parent --new-session --cap-drop ALL"
FLOOR = "--dir /etc --dir /run --dir /opt/hvelv --ro-bind /usr /usr"
MOUNTS = (  # name below /mnt, place inside, whether the session may write there
    ("env", ENVIRONMENT, False),
    ("egress", "/run/egress", False),
    ("cfg", "/etc/jupyter", False),
    ("srv", "/run/srv", True),
    ("workspace", "/workspace", True),
    ("shared", f"/workspace/{SHARED}", True),
)
SERVER = (  # -P: a file of the workspace named like a module is not imported in its place
    PYTHON, "-P", "-m", "jupyterhub.singleuser", "--ServerApp.sock=/run/srv/jupyter.sock", "--ServerApp.sock_mode=0660",
)  # fmt: skip


class CannotConfineError(RuntimeError):
    """Something that the sandbox is built from is missing; no session is started."""


@dataclass(frozen=True)
class Sandbox:
    """One session's walls. `uid` is the host user id the session runs as, or None to keep the caller's.

    `group` is the host group of what the project's members share; files made in the session are open to it by their mode,
    but only in that folder do they belong to it.
    """

    layout: SessionLayout
    limits: SessionLimits
    environment: Path
    uid: int | None = None
    group: int | None = None

    def _sources(self) -> dict[str, Path]:
        return {
            "env": self.environment.resolve(),
            "egress": self.layout.egress,
            "cfg": self.layout.config,
            "srv": self.layout.server_socket_dir,
            "workspace": self.layout.workspace,
            "shared": self.layout.shared,
            "etc": self.layout.etc,
        }

    def _gather(self) -> list[str]:
        """Return stage one: everything bound below /mnt, then the session's own user id and no rights.

        Every step becomes the next one. A process that stayed in between would be a root without CAP_KILL, whose death
        the kernel does not pass on to the session's user: the sandbox would outlive the hub (tried with bubblewrap here).
        """
        writable = {name for name, _place, may_write in MOUNTS if may_write}
        binds = [
            part
            for name, source in self._sources().items()
            for part in (name, "rw" if name in writable else "ro", str(source))
        ]
        groups = "--clear-groups" if self.group is None else f"--groups {self.group}"
        drop = f"setpriv --reuid {self.uid} --regid {self.uid} {groups} --inh-caps=-all --bounding-set=-all --no-new-privs --"
        unshare = ["unshare", "--mount", "--propagation", "private", "--", "/bin/sh", "-c", GATHER, "gather"]
        return [*unshare, *binds, "--", *drop.split()]

    def _confine(self, seccomp: int) -> list[str]:
        """Return stage two: new namespaces of every kind, no capabilities, read-only but for two folders."""
        sources = {
            name: f"/mnt/{name}" if self.uid is not None else str(path) for name, path in self._sources().items()
        }
        scratch = [part for place in SCRATCH for part in ("--size", str(self.limits.scratch), "--tmpfs", place)]
        links = [part for name in ("bin", "lib", "lib64", "sbin") for part in ("--symlink", f"usr/{name}", f"/{name}")]
        public = [part for path in PUBLIC_ETC for part in ("--ro-bind-try", path, path)]
        own = [part for name in ETC for part in ("--ro-bind", f"{sources['etc']}/{name}", f"/etc/{name}")]
        places = [
            part
            for name, place, may_write in MOUNTS
            for part in ("--bind" if may_write else "--ro-bind", sources[name], place)
        ]
        return [
            *WALLS.split(),
            *f"--seccomp {seccomp} --hostname enclave --uid {INSIDE_UID} --gid {INSIDE_UID} --proc /proc --dev /dev".split(),
            *scratch,
            *FLOOR.split(),
            *(*links, *public, *own, *places),
            *f"--remount-ro / --setenv PATH {INSIDE_PATH} --chdir /workspace --".split(),
        ]

    def argv(
        self,
        seccomp: int,
        *,
        groups: Sequence[Path] = (),
        scope: Sequence[str] = (),
        command: Sequence[str] = SERVER,
    ) -> list[str]:
        """Return the whole command: join `groups` or enter `scope`, gather, confine, run `command`.

        `seccomp` is an open descriptor of the filter, which the caller passes on to the child.
        """
        largest = [f"--fsize={self.limits.disk}"] if self.limits.disk else []  # all there is where no disk is mounted
        limits = ["prlimit", "--core=0", f"--nofile={self.limits.files}", *largest, "--"]
        gather = self._gather() if self.uid is not None else []
        return [*scope, *entering(groups), *limits, *gather, *self._confine(seccomp), *command]


def missing_tools(*, root: bool) -> list[str]:
    """Return the programs that sandboxes need and the machine lacks."""
    wanted = ["bwrap", "prlimit", *(["setpriv", "unshare", "mount"] if root else [])]
    return [name for name in wanted if shutil.which(name) is None]


def check_environment(environment: Path) -> None:
    """Raise `CannotConfineError` unless sessions can run the environment's Python: it must stand below /usr."""
    try:
        lines = (environment / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        raise CannotConfineError("the session environment is not built: run scripts/session_environment.sh") from None
    home = next((line.partition("=")[2].strip() for line in lines if line.split("=")[0].strip() == "home"), "")
    if not home.startswith("/usr/"):
        raise CannotConfineError(
            "the session environment is built from a Python outside /usr, which sessions cannot see"
        )


def write_own_files(layout: SessionLayout) -> None:
    """Write what the session sees as /etc/passwd and the like, and as /etc/jupyter. All read-only to it."""
    layout.etc.mkdir(parents=True, exist_ok=True)
    for name, text in ETC.items():
        (layout.etc / name).write_text(text)
        (layout.etc / name).chmod(0o644)
    shutil.copytree(SESSION_FILES, layout.config, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (layout.etc, layout.config, *layout.config.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
