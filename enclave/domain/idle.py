"""When a session that nobody uses is closed, and what counts as use: two tables and one function, without a clock.

Use is what a person does, or a cell that runs. An open page asks for lists all day by itself, and that is not use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import parse_qs

CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
OPENED = frozenset({"notebook", "file"})  # the page says the type of what is opened, not of the folder that it lists
# what a page sends a kernel when somebody runs, completes, looks up, answers or moves something; what it asks by itself
# when it connects (kernel_info_request, comm_info_request, debug_request …) is not among them
ASKED_BY_A_PERSON = frozenset({"execute_request", "complete_request", "inspect_request", "input_reply", "comm_msg"})
WORKS_FOR = 90.0  # seconds that a session's word that a cell runs holds; it is given every thirty


class Standing(StrEnum):
    """How a session stands."""

    KEEP = "keep"
    WARN = "warn"
    CLOSE = "close"


@dataclass(frozen=True)
class Use:
    """When a session was last used, and whether a cell runs in it."""

    at: datetime
    busy: bool = False


@dataclass(frozen=True)
class IdleLimits:
    """So long a session may be unused, and so long before that its person is warned. Nothing is closed after zero."""

    after: timedelta
    warning: timedelta

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.after < timedelta() or self.warning < timedelta():
            raise ValueError("a session may be unused for so long, or zero; never for less")

    @property
    def warned(self) -> timedelta:
        """Return how long before the end the warning comes: at most half of the whole time."""
        return min(self.warning, self.after / 2)


@dataclass(frozen=True)
class Verdict:
    """How a session stands, and when it is closed if nothing happens."""

    standing: Standing
    closes_at: datetime | None = None


KEEP = Verdict(Standing.KEEP)


def judge(now: datetime, use: Use | None, limits: IdleLimits) -> Verdict:
    """Say how a session stands. One of which nothing is known, or in which a cell runs, is kept."""
    if use is None or use.busy or not limits.after:
        return KEEP
    closes = use.at + limits.after
    if now >= closes:
        return Verdict(Standing.CLOSE, closes)
    return Verdict(Standing.WARN if now >= closes - limits.warned else Standing.KEEP, closes)


def is_use_request(kind: str, method: str, query: str) -> bool:
    """Say whether a request is a person's: it changes something, or opens a file."""
    if not kind.startswith("api/"):
        return False
    asked = parse_qs(query)
    opens = kind == "api/contents" and asked.get("content") == ["1"] and asked.get("type", [""])[0] in OPENED
    return method in CHANGES or opens


def is_use_message(header: Mapping[str, object] | None) -> bool:
    """Say whether a message to a kernel is a person's. One that cannot be read may be: it counts."""
    return header is None or header.get("msg_type") in ASKED_BY_A_PERSON
