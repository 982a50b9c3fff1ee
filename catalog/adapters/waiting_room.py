"""Uploads on disk: each a file of bytes and a note of whose it is, in a folder that only the custodian can read."""

import hashlib
import json
import os
import re
from datetime import datetime, timedelta
from pathlib import Path

from hvelv.catalog.domain.uploads import Uploaded
from hvelv.catalog.service.vault import Receiving
from hvelv.kernel.errors import Denied, Invalid, NotFound, Problem, _

UPLOAD = re.compile(r"u-[a-z0-9-]{4,40}")
KEPT = timedelta(hours=24)
LONGEST_NAME = 200


class Incoming:
    """A file being written; see `Receiving`."""

    def __init__(self, folder: Path, owner: str, upload: str, filename: str, limit: int) -> None:
        self._folder, self._owner, self._upload, self._filename, self._limit = folder, owner, upload, filename, limit
        self._part = folder / f"{upload}.{os.urandom(4).hex()}.part"
        self._file = self._part.open("xb")
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, piece: bytes) -> None:
        """Take some bytes; past the limit, drop the file and raise `Invalid`."""
        self._size += len(piece)
        if self._size > self._limit:
            self.abort()
            raise Invalid(
                (Problem(_("Filen er større enn {most} byte."), "file", params={"most": self._limit}),),
                _("Filen er for stor."),
            )
        self._hash.update(piece)
        self._file.write(piece)

    def finish(self) -> Uploaded:
        """Put the file and then its note in place: an upload without a note is no upload."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._folder / f"{self._upload}.data")
        note = {"owner": self._owner, "filename": self._filename, "sha256": self._hash.hexdigest(), "bytes": self._size}
        beside = self._part.with_suffix(".note.part")
        beside.write_text(json.dumps(note))
        beside.replace(self._folder / f"{self._upload}.json")
        return Uploaded(self._upload, self._size, self._hash.hexdigest())

    def abort(self) -> None:
        """Leave nothing."""
        self._file.close()
        self._part.unlink(missing_ok=True)


class DiskRoom:
    """The waiting room in one folder."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def receive(self, owner: str, upload: str, filename: str) -> Receiving:
        """Begin on a file; see `WaitingRoom`."""
        note = self._note(upload)
        if note is not None and note["owner"] != owner:
            raise Denied(_("Opplastingen er en annens."))
        return Incoming(self._folder, owner, upload, filename[:LONGEST_NAME], self._limit)

    def held(self, owner: str, upload: str) -> tuple[Path, str]:
        """Return an upload's file and hash; see `WaitingRoom`."""
        note = self._note(upload)
        if note is None or note["owner"] != owner:
            raise NotFound(_("Opplastingen finnes ikke."), remedy=_("Last opp filen på nytt."))
        return self._folder / f"{upload}.data", note["sha256"]

    def workplace(self, upload: str) -> Path:
        """Return a path for the canonical form."""
        self._named(upload)
        return self._folder / f"{upload}.{os.urandom(4).hex()}.part"

    def discard(self, owner: str, upload: str) -> None:
        """Remove an upload, its note first; nothing when it is gone or another's."""
        note = self._note(upload)
        if note is not None and note["owner"] == owner:
            self._remove(upload)

    def sweep(self, now: datetime) -> int:
        """Remove unfinished files, and uploads older than a day."""
        for part in self._folder.glob("*.part"):
            part.unlink(missing_ok=True)
        gone = 0
        for data in self._folder.glob("*.data"):
            old = now.timestamp() - data.stat().st_mtime > KEPT.total_seconds()
            if old or not data.with_suffix(".json").exists():
                self._remove(data.stem)
                gone += 1
        return gone

    def _remove(self, upload: str) -> None:
        (self._folder / f"{upload}.json").unlink(missing_ok=True)
        (self._folder / f"{upload}.data").unlink(missing_ok=True)

    def _named(self, upload: str) -> None:
        if UPLOAD.fullmatch(upload) is None:
            raise NotFound(_("Opplastingen finnes ikke."))

    def _note(self, upload: str) -> dict[str, str] | None:
        self._named(upload)
        try:
            note: dict[str, str] = json.loads((self._folder / f"{upload}.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return note
