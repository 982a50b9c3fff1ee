"""Reviewing: votes of the ethics committee, decisions of data holders' stewards, conflicts of interest, and the tally."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hvelv.kernel.ids import DatasetId, HolderId, PersonId
from hvelv.kernel.people import Person, Role
from hvelv.requests.domain.revision import Revision


class Choice(StrEnum):
    """What a vote or a decision says."""

    FOR = "for"
    AGAINST = "against"


class Outcome(StrEnum):
    """What votes and decisions add up to."""

    UNDECIDED = "undecided"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Vote:
    """One committee member's vote on one revision. Final; a member has one vote on each."""

    revision: str
    person: PersonId
    choice: Choice
    reason: str
    at: datetime


@dataclass(frozen=True)
class StewardDecision:
    """One data holder's answer on one revision, with the allowance granted on each of its datasets, in micro-rho."""

    revision: str
    holder: HolderId
    person: PersonId
    choice: Choice
    granted: tuple[tuple[DatasetId, int], ...]
    conditions: tuple[str, ...]
    reason: str
    at: datetime


@dataclass(frozen=True)
class Conflict:
    """A conflict of interest that a reviewer has declared. It holds for all revisions of the application."""

    person: PersonId
    reason: str
    at: datetime


@dataclass(frozen=True)
class Tally:
    """How the review of one revision stands. Only distinct, eligible committee members are in the numbers."""

    revision: str
    votes_for: int
    votes_against: int
    quorum: int
    voters: frozenset[PersonId]
    approved_by: frozenset[HolderId]
    refused_by: frozenset[HolderId]
    awaited: frozenset[HolderId]
    committee: Outcome
    outcome: Outcome


@dataclass(frozen=True)
class Conclusion:
    """Whose votes a review was concluded by, and who was in the chair. It stands, whatever becomes of them later."""

    revision: str
    voters: frozenset[PersonId]
    chair: PersonId | None


def conflict_reason(person: Person, revision: Revision, declared: Iterable[Conflict], team: Iterable[Person]) -> str:
    """Return why `person` may not judge `revision`: `declared`, `member`, `department`; empty when nothing stands in the way."""
    if person.id in revision.people:
        return "member"
    if any(c.person == person.id for c in declared):
        return "declared"
    department = person.department.strip().casefold()
    if department and any(department == m.department.strip().casefold() for m in team if m.id in revision.people):
        return "department"
    return ""


def _committee(votes: Mapping[PersonId, Vote], quorum: int, chair: PersonId | None) -> Outcome:
    """Say what the committee's counted votes decide: a majority once the quorum is met; the chair's own vote breaks ties."""
    in_favour = sum(v.choice is Choice.FOR for v in votes.values())
    against = len(votes) - in_favour
    if len(votes) < max(quorum, 1):
        return Outcome.UNDECIDED
    if in_favour != against:
        return Outcome.APPROVED if in_favour > against else Outcome.REJECTED
    casting = votes.get(chair) if chair else None
    if casting is None:
        return Outcome.UNDECIDED
    return Outcome.APPROVED if casting.choice is Choice.FOR else Outcome.REJECTED


def tally(
    revision: Revision,
    votes: Iterable[Vote],
    decisions: Iterable[StewardDecision],
    conflicts: Iterable[Conflict],
    people: Mapping[PersonId, Person],
    *,
    quorum: int,
    chair: PersonId | None = None,
) -> Tally:
    """Count what was said of `revision` and say what it adds up to.

    `people` holds everyone who voted, decided or takes part, as they are now. A vote counts when it names this
    revision's hash and its caster is, now, an active committee member without conflict; the first vote of a person is
    the one that counts. A steward's decision counts when its maker is, now, an active steward of that holder.
    """
    conflicts = tuple(conflicts)
    team = tuple(people[p] for p in sorted(revision.people) if p in people)

    def free(person: Person | None) -> bool:
        return person is not None and not conflict_reason(person, revision, conflicts, team)

    counted: dict[PersonId, Vote] = {}
    for vote in votes:
        voter = people.get(vote.person)
        if vote.revision == revision.hash and free(voter) and voter is not None and voter.is_(Role.ETHICS):
            counted.setdefault(vote.person, vote)
    answers: dict[HolderId, Choice] = {}
    for decision in decisions:
        steward = people.get(decision.person)
        if decision.revision != revision.hash or steward is None or not free(steward):
            continue
        if steward.is_(Role.STEWARD) and steward.holder == decision.holder:
            answers.setdefault(decision.holder, decision.choice)
    wanted = frozenset(HolderId(h) for h in revision.holders)
    approved = frozenset(h for h in wanted if answers.get(h) is Choice.FOR)
    refused = frozenset(h for h in wanted if answers.get(h) is Choice.AGAINST)
    committee = _committee(counted, quorum, chair)
    outcome = Outcome.UNDECIDED
    if refused or committee is Outcome.REJECTED:
        outcome = Outcome.REJECTED
    elif committee is Outcome.APPROVED and wanted and approved == wanted:
        outcome = Outcome.APPROVED
    in_favour = sum(v.choice is Choice.FOR for v in counted.values())
    return Tally(
        revision.hash,
        in_favour,
        len(counted) - in_favour,
        quorum,
        frozenset(counted),
        approved,
        refused,
        wanted - approved - refused,
        committee,
        outcome,
    )
