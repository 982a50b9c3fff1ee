"""Persons who change number: which number stands for which.

A pair says that one number was succeeded by another (a D-number by a birth number). Both are kept as blocks under the
register's key. Whoever had D1, then D2, then F is F, in extracts and among those who object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.objecting import Fault, is_number
from hvelv.privacy.service.intake import MOST_PROBLEMS, Intake, Rows, taken_in
from hvelv.privacy.service.keys import Keys
from hvelv.privacy.service.optouts import KEY_NAME

REFUSAL = _("Nummerbyttene kan ikke tas inn slik de er. Ingen er tatt inn.")


@dataclass(frozen=True)
class PairFaults:
    """Which of the offered pairs cannot be: places among them, from 0."""

    forked: tuple[int, ...]
    circular: tuple[int, ...]


class CanonicalRows(Protocol):
    """Where pairs are kept."""

    def alone(self, session: Session) -> None:
        """Let nobody else add pairs before the transaction ends."""
        ...

    def pairs(self, session: Session) -> bytes:
        """Return 16 bytes of each old block and 16 of its successor's, in no order."""
        ...

    def add(self, session: Session, pairs: bytes, at: datetime) -> int:
        """Keep the pairs that are new, and say how many they were."""
        ...

    def count(self, session: Session) -> int:
        """Return how many pairs there are."""
        ...


class PairWork(Protocol):
    """What is done with pairs in whole buffers."""

    def blocks(self, key: bytes, numbers: Sequence[str]) -> bytes:
        """Return a 16-byte block for each number."""
        ...

    def joined(self, old: bytes, new: bytes) -> bytes:
        """Return the blocks in pairs."""
        ...

    def faults(self, stored: bytes, offered: bytes) -> PairFaults:
        """Return the offered pairs that give a number two successors, or lead back to where they began."""
        ...


class CanonicalPersons:
    """The table of changed numbers."""

    def __init__(self, database: Database, rows: CanonicalRows, keys: Keys, work: PairWork, clock: Clock) -> None:
        self._database, self._rows, self._keys = database, rows, keys
        self._work, self._clock = work, clock

    def take_in(self, rows: Rows, actor: str) -> dict[str, int]:
        """Keep pairs: `old`, `new`. Returns how many were new. All or nothing: raises `Invalid` with row numbers."""
        return taken_in(lambda: PairSheet(self, actor), rows)

    def intake(self, actor: str) -> Intake:
        """Begin an import that comes in pieces."""
        return Intake(PairSheet(self, actor))

    def count(self) -> dict[str, int]:
        """Return how many changes of number are known."""
        with self._database.reading() as session:
            return {"pairs": self._rows.count(session)}

    def key(self, actor: str) -> bytes:
        """Return the register's key, made if there never was one."""
        with self._database.transaction() as unit:
            self._keys.ensure(unit, KEY_NAME, actor)
            return self._keys.opened_in(unit.session, KEY_NAME)

    def blocks(self, key: bytes, rows: Rows) -> bytes:
        """Return the pairs of good rows as blocks."""
        old, new = ([row[name] for row in rows] for name in PairSheet.columns)
        return self._work.joined(self._work.blocks(key, old), self._work.blocks(key, new))

    def store(self, pairs: bytes, places: Sequence[int], actor: str) -> dict[str, int]:
        """Store pairs, which stood at `places`, all at once. Raises `Invalid` with the places of those that cannot be."""
        with self._database.transaction() as unit:
            self._rows.alone(unit.session)
            faults = self._work.faults(self._rows.pairs(unit.session), pairs)
            if problems := _problems(faults, places):
                raise Invalid(problems, REFUSAL)
            added = self._rows.add(unit.session, pairs, self._clock.now())
            counts = {"added": added, "known": len(places) - added}
            unit.record(AuditEvent(actor, "canonical.imported", KEY_NAME, counts))
        return counts


class PairSheet:
    """Rows of changed numbers on their way in."""

    columns: tuple[str, ...] = ("old", "new")
    optional: tuple[str, ...] = ()
    refusal = REFUSAL

    def __init__(self, persons: CanonicalPersons, actor: str) -> None:
        self._persons, self._actor = persons, actor
        self._key = persons.key(actor)
        self._pairs = bytearray()
        self._places: list[int] = []

    def fault(self, row: Mapping[str, Any]) -> Fault | None:
        """Return what is wrong with a row."""
        for name in self.columns:
            if not is_number(row.get(name)):
                return name, _("Personnummeret må ha nøyaktig 11 sifre, uten mellomrom.")
        return ("new", _("Et nummer kan ikke etterfølge seg selv.")) if row["old"] == row["new"] else None

    def keep(self, rows: Rows, places: Sequence[int]) -> None:
        """Remember good rows as blocks."""
        self._pairs += self._persons.blocks(self._key, rows)
        self._places.extend(places)

    def store(self) -> dict[str, int]:
        """Store what was remembered, all at once."""
        return self._persons.store(bytes(self._pairs), self._places, self._actor)


def _problems(faults: PairFaults, places: Sequence[int]) -> tuple[Problem, ...]:
    forked = _("Nummeret har allerede en annen etterfølger.")
    circular = _("Nummerbyttene går i ring.")
    found = [Problem(forked, "old", places[i]) for i in faults.forked]
    found += [Problem(circular, "new", places[i]) for i in faults.circular]
    return tuple(sorted(found, key=lambda problem: problem.row or 0)[:MOST_PROBLEMS])
