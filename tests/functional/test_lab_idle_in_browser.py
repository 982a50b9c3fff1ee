"""A real JupyterLab that nobody touches: what it asks all day by itself is no use of the session."""

import httpx
import pytest

from hvelv.enclave.adapters.rooms import control_socket
from hvelv.enclave.domain.sessions import SessionName
from tests.browser import in_a_browser
from tests.builders_lab import PROJECT, AtTheLab, a_lab

pytestmark = [*in_a_browser, pytest.mark.slow, pytest.mark.timeout(600)]
WATCHED = 45  # seconds; folders and kernels are asked for every ten, the state of git every three


def unused(at) -> float:
    """Return for how many seconds Kari's session has not been used, as the gateway tells the hub."""
    transport = httpx.HTTPTransport(uds=str(control_socket(at.settings.run_dir)))
    with httpx.Client(transport=transport, base_url="http://gateway") as gateway:
        return float(gateway.get(f"/sessions/{SessionName('kari', PROJECT).sid}/use").json()["unused"])


def test_an_open_page_is_no_use_and_a_cell_is(chromium):
    with a_lab() as at:
        kari = AtTheLab(at, chromium)
        kari.new_notebook()
        kari.run("1 + 1")
        kari.page.keyboard.press("Control+s")
        kari.lab.locator(".jp-Dialog .jp-mod-accept").click()  # its name may stay
        asked = []
        kari.page.on("request", lambda request: asked.append(request.url))
        kari.page.wait_for_timeout(10_000)  # until what was done has settled
        before, count = unused(at), len(asked)

        kari.page.wait_for_timeout(WATCHED * 1000)

        assert len(asked) - count > 3  # the page has asked
        assert unused(at) >= before + WATCHED - 1
        kari.run("2 + 2")
        assert unused(at) < WATCHED / 2
        kari.close()
