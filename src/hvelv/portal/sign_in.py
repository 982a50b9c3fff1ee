"""Signing in at the hub (OAuth code flow) and being known here afterwards."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Annotated, Protocol
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from hvelv.kernel.errors import Denied, _
from hvelv.kernel.people import Person
from hvelv.portal.sessions import LIFETIME, Sessions

STATE = "hvelv_sign_in"
STATE_SECONDS = 600
HOME = "/"


class Directory(Protocol):
    """Who there is, as signing in asks."""

    def find(self, person: str) -> Person | None:
        """Return a person, active or not, or None."""
        ...


class Doorkeeper(Protocol):
    """The hub's part of signing in."""

    def sign_in_url(self, state: str) -> str:
        """Return where a person signs in."""
        ...

    def sign_out_url(self) -> str:
        """Return where a person signs out of the hub."""
        ...

    def name_for(self, code: str) -> str:
        """Return who a one-time code was given to."""
        ...


class SignInNeeded(Exception):  # noqa: N818 - a way on, not a fault
    """Nobody is signed in, and the page is somebody's."""


@dataclass(frozen=True)
class SignIn:
    """Tells who is asking. Roles come from our own directory at every request, so a deactivated person is out at once."""

    sessions: Sessions
    directory: Directory
    hub: Doorkeeper
    https: bool = False

    @property
    def cookie(self) -> str:
        """Return the session cookie's name; with HTTPS one that no other host or port of the site can set."""
        return "__Host-hvelv_session" if self.https else "hvelv_session"

    async def known(self, request: Request) -> Person | None:
        """Return who is asking, or None; asked once for each request."""
        if not hasattr(request.state, "person"):
            request.state.person = await to_thread.run_sync(self._look_up, request.cookies.get(self.cookie, ""))
        person: Person | None = request.state.person
        return person

    async def person(self, request: Request) -> Person:
        """Return who is asking. Raises `SignInNeeded`."""
        person = await self.known(request)
        if person is None:
            raise SignInNeeded
        return person

    def _look_up(self, cookie: str) -> Person | None:
        name = self.sessions.person(cookie)
        person = self.directory.find(name) if name else None
        return person if person and person.active else None

    def admit(self, request: Request, code: str) -> tuple[Person, str]:
        """Return who the hub has signed in, and the new session's cookie. Raises `Denied`."""
        person = self.directory.find(self.hub.name_for(code))
        if person is None or not person.active:
            raise Denied(
                _("Du er logget inn, men har ikke tilgang til portalen."), remedy=_("Be drift om å få tilgang.")
            )
        return person, self.sessions.begin(person.id, instead_of=request.cookies.get(self.cookie, ""))


def own_path(path: str) -> str:
    """Return `path` when it is one of our own pages, else the start page: never another site."""
    parts = urlsplit(path)
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if inside and "\\" not in path and path.isprintable() else HOME


router = APIRouter()


def _sign_in(request: Request) -> SignIn:
    keeper: SignIn = request.app.state.sign_in
    return keeper


Keeper = Annotated[SignIn, Depends(_sign_in)]


@router.get("/sign-in")
def sign_in(keeper: Keeper, next: str = HOME) -> Response:  # noqa: A002 - the usual name in an address
    """Send the person to the hub to sign in."""
    state = secrets.token_urlsafe(24)
    response = RedirectResponse(keeper.hub.sign_in_url(state), status_code=303)
    response.set_cookie(
        STATE, f"{state}|{own_path(next)}", max_age=STATE_SECONDS, httponly=True, samesite="lax", secure=keeper.https
    )
    return response


@router.get("/oauth_callback")
def callback(request: Request, keeper: Keeper, code: str = "", state: str = "") -> Response:
    """Receive the person back from the hub."""
    expected, _bar, target = request.cookies.get(STATE, "").strip('"').partition("|")
    if not code or not expected or not hmac.compare_digest(expected.encode(), state.encode()):
        raise Denied(
            _("Innloggingen ble avbrutt eller var for gammel."), remedy=_("Logg inn på nytt."), code="sign-in-state"
        )
    _person, cookie = keeper.admit(request, code)
    response = RedirectResponse(own_path(target or HOME), status_code=303)
    response.delete_cookie(STATE)
    response.set_cookie(
        keeper.cookie,
        cookie,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=keeper.https,
        path="/",
    )
    return response


@router.post("/sign-out")
def sign_out(request: Request, keeper: Keeper) -> Response:
    """End the session here, then at the hub."""
    keeper.sessions.end(request.cookies.get(keeper.cookie, ""))
    response = RedirectResponse(keeper.hub.sign_out_url(), status_code=303)
    response.delete_cookie(keeper.cookie, path="/")
    return response


@router.post("/settings")
def settings(
    keeper: Keeper,
    lang: Annotated[str, Form()] = "",
    scheme: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = HOME,  # noqa: A002
) -> Response:
    """Keep the reader's language and colours in cookies."""
    response = RedirectResponse(own_path(next), status_code=303)
    kept = {"lang": (lang, ("nb", "en")), "scheme": (scheme, ("auto", "light", "dark"))}
    for name, (value, allowed) in kept.items():
        if value in allowed:
            response.set_cookie(name, value, max_age=365 * 86400, httponly=True, samesite="lax", secure=keeper.https)
    return response
