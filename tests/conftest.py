"""What every test has: no way out but loopback, and databases of both kinds.

`make test` runs two processes (pytest-xdist). A file's tests stay together, and so do all files that share an installation
that takes minutes to make; these come first.
"""

import ipaddress
import socket

import pytest

pytest_plugins = ["tests.postgres", "tests.road"]

_connect = socket.socket.connect


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _guarded(self, address):
    if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
        pytest.fail(f"a test tried to reach {address[0]}: only loopback is allowed")
    return _connect(self, address)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Say which tests one process runs, for `--dist loadgroup`."""
    on_the_road = {item.path for item in items if "road" in item.fixturenames}
    for item in items:
        item.add_marker(pytest.mark.xdist_group("road" if item.path in on_the_road else str(item.path)))
    items.sort(key=lambda item: item.path not in on_the_road)


@pytest.fixture(autouse=True, scope="session")
def only_loopback():
    """Fail a test that opens a connection to any machine but this one."""
    socket.socket.connect = _guarded
    yield
    socket.socket.connect = _connect
