"""What may pass between a browser and a session, and between a session and the platform: tables and one function.

It is decided here, outside the sandbox, because everything inside belongs to the session's user. A path is judged in
every form it can be read in: as written, decoded again and again until it stands still, slashes and dots resolved.
"""

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from hvelv.enclave.domain.sessions import SessionName

LONGEST_PATH = 4096
MOST_DECODINGS = 8
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True)
class Rule:
    """Paths below the session's server that are closed, and why."""

    kind: str
    pattern: re.Pattern[str]
    reason: str


def _below(*names: str) -> re.Pattern[str]:
    return re.compile("/(?:" + "|".join(names) + ")(?:/.*)?", re.IGNORECASE | re.DOTALL)


CLOSED: tuple[Rule, ...] = (
    Rule("files", _below("files"), "raw file download; what leaves, leaves by an export"),
    Rule("nbconvert", _below("nbconvert", "api/nbconvert"), "conversion to a file for download"),
    Rule("terminal", _below("terminals", "api/terminals"), "terminals"),
    Rule(
        "tree", _below("tree", "notebooks", "edit", "view", "consoles"), "the classic pages, with their own downloads"
    ),
    Rule("tree", _below("nbdime/[a-z-]*difftool"), "pages of their own; differences are shown inside JupyterLab"),
    Rule("download", _below("api/contents/.*/download", "download", "api/export"), "downloads by extensions"),
    Rule("trust", re.compile("/api/contents/.*/trust", re.IGNORECASE | re.DOTALL), "marking a notebook as trusted"),
    Rule("proxy", _below("proxy", r"proxy/.*", "server-proxy", "api/server-proxy"), "proxying to other ports"),
    Rule("extensions", _below("lab/api/extensions", "lab/api/plugins"), "installing extensions"),
    Rule("news", _below("lab/api/news", "lab/api/update"), "asking the internet for news"),
    Rule("build", _below("lab/api/build"), "building the application anew"),
    Rule("shutdown", _below("api/shutdown"), "stopping the server other than by the hub"),
)
CLOSED_QUERIES: Mapping[str, str] = {
    "download": "a download asked for by query",
    "token": "tokens are for machines; from a browser only the cookie counts",
}

FRAME_DESTINATIONS_REFUSED = frozenset(
    {"document", "object", "embed"}
)  # pages live in the portal's sandboxed frame only
FOREIGN_SITES = frozenset({"cross-site"})

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    }
)
# How long a message is, is for each connection to say anew: passed on, the words of one side would be read as the length
# of what the other side sends, and what is left over as somebody else's next request.
FRAMING = frozenset({"content-length", "expect"})
DROPPED_TO_PLATFORM = HOP_BY_HOP | FRAMING | {"content-encoding", "host"}
DROPPED_FROM_PLATFORM = HOP_BY_HOP | FRAMING
DROPPED_TO_SESSION = HOP_BY_HOP | FRAMING | {"content-encoding", "authorization", "x-hvelv-actor", "x-hvelv-project"}
DROPPED_FROM_SESSION = HOP_BY_HOP | FRAMING | {
    "content-security-policy", "content-security-policy-report-only", "content-disposition", "x-frame-options", "link", "refresh",
    "report-to", "reporting-endpoints", "nel", "service-worker-allowed", "access-control-allow-origin",
    "access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods", "clear-site-data", "server",
}  # fmt: skip
DROPPED_TO_CUSTODIAN = re.compile(r"x-hvelv-.*|authorization|cookie|x-forwarded-.*|forwarded", re.IGNORECASE)

HUB_OPEN: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("GET", re.compile(r"/hub/api/?")),
    ("GET", re.compile(r"/hub/api/user")),
    ("POST", re.compile(r"/hub/api/oauth2/token")),
)
ACTIVITY = "/activity"
HUB_ACTIVITY = "/hub/api/users/{person}" + ACTIVITY
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)?")
LAB_PREFIX = "/lab/"
WORKS = ("POST", "/session/works")  # at the hub's socket, and answered by the gateway itself: a cell runs


@dataclass(frozen=True)
class Verdict:
    """Whether a request may pass; `kind` is for the log and holds nothing of what was asked."""

    allowed: bool
    kind: str
    reason: str = ""


PASS = Verdict(True, "pass")


def _refuse(kind: str, reason: str) -> Verdict:
    return Verdict(False, kind, reason)


def readings(raw_path: str) -> tuple[str, ...] | None:
    """Return every form in which some server could read the path, or None where it never stands still.

    Decoded until nothing changes; backslashes read as slashes; `;parameters` with and without; dots resolved.
    """
    forms: list[str] = []
    path = raw_path
    for _round in range(MOST_DECODINGS):
        slashed = path.replace("\\", "/")
        for form in (slashed, re.sub(r";[^/]*", "", slashed)):
            forms += [re.sub(r"/{2,}", "/", form), "/" + posixpath.normpath("/" + form).lstrip("/")]
        decoded = unquote(path, errors="replace")
        if decoded == path:
            return tuple(dict.fromkeys(forms))
        path = decoded
    return None


def _malformed(raw_path: str, forms: tuple[str, ...] | None, prefix: str) -> bool:
    if forms is None or len(raw_path) > LONGEST_PATH or not raw_path.startswith("/"):
        return True
    bare = prefix.rstrip("/")
    return any(
        any(ord(letter) < ord(" ") or letter == "\x7f" for letter in form)
        or "/../" in form + "/"
        or not (form == bare or form.startswith(prefix))
        for form in forms
    )


def _own_origin(headers: Mapping[str, str]) -> bool:
    origin, host = headers.get("origin", ""), headers.get("host", "")
    return bool(host) and urlsplit(origin).netloc == host


def decide(name: SessionName, method: str, raw_path: str, query: str, headers: Mapping[str, str]) -> Verdict:
    """Say whether a browser's request may reach the session `name`.

    `raw_path` is the path as it came, still encoded; `query` the part behind the question mark; `headers` have
    lower-case names. A refusal is final: nothing of the request reaches the session.
    """
    forms = readings(raw_path)
    if method not in METHODS:
        return _refuse("method", "the method is not used by notebooks")
    if _malformed(raw_path, forms, name.prefix):
        return _refuse("path", "the path can be read in more than one way, or is another session's")
    assert forms is not None  # noqa: S101 - _malformed has seen to it
    inside = tuple(form.removeprefix(name.prefix.rstrip("/")) or "/" for form in forms)
    for rule in CLOSED:
        if any(rule.pattern.fullmatch(path) for path in inside):
            return _refuse(rule.kind, rule.reason)
    for key, _value in parse_qsl(query, keep_blank_values=True):
        if key.lower() in CLOSED_QUERIES and key.lower() != "token":
            return _refuse(key.lower(), CLOSED_QUERIES[key.lower()])
    return _from_where(method, headers)


def _from_where(method: str, headers: Mapping[str, str]) -> Verdict:
    socket = headers.get("upgrade", "").lower() == "websocket"
    if headers.get("sec-fetch-site", "") in FOREIGN_SITES:
        return _refuse("site", "asked from another site")
    if socket and not _own_origin(headers):
        return _refuse("origin", "a websocket is opened from the session's own page only")
    if method not in SAFE_METHODS and "origin" in headers and not _own_origin(headers):
        return _refuse("origin", "asked from another page")
    if headers.get("sec-fetch-dest", "") in FRAME_DESTINATIONS_REFUSED:
        return _refuse("top-level", "JupyterLab is shown inside the portal's frame only")
    if headers.get("service-worker", "") or headers.get("sec-fetch-dest", "") == "serviceworker":
        return _refuse("service-worker", "service workers would stand between the page and this policy")
    return PASS


def without_tokens(query: str) -> str:
    """Return the query without `token=…`, everything else as it was."""
    kept = [part for part in query.split("&") if unquote(part.partition("=")[0]).lower() != "token"]
    return "&".join(kept)


def may_ask_hub(name: SessionName, method: str, raw_path: str) -> bool:
    """Say whether a session may ask this of the hub: who is this, this is alive, and its own OAuth token."""
    if (method, raw_path) == ("POST", HUB_ACTIVITY.format(person=name.person)):
        return True
    return any(method == verb and pattern.fullmatch(raw_path) for verb, pattern in HUB_OPEN)


def is_activity(name: SessionName, body: bytes) -> bool:
    """Say whether this tells the hub when the session was used, and nothing else: the hub's log quotes what it refuses."""
    if not body:
        return True
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(told, dict) or not told.keys() <= {"servers", "last_activity"}:
        return False
    servers = told.get("servers", {})
    if not isinstance(servers, dict) or not servers.keys() <= {name.project}:
        return False
    entries = list(servers.values())
    if not all(isinstance(entry, dict) and entry.keys() == {"last_activity"} for entry in entries):
        return False
    times = [
        *(entry["last_activity"] for entry in entries),
        *([told["last_activity"]] if "last_activity" in told else []),
    ]
    return all(isinstance(time, str) and TIME.fullmatch(time) for time in times)


def may_ask_custodian(raw_path: str) -> bool:
    """Say whether a session may ask this of the custodian: below /lab/, written in one way only."""
    return raw_path.startswith(LAB_PREFIX) and readings(raw_path) == (raw_path,)


def content_security_policy(portal: str) -> str:
    """Return the policy of every answer of a session: no other host, no popups, no downloads, only in the portal's frame.

    `sandbox` without allow-popups and allow-downloads closes link clicks and blob: downloads that no other directive does.
    """
    directives = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-eval' 'unsafe-inline'",  # JupyterLab runs outputs' scripts
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "'self' blob:",
        "frame-src": "'self' blob: data:",
        "form-action": "'self'",
        "base-uri": "'self'",
        "object-src": "'none'",
        "frame-ancestors": f"'self' {portal}",
        "sandbox": "allow-scripts allow-same-origin allow-forms allow-modals",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def session_headers(portal: str) -> dict[str, str]:
    """Return the headers that the gateway sets on every answer of a session."""
    return {
        "Content-Security-Policy": content_security_policy(portal),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-DNS-Prefetch-Control": "off",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), display-capture=(), geolocation=(), usb=(), serial=()",
    }


def cookies_for_session(header: str, name: SessionName) -> str:
    """Return the `Cookie` header that the session may see: its own cookies and nothing of hub or portal.

    Cookies do not know ports: with portal and lab on one host name the browser sends each the other's.
    """
    own = f"jupyterhub-user-{name.person}-{name.project}"
    kept = []
    for part in header.split(";"):
        key = part.partition("=")[0].strip().removeprefix("__Host-")
        if key in {"_xsrf", "jupyterhub-session-id"} or key == own or key.startswith(f"{own}-oauth-state"):
            kept.append(part.strip())
    return "; ".join(kept)


def may_set_cookie(header: str, name: SessionName) -> bool:
    """Say whether a session may set this cookie: one of its own names, for its own path, for no wider domain."""
    first, *rest = header.split(";")
    attributes = {key.strip().lower(): value.strip() for key, _, value in (part.partition("=") for part in rest)}
    if "domain" in attributes or any(letter in header for letter in "\r\n\0"):
        return False
    own_path = (attributes.get("path", "").rstrip("/") + "/").startswith(name.prefix)
    return own_path and bool(cookies_for_session(first, name))
