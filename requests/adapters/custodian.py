"""The permit office as the portal reaches it: over the link, on a person's behalf."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hvelv.kernel.ids import ProjectId
from hvelv.kernel.link import Link
from hvelv.kernel.signing import Signed
from hvelv.requests.domain.permit import PermitAction, PermitState


class LinkedOffice:
    """A `PermitOffice` and a `StateDoor` over a `Link`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def issue(self, actor: str, evidence: Mapping[str, Any], grant: Mapping[str, Any]) -> Signed:
        """Have a permit signed."""
        body = {"evidence": dict(evidence), "grant": dict(grant)}
        return Signed.from_dict(self._link.call("POST", "/permits", actor=actor, json=body))

    def change(self, actor: str, project: ProjectId, action: PermitAction, reason: str) -> PermitState:
        """Have a permit's state changed."""
        body = {"action": action.value, "reason": reason}
        answer = self._link.call("POST", f"/projects/{quote(project, safe='')}/state", actor=actor, json=body)
        return PermitState(answer["state"])
