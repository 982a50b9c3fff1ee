"""One session takes all it can get: its neighbour works on, the hub answers, and it is told what happened."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest

from hvelv.enclave.adapters import disks, session_log
from hvelv.enclave.adapters.spawner import layout_of
from hvelv.enclave.domain.sessions import SessionName
from tests.builders_enclave import ROOT, Browser, Installation, a_data_dir, an_installation, need_hub, wait_for

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not ROOT, reason="limits are set by control groups and disks, which only root can make"),
]
PROJECT = "p-aaaaaaaaaa"
KARI, OLA = SessionName("kari", PROJECT), SessionName("ola", PROJECT)
DISK, FILES = 48 << 20, 1500
LIVELY = 60  # seconds in which the neighbour must have an answer: that it lives, not how fast (benchmarks/)

# A cell that takes what it can, says so by renaming a file, holds on to it until the file is taken away, and lets go.
HOLD = """
import os, time
open("/workspace/begun", "w").close()
taken, why = [], "nothing stopped it"
try:
    {take}
except (OSError, RuntimeError) as error:
    why = str(error)
os.rename("/workspace/begun", "/workspace/holding")
end = time.monotonic() + 240
while os.path.exists("/workspace/holding") and time.monotonic() < end:
    {meanwhile}
    time.sleep(0.05)
{let_go}
print("stopped by:", why)
"""
LET_GO = "taken.clear()"
KILL = "import signal; [(os.kill(pid, signal.SIGKILL), os.waitpid(pid, 0)) for pid in taken]"
REMOVE = "import shutil; shutil.rmtree('/workspace/bomb')"
TAKING = {
    "processes": ("""
    while True:
        pid = os.fork()
        if pid == 0:
            time.sleep(300); os._exit(0)
        taken.append(pid)""", KILL, "Resource temporarily unavailable"),
    "the disk": ("""
    os.mkdir("/workspace/bomb")
    file = open("/workspace/bomb/fill", "wb", buffering=0)
    for size in (1 << 20, 1 << 12, 1, 1 << 20, 1 << 12, 1):  # space of removed files comes back with the journal
        try:
            while file.write(b"x" * size): pass
        except OSError as error:
            why = error
            os.fsync(file.fileno())
    raise why""", REMOVE, "No space left on device"),
    "a million files": ("""
    os.mkdir("/workspace/bomb")
    for number in range(10**6): open(f"/workspace/bomb/{number}", "w").close()""", REMOVE, "No space left on device"),
    "open files": ("""
    while True: taken.append(open("/dev/null"))""", LET_GO, "Too many open files"),
    "sockets": ("""
    import socket
    while True: taken.extend(socket.socketpair())""", LET_GO, "Too many open files"),
}  # fmt: skip


@pytest.fixture(scope="module")
def at() -> Iterator[Installation]:
    need_hub()
    if lacking := disks.works():
        pytest.skip(f"workspaces have no disks here: {lacking}")
    limits = {"session_disk": str(DISK), "session_files": FILES, "session_processes": 200, "session_memory": "700M"}
    with a_data_dir() as data_dir, an_installation(data_dir, **limits) as installation:
        installation.custodian.grants |= {("kari", PROJECT), ("ola", PROJECT)}
        installation.start_gateway()
        installation.start_hub()
        yield installation


def a_person(at: Installation, name: SessionName) -> Browser:
    browser = Browser(at)
    assert browser.sign_in(name.person).status_code == 302
    at.open_session(name.person, name.project)
    assert browser.enter(name.person, name.project).status_code == 200
    return browser


@pytest.fixture(scope="module")
def kari(at) -> Iterator[Browser]:
    browser = a_person(at, KARI)
    yield browser
    browser.client.close()


@pytest.fixture(scope="module")
def ola(at) -> Iterator[Browser]:
    browser = a_person(at, OLA)
    yield browser
    browser.client.close()


def workspace(at: Installation) -> Path:
    return layout_of(at.settings, KARI).workspace


def everybody_else_works_on(at: Installation, ola: Browser) -> None:
    begun = time.monotonic()
    assert ola.run_code(OLA.prefix, "print(6 * 7)", timeout=LIVELY) == "42\n"
    assert httpx.get(f"{at.hub}/hub/api", timeout=LIVELY).status_code == 200
    assert at.server_state("ola", PROJECT)["ready"]
    assert time.monotonic() - begun < LIVELY


class Taking:
    """Kari's cell, held at its worst while the `with` lasts."""

    def __init__(self, at: Installation, kari: Browser, code: str) -> None:
        self.held = workspace(at) / "holding"
        self.printed = ""
        self._thread = threading.Thread(target=self._run, args=(kari, code), daemon=True)

    def _run(self, kari: Browser, code: str) -> None:
        self.printed = kari.run_code(KARI.prefix, code, timeout=300)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(self.held.exists, 120, lambda: self.printed)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.held.unlink()
        self._thread.join(300)
        assert not self._thread.is_alive()


@pytest.mark.attack("SB13")
@pytest.mark.parametrize("what", TAKING)
def test_who_takes_all_there_is_takes_only_their_own(at, kari, ola, what):
    take, let_go, why = TAKING[what]
    with Taking(at, kari, HOLD.format(take=take.strip(), let_go=let_go, meanwhile="pass")) as taking:
        everybody_else_works_on(at, ola)
    assert why in taking.printed
    assert kari.run_code(KARI.prefix, "print('works again')") == "works again\n"


@pytest.mark.attack("SB13")
def test_a_save_that_finds_no_room_is_refused_with_a_sentence(at, kari, ola):
    fill = TAKING["the disk"][0].strip()
    body = {"type": "file", "format": "text", "content": "x" * 200_000}
    with Taking(at, kari, HOLD.format(take=fill, let_go=REMOVE, meanwhile="pass")):
        refused = kari.api("PUT", KARI.prefix, "api/contents/notat.txt", json=body)
        image = layout_of(at.settings, KARI).disk
        used = image.stat().st_blocks * 512
        assert ola.api("PUT", OLA.prefix, "api/contents/notat.txt", json=body).status_code == 201
    assert refused.status_code == 507, refused.text
    assert "arbeidsområdet er fullt" in refused.json()["message"]
    assert used <= DISK
    assert kari.api("PUT", KARI.prefix, "api/contents/notat.txt", json=body).status_code in {200, 201}


@pytest.mark.attack("SB13")
def test_output_without_end_is_cut_and_the_cell_says_so(at, kari, ola):
    flood = HOLD.format(take="pass", let_go="pass", meanwhile="print('x' * 100_000, flush=True); continue")
    with Taking(at, kari, flood) as taking:
        everybody_else_works_on(at, ola)
    assert "Cellen skriver ut mer enn nettleseren kan ta imot" in taking.printed


@pytest.mark.attack("SB13")
def test_a_kernel_that_takes_too_much_memory_is_restarted_and_the_cell_says_why(at, kari, ola):
    printed = kari.run_code(
        KARI.prefix, "held = []\nwhile True: held.append(bytearray(b'x' * (16 << 20)))", timeout=180
    )
    assert "brukte mer minne enn den har" in printed
    everybody_else_works_on(at, ola)
    assert kari.run_code(KARI.prefix, "print('works again')") == "works again\n"


@pytest.mark.attack("SB13")
def test_a_servers_log_fills_no_disk_of_the_hosts(at, kari, ola):
    flood = """
import os, sys
server = sys.stdout._original_stdstream_copy  # what the kernel was given by the server as its standard output
sent = sum(os.write(server, b"x" * 65_536) for _ in range(100))
print(sent)
"""
    assert kari.run_code(KARI.prefix, flood) == f"{100 * 65_536}\n"
    assert (layout_of(at.settings, KARI).home / "log").stat().st_size <= session_log.MOST
    everybody_else_works_on(at, ola)


@pytest.mark.attack("SB10")
def test_a_file_named_like_a_module_does_not_keep_the_session_from_opening(at, kari):
    name = "random.py"
    body = {"type": "file", "format": "text", "content": "raise SystemExit(3)"}
    assert kari.api("PUT", KARI.prefix, f"api/contents/{name}", json=body).status_code == 201
    assert at.as_portal("DELETE", f"/users/kari/servers/{PROJECT}").status_code in {202, 204}
    wait_for(lambda: not at.server_state("kari", PROJECT).get("ready"), 60)
    wait_for(lambda: not at.server_state("kari", PROJECT).get("pending"), 60)
    place = workspace(at)
    assert not os.path.ismount(place)
    assert list(place.iterdir()) == []  # the files are on the disk, which is put away
    at.open_session("kari", PROJECT)
    assert (place / name).read_text() == body["content"]
