"""The custodian's vault as the portal reaches it: over the link, on a person's behalf."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from hvelv.catalog.domain.uploads import Checked, Preview, Published, Uploaded
from hvelv.kernel.errors import Problem
from hvelv.kernel.ids import DatasetId, HolderId
from hvelv.kernel.link import Link


def _problems(entries: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    return tuple(Problem(e["message"], e["field"], e["row"], e["params"]) for e in entries)


class LinkedVault:
    """A `VaultDoor` over a `Link`. The filename goes as a query parameter: a header holds no å."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def upload(self, actor: str, upload: str, filename: str, content: Iterable[bytes]) -> Uploaded:
        """Stream a file to the waiting room."""
        path, named = f"/uploads/{quote(upload, safe='')}", {"filename": filename}
        answer = self._link.call("PUT", path, actor=actor, content=content, params=named)
        return Uploaded(upload, int(answer["bytes"]), str(answer["sha256"]))

    def check(self, actor: str, upload: str, declaration: Mapping[str, Any]) -> Checked:
        """Have the file read."""
        path = f"/uploads/{quote(upload, safe='')}/check"
        answer = self._link.call("POST", path, actor=actor, json={"declaration": dict(declaration)})
        shown = answer["preview"]
        return Checked(
            _problems(answer["problems"]),
            _problems(answer["warnings"]),
            Preview(tuple(shown["columns"]), tuple(tuple(row) for row in shown["rows"])),
            int(answer["rows"]),
            int(answer["persons"]),
        )

    def publish(
        self,
        actor: str,
        upload: str,
        dataset: DatasetId,
        declaration: Mapping[str, Any],
        rho_micro: int | None,
        *,
        holder: HolderId,
    ) -> Published:
        """Have the file made into a version, `holder`'s."""
        path = f"/uploads/{quote(upload, safe='')}/publish"
        body = {"dataset": dataset, "holder": holder, "declaration": dict(declaration), "rho_micro": rho_micro}
        answer = self._link.call("POST", path, actor=actor, json=body)
        return Published(
            str(answer["content_hash"]),
            int(answer["rows"]),
            int(answer["persons"]),
            datetime.fromisoformat(answer["published_at"]),
        )

    def discard(self, actor: str, upload: str) -> None:
        """Have an upload removed."""
        self._link.call("DELETE", f"/uploads/{quote(upload, safe='')}", actor=actor)
