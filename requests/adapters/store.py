"""Rows of applications, in the registry's database.

What is said of a revision is one row each and never changed, so unique constraints stand behind the rules: one vote a
person, one line of history a place. The application's own row carries the counter that no update can pass unseen.
"""

import json
from typing import Any

from sqlalchemy import Text, UniqueConstraint, update
from sqlalchemy.engine import CursorResult
from sqlmodel import Field, Session, SQLModel, col, select

from hvelv.kernel.canonical import canonical
from hvelv.kernel.database import RegistryRow
from hvelv.kernel.ids import ApplicationId, DatasetId, HolderId, PersonId
from hvelv.kernel.rows import iso, moment
from hvelv.requests.domain.application import Application, Event
from hvelv.requests.domain.draft import Draft
from hvelv.requests.domain.lifecycle import Action, State
from hvelv.requests.domain.review import Choice, Conclusion, Conflict, StewardDecision, Vote
from hvelv.requests.domain.revision import Revision


class ApplicationRow(RegistryRow, table=True):
    """An application as it stands."""

    __tablename__ = "requests_application"

    id: str = Field(primary_key=True, max_length=64)
    lead: str = Field(max_length=64, index=True)
    created_at: str = Field(max_length=40)
    state: str = Field(max_length=20, index=True)
    version: int
    draft: str = Field(sa_type=Text)


class RevisionRow(RegistryRow, table=True):
    """A frozen revision."""

    __tablename__ = "requests_revision"
    __table_args__ = (UniqueConstraint("hash"),)

    application: str = Field(primary_key=True, max_length=64, foreign_key="requests_application.id")
    number: int = Field(primary_key=True)
    hash: str = Field(max_length=64)
    answers: str = Field(sa_type=Text)
    submitted_at: str = Field(max_length=40)


class VoteRow(RegistryRow, table=True):
    """A committee member's vote."""

    __tablename__ = "requests_vote"

    revision: str = Field(primary_key=True, max_length=64)
    person: str = Field(primary_key=True, max_length=64)
    application: str = Field(max_length=64, foreign_key="requests_application.id", index=True)
    choice: str = Field(max_length=10)
    reason: str = Field(sa_type=Text)
    at: str = Field(max_length=40)


class DecisionRow(RegistryRow, table=True):
    """A data holder's answer."""

    __tablename__ = "requests_decision"

    revision: str = Field(primary_key=True, max_length=64)
    holder: str = Field(primary_key=True, max_length=64)
    person: str = Field(primary_key=True, max_length=64)
    application: str = Field(max_length=64, foreign_key="requests_application.id", index=True)
    choice: str = Field(max_length=10)
    granted: str = Field(sa_type=Text)
    conditions: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    at: str = Field(max_length=40)


class ConflictRow(RegistryRow, table=True):
    """A declared conflict of interest."""

    __tablename__ = "requests_conflict"

    application: str = Field(primary_key=True, max_length=64, foreign_key="requests_application.id")
    person: str = Field(primary_key=True, max_length=64)
    reason: str = Field(sa_type=Text)
    at: str = Field(max_length=40)


class EventRow(RegistryRow, table=True):
    """One line of an application's history."""

    __tablename__ = "requests_event"

    application: str = Field(primary_key=True, max_length=64, foreign_key="requests_application.id")
    place: int = Field(primary_key=True)
    at: str = Field(max_length=40)
    by: str = Field(max_length=64)
    action: str = Field(max_length=20)
    state: str = Field(max_length=20)
    reason: str = Field(sa_type=Text)


class ConclusionRow(RegistryRow, table=True):
    """What a review was concluded by: the votes that were counted, and who was in the chair."""

    __tablename__ = "requests_conclusion"

    application: str = Field(primary_key=True, max_length=64, foreign_key="requests_application.id")
    revision: str = Field(max_length=64)
    voters: str = Field(sa_type=Text)
    chair: str | None = Field(default=None, max_length=64)


class SqlApplicationRows:
    """Applications in SQL."""

    def get(self, session: Session, application: str) -> Application | None:
        """Return one application with everything said of it."""
        row = session.get(ApplicationRow, application, populate_existing=True)
        return _application(session, row) if row else None

    def all(self, session: Session) -> tuple[Application, ...]:
        """Return every application, oldest first."""
        rows = session.exec(select(ApplicationRow).order_by(ApplicationRow.created_at)).all()
        return tuple(_application(session, row) for row in rows)

    def add(self, session: Session, application: Application) -> None:
        """Keep a new application."""
        session.add(
            ApplicationRow(
                id=application.id,
                lead=application.lead,
                created_at=iso(application.created_at),
                state=application.state.value,
                version=application.version,
                draft=_text(application.draft.as_dict()),
            )
        )

    def save(self, session: Session, before: Application, after: Application) -> bool:
        """Keep `after` if the application still is as in `before`; False, and nothing kept, when another was first."""
        result = session.execute(
            update(ApplicationRow)
            .where(col(ApplicationRow.id) == before.id, col(ApplicationRow.version) == before.version)
            .values(state=after.state.value, version=before.version + 1, draft=_text(after.draft.as_dict()))
        )
        if not isinstance(result, CursorResult) or result.rowcount != 1:
            return False
        session.add_all(_new_rows(before, after))
        session.flush()
        return True


def _text(document: Any) -> str:
    return canonical(document).decode()


def _new_rows(before: Application, after: Application) -> list[SQLModel]:
    """Return rows for what `after` has more than `before`; nothing that was said is ever changed."""
    app = after.id
    return [
        *(
            RevisionRow(
                application=app,
                number=r.number,
                hash=r.hash,
                answers=_text(r.answers.as_dict()),
                submitted_at=iso(r.submitted_at),
            )
            for r in after.revisions[len(before.revisions) :]
        ),
        *(
            VoteRow(
                application=app, revision=v.revision, person=v.person, choice=v.choice, reason=v.reason, at=iso(v.at)
            )
            for v in after.votes[len(before.votes) :]
        ),
        *(
            DecisionRow(
                application=app,
                revision=d.revision,
                holder=d.holder,
                person=d.person,
                choice=d.choice,
                granted=_text(dict(d.granted)),
                conditions=_text(list(d.conditions)),
                reason=d.reason,
                at=iso(d.at),
            )
            for d in after.decisions[len(before.decisions) :]
        ),
        *(
            ConflictRow(application=app, person=c.person, reason=c.reason, at=iso(c.at))
            for c in after.conflicts[len(before.conflicts) :]
        ),
        *(
            EventRow(
                application=app, place=place, at=iso(e.at), by=e.by, action=e.action, state=e.state, reason=e.reason
            )
            for place, e in enumerate(after.history)
            if place >= len(before.history)
        ),
        *(
            ConclusionRow(application=app, revision=c.revision, voters=_text(sorted(c.voters)), chair=c.chair)
            for c in (after.conclusion,)
            if c is not None and before.conclusion is None
        ),
    ]


def _application(session: Session, row: ApplicationRow) -> Application:
    lead = PersonId(row.lead)
    app = ApplicationId(row.id)
    revisions = session.exec(
        select(RevisionRow).where(RevisionRow.application == app).order_by(col(RevisionRow.number))
    ).all()
    votes = session.exec(select(VoteRow).where(VoteRow.application == app).order_by(VoteRow.at, VoteRow.person)).all()
    decisions = session.exec(
        select(DecisionRow).where(DecisionRow.application == app).order_by(DecisionRow.at, DecisionRow.person)
    ).all()
    conflicts = session.exec(
        select(ConflictRow).where(ConflictRow.application == app).order_by(ConflictRow.at, ConflictRow.person)
    ).all()
    events = session.exec(select(EventRow).where(EventRow.application == app).order_by(col(EventRow.place))).all()
    conclusion = session.get(ConclusionRow, app, populate_existing=True)
    return Application(
        app,
        lead,
        moment(row.created_at),
        State(row.state),
        row.version,
        Draft.from_dict(json.loads(row.draft)),
        tuple(
            Revision(app, r.number, lead, Draft.from_dict(json.loads(r.answers)), moment(r.submitted_at))
            for r in revisions
        ),
        tuple(Vote(v.revision, PersonId(v.person), Choice(v.choice), v.reason, moment(v.at)) for v in votes),
        tuple(_decision(d) for d in decisions),
        tuple(Conflict(PersonId(c.person), c.reason, moment(c.at)) for c in conflicts),
        tuple(Event(moment(e.at), e.by, Action(e.action), State(e.state), e.reason) for e in events),
        _conclusion(conclusion) if conclusion else None,
    )


def _conclusion(row: ConclusionRow) -> Conclusion:
    voters = frozenset(PersonId(person) for person in json.loads(row.voters))
    return Conclusion(row.revision, voters, PersonId(row.chair) if row.chair else None)


def _decision(row: DecisionRow) -> StewardDecision:
    granted = json.loads(row.granted)
    return StewardDecision(
        row.revision,
        HolderId(row.holder),
        PersonId(row.person),
        Choice(row.choice),
        tuple((DatasetId(d), int(rho)) for d, rho in sorted(granted.items())),
        tuple(json.loads(row.conditions)),
        row.reason,
        moment(row.at),
    )
