"""What every test has: no way out but loopback, and databases of both kinds.

`make test` runs two processes (pytest-xdist). A file's tests stay together, and so do all files that share an installation
that takes minutes to make; these come first.
"""

import ipaddress
import socket
from pathlib import Path

import pytest

pytest_plugins = ["tests.browser", "tests.postgres", "tests.road"]

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


def pytest_xdist_make_scheduler(config, log):
    """Have one process run all tests of a file, and all files that share an installation."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return "road" if Path(file).name.startswith("test_road") else file

    return Together(config, log)


def pytest_collection_modifyitems(items):
    """Put the tests that take minutes first, so that the other process does the rest meanwhile."""
    items.sort(key=lambda item: "road" not in getattr(item, "fixturenames", ()))


@pytest.fixture(autouse=True, scope="session")
def only_loopback():
    """Fail a test that opens a connection to any machine but this one."""
    socket.socket.connect = _guarded
    yield
    socket.socket.connect = _connect
