"""Objections: who is in no extract. Kept so that the table itself says nobody's number.

A number is kept as its AES block under a key of its own, which lies wrapped like every other key. For an extraction
the blocks are turned into the project's own, in memory; logs, audit and answers have counts and nothing else.
What is said of any number that a person has or had holds for the person (hvelv.privacy.service.canonical).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Unavailable, _
from hvelv.privacy.domain.objecting import EVERYTHING, Act, RowCheck, Scopes, scopes_of
from hvelv.privacy.service.intake import Intake, Rows, taken_in
from hvelv.privacy.service.keys import Keys
from hvelv.privacy.service.register import Batch, BlockWork, ObjectionRows, ObjectionSheet

KEY_NAME = "opt-outs"
NOTHING = "nothing"  # the fingerprint of a look that found neither objection nor changed number
EARLIEST_ZONE = timedelta(hours=14)  # where a day begins first: an objection holds from its day on, anywhere
LATEST_ZONE = timedelta(hours=-12)  # where it begins last: an objection is withdrawn when it is so everywhere


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


def same_objectors(fingerprint: str, other: str) -> bool:
    """Say whether two looks for the same tables leave out the same people, whatever other numbers have changed."""
    return fingerprint.partition("-")[0] == other.partition("-")[0]


class OptOuts:
    """The register of objections. `purposes` and `holders`: what can be objected to besides datasets."""

    def __init__(
        self,
        database: Database,
        rows: ObjectionRows,
        keys: Keys,
        work: BlockWork,
        clock: Clock,
        *,
        purposes: Collection[str] = (),
        holders: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._database, self._rows, self._keys = database, rows, keys
        self._work, self._clock = work, clock
        self._purposes, self._holders = purposes, holders

    def take_in(self, rows: Rows, actor: str) -> dict[str, int]:
        """Keep objections: `person_number`, `scope`, `since`, and by whom: `by`, `representative`.

        Returns how many were new to the register. All or nothing: raises `Invalid` with row numbers.
        """
        return taken_in(lambda: self._sheet(Act.OBJECT, actor), rows)

    def withdraw(self, rows: Rows, actor: str) -> dict[str, int]:
        """Keep withdrawals, as objections are, with `until`: the first day on which the objection no longer holds."""
        return taken_in(lambda: self._sheet(Act.WITHDRAW, actor), rows)

    def intake(self, act: Act, actor: str) -> Intake:
        """Begin an import that comes in pieces."""
        return Intake(self._sheet(act, actor))

    def look(self, asked: Sequence[Asked], purpose: str) -> Objections:
        """Return who is in no extract of what is `asked` for, for a `purpose`, as of now. For the extractor alone."""
        with self._database.reading() as session:
            return self._looked(session, tuple(asked), purpose)

    def state(self) -> str:
        """Return a text that is another as soon as a look could see something else: nothing is ever taken out."""
        days = self._days()
        with self._database.reading() as session:
            size = self._rows.size(session)
        return f"{size} {days[Act.OBJECT]} {days[Act.WITHDRAW]}"

    def expect(self, session: Session, seen: Objections) -> None:
        """Raise `Unavailable` if the register says other than was `seen`; let nobody add to it before the transaction ends.

        Whoever publishes what was made with `seen` calls it in the transaction that publishes.
        """
        self._rows.hold_still(session)
        if self._looked(session, seen.asked, seen.purpose).fingerprint != seen.fingerprint:
            raise Unavailable(
                _("Det er kommet nye reservasjoner; uttrekkene lages på nytt."), code="objections-changed"
            )

    def count(self) -> dict[str, int]:
        """Return how many people object to anything today, how many objections of each kind hold, and how they came."""
        with self._database.reading() as session:
            said, pairs = self._rows.said(session, None, self._days()), self._rows.pairs(session)
            counts = self._rows.counts(session)
        wanted = {name: (name,) for name in said.names} | {"persons": said.names}
        found = {name: len(blocks) // 16 for name, blocks in self._work.reckoned(said, pairs, wanted).against.items()}
        kinds = dict.fromkeys((EVERYTHING, "purpose", "dataset", "holder"), 0)
        for name in said.names:
            kinds[name.partition(":")[0]] += found[name]
        return {"persons": found["persons"]} | kinds | counts

    def _days(self) -> dict[Act, date]:
        now = self._clock.now()
        return {Act.OBJECT: (now + EARLIEST_ZONE).date(), Act.WITHDRAW: (now + LATEST_ZONE).date()}

    def _looked(self, session: Session, asked: tuple[Asked, ...], purpose: str) -> Objections:
        wanted = {one.dataset: scopes_of(one.dataset, one.holder, purpose) for one in asked}
        scopes = sorted({scope for several in wanted.values() for scope in several})
        said, pairs = self._rows.said(session, scopes, self._days()), self._rows.pairs(session)
        found = self._work.reckoned(said, pairs, wanted)
        if not (found.canonical or any(found.against.values())):
            return Objections(asked, purpose, NOTHING, b"", b"", found.against)
        key = self._keys.opened_in(session, KEY_NAME)
        seen = [part for name in sorted(wanted) for part in (name.encode(), found.against[name])]
        who, numbers = (
            self._work.fingerprint(key, [*seen, found.leading]),
            self._work.fingerprint(key, [found.canonical]),
        )
        return Objections(asked, purpose, f"{who}-{numbers}", key, found.canonical, found.against)

    def _sheet(self, act: Act, actor: str) -> "ObjectionSheet":
        with self._database.transaction() as unit:
            self._keys.ensure(unit, KEY_NAME, actor)
            key = self._keys.opened_in(unit.session, KEY_NAME)
            datasets = self._rows.datasets(unit.session)
        check = RowCheck(act, Scopes(self._purposes, datasets, self._holders()).named())

        def store(batches: Sequence[Batch], total: int) -> dict[str, int]:
            now = self._clock.now()
            with self._database.transaction() as unit:
                added = self._rows.add(unit.session, act, batches, now)
                counts = {"added": added, "known": total - added}
                if act is Act.WITHDRAW:
                    counts["baseless"] = self._rows.baseless(unit.session, now)
                unit.record(AuditEvent(actor, RECORDED_AS[act], KEY_NAME, counts))
            return counts

        return ObjectionSheet(check, lambda numbers: self._work.blocks(key, numbers), store)


RECORDED_AS: Mapping[Act, str] = {Act.OBJECT: "opt-outs.imported", Act.WITHDRAW: "opt-outs.withdrawn"}
