"""Re-identification, on the custodian's side: asked for, approved by two, executed once, audited at each step by counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database, Transaction
from hvelv.kernel.errors import Denied, NotFound, NotPossible, _
from hvelv.kernel.ids import IdSource
from hvelv.privacy.domain.reidentification import MOST_REQUESTS, WINDOW, Approver, Case, Side, State, wanted
from hvelv.privacy.service.keys import Keys, ProjectKeys

UNKNOWN = _("Forespørselen finnes ikke.")


@dataclass(frozen=True)
class Source:
    """A permitted dataset's version: whose it is, and where its table and the person's column are."""

    holder: str
    bucket: str
    object_name: str
    column: str


class Facts(Protocol):
    """What the custodian itself knows of a project, by its own permit office and vault."""

    def people(self, project: str) -> frozenset[str]:
        """Return everyone whom the permit names. Raises `NotFound`."""
        ...

    def is_member_now(self, project: str, person: str) -> bool:
        """Say whether the permit is in force and names the person."""
        ...

    def source(self, project: str, dataset: str) -> Source:
        """Return a dataset of the permit. Raises `NotFound`."""
        ...


class CaseRows(Protocol):
    """Where requests are kept."""

    def add(self, session: Session, case: Case) -> None: ...
    def find(self, session: Session, case: str) -> Case | None: ...
    def all(self, session: Session) -> list[Case]: ...
    def move(self, session: Session, before: Case, after: Case) -> bool: ...
    def hold_still(self, session: Session) -> None: ...


class Finder(Protocol):
    """Looks for the people behind pseudonyms."""

    def find(self, source: Source, pseudonyms: Sequence[int], keys: ProjectKeys, dataset: str) -> Mapping[int, str]:
        """Return the person's number for each pseudonym that is found. Raises `Unavailable`."""
        ...


class Reidentification:
    """The only way back from a pseudonym."""

    def __init__(
        self,
        database: Database,
        rows: CaseRows,
        *,
        facts: Facts,
        keys: Keys,
        finder: Finder,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._database, self._rows, self._facts = database, rows, facts
        self._keys, self._finder, self._clock, self._ids = keys, finder, clock, ids

    def request(
        self, person: str, project: str, dataset: str, *, reason: str, text: str, pseudonyms: Sequence[str]
    ) -> dict[str, Any]:
        """Ask for some people to be found. Raises `Denied`, `Invalid`, `NotPossible` past the project's limit."""
        if not self._facts.is_member_now(project, person):
            raise Denied(_("Bare de som er med i prosjektet, kan be om dette."), code="not-a-member")
        kind, said, found = wanted(reason, text, pseudonyms)
        holder, now = self._facts.source(project, dataset).holder, self._clock.now()
        with self._database.transaction() as unit:
            self._rows.hold_still(unit.session)
            earlier = [c for c in self._rows.all(unit.session) if c.project == project and c.at > now - WINDOW]
            if len(earlier) >= MOST_REQUESTS:
                raise NotPossible(
                    _("Prosjektet kan be om dette {most} ganger på {days} dager."),
                    code="too-often",
                    most=MOST_REQUESTS,
                    days=WINDOW.days,
                )
            case = Case(self._ids.new("rid"), project, dataset, holder, kind, said, found, len(found), person, now)
            self._rows.add(unit.session, case)
            self._told(unit, person, "requested", case, reason=kind.value)
        return shown(case)

    def approve(self, by: Approver, case: str) -> dict[str, Any]:
        """Approve for one side. Raises `Denied`, `NotFound`, `NotPossible`."""
        with self._database.transaction() as unit:
            before = self._known(unit.session, case, by)
            after = before.approved(by, self._facts.people(before.project))
            self._move(unit, before, after)
            self._told(unit, by.person, "approved", after, side=by.side.value)
        return shown(after)

    def refuse(self, by: Approver, case: str) -> dict[str, Any]:
        """Refuse for one side. Raises like `approve`."""
        with self._database.transaction() as unit:
            before = self._known(unit.session, case, by)
            after = before.refused(by, self._facts.people(before.project))
            self._move(unit, before, after)
            self._told(unit, by.person, "refused", after, side=by.side.value)
        return shown(after)

    def withdraw(self, person: str, case: str) -> dict[str, Any]:
        """Take it back. Raises like `approve`."""
        with self._database.transaction() as unit:
            before = self._known(unit.session, case)
            if before.requester != person:
                raise NotFound(UNKNOWN)
            after = before.withdrawn(person)
            self._move(unit, before, after)
            self._told(unit, person, "withdrawn", after)
        return shown(after)

    def execute(self, by: Approver, case: str) -> list[tuple[int, str | None]]:
        """Return pseudonym and person's number, None where there is none, to the steward who approved: once.

        That it was done is durable before anybody is told. Raises like `approve`, and `NotPossible` without the key.
        """
        with self._database.reading() as session:
            before = self._known(session, case, by)
        after = before.executed(by, self._facts.people(before.project))
        source = self._facts.source(before.project, before.dataset)
        found = self._finder.find(source, before.pseudonyms, self._keys.project(before.project), before.dataset)
        with self._database.transaction() as unit:
            self._move(unit, before, after)
            self._told(unit, by.person, "executed", after, found=len(found))
        return [(pseudonym, found.get(pseudonym)) for pseudonym in before.pseudonyms]

    def all(self) -> list[dict[str, Any]]:
        """Return every request without its pseudonyms, the newest first."""
        with self._database.reading() as session:
            return [shown(case) for case in self._rows.all(session)]

    def _known(self, session: Session, case: str, by: Approver | None = None) -> Case:
        """Return the request. Another holder's steward is answered as if there were none."""
        found = self._rows.find(session, case)
        if found is None or (by is not None and by.side is Side.STEWARD and by.holder != found.holder):
            raise NotFound(UNKNOWN)
        return found

    def _move(self, unit: Transaction, before: Case, after: Case) -> None:
        if not self._rows.move(unit.session, before, after):
            raise NotPossible(_("Forespørselen ble endret av en annen samtidig. Ingenting er gjort."), code="changed")

    @staticmethod
    def _told(unit: Transaction, actor: str, what: str, case: Case, **detail: object) -> None:
        counts = {"case": case.id, "dataset": case.dataset, "pseudonyms": case.count, "state": case.state.value}
        unit.record(AuditEvent(actor, f"reidentification.{what}", case.project, {**counts, **detail}))


def shown(case: Case) -> dict[str, Any]:
    """Return what may be shown of a request: no pseudonym."""
    return {
        "id": case.id,
        "project": case.project,
        "dataset": case.dataset,
        "holder": case.holder,
        "reason": case.reason.value,
        "text": case.text,
        "count": case.count,
        "requester": case.requester,
        "at": case.at.isoformat(),
        "state": case.state.value,
        "steward": case.steward,
        "ethics": case.ethics,
        "over": case.state not in {State.REQUESTED, State.APPROVED},
    }
