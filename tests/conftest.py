"""What every test has: no way out but loopback, and databases of both kinds."""

import ipaddress
import socket

import pytest

pytest_plugins = ["tests.postgres", "tests.road", "tests.side_by_side"]

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


@pytest.fixture(autouse=True, scope="session")
def only_loopback():
    """Fail a test that opens a connection to any machine but this one."""
    socket.socket.connect = _guarded
    yield
    socket.socket.connect = _connect
