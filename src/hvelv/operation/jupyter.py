"""Running a notebook in a session through its own server, the way JupyterLab in a browser does.

Jupyter Server's REST API (contents, sessions) and the messaging protocol over its websocket
(https://jupyter-client.readthedocs.io/en/stable/messaging.html). Everything passes the hub's proxy and the gateway.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

CELL_SECONDS = 300.0
LARGEST = 64 << 20


class CellFailed(Exception):  # noqa: N818
    """A cell ended in an error; says which cell and what kind of error."""


@dataclass
class Room:
    """A person's open session, reached with the cookies of a signed-in client."""

    client: httpx.Client
    hub_url: str
    person: str
    project: str
    base: str = field(init=False)

    def __post_init__(self) -> None:
        """Enter the room once, which gives the client the room's own cookies."""
        self.base = f"{self.hub_url}/user/{self.person}/{self.project}"
        self._ok(self.client.get(f"{self.base}/lab", headers={"Sec-Fetch-Dest": "iframe"}))

    def _headers(self) -> dict[str, str]:
        path = f"/user/{self.person}/{self.project}/"
        tokens = [c.value for c in self.client.cookies.jar if c.name == "_xsrf" and c.path == path and c.value]
        return {"X-XSRFToken": tokens[0] if tokens else "", "Origin": self.hub_url, "Referer": f"{self.base}/lab"}

    @staticmethod
    def _ok(answer: httpx.Response) -> httpx.Response:
        if not answer.is_success:
            raise RuntimeError(f"the session answers {answer.status_code} at {answer.request.url.path}")
        return answer

    def get(self, path: str) -> httpx.Response:
        """Ask the session's server."""
        return self.client.get(f"{self.base}{path}", headers=self._headers())

    def save(self, name: str, notebook: Mapping[str, Any]) -> None:
        """Save a notebook in the workspace."""
        body = {"type": "notebook", "format": "json", "content": notebook}
        self._ok(self.client.put(f"{self.base}/api/contents/{name}", json=body, headers=self._headers()))

    def run(self, name: str, notebook: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
        """Run all cells in a fresh kernel, save the notebook with its outputs, and return it. Raises `CellFailed`."""
        self.save(name, notebook)
        asked = {"path": name, "type": "notebook", "name": name, "kernel": {"name": "python3"}}
        opened = self._ok(self.client.post(f"{self.base}/api/sessions", json=asked, headers=self._headers())).json()
        try:
            with self._channels(opened["kernel"]["id"]) as socket:
                cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
                for number, cell in enumerate(cells, start=1):
                    say(f"cell {number} of {len(cells)}")
                    _execute(socket, cell, number)
        finally:
            self.client.delete(f"{self.base}/api/sessions/{opened['id']}", headers=self._headers())
            self.save(name, notebook)
        return notebook

    def _channels(self, kernel: str) -> ClientConnection:
        address = f"{self.base}/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}".replace("http", "ws", 1)
        request = self.client.build_request("GET", f"{self.base}/api/kernels")
        return connect(
            address,
            origin=self.hub_url,  # type: ignore[arg-type]
            additional_headers={"Cookie": request.headers.get("Cookie", "")},
            max_size=LARGEST,
            open_timeout=60,
        )


def _message(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "username": "",
        "session": uuid.uuid4().hex,
        "date": "",
        "version": "5.3",
    }
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }


def _execute(socket: Connection, cell: dict[str, Any], number: int) -> None:
    """Run one cell and put its outputs in it."""
    code = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    asked = _message("execute_request", {"code": code, "silent": False, "store_history": True, "allow_stdin": False})
    socket.send(json.dumps(asked))
    cell["outputs"], replied, idle = [], None, False
    while not (replied and idle):
        answer = json.loads(socket.recv(timeout=CELL_SECONDS))
        if answer["parent_header"].get("msg_id") != asked["header"]["msg_id"]:
            continue
        kind, content = answer["msg_type"], answer["content"]
        if kind == "execute_reply":
            replied = content
        elif kind == "status":
            idle = content["execution_state"] == "idle"
        elif kind in {"stream", "display_data", "execute_result", "error"}:
            content.pop("transient", None)
            cell["outputs"].append({"output_type": kind, **content})
    cell["execution_count"] = replied.get("execution_count")
    if replied["status"] != "ok":
        raise CellFailed(f"cell {number} ended in {replied.get('ename')}: {str(replied.get('evalue'))[:500]}")
