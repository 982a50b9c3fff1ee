"""The way out of the room: HTTP on the session's own socket. Who asks, and for which project, the socket itself says."""

import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

SOCKET = Path("/run/egress/lab.sock")
SECONDS = 300.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; httpx would else read all certificates first
TRIES = 4
PAUSE = 0.5  # seconds before the second try; doubled for each one after


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """A "no" from the platform: what was refused and why, and what to do about it."""

    def __init__(self, reason: str, *, remedy: str = "", code: str = "", problems: tuple[str, ...] = ()) -> None:
        parts = [reason, *(f"  • {problem}" for problem in problems)]
        super().__init__("\n".join([*parts, f"→ {remedy}"] if remedy else parts))
        self.reason = reason
        self.remedy = remedy
        self.code = code
        self.problems = problems

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone in a notebook: where in this library it was raised helps nobody."""
        return [f"\x1b[1mAvslått:\x1b[0m {self}"]


def _filled(message: object, params: object) -> str:
    """Return the message with its places filled; as it stands where they do not fit."""
    text = str(message)
    if isinstance(params, Mapping) and params:
        try:
            return text.format(**{str(key): value for key, value in params.items()})
        except (KeyError, IndexError, ValueError):
            return text
    return text


def refusal_in(status: int, body: Any) -> Refused:
    """Return the refusal that an answer holds."""
    if not isinstance(body, dict) or "message" not in body:
        return Refused(
            f"Plattformen svarte med en feil ({status}).",
            remedy="Prøv igjen, og meld fra til drift om det ikke hjelper.",
        )
    params = body.get("params")
    problems = tuple(
        ": ".join(filter(None, [str(each.get("field") or ""), _filled(each.get("message", ""), each.get("params"))]))
        for each in body.get("problems") or ()
    )
    return Refused(
        _filled(body["message"], params),
        remedy=_filled(body.get("remedy") or "", params),
        code=str(body.get("code") or ""),
        problems=problems,
    )


class Door:
    """Asks one question at a time. Connects when first asked."""

    def __init__(self, socket: Path = SOCKET, *, pause: float = PAUSE) -> None:
        self._socket = socket
        self._pause = pause
        self._client: httpx.Client | None = None

    def _connected(self) -> httpx.Client:
        if self._client is None:
            transport = httpx.HTTPTransport(uds=str(self._socket), verify=NO_TLS, trust_env=False)
            self._client = httpx.Client(
                transport=transport, base_url="http://lab", timeout=httpx.Timeout(SECONDS, connect=10), trust_env=False
            )
        return self._client

    def _answer(self, method: str, path: str, json: Any, *, again: bool) -> httpx.Response:
        for attempt in range(TRIES if again else 1):
            if attempt:
                time.sleep(self._pause * 2 ** (attempt - 1))
            try:
                response = self._connected().request(method, path, json=json)
            except httpx.TransportError:
                self.close()
                continue
            if response.is_success:
                return response
            raise refusal_in(response.status_code, _json(response))
        raise Refused(
            "Plattformen svarer ikke." if again else "Forbindelsen ble brutt før svaret kom.",
            remedy="Vent litt og prøv igjen."
            if again
            else "Se i prosjektet om forespørselen kom fram, før du prøver igjen.",
            code="unavailable",
        )

    def get(self, path: str) -> Any:
        """Ask for a JSON document. Raises `Refused`."""
        return self._answer("GET", path, None, again=True).json()

    def read(self, path: str) -> bytes:
        """Ask for bytes. Raises `Refused`."""
        return self._answer("GET", path, None, again=True).content

    def post(self, path: str, json: Any, *, again: bool = False) -> Any:
        """Send a document; with `again`, once more after a broken connection, for questions that may safely be repeated."""
        return self._answer("POST", path, json, again=again).json()

    def close(self) -> None:
        """Close the connection; the next question opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
