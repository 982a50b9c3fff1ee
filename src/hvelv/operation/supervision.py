"""The process manager (supervisord): its configuration, starting it, and asking it things over its socket."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ProtocolError, ServerProxy

from hvelv.kernel.secret import Secrets
from hvelv.kernel.settings import Settings
from hvelv.operation.confinement import Footing, argv
from hvelv.operation.domains import OPERATION
from hvelv.operation.environment import environment
from hvelv.operation.processes import Process
from hvelv.operation.trouble import Trouble

USER = "hvelv"
START_SECONDS = 20.0
STEP = 0.1
LOG_BYTES, LOG_COPIES = "10MB", 5
RETRIES = 20
NOT_RUNNING, SHUTTING_DOWN = 70, 6  # supervisord's fault codes


@dataclass(frozen=True)
class State:
    """What the supervisor says about one process."""

    name: str
    state: str
    pid: int
    since: int
    exit: int


def folder(settings: Settings) -> Path:
    """Return where the supervisor's socket, configuration and launch files lie."""
    return settings.run_dir / "supervisor"


def logs(settings: Settings) -> Path:
    """Return the folder of all logs."""
    return settings.root / "logs"


def program_section(settings: Settings, process: Process) -> dict[str, str]:
    """Return the supervisor's settings for one process."""
    launch = Path(__file__).with_name("launch.py")
    words = (sys.executable, "-I", "-S", launch, folder(settings) / f"{process.name}.json")
    return {
        "command": " ".join(f'"{word}"' for word in words),
        "autostart": "false",  # `up` starts each when what it needs answers
        "autorestart": "true",
        "startsecs": "1",
        "startretries": str(RETRIES),
        "stopsignal": "TERM",
        "stopwaitsecs": str(process.grace),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(logs(settings) / f"{process.name}.log"),
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": str(LOG_COPIES),
    }


def configuration(settings: Settings, processes: Iterable[Process], password: str) -> str:
    """Return the text of supervisord's configuration file."""
    here = folder(settings)
    sections: dict[str, Mapping[str, str]] = {
        "unix_http_server": {
            "file": str(here / "sock"),
            "chmod": "0700",
            "username": USER,
            "password": password,
        },
        "supervisord": {
            "logfile": str(logs(settings) / "supervisord.log"),
            "logfile_maxbytes": LOG_BYTES,
            "logfile_backups": str(LOG_COPIES),
            "pidfile": str(here / "pid"),
            "nodaemon": "true",
            "silent": "true",
            "umask": "077",
            "directory": "/",
            "childlogdir": str(logs(settings)),
            **({"user": "root"} if os.geteuid() == 0 else {}),
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        **{f"program:{process.name}": program_section(settings, process) for process in processes},
    }
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {value.replace('%', '%%')}\n" for key, value in section.items())
        for name, section in sections.items()
    )


def launch_file(settings: Settings, process: Process, footing: Footing) -> dict[str, Any]:
    """Return what `launch.py` needs to become `process`."""
    command = [sys.executable, "-m", "hvelv.operation.run", process.name]
    return {
        "argv": argv(settings, process.domain, command, footing),
        "environment": environment(settings, process.domain),
    }


def start(settings: Settings, processes: Sequence[Process], footing: Footing) -> "subprocess.Popen[bytes]":
    """Start supervisord with nothing running yet, and wait until it answers. Raises `Trouble`."""
    here = folder(settings)
    here.mkdir(mode=0o700, exist_ok=True)
    (here / "sock").unlink(missing_ok=True)
    password = Secrets(settings.secrets_dir(OPERATION)).read("supervisor_password")
    for process in processes:
        _write(here / f"{process.name}.json", json.dumps(launch_file(settings, process, footing)))
    _write(here / "conf", configuration(settings, processes, password))
    output = logs(settings) / "supervisord.out"
    with output.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(here / "conf")],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment(settings, OPERATION) | {"TMPDIR": str(here)},
            cwd="/",
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        if Supervisor(settings).alive():
            return child
        time.sleep(STEP)
    child.kill()
    raise Trouble(f"The process manager did not start:\n{output.read_text()[-2000:]}", f"See {logs(settings)}.")


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


class Supervisor:
    """Asks the running supervisord."""

    def __init__(self, settings: Settings) -> None:
        from supervisor.xmlrpc import SupervisorTransport

        socket = folder(settings) / "sock"
        secrets = Secrets(settings.secrets_dir(OPERATION))
        try:
            password = secrets.read("supervisor_password")
        except FileNotFoundError:
            password = ""
        except PermissionError:
            raise Trouble(
                "This installation belongs to another user.", "Run the command as the user who started it, often root."
            ) from None
        self._transport = SupervisorTransport(USER, password, f"unix://{socket}")
        self._server: Any = ServerProxy("http://127.0.0.1", self._transport)

    def _ask(self, question: str, *words: Any) -> Any:
        try:
            return getattr(self._server.supervisor, question)(*words)
        finally:
            if self._transport.connection is not None:  # it would be kept for a next question
                self._transport.connection.close()
                self._transport.connection = None

    def alive(self) -> bool:
        """Say whether a supervisor answers."""
        try:
            self._ask("getState")
        except (OSError, ProtocolError, Fault):
            return False
        return True

    def pid(self) -> int:
        """Return its process id."""
        return int(self._ask("getPID"))

    def states(self) -> list[State]:
        """Return what it says about each process."""
        found = self._ask("getAllProcessInfo")
        return [State(p["name"], p["statename"], p["pid"], p["start"], p["exitstatus"]) for p in found]

    def start(self, name: str) -> None:
        """Have it start a process. Returns at once."""
        self._ask("startProcess", name, False)

    def stop(self, name: str) -> None:
        """Have it stop a process. Returns at once."""
        try:
            self._ask("stopProcess", name, False)
        except Fault as fault:
            if fault.faultCode != NOT_RUNNING:
                raise

    def shut_down(self) -> None:
        """Have it stop what still runs, and then itself."""
        try:
            self._ask("shutdown")
        except Fault as fault:
            if fault.faultCode != SHUTTING_DOWN:
                raise
