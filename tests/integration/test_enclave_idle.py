"""A real hub, gateway and sessions: the one that nobody uses is closed, the one in which a cell runs is not."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hvelv.enclave.domain.idle import IdleLimits
from hvelv.enclave.service.unused import Unused
from hvelv.kernel.clock import SystemClock
from hvelv.kernel.database import registry
from hvelv.kernel.secret import Secrets
from hvelv.portal.hub import Hub, hub_at
from tests.builders_enclave import Browser, Installation, a_hub, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PROJECT = "p-aaaaaaaaaa"
LIMITS = IdleLimits(timedelta(seconds=10), timedelta(seconds=1))
NOTE = {"type": "file", "format": "text", "content": "det jeg skrev"}


@pytest.fixture
def at() -> Iterator[Installation]:
    with a_hub(("kari", PROJECT), ("ola", PROJECT)) as installation:
        yield installation


@pytest.fixture
def hub(at: Installation) -> Iterator[Hub]:
    token = Secrets(at.settings.secrets_dir("hub")).read("portal_api_token")
    made = hub_at(at.settings.hub_api_port, hub_url=at.hub, portal_url=at.settings.portal_url, token=token)
    yield made
    made.client.close()


def entered(at: Installation, person: str) -> Browser:
    browser = Browser(at)
    assert browser.sign_in(person).status_code == 302
    at.open_session(person, PROJECT)
    assert browser.enter(person, PROJECT).status_code == 200
    return browser


def leaves_a_cell_running(browser: Browser, prefix: str) -> None:
    """Start a cell, and close the page while it runs."""
    with browser.running(prefix, "import time; print('begun', flush=True); time.sleep(500)") as (_kernel, ws):
        while json.loads(ws.recv(timeout=60))["header"]["msg_type"] != "stream":
            pass


def test_what_nobody_uses_is_closed_with_its_work_kept_and_a_cell_that_runs_keeps_its_session(
    at: Installation, hub: Hub, tmp_path: Path
) -> None:
    database = registry(f"sqlite:///{tmp_path / 'registry.sqlite'}", clock=SystemClock())
    database.create_all()
    unused = Unused(database, hub, SystemClock(), LIMITS)
    kari, ola = entered(at, "kari"), entered(at, "ola")
    leaves_a_cell_running(kari, f"/user/kari/{PROJECT}/")
    prefix = f"/user/ola/{PROJECT}/"
    assert ola.api("PUT", prefix, "api/contents/notat.txt", json=NOTE).status_code == 201

    def the_cell_is_seen() -> bool:
        use = hub.room("kari", PROJECT).use
        return use is not None and use.busy

    wait_for(the_cell_is_seen, 60, lambda: at.log_of("gateway")[-2000:])

    def page_polls_and_is_closed() -> bool:
        ola.api("GET", prefix, "api/contents?content=1&hash=0")  # her page stays open, and asks by itself
        return unused.close_unused() == 1

    wait_for(page_polls_and_is_closed, 40, lambda: str(hub.running()))
    wait_for(lambda: [one.person for one in hub.running()] == ["kari"], 30)
    with database.reading() as session:
        (row,) = [row for row in database.trail.rows(session) if row.action == "session.stopped"]
    assert (row.detail["person"], row.detail["reason"]) == ("ola", "unused")

    again = entered(at, "ola")
    assert again.api("GET", prefix, "api/contents/notat.txt?content=1").json()["content"] == NOTE["content"]
    for browser in (kari, ola, again):
        browser.client.close()
    database.close()
