"""Objections: who is in no extract. Kept so that the table itself says nobody's number.

A number is kept as its AES block under a key of its own, which lies wrapped like every other key. For an extraction
the blocks are turned into the project's own, in memory; logs, audit and answers have counts and nothing else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Invalid, Problem, Unavailable, _
from hvelv.privacy.domain.identifiers import is_person_number
from hvelv.privacy.service.keys import Keys

KEY_NAME = "opt-outs"
EVERYTHING = "all"
NOTHING = "nothing"  # the fingerprint of a look that found neither objection nor changed number
MOST_ROWS = 1_000_000
EARLIEST_ZONE = timedelta(hours=14)  # where the day begins first: an objection holds from its day on, anywhere


@dataclass(frozen=True)
class Objection:
    """A person's block under the opt-out key, in hex; what is objected to; the first day on which it holds."""

    block: str
    scope: str
    since: date


@dataclass(frozen=True)
class Asked:
    """A dataset that a job reads, and who holds it."""

    dataset: str
    holder: str


@dataclass(frozen=True)
class Objections:
    """One look at the register, for all tables of one job. Neither key nor blocks are in its text form.

    `fingerprint`: a keyed digest of all that was seen, for comparing. `key`: the register's, empty where nothing is
    held. `canonical`: 16 bytes of a number's block and 16 of the block that stands for it now, in order of the first.
    """

    asked: tuple[Asked, ...]
    purpose: str
    fingerprint: str
    key: bytes = field(repr=False)
    canonical: bytes = field(repr=False)
    held: Mapping[str, bytes] = field(repr=False)

    def against(self, dataset: str) -> bytes:
        """Return the 16-byte blocks, in order, of those who are in no extract of `dataset`. Raises `KeyError` for one not asked for."""
        if dataset not in self.held:
            raise KeyError("the look at the register was not for this dataset")
        return self.held[dataset]


class ObjectionRows(Protocol):
    """Where objections are kept."""

    def add(self, session: Session, objections: Sequence[Objection], at: datetime) -> int:
        """Keep those that are new, move those that hold earlier than was known, and say how many both were."""
        ...

    def held(self, session: Session, scopes: Sequence[str], until: date) -> list[tuple[str, str]]:
        """Return scope and block of the objections in one of `scopes` that hold on the day `until`, in order."""
        ...

    def hold_still(self, session: Session) -> None:
        """Let nobody add objections before the transaction ends."""
        ...

    def datasets(self, session: Session) -> set[str]:
        """Return the datasets that can be objected to: those with an account."""
        ...


class Encryptor(Protocol):
    """Turns person numbers into blocks in hex under a key."""

    def hexes(self, key: bytes, numbers: Sequence[str]) -> list[str]:
        """Return a block in hex for each number."""
        ...

    def fingerprint(self, key: bytes, parts: Sequence[bytes]) -> str:
        """Return a digest of `parts` under the key, in hex."""
        ...


class OptOuts:
    """The register of objections."""

    def __init__(self, database: Database, rows: ObjectionRows, keys: Keys, encryptor: Encryptor, clock: Clock) -> None:
        self._database, self._rows, self._keys = database, rows, keys
        self._encryptor, self._clock = encryptor, clock

    def take_in(self, rows: Sequence[Mapping[str, Any]], actor: str) -> dict[str, int]:
        """Keep objections: `person_number`, `scope` (`all` or a dataset), `since` (ISO date).

        Returns how many were new or hold earlier than was known, and how many changed nothing: a date is never moved
        later. All or nothing: raises `Invalid` with row numbers.
        """
        with self._database.reading() as session:
            scopes = {EVERYTHING} | self._rows.datasets(session)
        checked = _checked(rows, scopes)
        with self._database.transaction() as unit:
            self._keys.ensure(unit, KEY_NAME, actor)
            key = self._keys.opened_in(unit.session, KEY_NAME)
            blocks = self._encryptor.hexes(key, [number for number, _scope, _since in checked])
            found = [Objection(b, scope, since) for b, (_n, scope, since) in zip(blocks, checked, strict=True)]
            added = self._rows.add(unit.session, found, self._clock.now())
            counts = {"added": added, "known": len(found) - added}
            unit.record(AuditEvent(actor, "opt-outs.imported", KEY_NAME, counts))
        return counts

    def look(self, asked: Sequence[Asked], purpose: str) -> Objections:
        """Return who is in no extract of what is `asked` for, for a `purpose`, as of now. For the extractor alone."""
        with self._database.reading() as session:
            return self._looked(session, tuple(asked), purpose)

    def expect(self, session: Session, seen: Objections) -> None:
        """Raise `Unavailable` if the objections are others than was `seen`; let nobody add any before the transaction ends.

        Whoever publishes what was made with `seen` calls it in the transaction that publishes.
        """
        self._rows.hold_still(session)
        if self._looked(session, seen.asked, seen.purpose).fingerprint != seen.fingerprint:
            raise Unavailable(
                _("Det er kommet nye reservasjoner; uttrekkene lages på nytt."), code="objections-changed"
            )

    def _looked(self, session: Session, asked: tuple[Asked, ...], purpose: str) -> Objections:
        today = (self._clock.now() + EARLIEST_ZONE).date()
        found = self._rows.held(session, (EVERYTHING, *(one.dataset for one in asked)), today)
        if not found:
            return Objections(asked, purpose, NOTHING, b"", b"", {one.dataset: b"" for one in asked})
        key = self._keys.opened_in(session, KEY_NAME)
        held = {
            one.dataset: b"".join(
                sorted({bytes.fromhex(block) for scope, block in found if scope in {EVERYTHING, one.dataset}})
            )
            for one in asked
        }
        seen = [part for name in sorted(held) for part in (name.encode(), held[name])]
        return Objections(asked, purpose, self._encryptor.fingerprint(key, seen), key, b"", held)


def _checked(rows: Sequence[Mapping[str, Any]], scopes: Collection[str]) -> list[tuple[str, str, date]]:
    if not 1 <= len(rows) <= MOST_ROWS:
        raise Invalid((Problem(_("Filen må ha fra 1 til {most} rader."), "rows", params={"most": MOST_ROWS}),))
    problems: list[Problem] = []
    found: list[tuple[str, str, date]] = []
    for number, row in enumerate(rows, start=1):
        fault = _fault(row, scopes)
        if fault:
            problems.append(Problem(fault[1], fault[0], number))
        else:
            found.append((row["person_number"], row["scope"], date.fromisoformat(row["since"])))
    if problems:
        raise Invalid(tuple(problems[:100]), _("Reservasjonene kan ikke tas inn slik de er. Ingen er tatt inn."))
    return found


def _fault(row: Mapping[str, Any], scopes: Collection[str]) -> tuple[str, str] | None:
    number, scope, since = row.get("person_number"), row.get("scope"), row.get("since")
    if not isinstance(number, str) or not is_person_number(number):
        return "person_number", _("Personnummeret må ha nøyaktig 11 sifre, uten mellomrom.")
    if not isinstance(scope, str) or scope not in scopes:
        return "scope", _("Omfanget må være «all» eller id-en til et datasett som er publisert.")
    try:
        date.fromisoformat(since if isinstance(since, str) else "")
    except ValueError:
        return "since", _("Datoen må skrives som ÅÅÅÅ-MM-DD.")
    return None
