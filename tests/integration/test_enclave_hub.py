"""A real hub, proxy and gateway: signing in, opening a session, and everything that must stay closed."""

from collections.abc import Iterator

import pytest

from tests.builders_enclave import Browser, Installation, a_data_dir, an_installation, need_hub

pytestmark = pytest.mark.integration
KARI = "/user/kari/p-aaaaaaaaaa/"


@pytest.fixture(scope="module")
def at() -> Iterator[Installation]:
    need_hub()
    with a_data_dir() as data_dir, an_installation(data_dir) as installation:
        installation.custodian.grants |= {("kari", "p-aaaaaaaaaa"), ("ola", "p-aaaaaaaaaa")}
        installation.start_gateway()
        installation.start_hub()
        yield installation


@pytest.fixture(scope="module")
def kari(at: Installation) -> Browser:
    browser = Browser(at)
    signed = browser.sign_in("kari")
    assert signed.status_code == 302, signed.text
    assert signed.headers["location"] == at.settings.portal_url
    at.open_session("kari", "p-aaaaaaaaaa")
    page = browser.enter("kari", "p-aaaaaaaaaa")
    assert page.status_code == 200, page.text + at.log_of("hub")[-3000:] + at.log_of("gateway")[-3000:]
    assert "jupyter-config-data" in page.text
    return browser


def test_a_kernel_runs_code(kari):
    assert kari.run_code(KARI, "print(6 * 7)") == "42\n"
