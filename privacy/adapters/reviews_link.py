"""The custodian's reviews as the portal reaches them: over the link, on a steward's behalf."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hvelv.kernel.link import Link
from hvelv.privacy.service.reviews import Steward


class LinkedReviews:
    """A `ReviewDoor` over a `Link`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def all(self, steward: Steward) -> list[dict[str, Any]]:
        """Return the holder's reviews, newest first."""
        found: list[dict[str, Any]] = self._ask("GET", steward, "")
        return found

    def one(self, steward: Steward, project: str, table: str) -> dict[str, Any]:
        """Return one with its report. Raises `NotFound`."""
        found: dict[str, Any] = self._ask("GET", steward, _path(project, table))
        return found

    def preview(self, steward: Steward, project: str, table: str, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Return the report as it would be with some steps. Raises `Invalid`."""
        found: dict[str, Any] = self._ask("POST", steward, _path(project, table, "preview"), {"extra": dict(extra)})
        return found

    def apply(self, steward: Steward, project: str, table: str, fingerprint: str, extra: Mapping[str, Any]) -> None:
        """Have the extract made anew with some steps."""
        body = {"fingerprint": fingerprint, "extra": dict(extra)}
        self._ask("POST", steward, _path(project, table, "apply"), body)

    def approve(self, steward: Steward, project: str, table: str, fingerprint: str) -> None:
        """Let it go."""
        self._ask("POST", steward, _path(project, table, "approve"), {"fingerprint": fingerprint})

    def refuse(self, steward: Steward, project: str, table: str, fingerprint: str, reason: str) -> None:
        """Let it not go."""
        self._ask("POST", steward, _path(project, table, "refuse"), {"fingerprint": fingerprint, "reason": reason})

    def _ask(self, method: str, steward: Steward, path: str, body: Any = None) -> Any:
        asked = {"holder": steward.holder}
        return self._link.call(method, f"/reviews{path}", actor=steward.person, json=body, params=asked)


def _path(*parts: str) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)
