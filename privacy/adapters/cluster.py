"""Extracts and totals made on a Dask cluster: the same pieces of work with the same results, spread over machines.

The workers are in the custodian's trust domain: they read the same folder and are given project keys, so the way to
them is encrypted and both ends show a certificate, unless it stays within this machine. Nothing of an order is in a
task's name, and Dask keeps no result longer than somebody waits for it.
"""

import ipaddress
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hvelv.kernel.errors import Refusal, Unavailable, _

SECONDS = "10s"  # in which the scheduler has to answer
TRIES = 2


@dataclass(frozen=True)
class Cluster:
    """Where a cluster's scheduler is, and the files that the way to it is encrypted with."""

    address: str
    authority: str = ""
    certificate: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        """Refuse a way over the network that is not encrypted."""
        way = urlsplit(self.address)
        if way.scheme not in {"tcp", "tls"} or not way.hostname or not way.port:
            raise ValueError("a Dask scheduler's address is tls://HOST:PORT, or tcp://127.0.0.1:PORT")
        if way.scheme == "tcp" and not _is_here(way.hostname):
            raise ValueError("a Dask scheduler on another machine has to be reached by tls://")
        if way.scheme == "tls" and not (self.authority and self.certificate and self.key):
            raise ValueError("tls:// to a Dask scheduler needs a CA file, a certificate and its key")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class DaskMapper:
    """A `Mapper` that has a cluster do the work."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def results(self, work: Callable[..., Any], order: Any, rest: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield `work(order, *arguments)` for each of `rest`, in their order. Raises `Unavailable` without a cluster."""
        from distributed import Client
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        try:
            with Client(  # type: ignore[no-untyped-call]
                self._cluster.address, security=self._security(), timeout=SECONDS, set_as_default=False
            ) as client:
                shared, batch = client.scatter(order, broadcast=True, hash=False), secrets.token_hex(8)
                waiting = [
                    client.submit(work, shared, *arguments, key=f"extract-{batch}-{number}", pure=False, retries=TRIES)
                    for number, arguments in enumerate(rest)
                ]
                for future in waiting:
                    yield future.result()
        except Refusal:
            raise
        except (OSError, TimeoutError, KilledWorker, FutureCancelledError):
            raise Unavailable(
                _("Klyngen som lager uttrekk, svarer ikke. Det prøves på nytt."), code="cluster"
            ) from None

    def _security(self) -> Any:
        from distributed.security import Security

        if not self._cluster.authority:
            return None
        return Security(  # type: ignore[no-untyped-call]
            tls_ca_file=self._cluster.authority,
            tls_client_cert=self._cluster.certificate,
            tls_client_key=self._cluster.key,
            require_encryption=True,
        )
