"""What pages and doors share: who is asking, how a page is shown, how a refusal is answered."""

from typing import Annotated, Any, Protocol, cast

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from hvelv.kernel.errors import Denied, Invalid, Problem, Refusal, _
from hvelv.kernel.link import ACTOR
from hvelv.kernel.people import Person


class Shell(Protocol):
    """The page shell that the portal gives to each package's pages."""

    def page(self, request: Request, template: str, /, *, status: int = 200, **context: Any) -> Response:
        """Return `template` as a page in the reader's language; a fragment when htmx asks for one."""
        ...

    def back(self, request: Request, path: str, message: str = "", **params: object) -> Response:
        """Return a redirect (303) to `path` that shows `message` once."""
        ...


def shell(request: Request) -> Shell:
    """Return the app's page shell."""
    return cast("Shell", request.app.state.shell)


async def signed_in(request: Request) -> Person:
    """Return who is asking. Raises the redirect to sign-in, or `Denied`."""
    person = await request.app.state.sign_in.person(request)
    return cast("Person", person)


SignedIn = Annotated[Person, Depends(signed_in)]
PageShell = Annotated[Shell, Depends(shell)]


def actor(request: Request) -> str:
    """Return on whose behalf another process of the platform asks. Raises `Denied` without one."""
    name = request.headers.get(ACTOR, "")
    if not name:
        raise Denied(_("Forespørselen sier ikke hvem den er fra."), code="no-actor")
    return name


Actor = Annotated[str, Depends(actor)]


def answer_refusals(app: FastAPI) -> None:
    """Answer every `Refusal` and malformed request as JSON that the link turns back into the same refusal."""

    @app.exception_handler(Refusal)
    async def _refused(_request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, Refusal)  # noqa: S101 - narrows the type that the handler is registered for
        return JSONResponse(refusal.as_dict(), status_code=refusal.status)

    @app.exception_handler(RequestValidationError)
    async def _malformed(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        problems = tuple(
            Problem(_("Feltet har en verdi som ikke kan brukes."), ".".join(str(part) for part in e["loc"]))
            for e in error.errors()
        )
        return JSONResponse(Invalid(problems).as_dict(), status_code=422)
