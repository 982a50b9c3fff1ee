"""Publishing as the steward meets it: upload, check, publish. The bytes go past the portal into the vault."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from hvelv.catalog.domain.dataset import Dataset, DatasetVersion
from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.permissions import POLICY, Action, Holding
from hvelv.catalog.domain.uploads import Checked, Preview, Published, Uploaded
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.kernel.authority import authorise
from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.kernel.ids import DatasetId, HolderId, IdSource
from hvelv.kernel.people import Person

__all__ = ["Checked", "Preview", "Published", "Publishing", "Uploaded", "VaultDoor"]


class VaultDoor(Protocol):
    """What publishing asks of the custodian, on a person's behalf."""

    def upload(self, actor: str, upload: str, filename: str, content: Iterable[bytes]) -> Uploaded: ...
    def check(self, actor: str, upload: str, declaration: Mapping[str, Any]) -> Checked: ...
    def publish(
        self,
        actor: str,
        upload: str,
        dataset: DatasetId,
        declaration: Mapping[str, Any],
        rho_micro: int | None,
        *,
        holder: HolderId,
    ) -> Published: ...
    def discard(self, actor: str, upload: str) -> None: ...


class Publishing:
    """The steward's road from a file to a version in the catalogue."""

    def __init__(self, catalogue: Catalogue, door: VaultDoor, ids: IdSource) -> None:
        self._catalogue = catalogue
        self._door = door
        self._ids = ids

    def upload(self, person: Person, filename: str, content: Iterable[bytes]) -> Uploaded:
        """Stream a file into the vault's waiting room. Blocking; call from a worker thread. Raises `Denied`, `Invalid`."""
        authorise(person, Action.UPLOAD, None, POLICY)
        return self._door.upload(person.id, self._ids.new("u"), filename, content)

    def check(self, person: Person, upload: str, declaration: Mapping[str, Any]) -> Checked:
        """Read the file by the declaration. Raises `Invalid` when the declaration itself is wrong (field = JSON path)."""
        authorise(person, Action.UPLOAD, None, POLICY)
        return self._door.check(person.id, upload, Declaration.read(declaration).as_dict())

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

        Safe to repeat with the same upload: a new dataset's name follows from the upload's, so that a portal that
        stopped between vault and catalogue finds its own work again. Raises `Invalid` with the file's problems,
        `Denied`, `NotPossible`.
        """
        read = Declaration.read(declaration)
        target = dataset or DatasetId(upload.replace("u-", "d-", 1))
        owner = self._catalogue.by_table(read.table)
        known = self._catalogue.get(dataset) if dataset else owner if owner and owner.id == target else None
        holder = known.holder.id if known else person.holder or HolderId("")
        authorise(person, Action.PUBLISH, Holding(holder), POLICY)
        self._name_is_free(read.table, target, known)
        published = self._door.publish(person.id, upload, target, read.as_dict(), rho_micro, holder=holder)
        version = DatasetVersion(
            target,
            published.content_hash,
            published.rows,
            published.persons,
            published.published_at,
            person.id,
            read,
        )
        return self._catalogue.register(person, version)

    def discard(self, person: Person, upload: str) -> None:
        """Remove an upload that is not wanted."""
        authorise(person, Action.UPLOAD, None, POLICY)
        self._door.discard(person.id, upload)

    def _name_is_free(self, table: str, target: DatasetId, known: Dataset | None) -> None:
        owner = self._catalogue.by_table(table)
        if owner is not None and owner.id != target:
            raise Invalid((Problem(_("Tabellnavnet er i bruk i et annet datasett."), "table"),))
        if known is not None and known.table != table:
            raise Invalid((Problem(_("Nye versjoner av et datasett beholder tabellnavnet."), "table"),))
