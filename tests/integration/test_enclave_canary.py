"""A thousand marked persons in a real session; a script tries every documented way out; nothing of them is found outside."""

import base64
import gzip
import json
import os
import re
import secrets
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from hvelv.enclave.adapters.spawner import layout_of
from hvelv.enclave.domain.sessions import SessionName
from tests.builders_enclave import Browser, Installation, a_data_dir, an_installation, need_hub, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]
PROJECT = "p-aaaaaaaaaa"
KARI = SessionName("kari", PROJECT)
SCRIPT = Path(__file__).with_name("enclave_leaks.py").read_text()
TOKEN = f"Kanari{secrets.token_hex(6)}"  # in every mark, so that one search finds them all
MARKS = [f"{TOKEN}person{number:04}" for number in range(1000)]
HOST_PLACES = ("/tmp", "/run", "/var/log", "/var/tmp", "/dev/shm")  # where a leak would lie
LARGEST = 64 << 20
STREAM = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")  # gzip and zlib begin so


def forms(text: str) -> list[bytes]:
    """Return the ways in which a text could stand in a file, also in the middle of something encoded."""
    plain = text.encode()
    found = [text.encode("utf-16-le")]
    for raw in (plain, plain[::-1]):
        found += [raw, raw.hex().encode(), raw.hex().upper().encode()]
        for shift in range(3):  # where in a group of three bytes it begins; the ends depend on what stands beside it
            found.append(base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4])
    return found


FORMS = forms(TOKEN)


def found_in(raw: bytes) -> bool:
    """Say whether any mark stands in `raw`, in any form, packed or not."""
    if any(form in raw for form in FORMS):
        return True
    for begins in STREAM.finditer(raw):
        unpacking = zlib.decompressobj(wbits=47)
        with suppress(zlib.error):
            unpacked = unpacking.decompress(raw[begins.start() :], 1 << 20)
            if any(form in unpacked for form in FORMS):
                return True
    return False


def everything_in(place: Path) -> Iterator[Path]:
    """Walk through folders that others change meanwhile."""
    for folder, _folders, names in os.walk(place):
        yield from (Path(folder) / name for name in names)


def files_outside(at: Installation, since: float) -> Iterator[Path]:
    """Yield every file of the installation but what is in workspaces, and what is new on the host."""
    kept = at.settings.domain_dir("hub") / "workspaces"
    for place in (at.settings.root, *map(Path, HOST_PLACES)):
        for path in everything_in(place):
            with suppress(OSError):
                status = path.lstat()
                ours = path.is_relative_to(at.settings.root)
                if kept in path.parents or not path.is_file() or path.is_symlink() or status.st_size > LARGEST:
                    continue
                if ours or status.st_mtime >= since:
                    yield path


def leaks(at: Installation, since: float) -> list[str]:
    """Return the files outside that hold a mark, or are named by one."""
    leaking = set()
    for path in files_outside(at, since):
        with suppress(OSError):
            if found_in(path.read_bytes()) or found_in(str(path).encode()):
                leaking.add(str(path))
    return sorted(leaking)


@dataclass
class Aftermath:
    at: Installation
    since: float
    tried: list[str]
    shown: str


@pytest.fixture(scope="module")
def after() -> Iterator[Aftermath]:
    """Everything was tried, and the session has ended by its own hand."""
    need_hub()
    since = time.time() - 1
    with a_data_dir() as data_dir, an_installation(data_dir) as at:
        at.custodian.grants.add(("kari", PROJECT))
        at.start_gateway()
        at.start_hub()
        browser = Browser(at)
        assert browser.sign_in("kari").status_code == 302
        at.open_session("kari", PROJECT)
        assert browser.enter("kari", PROJECT).status_code == 200
        rows = "person,value\n" + "".join(f"{mark},1\n" for mark in MARKS)
        body = {"type": "file", "format": "text", "content": rows}
        assert browser.api("PUT", KARI.prefix, "api/contents/rows.csv", json=body).status_code == 201
        settings = at.settings
        given = (settings.hub_port, settings.hub_api_port, settings.proxy_api_port, settings.gateway_port)
        read = "MARKS = [line.split(',')[0] for line in open('/workspace/rows.csv').read().splitlines()[1:]]\n"
        printed = browser.run_code(KARI.prefix, f"{read}PORTS = {given!r}\n{SCRIPT}", timeout=300)
        tried = json.loads(printed.splitlines()[-1])
        tried += through_the_browser(browser)
        shown = browser.run_code(KARI.prefix, f"{read}print(MARKS[0])")
        end_by_itself(at, browser, read)
        yield Aftermath(at, since, tried, shown)
        browser.client.close()


def through_the_browser(browser: Browser) -> list[str]:
    """Name files, notebooks and kernels by a mark and ask for them, as scripts in a page would."""
    mark = MARKS[5]
    asked = [
        ("PUT", f"api/contents/{mark}.txt", {"type": "file", "format": "text", "content": mark}),
        ("GET", f"api/contents/{mark}.txt", None),
        ("GET", f"api/contents/missing-{mark}", None),
        ("GET", f"files/{mark}.txt", None),
        ("GET", f"api/status?note={mark}", None),
        ("POST", "api/kernels", {"name": mark}),
        ("POST", "api/sessions", {"path": f"{mark}.ipynb", "name": mark, "type": mark, "kernel": {"name": mark}}),
        ("PUT", f"lab/api/workspaces/{mark}", {"data": {mark: mark}, "metadata": {"id": mark}}),
    ]
    for method, path, body in asked:
        browser.api(
            method, KARI.prefix, path, json=body, headers={"User-Agent": mark, "Referer": f"{browser.at.hub}/{mark}"}
        )
    return [f"browser: {method} {path.replace(mark, '…')}" for method, path, _body in asked]


def end_by_itself(at: Installation, browser: Browser, read: str) -> None:
    """The server is ended from inside, with a mark as the last thing it wrote."""
    code = "import os, sys, signal\nos.write(sys.stderr._original_stdstream_copy, MARKS[7].encode())\nos.kill(os.getppid(), signal.SIGKILL)"
    with suppress(Exception):  # the connection ends with the server
        browser.run_code(KARI.prefix, read + code, timeout=30)
    wait_for(lambda: not at.server_state("kari", PROJECT).get("ready"), 120, lambda: at.log_of("hub")[-3000:])
    wait_for(lambda: not layout_of(at.settings, KARI).home.exists(), 60)


@pytest.mark.attack("SB01")
@pytest.mark.attack("SB03")
@pytest.mark.attack("SB04")
@pytest.mark.attack("SB12")
def test_nothing_of_a_thousand_persons_is_found_outside(after):
    assert len(after.tried) > 50
    assert leaks(after.at, after.since) == []


def test_what_a_person_is_shown_goes_to_the_browser_alone(after):
    assert after.shown == f"{MARKS[0]}\n"


@pytest.mark.parametrize("form", range(len(FORMS)))
def test_the_search_finds_each_form(form):
    assert found_in(b"before" + FORMS[form] + b"after")


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, base64.b64encode, bytes.hex])
@pytest.mark.parametrize("shift", range(3))
def test_the_search_finds_what_is_packed_or_encoded_with_more_around_it(pack, shift):
    packed = pack(b"x" * shift + MARKS[3].encode() + b", and more")
    assert found_in(b"\0\1\2" + (packed.encode() if isinstance(packed, str) else packed))


def test_a_leak_that_is_planted_is_found(after):
    planted = after.at.settings.domain_dir("hub") / "planted"
    planted.write_bytes(b"log: " + gzip.compress(MARKS[999].encode()))
    try:
        assert leaks(after.at, after.since) == [str(planted)]
    finally:
        planted.unlink()
