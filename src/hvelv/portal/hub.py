"""The hub as the portal uses it: who has signed in, and project sessions started and stopped."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from hvelv.enclave.domain.idle import Use
from hvelv.enclave.service.line import AT_ONCE, Line
from hvelv.enclave.service.rooms import Room, RoomState, Running
from hvelv.kernel.errors import Denied, NotPossible, Unavailable, _

CLIENT_ID = "service-portal"
SECONDS = 30.0
SILENT = _("Innloggings- og arbeidsromtjenesten svarer ikke. Ingenting er gjort.")
LATER = _("Prøv igjen om litt. Vedvarer det, si fra til drift.")


@dataclass(frozen=True)
class Hub:
    """JupyterHub by its API on loopback; people reach it at `hub_url`."""

    hub_url: str
    portal_url: str
    token: str
    client: httpx.Client
    line: Line = field(default_factory=Line)

    @property
    def callback(self) -> str:
        """Return where the hub sends people back to."""
        return f"{self.portal_url}/oauth_callback"

    def sign_in_url(self, state: str) -> str:
        """Return where a person signs in."""
        asked = {"client_id": CLIENT_ID, "redirect_uri": self.callback, "response_type": "code", "state": state}
        return f"{self.hub_url}/hub/api/oauth2/authorize?{urlencode(asked)}"

    def sign_out_url(self) -> str:
        """Return where a person signs out of the hub."""
        return f"{self.hub_url}/hub/logout"

    def name_for(self, code: str) -> str:
        """Return who the hub's one-time code was given to. Raises `Denied`, `Unavailable`."""
        form = {
            "client_id": CLIENT_ID,
            "client_secret": self.token,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback,
        }
        answer = self._ask("POST", "/oauth2/token", data=form, token="")
        if answer.status_code != httpx.codes.OK:
            raise Denied(_("Innloggingen ble avbrutt eller var for gammel."), remedy=_("Logg inn på nytt."))
        user = self._ask("GET", "/user", token=str(answer.json().get("access_token", "")))
        if user.status_code != httpx.codes.OK:
            raise Denied(_("Innloggingen ble avbrutt eller var for gammel."), remedy=_("Logg inn på nytt."))
        return str(user.json()["name"])

    def room(self, person: str, project: str) -> Room:
        """Return how a person's session in a project stands. Who waits in line is tried again for, when it is their turn."""
        place = self.line.place((person, project), time.monotonic())
        if place > AT_ONCE:
            return Room(RoomState.OPENING, place)
        if place:
            self.open_room(person, project)
            if place := self.line.place((person, project), time.monotonic()):
                return Room(RoomState.OPENING, place)
        return self._room(person, project)

    def _room(self, person: str, project: str) -> Room:
        answer = self._ask("GET", f"/users/{quote(person)}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return Room(RoomState.CLOSED)
        self._must(answer)
        server = (answer.json().get("servers") or {}).get(project)
        if not server or server.get("stopped"):
            return Room(RoomState.CLOSED)
        if server.get("pending") == "stop":
            return Room(RoomState.CLOSING)
        return Room(RoomState.OPEN if server.get("ready") else RoomState.OPENING, use=_use(server))

    def open_room(self, person: str, project: str) -> None:
        """Start a person's session in a project; one that runs already is left as it is, one too many at once waits in line."""
        answer = self._ask("POST", f"/users/{quote(person)}/servers/{quote(project)}", json={})
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self.line.join((person, project), time.monotonic())
            return
        self.line.leave((person, project))
        if answer.status_code in {httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT}:
            if self._room(person, project).state in {RoomState.OPEN, RoomState.OPENING}:
                return
            raise NotPossible(
                _("Arbeidsrommet kunne ikke åpnes nå."), remedy=_("Vent til det forrige er lukket, og prøv igjen.")
            )
        self._must(answer)

    def close_room(self, person: str, project: str) -> None:
        """Stop a person's session in a project; none is as good as stopped."""
        self.line.leave((person, project))
        answer = self._ask("DELETE", f"/users/{quote(person)}/servers/{quote(project)}")
        if answer.status_code != httpx.codes.NOT_FOUND:
            self._must(answer)

    def running(self) -> tuple[Running, ...]:
        """Return every session that runs, by person and project."""
        answer = self._ask("GET", "/users?state=active&limit=1000")
        self._must(answer)
        found = [
            Running(
                user["name"],
                project,
                server.get("started") or "",
                server.get("last_activity") or "",
                **_usage(server),
                use=_use(server),
                closing=server.get("pending") == "stop",
            )
            for user in answer.json()
            for project, server in (user.get("servers") or {}).items()
            if project and not server.get("stopped")
        ]
        return tuple(sorted(found, key=lambda one: (one.project, one.person)))

    def room_url(self, person: str, project: str) -> str:
        """Return the address of the session's JupyterLab, for the frame."""
        return f"{self.hub_url}/user/{quote(person)}/{quote(project)}/lab"

    def _must(self, answer: httpx.Response) -> None:
        if answer.status_code == httpx.codes.FORBIDDEN:
            raise Denied(
                _("Arbeidsrommet er stengt for deg."), remedy=_("Se på prosjektsiden om datatillatelsen er aktiv.")
            )
        if not answer.is_success:
            raise Unavailable(_("Arbeidsrommet kunne ikke nås. Ingenting er gjort."), remedy=LATER)

    def _ask(self, method: str, path: str, *, token: str | None = None, **more: Any) -> httpx.Response:
        headers: Mapping[str, str] = {}
        if bearer := self.token if token is None else token:
            headers = {"Authorization": f"token {bearer}"}
        try:
            return self.client.request(method, f"/hub/api{path}", headers=headers, timeout=SECONDS, **more)
        except httpx.HTTPError as error:
            raise Unavailable(SILENT, remedy=LATER) from error


USAGE = ("memory", "memory_limit", "cores", "cores_limit", "processes", "processes_limit")


def _usage(server: Mapping[str, Any]) -> dict[str, Any]:
    told = (server.get("state") or {}).get("usage") or {}
    return {name: told.get(name) for name in USAGE}


def _use(server: Mapping[str, Any]) -> Use | None:
    told = (server.get("state") or {}).get("use") or {}
    return Use(datetime.fromisoformat(told["at"]), bool(told["busy"])) if told else None


def hub_at(port: int, *, hub_url: str, portal_url: str, token: str) -> Hub:
    """Return the hub whose API listens on loopback `port`."""
    return Hub(hub_url, portal_url, token, httpx.Client(base_url=f"http://127.0.0.1:{port}"))
