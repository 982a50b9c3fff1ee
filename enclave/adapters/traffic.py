"""What the gateway writes down: one JSON line for each request, with sizes and kinds, never paths, queries or content."""

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

from hvelv.enclave.domain.sessions import SessionName

KINDS = (
    "api/contents",
    "api/kernels",
    "api/sessions",
    "api/kernelspecs",
    "api/me",
    "api",
    "lab",
    "static",
    "oauth_callback",
)


def kind_of(path: str, name: SessionName) -> str:
    """Return what sort of thing was asked for: one of `KINDS`, never the rest of the path."""
    inside = path.removeprefix(name.prefix)
    return next((kind for kind in KINDS if inside == kind or inside.startswith(kind + "/")), "other")


@dataclass
class TrafficLog:
    """Lines to a stream, by default standard error, where the supervisor keeps them."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)

    def line(self, name: SessionName | None, event: str, **detail: str | int) -> None:
        """Write one line."""
        who = {"person": name.person, "project": name.project} if name else {}
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.stream.write(json.dumps({"at": at, "event": event} | who | detail) + "\n")
        self.stream.flush()
