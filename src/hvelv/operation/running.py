"""Up, down and status of an installation."""

import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from hvelv.kernel.settings import Settings
from hvelv.operation.confinement import Footing, footing
from hvelv.operation.domains import CUSTODIAN, PORTAL, STORE, give, prepare_folders, user_of
from hvelv.operation.leftovers import end, leftovers
from hvelv.operation.processes import BY_NAME, Process, processes
from hvelv.operation.secrets import ensure_secrets
from hvelv.operation.store import prepare_buckets
from hvelv.operation.supervision import State, Supervisor, logs, start
from hvelv.operation.trouble import Trouble

Say = Callable[[str], None]

DOWN_SECONDS = 10.0
STEP = 0.2
TAIL = 25
CRASHES_SECONDS = 15
"""So long a process may go on failing at once after it was started, before `up` gives up; the supervisor goes on longer."""
CRASHED = frozenset({"BACKOFF", "EXITED", "FATAL"})
STOPPED = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})
STORE_PORTS = 12
GRPC = 10_000

MEANS = {
    Footing.VIEWS: "each trust domain has its own user and sees no other domain's files",
    Footing.USERS: "each trust domain has its own user (no bubblewrap: the rest of the machine's files are visible)",
    Footing.SHARED: "all trust domains share one user: `hvelv doctor` says what that loses",
}


@dataclass
class Progress:
    """What `up` has seen of one process so far."""

    process: Process
    started: float = 0.0
    ready: bool = False
    wrong: str = field(default="it was not started")


def up(settings: Settings, only: tuple[str, ...], say: Say) -> bool:
    """Start what is not running and return when all of it answers; False when it ran already.

    Raises `Trouble` with the end of the log of what did not come up, after having stopped the rest.
    """
    wanted = _wanted(settings, only)
    prepare_folders(settings)
    with _alone(settings):
        if Supervisor(settings).alive():
            return False
        end(leftovers(settings))
        check_ports(settings, wanted)
        stands = footing(settings)
        say(MEANS[stands])
        ensure_secrets(settings)
        if {PORTAL, CUSTODIAN} & {process.domain for process in wanted}:
            migrate(settings)
        if settings.store_endpoint:
            prepare_buckets(settings)
        start(settings, wanted, stands)
        try:
            _start_all(settings, wanted, say)
        except BaseException:
            down(settings)
            raise
    return True


def _wanted(settings: Settings, only: tuple[str, ...]) -> tuple[Process, ...]:
    if unknown := [name for name in only if name not in BY_NAME]:
        raise Trouble(f"There is no process {unknown[0]}.", f"The processes are {', '.join(BY_NAME)}.")
    return processes(settings, only)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the installation's lock, so that two `up` at once do not both start it."""
    with (settings.run_dir / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble("Another command is starting or stopping this installation.", "Wait for it.") from None
        yield


def ports(settings: Settings, wanted: Sequence[Process]) -> Iterator[tuple[str, int]]:
    """Yield every port that `wanted` listens on, with the setting it comes from."""
    for process in wanted:
        for name in process.ports:
            first = int(getattr(settings, name))
            if name == "store_internal_port":
                yield from ((name, first + offset + far) for offset in range(STORE_PORTS) for far in (0, GRPC))
            else:
                yield name, first


def check_ports(settings: Settings, wanted: Sequence[Process]) -> None:
    """Raise `Trouble` for a port that something else listens on."""
    for name, port in ports(settings, wanted):
        if taken(port):
            raise Trouble(
                f"Port {port} is taken by another program.",
                f"Stop that program, or choose another port with HVELV_{name.upper()}.",
            )


def taken(port: int) -> bool:
    """Say whether something listens on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def migrate(settings: Settings) -> None:
    """Bring both databases to this version's tables, and give their files to the domains that use them."""
    from hvelv.operation.migrate import upgrade

    upgrade(settings)
    for domain in (PORTAL, CUSTODIAN):
        give(settings.domain_dir(domain), user_of(settings, domain))


def _start_all(settings: Settings, wanted: Sequence[Process], say: Say) -> None:
    supervisor = Supervisor(settings)
    progress = {process.name: Progress(process) for process in wanted}
    while waiting := [p for p in progress.values() if not p.ready]:
        for one in waiting:
            needs = [progress[need] for need in one.process.needs if need in progress]
            if not one.started and all(need.ready for need in needs):
                note = settings.domain_dir(one.process.domain) / f"{one.process.name}.ready"
                note.unlink(missing_ok=True)  # an earlier start's
                supervisor.start(one.process.name)
                one.started = time.monotonic()
        states = {state.name: state.state for state in supervisor.states()}
        for one in waiting:
            if one.started:
                _look(settings, one, states[one.process.name], say)
        time.sleep(STEP)


def _look(settings: Settings, one: Progress, state: str, say: Say) -> None:
    took = time.monotonic() - one.started
    one.wrong = (one.process.check(settings)() if state == "RUNNING" else f"it is {state.lower()}") or ""
    one.ready = not one.wrong
    if one.ready:
        if one.process.name == STORE:
            prepare_buckets(settings)
        say(f"{one.process.name:<10} ready after {took:.1f} s")
    elif took > (CRASHES_SECONDS if state in CRASHED else one.process.patience):
        log = logs(settings) / f"{one.process.name}.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL:]) if log.exists() else "(it wrote nothing)"
        raise Trouble(
            f"{one.process.name} did not come up in {took:.0f} s: {one.wrong}.\n\nThe end of its log:\n{tail}",
            f"Mend what the log says and run `hvelv up` again; `hvelv doctor` finds the usual causes. Whole log: {log}",
        )


def down(settings: Settings) -> list[int]:
    """Stop everything within ten seconds and return the ids of what had to be killed because it stayed behind."""
    deadline = time.monotonic() + DOWN_SECONDS
    supervisor = Supervisor(settings)
    if supervisor.alive():
        pid = supervisor.pid()
        _stop(supervisor, deadline, foundation=False)
        _stop(supervisor, deadline, foundation=True)
        supervisor.shut_down()
        while time.monotonic() < deadline and _lives(pid):
            time.sleep(STEP)
        if _lives(pid):
            os.kill(pid, signal.SIGKILL)
    left = leftovers(settings)
    end(left)
    return left


def _stop(supervisor: Supervisor, deadline: float, *, foundation: bool) -> None:
    """Stop the processes that others build on, or the others, and wait for them."""
    names = {state.name for state in supervisor.states() if BY_NAME[state.name].foundation is foundation}
    for name in names:
        supervisor.stop(name)
    while time.monotonic() < deadline:
        if all(state.state in STOPPED for state in supervisor.states() if state.name in names):
            return
        time.sleep(STEP)


def _lives(pid: int) -> bool:
    try:
        reaped, _status = os.waitpid(pid, os.WNOHANG)  # when it is our own child
    except ChildProcessError:
        reaped = 0
    if reaped:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@dataclass(frozen=True)
class Line:
    """One line of `hvelv status`."""

    name: str
    state: str
    pid: int
    seconds: int
    address: str


def status(settings: Settings, *, ask: bool = True) -> list[Line] | None:
    """Return one line for each process, or None when nothing runs. `ask`: also ask each whether it answers."""
    supervisor = Supervisor(settings)
    if not supervisor.alive():
        return None
    return [_line(settings, state, ask=ask) for state in supervisor.states()]


def _line(settings: Settings, now: State, *, ask: bool) -> Line:
    process = BY_NAME[now.name]
    listens = ", ".join(f"127.0.0.1:{getattr(settings, port)}" for port in process.ports)
    address = str(getattr(settings, process.address)) if process.address else listens
    if now.state != "RUNNING":
        return Line(now.name, now.state.lower(), 0, 0, address)
    wrong = process.check(settings)() if ask else None
    state = "running" if wrong is None else f"running, {wrong}"
    return Line(now.name, state, now.pid, int(time.time()) - now.since, address)
