"""Walls around somebody's work on a block of persons: bubblewrap outside, one process at a time, a few system calls inside.

The host (`block_host.py`) sees a read-only /usr and the session environment, in new namespaces of every kind, without
/proc, /dev or any folder to write in. Of the custodian it has one socket, which its blocks give up. Rows come to a block in
a sealed memory file of its own, the answer comes back through a pipe that is read after the block is dead. Blocks run
one after the other and one task at a time on a machine, because two processes that run at the same time can slow each
other down, and a block that is too slow counts as failed.
"""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hvelv.privacy.adapters import block_calls
from hvelv.privacy.service.sampling import BlockTask, no_walls

HOST = Path(__file__).with_name("block_host.py")
ENVIRONMENT = "/opt/hvelv/env"
PROGRAM = "/opt/hvelv/host.py"
MEMORY = 2 << 30  # address space of a block, of which the libraries take half a gigabyte
SHARE = 0.8  # of a block's time is its own; the rest is for clearing up after it and bringing the next one's rows
STARTING, ENDING = 120.0, 60.0  # seconds
INSIDE = {
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JOBLIB_MULTIPROCESSING": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}
SEALED = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
ROOTS_OWN = "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try --cap-drop ALL --cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SETPCAP"
ANYONES = "--unshare-all --unshare-user --uid 1000 --gid 1000 --cap-drop ALL"
STEP_DOWN = "setpriv --reuid={uid} --regid={uid} --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"


def _sealed(raw: bytes, name: str) -> int:
    """Return a descriptor of a memory file that nobody can change any more."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(raw)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALED)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


@dataclass(frozen=True)
class BlockSandbox:
    """The `BlockRunner` of this machine.

    `environment`: the sessions' Python. `uid`: who runs the host when this process is root; not used otherwise.
    `queue`: a file that is locked while blocks run, so that all processes of an installation wait for each other.
    """

    environment: Path
    uid: int
    queue: Path
    memory: int = MEMORY

    @property
    def possible(self) -> bool:
        """Say whether blocks can be run behind walls on this machine."""
        tools = ["bwrap", *(["setpriv"] if os.geteuid() == 0 else [])]
        there = all(shutil.which(name) for name in tools) and (self.environment / "pyvenv.cfg").is_file()
        return there and block_calls.known()

    def argv(self, host: int) -> list[str]:
        """Return the command that starts the host; `host` is an open descriptor of its program."""
        root = os.geteuid() == 0
        links = [part for name in ("bin", "lib", "lib64", "sbin") for part in ("--symlink", f"usr/{name}", f"/{name}")]
        sees = ["--ro-bind", "/usr", "/usr", *links, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
        sees += [part for place in ("/opt", "/opt/hvelv") for part in ("--perms", "0755", "--dir", place)]
        sees += ["--ro-bind", str(self.environment.resolve()), ENVIRONMENT]
        sees += ["--perms", "0444", "--ro-bind-data", str(host), PROGRAM]
        settings = [part for name, value in INSIDE.items() for part in ("--setenv", name, value)]
        walls = f"bwrap --die-with-parent --new-session {ROOTS_OWN if root else ANYONES}".split()
        step_down = STEP_DOWN.format(uid=self.uid).split() if root else []
        python = [f"{ENVIRONMENT}/bin/python", "-I", PROGRAM]
        return [*walls, *sees, "--remount-ro", "/", "--chdir", "/", "--clearenv", *settings, "--", *step_down, *python]

    def run(self, task: BlockTask, blocks: Iterable[bytes]) -> Iterator[bytes | None]:
        """Yield what each block said, and None for one that said anything else than `task.length` floats."""
        with self._alone(), self._host(task) as door:
            due = time.monotonic()
            for raw in blocks:
                begun = max(due, time.monotonic())
                due = begun + task.seconds
                yield self._one(door, raw, task.length, until=begun + SHARE * task.seconds)
                _wait(due)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.queue.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.queue, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _host(self, task: BlockTask) -> Iterator[socket.socket]:
        """Start the host, tell it what to do, and wait until it is warm. Nothing of it is left in the end."""
        if not self.possible:
            raise no_walls()
        door, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        opening = {"task": task.document, "calls": block_calls.program().hex(), "memory": self.memory}
        given = [
            inside.detach(),
            _sealed(json.dumps(opening).encode(), "opening"),
            os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC),  # given back once the clock is found
        ]
        program = _sealed(HOST.read_bytes(), "host")
        try:
            process = subprocess.Popen(
                [*self.argv(program), *map(str, given)], env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}, cwd="/",
                pass_fds=(*given, program), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            for descriptor in (*given, program):
                os.close(descriptor)
        with door:
            try:
                door.settimeout(STARTING)
                if door.recv(16) != b"warm":
                    raise no_walls()
                door.settimeout(ENDING)
                yield door
            finally:
                process.kill()
                process.wait()

    @staticmethod
    def _one(door: socket.socket, raw: bytes, length: int, *, until: float) -> bytes | None:
        """Run one block until `until`, whatever it does; then see it dead, and only then look at what it said."""
        rows = _sealed(raw, "rows")
        answer, said = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            socket.send_fds(door, [b"go"], [rows, said])
        finally:
            os.close(rows)
            os.close(said)
        try:
            _wait(until)
            door.send(b"end")
            if door.recv(16) != b"gone":
                raise no_walls()
            return _whole(answer, 8 * length)
        finally:
            os.close(answer)


def _whole(answer: int, size: int) -> bytes | None:
    found = b""
    with suppress(BlockingIOError):
        found = os.read(answer, size + 1)
    return found if len(found) == size else None


def _wait(until: float) -> None:
    left = until - time.monotonic()
    if left > 0:
        time.sleep(left)
