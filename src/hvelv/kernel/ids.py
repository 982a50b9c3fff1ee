"""Names of things. An id says what it names (`app-…`, `p-…`) and carries nothing else."""

import secrets
from typing import NewType, Protocol

PersonId = NewType("PersonId", str)
HolderId = NewType("HolderId", str)
DatasetId = NewType("DatasetId", str)
ApplicationId = NewType("ApplicationId", str)
ProjectId = NewType("ProjectId", str)
ReleaseId = NewType("ReleaseId", str)
ExportId = NewType("ExportId", str)

ALPHABET = "abcdefghjkmnpqrstvwxyz23456789"  # no letters that are read as others; fits URLs, buckets and host names
LENGTH = 10  # 30^10 ≈ 2^49 names of each kind


class IdSource(Protocol):
    """A source of new names."""

    def new(self, prefix: str) -> str:
        """Return a name that was not given before, `prefix-…`."""
        ...


class RandomIds:
    """Unguessable names from the system's random source."""

    def new(self, prefix: str) -> str:
        """Return a random name."""
        return f"{prefix}-" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


class CountedIds:
    """Names in order, for tests."""

    def __init__(self) -> None:
        self._given = 0

    def new(self, prefix: str) -> str:
        """Return the next name."""
        self._given += 1
        return f"{prefix}-{self._given:04d}"
