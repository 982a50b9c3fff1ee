"""What the panel beside the notebook asks the session's own server: one question, answered from the lab's socket.

It decides nothing and passes nothing on from the browser: three fixed paths are read, whatever was asked. The panel itself
is plain files that every session finds below /etc/jupyter/labextensions.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from hvelv.enclave.lab.door import Door, Refused

PARTS = {"project": "/lab/project", "releases": "/lab/releases", "exports": "/lab/exports"}
PAUSE = 0.1  # seconds; somebody waits before the page, and can refresh


def gathered(door: Door) -> dict[str, Any]:
    """Return the project's state part by part, and for each part that was refused why, and what to do.

    Where the project itself is refused, so is everything else, and it is not asked for.
    """
    state: dict[str, Any] = {"refusals": {}}
    for part, path in PARTS.items():
        try:
            state[part] = door.get(path)
        except Refused as refused:
            state["refusals"][part] = {"reason": refused.reason, "remedy": refused.remedy, "code": refused.code}
            if part == "project":
                break
    return state


def _asked_anew() -> dict[str, Any]:
    door = Door(pause=PAUSE)
    try:
        return gathered(door)
    finally:
        door.close()


def handler(ask: Callable[[], dict[str, Any]] = _asked_anew) -> type:
    """Return the request handler. It answers GET alone, to whom the server has let in."""
    from jupyter_server.base.handlers import APIHandler
    from tornado.web import authenticated

    class PanelHandler(APIHandler):  # type: ignore[misc]
        @authenticated
        async def get(self) -> None:
            state = await asyncio.get_running_loop().run_in_executor(None, ask)
            self.set_header("Cache-Control", "no-store")
            self.finish(json.dumps(state))

    return PanelHandler


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "hvelv.enclave.lab.panel"}]


def _load_jupyter_server_extension(app: Any) -> None:
    path = app.web_app.settings["base_url"].rstrip("/") + "/hvelv/panel"
    app.web_app.add_handlers(".*$", [(path, handler())])
