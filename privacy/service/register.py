"""The register's rows: what comes in, what lies there, and what is asked of the two that keep and reckon."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.kernel.errors import _
from hvelv.privacy.domain.objecting import DAY_FIELD, Act, By, Fault, RowCheck
from hvelv.privacy.service.intake import Rows


@dataclass(frozen=True)
class Batch:
    """Rows on their way into the register, column by column. A missing representative is empty."""

    blocks: bytes
    scopes: Sequence[str]
    days: Sequence[str]
    relations: Sequence[str]
    representatives: Sequence[bytes]


@dataclass(frozen=True)
class Events:
    """What was said, column by column, in no order. `scopes`: places in `names`; `days`: ordinals; `objecting`: 0 or 1."""

    names: tuple[str, ...]
    blocks: bytes = field(repr=False)
    scopes: "array[int]" = field(repr=False)
    days: "array[int]" = field(repr=False)
    objecting: "array[int]" = field(repr=False)


@dataclass(frozen=True)
class Reckoned:
    """What holds: by what was asked, the blocks of those who object; the pairs in order; those that lead to objectors."""

    against: Mapping[str, bytes]
    canonical: bytes
    leading: bytes


class ObjectionRows(Protocol):
    """Where objections are kept."""

    def add(self, session: Session, act: Act, batches: Sequence[Batch], at: datetime) -> int:
        """Keep what was not said before, and say how much that was."""
        ...

    def said(self, session: Session, scopes: Sequence[str] | None, days: Mapping[Act, date]) -> Events:
        """Return what was said about `scopes` (None: any) until the day given for each act."""
        ...

    def pairs(self, session: Session) -> bytes:
        """Return the changed numbers: 16 bytes of the old block and 16 of its successor's, in no order."""
        ...

    def baseless(self, session: Session, at: datetime) -> int:
        """Return how many withdrawals of the moment `at` follow no objection of the same number to the same scope."""
        ...

    def hold_still(self, session: Session) -> None:
        """Let nobody add anything before the transaction ends."""
        ...

    def datasets(self, session: Session) -> set[str]:
        """Return the datasets that can be objected to: those with an account."""
        ...

    def size(self, session: Session) -> int:
        """Return how many rows there are in all."""
        ...

    def counts(self, session: Session) -> dict[str, int]:
        """Return how much was said on another's behalf, and how much withdrawn."""
        ...


class BlockWork(Protocol):
    """What is done with numbers and blocks in whole buffers."""

    def blocks(self, key: bytes, numbers: Sequence[str]) -> bytes:
        """Return a 16-byte block for each number."""
        ...

    def reckoned(self, events: Events, pairs: bytes, wanted: Mapping[str, Sequence[str]]) -> Reckoned:
        """Return what holds for each of `wanted`, a name with the scopes that hit it."""
        ...

    def fingerprint(self, key: bytes, parts: Sequence[bytes]) -> str:
        """Return a digest of `parts` under the key, in hex."""
        ...


class ObjectionSheet:
    """Rows of objections or withdrawals on their way in."""

    optional: tuple[str, ...] = ("by", "representative")
    refusal = _("Reservasjonene kan ikke tas inn slik de er. Ingen er tatt inn.")

    def __init__(
        self,
        check: RowCheck,
        blocks: Callable[[Sequence[str]], bytes],
        store: Callable[[Sequence[Batch], int], dict[str, int]],
    ) -> None:
        self._check, self._blocks, self._store = check, blocks, store
        self._batches: list[Batch] = []
        self._total = 0
        self.columns = check.columns

    def fault(self, row: Mapping[str, Any]) -> Fault | None:
        """Return what is wrong with a row."""
        return self._check.fault(row)

    def keep(self, rows: Rows, _places: Sequence[int]) -> None:
        """Remember good rows as blocks."""
        day, scopes = DAY_FIELD[self._check.act], self._check.scopes
        self._total += len(rows)
        self._batches.append(
            Batch(
                self._blocks([row["person_number"] for row in rows]),
                [scopes[row["scope"]] for row in rows],
                [row[day] for row in rows],
                [row.get("by") or By.SELF.value for row in rows],
                self._representatives([row.get("representative") or "" for row in rows]),
            )
        )

    def _representatives(self, numbers: Sequence[str]) -> list[bytes]:
        raw = self._blocks([number for number in numbers if number])
        blocks = iter(raw[i : i + 16] for i in range(0, len(raw), 16))
        return [next(blocks) if number else b"" for number in numbers]

    def store(self) -> dict[str, int]:
        """Store what was remembered, all at once."""
        return self._store(self._batches, self._total)
