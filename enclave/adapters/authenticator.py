"""Sign-in at the hub: name, password and one-time code, checked by the portal, which keeps the people."""

import time
from pathlib import Path
from typing import Any

import httpx
from jupyterhub.auth import Authenticator
from jupyterhub.handlers.login import LogoutHandler
from traitlets import Any as AnyTrait

from hvelv.enclave.adapters.unix_http import asking
from hvelv.enclave.domain.sign_in import Attempt, Throttle, loggable
from hvelv.kernel.settings import Settings

SECONDS = 15.0


def portal_socket(run_dir: Path) -> Path:
    """Return the portal's internal socket."""
    return run_dir / "portal-internal" / "sock"


class LogoutToPortal(LogoutHandler):  # type: ignore[misc]
    """After signing out, the portal's front page."""

    async def render_logout_page(self) -> None:
        """Go to the portal."""
        self.redirect(self.authenticator.settings.portal_url)


class PortalAuthenticator(Authenticator):  # type: ignore[misc]
    """Asks the portal. Every failure looks the same: unknown name, wrong password, wrong code, too many tries."""

    settings = AnyTrait(help="hvelv.kernel.settings.Settings of the installation").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.throttle = Throttle()

    async def authenticate(self, handler: Any, data: dict[str, Any]) -> str | None:  # noqa: ARG002 - the hub's signature
        """Return the person's id, or None."""
        attempt = Attempt.of(data.get("username"), data.get("password"), data.get("otp") or "")
        data["username"] = loggable(data.get("username"))  # the hub logs it when sign-in fails
        if attempt is None or not self.throttle.allows(attempt.person, time.monotonic()):
            return None
        settings: Settings = self.settings
        question = {"person": attempt.person, "password": attempt.password, "otp": attempt.code}
        try:
            async with asking(portal_socket(settings.run_dir), seconds=SECONDS) as client:
                response = await client.post("/sign-in", json=question)
                answer = response.json() if response.status_code == httpx.codes.OK else None
        except (httpx.HTTPError, ValueError) as error:
            self.log.warning("sign-in: the portal does not answer (%s)", type(error).__name__)
            return None
        named = isinstance(answer, dict) and answer.get("person") == attempt.person
        return attempt.person if named else None

    def get_handlers(self, app: Any) -> list[tuple[str, type]]:
        """Add where signing out leads."""
        return [*super().get_handlers(app), ("/logout", LogoutToPortal)]
