"""The link from one process of the platform to another: HTTP and JSON over a unix socket, refusals carried across."""

from collections.abc import AsyncIterable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from hvelv.kernel import errors
from hvelv.kernel.errors import Invalid, Problem, Refusal, Unavailable, _

ACTOR = "x-hvelv-actor"
SECONDS = 300.0
BY_STATUS: dict[int, type[Refusal]] = {
    403: errors.Denied,
    404: errors.NotFound,
    409: errors.NotPossible,
    503: errors.Unavailable,
}


def refusal_from(status: int, body: Any) -> Refusal:
    """Return the refusal that the other process raised, or `Unavailable` where it did not answer in our form."""
    if not isinstance(body, dict) or "message" not in body:
        return Unavailable(_("En del av plattformen svarte med en feil. Ingenting er gjort."))
    if body.get("code") == "invalid":
        problems = tuple(
            Problem(p["message"], p.get("field", ""), p.get("row"), p.get("params") or {})
            for p in body.get("problems", ())
        )
        return Invalid(problems, body["message"])
    kind = BY_STATUS.get(status, Refusal)
    return kind(body["message"], remedy=body.get("remedy", ""), code=body.get("code", ""), **(body.get("params") or {}))


class Link:
    """A client of one door. Blocking; call it from worker threads."""

    def __init__(self, socket: Path, *, base: str = "http://custodian") -> None:
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket), retries=2),
            base_url=base,
            timeout=httpx.Timeout(SECONDS, connect=5),
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        actor: str = "",
        json: Any = None,
        content: bytes | Iterable[bytes] | AsyncIterable[bytes] | None = None,
        params: dict[str, str] | None = None,
    ) -> Any:
        """Ask and return the JSON answer. Raises the refusal of the other side, or `Unavailable`."""
        try:
            response = self._client.request(
                method,
                path,
                json=json,
                content=content,
                params=params,
                headers={ACTOR: actor},
            )
        except httpx.HTTPError as error:
            raise Unavailable(
                _("En del av plattformen svarer ikke. Ingenting er gjort."), remedy=_("Prøv igjen om litt.")
            ) from error
        if response.is_success:
            return response.json() if response.content else None
        raise refusal_from(response.status_code, _json(response))

    @contextmanager
    def stream(self, path: str, *, actor: str = "") -> Iterator[httpx.Response]:
        """Open a GET whose body is read in pieces. Raises like `call`."""
        try:
            with self._client.stream("GET", path, headers={ACTOR: actor}) as response:
                if not response.is_success:
                    response.read()
                    raise refusal_from(response.status_code, _json(response))
                yield response
        except httpx.HTTPError as error:
            raise Unavailable(_("En del av plattformen svarer ikke. Ingenting er gjort.")) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
