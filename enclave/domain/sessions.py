"""What a session is: one person in one project, its name, the folders it has, and what it may use."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

SHARED = "felles"  # what members of a project share, as each finds it in the workspace
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SID_LENGTH = 16  # 64 bits; short, because a unix socket's whole path may have 107 bytes
SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)")
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
PERIOD = 100_000  # microseconds, the kernel's own for cpu quotas


@dataclass(frozen=True)
class SessionName:
    """Whose session it is, and in which project. At the hub the project is the name of the person's server."""

    person: str
    project: str

    def __post_init__(self) -> None:
        """Refuse names that could mean something in a path or a URL."""
        for part in (self.person, self.project):
            if not NAME.fullmatch(part) or ".." in part:
                raise ValueError("a session is named by a person's id and a project's id")

    @property
    def sid(self) -> str:
        """Return the short name of the session's folders: 16 hex digits, the same every time."""
        return hashlib.sha256(f"{self.person}/{self.project}".encode()).hexdigest()[:SID_LENGTH]

    @property
    def prefix(self) -> str:
        """Return the path below which the session's server answers, with a slash at the end."""
        return f"/user/{self.person}/{self.project}/"


@dataclass(frozen=True)
class SessionLayout:
    """Where one session's folders and sockets lie on the host."""

    run_dir: Path
    workspaces: Path
    name: SessionName

    @property
    def home(self) -> Path:
        """Return the folder of the session's own things; removed when it ends."""
        return self.run_dir / "sessions" / self.name.sid

    @property
    def server_socket_dir(self) -> Path:
        """Return the one folder here that the session itself can write."""
        return self.home / "srv"

    @property
    def server_socket(self) -> Path:
        """Return where the session's server listens. The session may put anything there: never follow a link."""
        return self.server_socket_dir / "jupyter.sock"

    @property
    def etc(self) -> Path:
        """Return what the session sees as its /etc files."""
        return self.home / "etc"

    @property
    def config(self) -> Path:
        """Return what the session sees as /etc/jupyter."""
        return self.home / "cfg"

    @property
    def announcement(self) -> Path:
        """Return the file by which the hub tells the gateway whose session this is."""
        return self.home / "session.json"

    @property
    def egress(self) -> Path:
        """Return the folder of the sockets that lead out of this session, and of no other."""
        return self.run_dir / "egress" / self.name.sid

    @property
    def workspace(self) -> Path:
        """Return the person's folder in the project; kept when the session ends."""
        return self.workspaces / self.name.project / self.name.person

    @property
    def shared(self) -> Path:
        """Return the folder that all members of the project have; no person's id begins with a dot."""
        return self.workspaces / self.name.project / f".{SHARED}"

    @property
    def disk(self) -> Path:
        """Return the file that holds the workspace's own file system, where it has one. No person is named like it."""
        return self.workspaces / self.name.project / ".disks" / f"{self.name.person}.ext4"

    @property
    def shared_disk(self) -> Path:
        """Return the same for what the project's members share."""
        return self.disk.with_name(f".{SHARED}.ext4")


@dataclass(frozen=True)
class SessionLimits:
    """The most that one session may use."""

    memory: int  # bytes
    cpus: float  # cores
    processes: int  # processes and threads
    scratch: int = 1 << 30  # bytes in /tmp and in /dev/shm, each; counted as memory too
    files: int = 4096  # open files of one process
    disk: int = 0  # bytes in the workspace; 0 is no limit of its own
    kept_files: int = 200_000  # files and folders in the workspace

    @property
    def cpu_quota(self) -> int:
        """Return the microseconds of processor time in each `PERIOD`."""
        return max(1000, int(self.cpus * PERIOD))


def bytes_in(text: str) -> int:
    """Return the bytes that `2G`, `512M` or `1048576` stand for. Raises `ValueError`."""
    match = SIZE.fullmatch(text.strip().upper().removesuffix("B").removesuffix("I"))
    if match is None:
        raise ValueError("a size is a number with K, M, G or T behind it, such as 2G")
    return int(float(match[1]) * UNITS[match[2]])
