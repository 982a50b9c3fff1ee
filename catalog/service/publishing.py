"""Publishing as the steward meets it: upload, check, publish. The bytes go past the portal into the vault."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hvelv.catalog.domain.dataset import Dataset
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.kernel.errors import Problem
from hvelv.kernel.ids import DatasetId, IdSource
from hvelv.kernel.people import Person


@dataclass(frozen=True)
class Uploaded:
    """A file on the vault's own disk, not yet read."""

    id: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Preview:
    """The first rows, at most 20; identities are shown as •••."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Checked:
    """What reading a file by its declaration found. Publishable when `problems` is empty; `warnings` do not stop it."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    preview: Preview
    rows: int
    persons: int


@dataclass(frozen=True)
class Published:
    """A version in the vault."""

    content_hash: str
    rows: int
    persons: int
    published_at: datetime


class VaultDoor(Protocol):
    """What publishing asks of the custodian, on a person's behalf."""

    def upload(self, actor: str, upload: str, filename: str, content: Iterable[bytes]) -> Uploaded: ...
    def check(self, actor: str, upload: str, declaration: Mapping[str, Any]) -> Checked: ...
    def publish(
        self, actor: str, upload: str, dataset: DatasetId, declaration: Mapping[str, Any], rho_micro: int | None
    ) -> Published: ...
    def discard(self, actor: str, upload: str) -> None: ...


class Publishing:
    """The steward's road from a file to a version in the catalogue."""

    def __init__(self, catalogue: Catalogue, door: VaultDoor, ids: IdSource) -> None: ...

    def upload(self, person: Person, filename: str, content: Iterable[bytes]) -> Uploaded:
        """Stream a file into the vault's waiting room. Blocking; call from a worker thread. Raises `Denied`, `Invalid`."""

    def check(self, person: Person, upload: str, declaration: Mapping[str, Any]) -> Checked:
        """Read the file by the declaration. Raises `Invalid` when the declaration itself is wrong (field = JSON path)."""

    def publish(
        self,
        person: Person,
        upload: str,
        declaration: Mapping[str, Any],
        *,
        dataset: DatasetId | None = None,
        rho_micro: int | None = None,
    ) -> Dataset:
        """Make an immutable version of a clean file and enter it in the catalogue; a new dataset unless one is given.

        Safe to repeat with the same upload. Raises `Invalid` with the file's problems, `Denied`, `NotPossible`.
        """

    def discard(self, person: Person, upload: str) -> None:
        """Remove an upload that is not wanted."""
