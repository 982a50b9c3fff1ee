"""On a whole installation: when a right ends, the session, what is open to it and its credentials end within a minute.

What the custodian is told by its own commands is all that happens; hub and gateway find out by asking.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from hvelv.enclave.adapters.spawner import layout_of
from hvelv.enclave.domain.sessions import SessionName
from hvelv.operation.demo import Walk
from hvelv.operation.jupyter import Room

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.parametrize("road", ["sqlite"], indirect=True),
]
WITHIN = 60.0  # seconds
PATIENCE = 120.0
TOKEN = b"JUPYTERHUB_API_TOKEN="
CELL = "import pathlib\npathlib.Path('/workspace/kept.txt').write_text('kept')\nfrom hvelv.enclave.lab import project\nprint(project.id)"


@dataclass
class Open:
    """A session that is open: its room, its name, a kernel's socket, and the token it talks to the hub with."""

    room: Room
    name: SessionName
    socket: object
    token: str
    process: int


def processes(road, name):
    """Return the processes that carry the token of this session's server, by number."""
    found = {}
    mark = f"JUPYTERHUB_SERVER_NAME={name.project}".encode()
    user = f"JUPYTERHUB_USER={name.person}".encode()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "environ").read_bytes().split(b"\0") if entry.name.isdigit() else []
            tokens = [word.removeprefix(TOKEN).decode() for word in words if word.startswith(TOKEN)]
            if tokens and mark in words and user in words:
                found[int(entry.name)] = tokens[0]
    return found


@contextlib.contextmanager
def a_session(road, person):
    """Open somebody's session in the demo's project as they would, with a kernel that is at work."""
    walk = Walk(road.settings, road.notes, lambda _line: None)
    project = road.notes.project
    try:
        visitor = walk.visitor(person)
        page = visitor.post(f"/projects/{project}/session")
        until = time.monotonic() + PATIENCE
        while not str(page.url).endswith("/lab"):
            assert time.monotonic() < until, "the session did not open"
            time.sleep(0.5)
            page = visitor.get(f"/projects/{project}/session")
        room = Room(visitor.client, road.settings.hub_url, person, project)
        cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": CELL, "outputs": [], "execution_count": None}
        room.run(
            "ends.ipynb", {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, lambda _line: None
        )
        kernel = room.client.post(f"{room.base}/api/kernels", json={"name": "python3"}, headers=room._headers()).json()
        with room._channels(kernel["id"]) as socket:
            name = SessionName(person, project)
            process, token = next(iter(processes(road, name).items()))
            yield Open(room, name, socket, token, process)
    finally:
        walk.leave()


def hub_knows(road, token):
    """Ask the hub itself, beside its proxy and the gateway, whether a session's token is worth anything."""
    address = f"http://127.0.0.1:{road.settings.hub_api_port}/hub/api/user"
    answer = httpx.get(address, headers={"Authorization": f"token {token}"}, trust_env=False)
    return answer.status_code == httpx.codes.OK


def seconds_until(found):
    """Return how long it takes until `found()`, which is expected within a minute."""
    begun = time.monotonic()
    while not found() and time.monotonic() - begun < 2 * WITHIN:
        time.sleep(0.25)
    return time.monotonic() - begun


def is_cut(socket):
    try:
        socket.recv(timeout=0.05)
    except TimeoutError:
        return False
    except ConnectionClosed:
        return True
    return False


def ends(road, session):
    """Wait until nothing of the session is left, and return the seconds that each of its parts took."""
    layout = layout_of(road.settings, session.name)
    took = {
        "what is open is cut": seconds_until(lambda: is_cut(session.socket)),
        "pages are refused": seconds_until(lambda: session.room.get("/api/contents").status_code >= 400),
        "processes are gone": seconds_until(lambda: not processes(road, session.name)),
        "sockets are gone": seconds_until(lambda: not layout.egress.exists() and not layout.home.exists()),
        "the token is dead": seconds_until(lambda: not hub_knows(road, session.token)),
    }
    assert not Path(f"/proc/{session.process}").exists()
    assert layout.workspace.exists()
    return took


def test_a_suspended_permit_closes_its_sessions_within_a_minute_and_they_open_again_after(road):
    with a_session(road, "kari") as session:
        assert hub_knows(road, session.token)
        done = road.installation.hvelv("permits", "suspend", road.notes.project, "--reason", "En prøve")
        assert done.returncode == 0, done.stderr
        took = ends(road, session)
        assert sum(took.values()) < WITHIN, took

    assert road.installation.hvelv("permits", "resume", road.notes.project, "--reason", "Over").returncode == 0
    with a_session(road, "kari") as session:
        kept = session.room.get("/api/contents/kept.txt").json()
        assert kept["content"] == "kept"


def test_a_deactivated_persons_session_closes_within_a_minute_and_the_others_go_on(road):
    with a_session(road, "kari") as other, a_session(road, "ola") as session:
        assert hub_knows(road, session.token)
        done = road.installation.hvelv("users", "deactivate", "ola")
        assert done.returncode == 0, done.stderr
        took = ends(road, session)
        assert sum(took.values()) < WITHIN, took

        assert other.room.get("/api/contents").status_code == httpx.codes.OK
        assert not is_cut(other.socket)
        os.kill(other.process, 0)
