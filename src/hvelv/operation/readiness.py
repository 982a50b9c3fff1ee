"""Whether a process does what it is there for: a question it must answer, not a port that is open."""

import secrets
from collections.abc import Callable
from pathlib import Path

from hvelv.kernel.errors import Refusal
from hvelv.kernel.settings import Settings

Check = Callable[[], str | None]
"""Returns None when the process answers, else what is wrong, for people."""

SECONDS = 5.0
SERVER_ERROR = 500
CANARY_BUCKET = "canary"


def answers(url: str, *, socket: Path | None = None) -> Check:
    """Return a check that GETs `url` (over `socket`, if given) and accepts any answer that is not a server error."""

    def check() -> str | None:
        import httpx

        if socket and not socket.exists():  # httpcore leaves a socket open when there is nothing to connect to
            return "no answer yet (it does not listen)"
        transport = httpx.HTTPTransport(uds=str(socket)) if socket else httpx.HTTPTransport()
        try:
            with httpx.Client(transport=transport, timeout=SECONDS, trust_env=False) as client:
                status = client.get(url).status_code
        except (httpx.HTTPError, OSError) as error:
            return f"no answer yet ({type(error).__name__})"
        return None if status < SERVER_ERROR else f"it answers with status {status}"

    return check


def store(settings: Settings) -> Check:
    """Put an object and get it back. Listing buckets is not enough: that answers before data can be read."""

    def check() -> str | None:
        from hvelv.operation.store import connect

        content = secrets.token_bytes(32)
        try:
            client = connect(settings, patient=False)
            client.ensure_bucket(CANARY_BUCKET)
            client.put(CANARY_BUCKET, "canary", content)
            same = client.get(CANARY_BUCKET, "canary") == content
        except (Refusal, OSError) as error:
            return f"no answer yet ({error})"
        return None if same else "it returns other bytes than it was given"

    return check


def prefect(settings: Settings) -> Check:
    """Ask the workflow server for its health."""
    return answers(f"http://127.0.0.1:{settings.prefect_port}/api/health")


def custodian(settings: Settings) -> Check:
    """Ask at both of the custodian's doors."""
    portal, enclave = (
        answers("http://custodian/health", socket=settings.custodian_socket(door)) for door in ("portal", "enclave")
    )
    return lambda: portal() or enclave()


def worker(settings: Settings) -> Check:
    """Look for the note that the worker leaves when it has told the workflow server what it can run."""
    note = settings.domain_dir("custodian") / "worker.ready"
    return lambda: None if note.exists() else "it has not announced its workflows yet"


def portal(settings: Settings) -> Check:
    """Ask the portal for its front page."""
    return answers(f"http://127.0.0.1:{settings.portal_port}/")


def gateway(settings: Settings) -> Check:
    """Ask the session gateway whether it is well, and where browsers come in."""
    inside = answers("http://gateway/health", socket=settings.run_dir / "gateway-control" / "sock")
    outside = answers(f"http://127.0.0.1:{settings.gateway_port}/")
    return lambda: inside() or outside()


def hub(settings: Settings) -> Check:
    """Ask the hub for its health through the proxy, so that both are seen to work."""
    return answers(f"http://127.0.0.1:{settings.hub_port}/hub/health")
