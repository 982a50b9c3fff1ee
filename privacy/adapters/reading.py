"""Published extracts, fetched from the object store once and kept by their hash where only the custodian reads."""

import os
import secrets
from pathlib import Path

from hvelv.kernel.errors import Unavailable, _
from hvelv.kernel.objects import ObjectStore
from hvelv.privacy.adapters.extraction import file_sha256
from hvelv.privacy.service.extraction import Extract


class CachedExtracts:
    """The `ExtractReader` on an object store."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store, self._folder = store, folder

    def path(self, extract: Extract) -> Path:
        """Return the local copy, fetched and checked if there is none. Raises `Unavailable` for other bytes."""
        path = self._folder / f"{extract.sha256}.parquet"
        if path.exists():
            return path
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._folder / f".{extract.sha256}.{secrets.token_hex(4)}"
        try:
            self._store.get_file(extract.bucket, extract.name, part)
            if file_sha256(part) != extract.sha256:
                raise Unavailable(_("Uttrekket i lageret er ikke det som ble publisert."), code="hash")
            os.replace(part, path)  # noqa: PTH105 - atomic, over a copy that another thread put there meanwhile
        finally:
            part.unlink(missing_ok=True)
        return path
