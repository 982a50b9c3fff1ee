"""Looking for the people behind pseudonyms: every number of a source is encrypted again, in a stream, and compared.

The first 8 bytes of a block do not lead back by themselves, so there is no shorter way, and none for anyone without the
project's key. Numbers that have changed are followed as in an extraction: the answer is the number as it is now.

Meanwhile the source lies on the custodian's disk. What a killed search left there is removed at the next start, and
before the next search; a lock beside the folder tells what is left from what is in use.
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hvelv.kernel.errors import Unavailable, _
from hvelv.kernel.objects import ObjectStore
from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.service.keys import ProjectKeys
from hvelv.privacy.service.optouts import Asked, Objections
from hvelv.privacy.service.reidentification import Source

BATCH = 1 << 16
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoreFinder:
    """A `Finder` on the vault. `look`: what the register says of changed numbers; `folder`: where a source may lie meanwhile."""

    objects: ObjectStore
    folder: Path
    look: Callable[[Sequence[Asked], str], Objections]

    def find(self, source: Source, pseudonyms: Sequence[int], keys: ProjectKeys, dataset: str) -> Mapping[int, str]:
        """Return the person's number for each pseudonym that is found."""
        seen = self.look([Asked(dataset, source.holder)], "")
        try:
            with self._alone(fcntl.LOCK_EX), tempfile.TemporaryDirectory(dir=self.folder) as room:
                path = Path(room) / "source.parquet"
                self.objects.get_file(source.bucket, source.object_name, path)
                return found_in(path, source.column, pseudonyms, keys.persons, seen)
        except (pa.ArrowException, OSError, KeyError):
            raise Unavailable(_("Kilden kan ikke leses. Ingenting er gjort."), code="source") from None

    def tidy(self) -> None:
        """Remove what a killed search left, unless one is going on. For the start of a process."""
        if not self.folder.is_dir():
            return
        try:
            with self._alone(fcntl.LOCK_EX | fcntl.LOCK_NB):
                pass
        except BlockingIOError:
            return
        except OSError:
            log.warning("what a search for people left could not be removed")

    @contextmanager
    def _alone(self, how: int) -> Iterator[None]:
        """Hold the lock, with the folder there and empty. One search at a time. Raises `OSError`."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self.folder.with_name(f"{self.folder.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, how)
            for left in self.folder.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield
        finally:
            os.close(descriptor)


def found_in(path: Path, column: str, pseudonyms: Sequence[int], key: bytes, seen: Objections) -> dict[int, str]:
    """Return the number as it is now of those in the file whose pseudonym is one of `pseudonyms`."""
    cipher = PersonCipher(key)
    wanted = np.array(sorted(pseudonyms), np.uint64)
    changed = _changed(seen, cipher, wanted)
    register = PersonCipher(seen.key) if changed else None
    found: dict[int, str] = {}
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH, columns=[column]):
            numbers = batch.column(0).drop_null()
            blocks = cipher.blocks(numbers)[:, 0]
            for place in np.flatnonzero(np.isin(blocks, wanted)):
                found[int(blocks[place])] = str(numbers[int(place)])
            if register is not None:
                for block in _rows(register.blocks(numbers)):
                    if block in changed:
                        pseudonym, number = changed[block]
                        found[pseudonym] = number
            if len(found) == len(wanted):
                break
    return found


def _changed(seen: Objections, cipher: PersonCipher, wanted: Any) -> dict[bytes, tuple[int, str]]:
    """Return the register's blocks of numbers whose present number has a pseudonym that is wanted, and both of these."""
    if not seen.canonical:
        return {}
    pairs = np.frombuffer(seen.canonical, "<u8").reshape(-1, 2, 2)  # old and new block, two words each
    numbers = PersonCipher(seen.key).ids(np.ascontiguousarray(pairs[:, 1]))
    pseudonyms = cipher.blocks(numbers)[:, 0]
    places = np.flatnonzero(np.isin(pseudonyms, wanted))
    mapped = {}
    for place in places:
        pair = int(pseudonyms[place]), str(numbers[int(place)])
        mapped[pairs[place, 0].tobytes()] = mapped[pairs[place, 1].tobytes()] = pair
    return mapped


def _rows(blocks: Any) -> list[bytes]:
    data = blocks.tobytes()
    return [data[start : start + 16] for start in range(0, len(data), 16)]
