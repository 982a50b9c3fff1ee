"""How long a session takes to start in its sandbox, and how long the same server takes as a plain process.

Both are started by turns, so that a busy machine slows both alike, and both are ready when the server answers on its
unix socket. Prints one JSON line. Run: python benchmarks/session_start.py [ROUNDS]
"""

import argparse
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from hvelv.enclave.adapters.cgroups import Cgroups
from hvelv.enclave.adapters.rooms import make_folders, remove_folders
from hvelv.enclave.adapters.sandbox import SESSION_FILES, Sandbox, check_environment
from hvelv.enclave.adapters.spawner import INSIDE, start_sandbox
from hvelv.enclave.domain.sessions import SessionLayout, SessionLimits, SessionName

ENVIRONMENT = Path(os.environ.get("HVELV_SESSION_ENVIRONMENT", "build/session-env")).absolute()
SERVER = ("-m", "jupyterlab", "--allow-root", "--ServerApp.token=", "--ServerApp.open_browser=False")
UID = 346_000
PATIENCE = 180.0


def answers(path: Path) -> bool:
    """Say whether a server answers on the socket."""
    connection = http.client.HTTPConnection("bench", timeout=5)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        connection.request("GET", "/api")
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR  # it listens, whatever it says
    except OSError:
        return False
    finally:
        connection.close()


def until_ready(path: Path, begun: float) -> float:
    """Return the seconds from `begun` until the server answers."""
    while not answers(path):
        if time.monotonic() - begun > PATIENCE:
            raise TimeoutError(f"no server at {path.name}")
        time.sleep(0.02)
    return time.monotonic() - begun


def in_sandbox(root: Path) -> tuple[float, float]:
    """Start in a sandbox; return seconds to ready and to gone, folders and limits included."""
    layout = SessionLayout(root / "run", root / "ws", SessionName("bench", "p-bench"))
    layout.run_dir.joinpath("gateway-control").mkdir(parents=True, exist_ok=True)
    uid = UID if os.geteuid() == 0 else None
    groups = Cgroups(layout.run_dir)
    begun = time.monotonic()
    make_folders(layout, uid)
    sandbox = Sandbox(layout, SessionLimits(2 << 30, float(os.cpu_count() or 1), 512), ENVIRONMENT, uid)
    server = (
        "/opt/hvelv/env/bin/python",
        *SERVER,
        "--ServerApp.sock=/run/srv/jupyter.sock",
        "--ServerApp.sock_mode=0660",
    )
    process = start_sandbox(sandbox, INSIDE, layout.home / "log", groups, command=server)
    try:
        ready = until_ready(layout.server_socket, begun)
    finally:
        begun = time.monotonic()
        process.kill()
        process.wait()
        if groups.available:
            groups.remove_all()
        remove_folders(layout)
    return ready, time.monotonic() - begun


def plain(root: Path) -> float:
    """Start as a plain process; return seconds to ready."""
    home = root / "plain"
    home.mkdir()
    env = INSIDE | {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(SESSION_FILES),
        "JUPYTER_RUNTIME_DIR": str(home / "rt"),
        "JUPYTER_DATA_DIR": str(home / "d"),
    }
    env |= {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "s"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "w"),
        "IPYTHONDIR": str(home / "i"),
    }
    begun = time.monotonic()
    argv = [
        str(ENVIRONMENT / "bin" / "python"),
        *SERVER,
        f"--ServerApp.sock={home / 'sock'}",
        f"--ServerApp.root_dir={home}",
    ]
    process = subprocess.Popen(
        argv, env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return until_ready(home / "sock", begun)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(home)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    rounds = parser.parse_args().rounds
    check_environment(ENVIRONMENT)
    with tempfile.TemporaryDirectory(prefix="hv") as folder:
        plain(Path(folder))  # once, so that the first of the two does not read everything from disk for the other
        pairs = [(in_sandbox(Path(folder)), plain(Path(folder))) for _round in range(rounds)]
    sandboxes, plains = [ready for (ready, _gone), _plain in pairs], [alone for _, alone in pairs]
    ratio = statistics.median(s / p for s, p in zip(sandboxes, plains, strict=True))
    result = {
        "bench": "session_start",
        "value": round(statistics.median(sandboxes), 3),
        "unit": "s from start to ready",
        "ratio": round(ratio, 3),
        "against": "the same server without a sandbox",
        "goal": 1.15,
        "n": rounds,
        "plain_s": round(statistics.median(plains), 3),
        "stop_s": round(statistics.median(gone for (_ready, gone), _plain in pairs), 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
