"""An application: the draft in the applicant's hands, the revisions submitted, and everything said about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from hvelv.kernel.errors import NotPossible, _
from hvelv.kernel.ids import ApplicationId, PersonId
from hvelv.kernel.people import Person
from hvelv.requests.domain.draft import Draft
from hvelv.requests.domain.lifecycle import Action, State, next_state
from hvelv.requests.domain.review import Conclusion, Conflict, StewardDecision, Tally, Vote, tally
from hvelv.requests.domain.revision import Revision


@dataclass(frozen=True)
class Event:
    """One line of an application's history. `by` is empty for what follows by rule."""

    at: datetime
    by: str
    action: Action
    state: State
    reason: str = ""


@dataclass(frozen=True)
class Application:
    """One application for data of many holders. `version` counts changes, so that no update is lost."""

    id: ApplicationId
    lead: PersonId
    created_at: datetime
    state: State = State.DRAFT
    version: int = 0
    draft: Draft = field(default_factory=Draft)
    revisions: tuple[Revision, ...] = ()
    votes: tuple[Vote, ...] = ()
    decisions: tuple[StewardDecision, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    history: tuple[Event, ...] = ()
    conclusion: Conclusion | None = None

    @property
    def revision(self) -> Revision | None:
        """Return the newest revision."""
        return self.revisions[-1] if self.revisions else None

    @property
    def people(self) -> frozenset[PersonId]:
        """Return everyone in the project as now written: the draft's members and the newest revision's."""
        return frozenset((self.lead, *self.draft.members)) | (self.revision.people if self.revision else frozenset())

    def moved(self, action: Action, by: str, at: datetime, reason: str = "") -> "Application":
        """Return the application after `action`. Raises `NotPossible`."""
        state = next_state(self.state, action)
        return replace(self, state=state, history=(*self.history, Event(at, by, action, state, reason)))

    def edited(self, draft: Draft) -> "Application":
        """Return the application with new answers; not a line in the history."""
        next_state(self.state, Action.EDIT)
        return replace(self, draft=draft)

    def submitted(self, by: str, at: datetime) -> "Application":
        """Return the application with its answers frozen as the next revision."""
        moved = self.moved(Action.SUBMIT, by, at)
        revision = Revision(self.id, len(self.revisions) + 1, self.lead, self.draft, at)
        return replace(moved, revisions=(*self.revisions, revision))

    def under_review(self, revision_hash: str) -> Revision:
        """Return the newest revision when it is the one meant. Raises `NotPossible` for any other."""
        if self.revision is None or self.revision.hash != revision_hash:
            raise NotPossible(
                _("Dette gjelder en annen revisjon enn den som er til vurdering."),
                remedy=_("Les den nyeste revisjonen og ta stilling til den."),
                code="other-revision",
            )
        return self.revision

    def voted(self, vote: Vote) -> "Application":
        """Return the application with one more vote. A person has one vote on a revision. Raises `NotPossible`."""
        self.under_review(vote.revision)
        if any(v.person == vote.person and v.revision == vote.revision for v in self.votes):
            raise NotPossible(_("Du har allerede stemt over denne revisjonen."), code="voted-before")
        moved = self.moved(Action.VOTE, vote.person, vote.at)
        return replace(moved, votes=(*self.votes, vote))

    def decided(self, decision: StewardDecision) -> "Application":
        """Return the application with one data holder's answer. A holder answers once. Raises `NotPossible`."""
        self.under_review(decision.revision)
        conflicted = {c.person for c in self.conflicts}
        standing = (d for d in self.decisions if d.revision == decision.revision and d.person not in conflicted)
        if any(d.holder == decision.holder for d in standing):
            raise NotPossible(_("Datainnehaveren har allerede svart på denne revisjonen."), code="decided-before")
        moved = self.moved(Action.DECIDE, decision.person, decision.at, decision.reason)
        return replace(moved, decisions=(*self.decisions, decision))

    def with_conflict(self, conflict: Conflict) -> "Application":
        """Return the application with a declared conflict of interest; declared twice is declared once."""
        if any(c.person == conflict.person for c in self.conflicts):
            return self
        moved = self.moved(Action.DECLARE_CONFLICT, conflict.person, conflict.at)
        return replace(moved, conflicts=(*self.conflicts, conflict))

    def concluded(self, action: Action, found: Tally, chair: PersonId | None, at: datetime) -> "Application":
        """Return the application after its votes and decisions have become APPROVE or REJECT, and by whose votes."""
        return replace(self.moved(action, "", at), conclusion=Conclusion(found.revision, found.voters, chair))

    def tally(self, people: Mapping[PersonId, Person], *, quorum: int, chair: PersonId | None = None) -> Tally | None:
        """Return how the newest revision stands, None before the first submission."""
        if self.revision is None:
            return None
        return tally(self.revision, self.votes, self.decisions, self.conflicts, people, quorum=quorum, chair=chair)
