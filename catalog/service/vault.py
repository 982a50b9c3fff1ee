"""The vault, on the custodian's side: files come in, are checked, and become immutable versions of raw data.

A version is visible when its row is committed, and not before: the objects are written first, the row and its audit
row last, so that a failure at any place leaves nothing that anyone can find.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.forms import FormCheck
from hvelv.catalog.domain.uploads import Checked, Published, Uploaded
from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.canonical import canonical, digest
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible, _
from hvelv.kernel.ids import DatasetId, HolderId, PersonId
from hvelv.kernel.objects import ObjectStore

BUCKET = "vault"


@dataclass(frozen=True)
class RawVersion:
    """A version in the vault: where its rows are and what they are."""

    dataset: DatasetId
    holder: HolderId
    content_hash: str
    object_name: str
    rows: int
    persons: int
    published_at: datetime
    published_by: PersonId
    upload: str
    declaration: Declaration


class Reader(Protocol):
    """Strict reading of a file by its declaration."""

    def read(self, path: Path, declaration: Declaration, target: Path | None = None) -> Checked:
        """Return what is found; write the canonical Parquet form to `target` if one is given."""
        ...


class Receiving(Protocol):
    """A file that is coming in."""

    def write(self, piece: bytes) -> None:
        """Take some bytes. Raises `Invalid` past the limit."""
        ...

    def finish(self) -> Uploaded:
        """Keep the file, whole and on disk."""
        ...

    def abort(self) -> None:
        """Leave nothing of it."""
        ...


class WaitingRoom(Protocol):
    """Uploads on the custodian's own disk, each its owner's."""

    def receive(self, owner: str, upload: str, filename: str) -> Receiving:
        """Begin on a file. Raises `NotFound` for a malformed id, `Denied` for another's upload."""
        ...

    def held(self, owner: str, upload: str) -> tuple[Path, str]:
        """Return an upload's file and the SHA-256 of its bytes. Raises `NotFound`, also for another's."""
        ...

    def workplace(self, upload: str) -> Path:
        """Return a path for the canonical form while it is made."""
        ...

    def discard(self, owner: str, upload: str) -> None:
        """Remove an upload with all that was made of it."""
        ...

    def sweep(self, now: datetime) -> int:
        """Remove what a stopped process left and what nobody came back for; return how many uploads went."""
        ...


class AccountOpener(Protocol):
    """Opens the privacy account of a dataset's population; the privacy package's `Accounts` is one."""

    def open_account(
        self,
        unit: Transaction,
        dataset: str,
        title: str,
        cap: int,
        actor: str,
        *,
        population: str | None,
        holder: str,
        persons: int,
    ) -> None:
        """Open the account of the dataset's population with `cap` micro-rho; one that is open stays as it is.

        Raises `NotPossible` for another population than the dataset's first, `Denied` for another holder's.
        """
        ...


class VersionRows(Protocol):
    """What the vault asks of its database."""

    def find(self, session: Session, dataset: str, content_hash: str) -> RawVersion | None: ...
    def of_upload(self, session: Session, upload: str) -> RawVersion | None: ...
    def holders(self, session: Session, dataset: str) -> frozenset[HolderId]: ...
    def all_holders(self, session: Session) -> frozenset[HolderId]: ...
    def add(self, session: Session, version: RawVersion) -> bool: ...


class VersionIndex:
    """What is in the vault, for extraction."""

    def __init__(self, database: Database, rows: VersionRows) -> None:
        self._database = database
        self._rows = rows

    def find(self, dataset: DatasetId | str, content_hash: str) -> RawVersion:
        """Return a version with its declaration and object name. Raises `NotFound`."""
        with self._database.reading() as session:
            found = self._rows.find(session, dataset, content_hash)
        if found is None:
            raise NotFound(_("Versjonen av datasettet finnes ikke i hvelvet."))
        return found

    def holders(self) -> frozenset[HolderId]:
        """Return everyone whose data are in the vault."""
        with self._database.reading() as session:
            return self._rows.all_holders(session)


class Vault:
    """The custodian's door for data coming in."""

    def __init__(
        self,
        database: Database,
        rows: VersionRows,
        *,
        objects: ObjectStore,
        room: WaitingRoom,
        reader: Reader,
        forms: FormCheck,
        accounts: AccountOpener,
        clock: Clock,
        default_cap: int,
    ) -> None:
        self._database = database
        self._rows = rows
        self._objects = objects
        self._room = room
        self._reader = reader
        self._forms = forms
        self._accounts = accounts
        self._clock = clock
        self._default_cap = default_cap  # micro-rho of an account for which the steward names no cap

    def sweep(self) -> int:
        """Clear the waiting room of what a stopped process left. Run at start."""
        return self._room.sweep(self._clock.now())

    def receive(self, actor: str, upload: str, filename: str) -> Receiving:
        """Begin on a file that `actor` sends. Raises `Denied` for another's upload, `NotFound` for a malformed id."""
        return self._room.receive(actor, upload, filename)

    def check(self, actor: str, upload: str, document: Mapping[str, Any]) -> Checked:
        """Read the file by the declaration. Raises `Invalid` when the declaration itself is wrong."""
        declaration = self._declared(document)
        path, _sha = self._room.held(actor, upload)
        return self._reader.read(path, declaration)

    def publish(
        self,
        actor: str,
        upload: str,
        dataset: DatasetId,
        document: Mapping[str, Any],
        rho_micro: int | None,
        *,
        holder: HolderId,
    ) -> Published:
        """Make a version of a clean file, `holder`'s. Asked again, it answers the same.

        Raises `Invalid` with the file's problems, `Denied` when the dataset is another holder's.
        """
        declaration = self._declared(document)
        with self._database.reading() as session:
            self._is_theirs(session, dataset, holder)
        if (known := self._published_before(actor, upload, dataset)) is not None:
            self._room.discard(actor, upload)
            return known
        path, _sha = self._room.held(actor, upload)
        work = self._room.workplace(upload)
        try:
            checked = self._reader.read(path, declaration, work)
            if checked.problems:
                raise Invalid(checked.problems, _("Filen kan ikke publiseres slik den er."))
            content_hash = digest({"declaration": declaration.as_dict(), "data": _sha256(work)})
            version = RawVersion(
                dataset,
                holder,
                content_hash,
                f"{dataset}/{content_hash}/table.parquet",
                checked.rows,
                checked.persons,
                self._clock.now(),
                PersonId(actor),
                upload,
                declaration,
            )
            published = self._keep(version, work, rho_micro)
        finally:
            work.unlink(missing_ok=True)
        self._room.discard(actor, upload)
        return published

    def discard(self, actor: str, upload: str) -> None:
        """Remove an upload."""
        self._room.discard(actor, upload)

    def _declared(self, document: Mapping[str, Any]) -> Declaration:
        """Return the declaration, whose steps were held against its variables. Raises `Invalid`."""
        declaration = Declaration.read(document)
        self._forms.check(declaration.as_dict())
        return declaration

    def _is_theirs(self, session: Session, dataset: DatasetId, holder: HolderId) -> None:
        if self._rows.holders(session, dataset) - {holder}:
            raise Denied(_("Datasettet er en annen datainnehavers."), code="other-holder")

    def _published_before(self, actor: str, upload: str, dataset: DatasetId) -> Published | None:
        with self._database.reading() as session:
            known = self._rows.of_upload(session, upload)
        if known is None:
            return None
        if known.published_by != actor:
            raise Denied(_("Opplastingen er en annens."))
        if known.dataset != dataset:
            raise NotPossible(_("Filen er allerede publisert i et annet datasett."))
        return _answer(known)

    def _keep(self, version: RawVersion, work: Path, rho_micro: int | None) -> Published:
        with self._database.reading() as session:
            known = self._rows.find(session, version.dataset, version.content_hash)
        if known is not None:
            return _answer(known)
        self._objects.ensure_bucket(BUCKET)
        self._objects.put_file(BUCKET, version.object_name, work)
        beside = version.object_name.rsplit("/", 1)[0] + "/declaration.json"
        self._objects.put(BUCKET, beside, canonical(version.declaration.as_dict()))
        with self._database.transaction() as transaction:
            if self._rows.add(transaction.session, version):
                cap = rho_micro if rho_micro is not None else self._default_cap
                title = version.declaration.title.nb
                self._accounts.open_account(
                    transaction,
                    version.dataset,
                    title,
                    cap,
                    version.published_by,
                    population=version.declaration.population,
                    holder=version.holder,
                    persons=version.persons,
                )
                # The account's row has made a first version from elsewhere wait or commit: now it is seen.
                self._is_theirs(transaction.session, version.dataset, version.holder)
                detail: dict[str, Any] = {"version": version.content_hash, "holder": version.holder}
                detail |= {"rows": version.rows, "persons": version.persons}
                transaction.record(AuditEvent(version.published_by, "dataset.stored", version.dataset, detail))
                return _answer(version)
        with self._database.reading() as session:  # another request was first with the same content
            known = self._rows.find(session, version.dataset, version.content_hash)
        if known is None:
            raise NotPossible(_("Filen er allerede publisert i et annet datasett."))
        return _answer(known)


def _answer(version: RawVersion) -> Published:
    return Published(version.content_hash, version.rows, version.persons, version.published_at)


def _sha256(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
