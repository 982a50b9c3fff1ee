"""The portal as an ASGI app: routes, access, refusals as pages, and the guard around it all."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hvelv.catalog.pages import browse, publish, selection
from hvelv.enclave.pages import exports, frame, rooms, sessions
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible, Problem, Refusal, Unavailable, _
from hvelv.portal import audit, home, sign_in
from hvelv.portal.access import enforce
from hvelv.portal.security import Guard, Guarded
from hvelv.portal.shell import PageShell
from hvelv.portal.sign_in import SignInNeeded
from hvelv.portal.wiring import Wiring
from hvelv.privacy.pages import accounts, extracts, reidentification
from hvelv.requests.pages import applications, cases, register

log = logging.getLogger("hvelv.portal")
STATIC = Path(__file__).parent / "static"
ROUTERS = (
    home.router,
    sign_in.router,
    browse.router,
    selection.router,
    publish.router,
    applications.router,
    cases.router,
    register.router,
    rooms.router,
    frame.router,
    sessions.router,
    exports.router,
    extracts.router,
    accounts.router,
    reidentification.router,
    audit.router,
)


ROUND_SECONDS = 20.0


class Fault(Refusal):
    """Something broke that nobody foresaw."""

    status = 500


def create_app(wiring: Wiring) -> FastAPI:
    """Return the portal on the services in `wiring`."""
    app = FastAPI(
        title="Hvelv",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(enforce)],
        redirect_slashes=False,
        lifespan=_looking_after(wiring),
    )
    for name, service in wiring.services().items():
        setattr(app.state, name, service)
    app.state.shell = PageShell(wiring.session_key)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    for router in ROUTERS:
        app.include_router(router)
    _answer(app)
    app.add_middleware(Faults)
    app.add_middleware(
        Guard, guarded=Guarded(wiring.settings.portal_url, wiring.settings.hub_url, wiring.settings.upload_limit)
    )
    return app


def _looking_after(wiring: Wiring) -> Any:
    """Close sessions that nobody uses, for as long as the portal is served."""

    async def rounds() -> None:
        while True:
            try:
                await asyncio.to_thread(wiring.unused.close_unused)
            except Refusal as refusal:  # the hub does not answer: nothing is closed, and the next round tries again
                log.warning("nobody could tell which sessions are used: %s", type(refusal).__name__)
            except Exception:
                log.exception("sessions that nobody uses could not be looked after; tried again")
            await asyncio.sleep(ROUND_SECONDS)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(rounds())
        yield
        task.cancel()

    return lifespan


def _answer(app: FastAPI) -> None:
    """Turn everything that can be raised into a page, in the reader's language, without a trace of the code."""

    @app.exception_handler(SignInNeeded)
    async def _sign_in_needed(request: Request, _error: Exception) -> Response:
        where = f"/sign-in?next={quote(request.url.path)}" if request.method == "GET" else "/sign-in"
        if "HX-Request" in request.headers:
            return Response(status_code=200, headers={"HX-Redirect": where})
        return RedirectResponse(where, status_code=303)

    @app.exception_handler(Refusal)
    async def _refused(request: Request, refusal: Exception) -> Response:
        return await _page(request, refusal)

    @app.exception_handler(RequestValidationError)
    async def _malformed(request: Request, error: Exception) -> Response:
        fields: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else []
        places = (".".join(str(part) for part in e["loc"][1:]) for e in fields)
        problems = tuple(Problem(_("Feltet har en verdi som ikke kan brukes."), place) for place in places)
        return await _page(request, Invalid(problems))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: Exception) -> Response:
        return await _page(request, _from_status(getattr(error, "status_code", 500)))


class Faults:
    """Answers what nobody foresaw with a page. Stands inside the guard, so that this page has its headers too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; show the page for a fault unless an answer has begun."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            log.exception("%s failed: %s", scope["method"], type(error).__name__)
            answer = await _page(Request(scope, receive), _from_status(500))
            await answer(scope, receive, send)


async def _page(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)  # noqa: S101 - narrows the type that the handlers are registered for
    if not hasattr(request.state, "person"):
        try:
            await request.app.state.sign_in.known(request)
        except Exception:  # noqa: BLE001 - the page is shown without a name when the registry does not answer
            request.state.person = None
    shell: PageShell = request.app.state.shell
    return shell.refused(request, refusal)


def _from_status(status: int) -> Refusal:
    """Return the refusal that says what a bare status means."""
    home_again = _("Gå til startsiden og finn veien derfra.")
    match status:
        case 404:
            return NotFound(_("Siden finnes ikke, eller den er ikke din å se."), remedy=home_again)
        case 403:
            return Denied(_("Du har ikke rett til dette."), remedy=home_again)
        case 405:
            return NotPossible(_("Dette kan ikke gjøres på denne siden."), remedy=home_again)
        case 503:
            return Unavailable(
                _("En del av plattformen svarer ikke. Ingenting er gjort."), remedy=_("Prøv igjen om litt.")
            )
        case _:
            return Fault(
                _("Noe gikk galt hos oss. Feilen er skrevet i driftsloggen."),
                remedy=_("Prøv igjen. Vedvarer det, si fra til drift med tidspunktet."),
            )
