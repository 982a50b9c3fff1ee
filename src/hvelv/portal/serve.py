"""The portal's process: the pages on TCP and the inner door on its socket, stopped together."""

from hvelv.kernel.clock import SystemClock
from hvelv.kernel.secret import Secrets
from hvelv.kernel.serving import Door
from hvelv.kernel.serving import serve as serve_doors
from hvelv.kernel.settings import Settings
from hvelv.portal.app import create_app
from hvelv.portal.building import build
from hvelv.portal.internal import create_internal


def serve(settings: Settings) -> None:
    """Serve until asked to stop (SIGTERM or SIGINT)."""
    wiring = build(settings, Secrets(settings.secrets_dir("portal")))
    serve_doors(
        (
            Door(create_app(wiring), host=settings.host, port=settings.portal_port),
            Door(create_internal(wiring.people, SystemClock()), socket=settings.run_dir / "portal-internal" / "sock"),
        )
    )
