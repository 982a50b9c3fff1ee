"""A person's room in a project: one JupyterHub named server, opened and closed from the portal."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hvelv.enclave.domain.idle import Use


class RoomState(StrEnum):
    """How a room stands."""

    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"


@dataclass(frozen=True)
class Room:
    """A room as its person sees it."""

    state: RoomState
    place: int = 0  # in the line of those whose room is to be opened when there is room for more
    use: Use | None = None  # None is not known


@dataclass(frozen=True)
class Running:
    """A session that runs, and what it uses now against its limits. None is not known."""

    person: str
    project: str
    since: str
    active: str
    memory: int | None = None  # bytes
    memory_limit: int | None = None
    cores: float | None = None
    cores_limit: float | None = None
    processes: int | None = None
    processes_limit: int | None = None
    use: Use | None = None
    closing: bool = False


class Rooms(Protocol):
    """What opens and closes rooms."""

    def room(self, person: str, project: str) -> Room:
        """Return how a person's room stands."""
        ...

    def open_room(self, person: str, project: str) -> None:
        """Begin to open a room; an open one is left as it is."""
        ...

    def close_room(self, person: str, project: str) -> None:
        """Close a room; one that is closed is left as it is."""
        ...

    def running(self) -> tuple[Running, ...]:
        """Return every session that runs."""
        ...

    def room_url(self, person: str, project: str) -> str:
        """Return the address that shows the room."""
        ...
