"""Asking the custodian whether somebody may be in a project: the only source of rights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from hvelv.enclave.adapters.unix_http import asking
from hvelv.enclave.domain.rights import RightsWatch
from hvelv.enclave.domain.sessions import SessionName
from hvelv.kernel.link import ACTOR

SECONDS = 5.0


class NoGrant(Exception):  # noqa: N818 - an answer, not a fault
    """The custodian says no."""


class NoAnswer(Exception):  # noqa: N818 - likewise
    """The custodian does not answer, or not in a form that means yes or no."""


@dataclass(frozen=True)
class GrantDoor:
    """The custodian's door for hub and gateway."""

    socket: Path

    async def ask(self, name: SessionName) -> dict[str, Any]:
        """Return the grant of `name`. Raises `NoGrant` or `NoAnswer`; both mean that nothing opens."""
        path = f"/grants/{quote(name.person, safe='')}/{quote(name.project, safe='')}"
        try:
            async with asking(self.socket, seconds=SECONDS) as client:
                response = await client.get(path, headers={ACTOR: name.person})
                answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NoAnswer(type(error).__name__) from error
        if response.status_code in {403, 404, 410}:
            raise NoGrant(str(answer.get("code", "")) if isinstance(answer, dict) else "")
        matches = isinstance(answer, dict) and (answer.get("person"), answer.get("project")) == (
            name.person,
            name.project,
        )
        if response.status_code != httpx.codes.OK or not matches:
            raise NoAnswer(f"status {response.status_code}")
        return dict(answer)

    async def check(self, name: SessionName, watch: RightsWatch, now: float) -> bool:
        """Ask if it is time to, note the answer in `watch`, and say whether the session may go on."""
        if watch.due(now):
            try:
                await self.ask(name)
            except NoGrant:
                watch.refused(now)
            except NoAnswer:
                watch.unanswered(now)
            else:
                watch.granted(now)
        return watch.holds(now)
