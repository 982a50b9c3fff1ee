"""Published extracts, fetched from the object store once and kept by their hash where only the custodian reads."""

import os
import secrets
from collections.abc import Collection
from pathlib import Path

from hvelv.kernel.errors import Unavailable, _
from hvelv.kernel.objects import ObjectStore
from hvelv.privacy.adapters.files import file_sha256
from hvelv.privacy.service.extracts import Part


class CachedExtracts:
    """The `ExtractReader` on an object store."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self._store, self._folder = store, folder

    def path(self, bucket: str, part: Part) -> Path:
        """Return the local copy, fetched and checked if there is none. Raises `Unavailable` for other bytes."""
        path = self._local(part)
        if path.exists():
            return path
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        piece = self._folder / f".{part.sha256}.{secrets.token_hex(4)}"
        try:
            self._store.get_file(bucket, part.name, piece)
            if file_sha256(piece) != part.sha256:
                raise Unavailable(_("Uttrekket i lageret er ikke det som ble publisert."), code="hash")
            os.replace(piece, path)  # noqa: PTH105 - atomic, over a copy that another thread put there meanwhile
        finally:
            piece.unlink(missing_ok=True)
        return path

    def forget(self, parts: Collection[Part]) -> None:
        """Remove the local copies."""
        for part in parts:
            self._local(part).unlink(missing_ok=True)

    def _local(self, part: Part) -> Path:
        return self._folder / f"{part.sha256}.parquet"
