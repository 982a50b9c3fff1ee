"""Releases that take their time: wished for now, paid for and made by a worker, fetched later.

A wish can be taken back until its work begins, and then no more: the charge comes first, and nothing is paid back. A worker
that dies is followed by another, which finishes the same charge under the wish's own key.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.kernel.audit import AuditEvent
from hvelv.kernel.canonical import canonical
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import NotFound, NotPossible, Refusal, Unavailable, _
from hvelv.kernel.ids import IdSource
from hvelv.privacy.domain.wishes import MOVES, Wish, WishState
from hvelv.privacy.service.jobs import Job, Jobs, JobState
from hvelv.privacy.service.releases import PermitCheck, Releases, key_from

KIND = "release"
MOST_WAITING = 20  # of one project at a time
Told = Callable[[int, int, str], None]


class WishRows(Protocol):
    """Where wishes are kept."""

    def add(self, session: Session, wish: Wish) -> bool:
        """Keep a wish unless the project has one with its key. Says whether it was kept."""
        ...

    def find(
        self, session: Session, *, wish: str | None = None, project: str | None = None, key: str | None = None
    ) -> list[Wish]:
        """Return the wishes that are asked for, newest first."""
        ...

    def move(self, session: Session, before: Wish, after: Wish) -> bool:
        """Write where a wish stands now, if it still stands where it did. Says whether it did."""
        ...


class Background:
    """The list of wishes."""

    def __init__(
        self,
        database: Database,
        rows: WishRows,
        *,
        releases: Releases,
        jobs: Jobs,
        permits: PermitCheck,
        clock: Clock,
        ids: IdSource,
    ) -> None:
        self._database, self._rows, self._releases, self._jobs = database, rows, releases, jobs
        self._permits, self._clock, self._ids = permits, clock, ids

    def wish(
        self, project: str, person: str, document: object, rho_micro: object, key: object, *, again: bool = False
    ) -> dict[str, Any]:
        """Put a release on the list, if it fits; the same key again returns the wish that is there. Nothing is charged.

        Raises `Denied`, `Invalid` and `NotFound` as a release does.
        """
        key = key_from(key)
        quote = self._releases.quote(project, person, document, rho_micro)
        now = self._clock.now()
        wish = Wish(
            self._ids.new("ask"), project, person, canonical(document).decode(), quote["rho_micro"], key, again, now
        )
        with self._database.transaction() as unit:
            waiting = [w for w in self._rows.find(unit.session, project=project) if w.state is WishState.WAITING]
            if len(waiting) >= MOST_WAITING:
                message = _("Prosjektet har alt {most} spørringer som venter på tur.")
                raise NotPossible(message, code="too-many", most=MOST_WAITING)
            if self._rows.add(unit.session, wish):
                self._jobs.queue(unit, wish.id, KIND, "")
                unit.record(AuditEvent(person, "release.wished", project, {"wish": wish.id}))
            else:
                wish = self._rows.find(unit.session, project=project, key=key)[0]
        return self._told(wish)

    def all(self, project: str, person: str) -> list[dict[str, Any]]:
        """Return the project's wishes, newest first."""
        self._permits.permission(project, person)
        with self._database.reading() as session:
            found = self._rows.find(session, project=project)
        return [self._told(wish) for wish in found]

    def one(self, project: str, person: str, wish: str) -> dict[str, Any]:
        """Return where a wish stands. Raises `NotFound`, also for another project's."""
        self._permits.permission(project, person)
        return self._told(self._of(project, wish))

    def cancel(self, project: str, person: str, wish: str) -> dict[str, Any]:
        """Take a wish back. Raises `NotPossible` once its work has begun."""
        self._permits.permission(project, person)
        found = self._of(project, wish)
        if found.state is WishState.CANCELLED:
            return self._told(found)
        if not found.may(WishState.CANCELLED) or not self._move(found, WishState.CANCELLED, person):
            raise NotPossible(_("Arbeidet er begynt, og det er betalt for. Det kan ikke tas tilbake."), code="begun")
        self._jobs.done(wish)
        return self._told(self._of(project, wish))

    def work(self, job: Job, told: Told) -> None:
        """Make the release that a job is for; done twice it is made once. Raises `Unavailable` to be tried again."""
        with self._database.reading() as session:
            found = self._rows.find(session, wish=job.id)
        if not found:
            raise NotFound(_("Spørringen finnes ikke."), code="no-wish")
        wish = found[0]
        if wish.state is WishState.WAITING and not self._move(wish, WishState.WORKING, "workflow:release"):
            return  # taken back just now
        if wish.state not in {WishState.WAITING, WishState.WORKING}:
            return
        wish = replace(wish, state=WishState.WORKING)
        try:
            release = self._releases.release(
                wish.project,
                wish.person,
                json.loads(wish.question),
                wish.rho_micro,
                wish.key,
                again=wish.again,
                told=lambda step, of: told(step, of, _("Måler og legger på støy")),
            )
        except Unavailable:
            raise
        except Refusal as refusal:
            self._move(wish, WishState.FAILED, "workflow:release", message=str(refusal))
            return
        self._move(wish, WishState.DONE, "workflow:release", release=str(release["id"]))

    def _of(self, project: str, wish: str) -> Wish:
        with self._database.reading() as session:
            found = self._rows.find(session, wish=wish, project=project)
        if not found:
            raise NotFound(_("Prosjektet har ingen slik spørring på listen."), code="no-wish")
        return found[0]

    def _move(self, wish: Wish, state: WishState, actor: str, *, release: str = "", message: str = "") -> bool:
        after = replace(wish, state=state, release=release, message=message)
        with self._database.transaction() as unit:
            moved = self._rows.move(unit.session, wish, after)
            if moved:
                unit.record(AuditEvent(actor, f"wish.{state}", wish.project, {"wish": wish.id}))
        return moved

    def _told(self, wish: Wish) -> dict[str, Any]:
        job = self._jobs.job(wish.id)
        given_up = job.state is JobState.FAILED and bool(MOVES[wish.state])
        return {
            "id": wish.id,
            "state": (WishState.FAILED if given_up else wish.state).value,
            "step": job.step,
            "steps": job.steps,
            "message": wish.message or job.message,
            "release": wish.release or None,
            "rho_micro": wish.rho_micro,
            "at": wish.at.isoformat(),
        }
