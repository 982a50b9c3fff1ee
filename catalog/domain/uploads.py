"""What is told of a file on its way into the vault. Never a value of it, but for the masked preview."""

from dataclasses import dataclass
from datetime import datetime

from hvelv.kernel.errors import Problem

PREVIEW_ROWS = 20
MASK = "•••"


@dataclass(frozen=True)
class Uploaded:
    """A file on the vault's own disk, not yet read."""

    id: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Preview:
    """The first rows, at most 20; identities are shown as •••."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Checked:
    """What reading a file by its declaration found. Publishable when `problems` is empty; `warnings` do not stop it."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    preview: Preview = Preview()
    rows: int = 0
    persons: int = 0


@dataclass(frozen=True)
class Published:
    """A version in the vault."""

    content_hash: str
    rows: int
    persons: int
    published_at: datetime
