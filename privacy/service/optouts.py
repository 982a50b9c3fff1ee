"""Objections: who is in no extract. Kept so that the table itself says nobody's number.

A number is kept as its AES block under a key of its own, which lies wrapped like every other key. For an extraction
the blocks are turned into the project's own, in memory; logs, audit and answers have counts and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.identifiers import is_person_number
from hvelv.privacy.service.keys import Keys

KEY_NAME = "opt-outs"
EVERYTHING = "all"
MOST_ROWS = 1_000_000
LONGEST_SCOPE = 80


@dataclass(frozen=True)
class Objection:
    """A person's block under the opt-out key, in hex; what is objected to; the first day on which it holds."""

    block: str
    scope: str
    since: date


class ObjectionRows(Protocol):
    """Where objections are kept."""

    def add(self, session: Session, objections: Sequence[Objection], at: datetime) -> int:
        """Keep those that are not known and say how many they were."""
        ...

    def blocks(self, session: Session, scopes: Sequence[str], until: date) -> list[str]:
        """Return the blocks with an objection in one of `scopes` that holds on the day `until`."""
        ...


class Encryptor(Protocol):
    """Turns person numbers into blocks in hex under a key."""

    def hexes(self, key: bytes, numbers: Sequence[str]) -> list[str]:
        """Return a block in hex for each number."""
        ...


class OptOuts:
    """The register of objections."""

    def __init__(self, database: Database, rows: ObjectionRows, keys: Keys, encryptor: Encryptor, clock: Clock) -> None:
        self._database, self._rows, self._keys = database, rows, keys
        self._encryptor, self._clock = encryptor, clock

    def take_in(self, rows: Sequence[Mapping[str, Any]], actor: str) -> dict[str, int]:
        """Keep objections: `person_number`, `scope` (`all` or a dataset), `since` (ISO date).

        Returns how many were new and how many were known. All or nothing: raises `Invalid` with row numbers.
        """
        checked = _checked(rows)
        with self._database.transaction() as unit:
            self._keys.ensure(unit, KEY_NAME, actor)
            key = self._keys.opened_in(unit.session, KEY_NAME)
            blocks = self._encryptor.hexes(key, [number for number, _scope, _since in checked])
            found = [Objection(b, scope, since) for b, (_n, scope, since) in zip(blocks, checked, strict=True)]
            added = self._rows.add(unit.session, found, self._clock.now())
            counts = {"added": added, "known": len(found) - added}
            unit.record(AuditEvent(actor, "opt-outs.imported", KEY_NAME, counts))
        return counts

    def against(self, dataset: str) -> tuple[bytes, list[str]]:
        """Return the opt-out key and the blocks of those who are in no extract of `dataset` from today.

        For the extractor alone. Without any objection, the key is empty.
        """
        with self._database.reading() as session:
            today = self._clock.now().date()
            blocks = self._rows.blocks(session, (EVERYTHING, dataset), today)
            return (self._keys.opened_in(session, KEY_NAME), blocks) if blocks else (b"", [])


def _checked(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, date]]:
    if not 1 <= len(rows) <= MOST_ROWS:
        raise Invalid((Problem(_("Filen må ha fra 1 til {most} rader."), "rows", params={"most": MOST_ROWS}),))
    problems: list[Problem] = []
    found: list[tuple[str, str, date]] = []
    for number, row in enumerate(rows, start=1):
        fault = _fault(row)
        if fault:
            problems.append(Problem(fault[1], fault[0], number))
        else:
            found.append((row["person_number"], row["scope"], date.fromisoformat(row["since"])))
    if problems:
        raise Invalid(tuple(problems[:100]), _("Reservasjonene kan ikke tas inn slik de er. Ingen er tatt inn."))
    return found


def _fault(row: Mapping[str, Any]) -> tuple[str, str] | None:
    number, scope, since = row.get("person_number"), row.get("scope"), row.get("since")
    if not isinstance(number, str) or not is_person_number(number):
        return "person_number", _("Personnummeret må ha nøyaktig 11 sifre, uten mellomrom.")
    if not isinstance(scope, str) or not 0 < len(scope) <= LONGEST_SCOPE:
        return "scope", _("Omfanget må være «all» eller et datasett.")
    try:
        date.fromisoformat(since if isinstance(since, str) else "")
    except ValueError:
        return "since", _("Datoen må skrives som ÅÅÅÅ-MM-DD.")
    return None
