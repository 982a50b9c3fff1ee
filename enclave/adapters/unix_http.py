"""Asking another process of the platform over its unix socket, without what a client for the internet would load."""

import ssl
from pathlib import Path

import httpx

NO_TLS = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # never used; httpx would else read all certificates for each client, 0.5 s


def asking(socket: Path, *, seconds: float) -> httpx.AsyncClient:
    """Return a client of the process that listens at `socket`; no proxy of the environment comes in between."""
    transport = httpx.AsyncHTTPTransport(uds=str(socket), verify=NO_TLS, trust_env=False)
    return httpx.AsyncClient(transport=transport, base_url="http://hvelv", timeout=seconds, trust_env=False)
