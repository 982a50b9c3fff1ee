"""What every request and answer passes: host, origin and size going in, headers going out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
BODY_LIMIT = 2 << 20  # bytes of a form; a declaration of 4,000 variables is about 1 MB
LAB_PAGE = re.compile(r"/projects/[a-z0-9-]+/lab")
UPLOAD_PAGE = "/publish/uploads"
STATIC = "/static/"
HEALTH = "/health"  # asked by those who watch the process, by whatever address
CROSS_SITE = (
    "Foresp\u00f8rselen kom ikke fra portalens egne sider. / The request did not come from the portal's own pages."
)
TOO_LARGE = "For mye data i \u00e9n foresp\u00f8rsel. / Too much data in one request."
WRONG_HOST = "Portalen har en annen adresse. / The portal has another address."


def content_policy(*, hub: str = "", frames: bool = False) -> str:
    """Return the Content-Security-Policy. Nothing inline, nothing from elsewhere; only the lab page may frame the hub."""
    forms = " ".join(part for part in ("'self'", hub) if part)  # signing out posts here and is redirected to the hub
    rules = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        f"form-action {forms}",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    return "; ".join([*rules, f"frame-src {hub}"] if frames else rules)


@dataclass(frozen=True)
class Guarded:
    """What the middleware must know of the installation."""

    portal_url: str
    hub_url: str
    upload_limit: int

    @property
    def host(self) -> str:
        """Return the Host header of a request that was meant for us."""
        return urlsplit(self.portal_url).netloc

    @property
    def https(self) -> bool:
        """Say whether people reach the portal by HTTPS."""
        return self.portal_url.startswith("https://")

    def headers(self, path: str) -> Mapping[str, str]:
        """Return the headers that every answer for `path` carries."""
        frames = LAB_PAGE.fullmatch(path) is not None
        fixed = {
            "Content-Security-Policy": content_policy(hub=self.hub_url, frames=frames),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "public, max-age=3600" if path.startswith(STATIC) else "no-store",
        }
        return fixed | ({"Strict-Transport-Security": "max-age=31536000"} if self.https else {})

    def limit(self, path: str) -> int:
        """Return the most bytes a request to `path` may carry; the envelope of a form with a file is let in too."""
        return self.upload_limit + BODY_LIMIT if path == UPLOAD_PAGE else BODY_LIMIT


def from_own_pages(headers: Headers, portal_url: str) -> bool:
    """Say whether a request that changes something was made by our own pages, or by a client that says so.

    A browser sends Origin with every unsafe method; Sec-Fetch-Site stands in where privacy settings remove it. One
    with neither is refused: a script sends `Origin` with the portal's address.
    """
    origin = headers.get("origin")
    if origin is not None:
        return origin == portal_url
    return headers.get("sec-fetch-site") == "same-origin"


class Guard:
    """The outermost layer of the app (pure ASGI, so that uploads and downloads stay streams)."""

    def __init__(self, app: ASGIApp, guarded: Guarded) -> None:
        self._app = app
        self._guarded = guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what must not come in; add headers to what goes out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, headers = scope["path"], Headers(scope=scope)
        added = self._guarded.headers(path)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in added.items():
                    out[name] = value
            await send(message)

        answer = self._refusal(scope, headers)
        if answer is not None:
            await answer(scope, receive, sending)
            return
        await self._app(scope, self._bounded(receive, self._guarded.limit(path)), sending)

    def _refusal(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        unsafe = scope["method"] not in SAFE
        if headers.get("host", "") != self._guarded.host and scope["path"] != HEALTH:
            if unsafe:
                return PlainTextResponse(WRONG_HOST, status_code=421)
            query = scope["query_string"].decode("latin-1")
            return RedirectResponse(f"{self._guarded.portal_url}{scope['path']}" + (f"?{query}" if query else ""), 307)
        if unsafe and not from_own_pages(headers, self._guarded.portal_url):
            return PlainTextResponse(CROSS_SITE, status_code=403)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._guarded.limit(scope["path"]):
            return PlainTextResponse(TOO_LARGE, status_code=413)
        return None

    @staticmethod
    def _bounded(receive: Receive, limit: int) -> Receive:
        seen = 0

        async def receiving() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:  # sent in pieces, without a length
                return {"type": "http.disconnect"}
            return message

        return receiving
