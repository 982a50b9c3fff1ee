"""The evidence for a permit: who voted and decided what on one revision, and the grant that follows from it.

The portal sends it, the custodian's office judges it again. Nothing in it is taken on the portal's word that can be
computed: the revision's hash is taken over the answers sent along, and the grant is derived, not received.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from hvelv.kernel.errors import Denied, Refusal, _
from hvelv.kernel.ids import ApplicationId, DatasetId, HolderId, PersonId
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.draft import Draft
from hvelv.requests.domain.review import Choice, StewardDecision, Vote
from hvelv.requests.domain.revision import Revision


@dataclass(frozen=True)
class Evidence:
    """One revision with everything that was said of it and counts."""

    revision: Revision
    votes: tuple[Vote, ...]
    decisions: tuple[StewardDecision, ...]
    conflicted: frozenset[PersonId]
    chair: PersonId | None = None

    @classmethod
    def of(
        cls, application: Application, voters: frozenset[PersonId], revision: Revision, chair: PersonId | None
    ) -> "Evidence":
        """Gather the evidence: the votes that were counted, and the decisions of affected holders' stewards free to decide."""
        conflicted = frozenset(c.person for c in application.conflicts)
        return cls(
            revision,
            tuple(v for v in application.votes if v.revision == revision.hash and v.person in voters),
            tuple(
                d
                for d in application.decisions
                if d.revision == revision.hash and d.person not in conflicted and d.holder in revision.holders
            ),
            conflicted,
            chair,
        )

    @property
    def decided_at(self) -> datetime:
        """Return when the last vote or decision fell."""
        return max((*(v.at for v in self.votes), *(d.at for d in self.decisions)), default=self.revision.submitted_at)

    def count(self, choice: Choice) -> int:
        """Return how many votes say `choice`."""
        return sum(v.choice is choice for v in self.votes)

    def as_dict(self) -> dict[str, Any]:
        """Return the form that is sent."""
        return {
            "application": self.revision.application,
            "revision": self.revision.hash,
            "number": self.revision.number,
            "lead": self.revision.lead,
            "answers": self.revision.answers.as_dict(),
            "submitted_at": self.revision.submitted_at.isoformat(),
            "votes": [
                {
                    "revision": v.revision,
                    "person": v.person,
                    "choice": v.choice.value,
                    "reason": v.reason,
                    "at": v.at.isoformat(),
                }
                for v in self.votes
            ],
            "decisions": [
                {
                    "revision": d.revision,
                    "holder": d.holder,
                    "person": d.person,
                    "choice": d.choice.value,
                    "granted": dict(d.granted),
                    "conditions": list(d.conditions),
                    "reason": d.reason,
                    "at": d.at.isoformat(),
                }
                for d in self.decisions
            ],
            "conflicted": sorted(self.conflicted),
            "chair": self.chair,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Evidence":
        """Return the evidence in `data`. Raises `Refusal` when it is malformed or its revision's hash is not its own."""
        try:
            revision = Revision(
                ApplicationId(str(data["application"])),
                int(data["number"]),
                PersonId(str(data["lead"])),
                Draft.from_dict(data["answers"]),
                datetime.fromisoformat(data["submitted_at"]),
            )
            votes = tuple(
                Vote(
                    str(v["revision"]),
                    PersonId(str(v["person"])),
                    Choice(v["choice"]),
                    str(v["reason"]),
                    datetime.fromisoformat(v["at"]),
                )
                for v in data["votes"]
            )
            decisions = tuple(
                StewardDecision(
                    str(d["revision"]),
                    HolderId(str(d["holder"])),
                    PersonId(str(d["person"])),
                    Choice(d["choice"]),
                    tuple((DatasetId(str(k)), int(v)) for k, v in sorted(d["granted"].items())),
                    tuple(str(c) for c in d["conditions"]),
                    str(d["reason"]),
                    datetime.fromisoformat(d["at"]),
                )
                for d in data["decisions"]
            )
            conflicted = frozenset(PersonId(str(p)) for p in data["conflicted"])
            chair = PersonId(str(data["chair"])) if data.get("chair") else None
            stated = str(data["revision"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Refusal(_("Vedtaksgrunnlaget er ikke i riktig form."), code="malformed-evidence") from None
        if stated != revision.hash:
            raise Denied(
                _("Vedtaksgrunnlaget gjelder en annen revisjon enn svarene som er sendt."), code="other-revision"
            )
        return cls(revision, votes, decisions, conflicted, chair)


def judge(evidence: Evidence, *, quorum: int) -> None:
    """Let pass when the evidence carries a permit; else raise `Denied` with what is wrong. Trusts no count but its own."""
    revision = evidence.revision
    for vote in evidence.votes:
        if vote.revision != revision.hash:
            raise Denied(_("En stemme gjelder en annen revisjon."), code="other-revision")
    for decision in evidence.decisions:
        if decision.revision != revision.hash:
            raise Denied(_("Et svar fra en datainnehaver gjelder en annen revisjon."), code="other-revision")
    voters = [v.person for v in evidence.votes]
    if len(set(voters)) != len(voters):
        raise Denied(_("Samme person har stemt to ganger."), code="voted-twice")
    barred = revision.people | evidence.conflicted
    if barred & ({*voters} | {d.person for d in evidence.decisions}):
        raise Denied(_("En inhabil person har stemt eller svart."), code="conflicted")
    if len(voters) < quorum:
        raise Denied(_("Komiteen var ikke vedtaksfør."), code="no-quorum")
    in_favour, against = evidence.count(Choice.FOR), evidence.count(Choice.AGAINST)
    casting = any(v.person == evidence.chair and v.choice is Choice.FOR for v in evidence.votes)
    if in_favour < against or (in_favour == against and not casting):
        raise Denied(_("Det er ikke flertall for søknaden."), code="no-majority")
    _judge_holders(evidence)


def _judge_holders(evidence: Evidence) -> None:
    wanted = evidence.revision.holders
    answered = [d.holder for d in evidence.decisions]
    if set(answered) != wanted or len(set(answered)) != len(answered) or not wanted:
        raise Denied(_("Ikke alle datainnehavere har svart."), code="holder-missing")
    if any(d.choice is not Choice.FOR for d in evidence.decisions):
        raise Denied(_("En datainnehaver har sagt nei."), code="holder-refused")
    granted = {dataset: rho for d in evidence.decisions for dataset, rho in d.granted}
    own = {(d.holder, dataset) for d in evidence.decisions for dataset, _rho in d.granted}
    for wish in evidence.revision.answers.wishes:
        if (wish.holder, wish.dataset) not in own or not 0 < granted[wish.dataset] <= wish.rho_micro:
            raise Denied(_("Tildelt personvernbudsjett er ikke innenfor det som er søkt om."), code="grant")


def grant_of(evidence: Evidence) -> dict[str, Any]:
    """Return what follows from the evidence: the permit's content without its own names and states."""
    answers = evidence.revision.answers
    granted = {dataset: rho for d in evidence.decisions for dataset, rho in d.granted}
    by_holder = sorted(evidence.decisions, key=lambda d: d.holder)
    return {
        "title": answers.title,
        "purpose": answers.purpose,
        "legal_basis": answers.legal_basis,
        "summary": answers.summary,
        "lead": evidence.revision.lead,
        "members": list(answers.members),
        "datasets": [w.as_dict() | {"rho_micro": granted.get(w.dataset, 0)} for w in answers.wishes],
        "conditions": [c for d in by_holder for c in d.conditions],
        "valid_from": date.fromisoformat(answers.period_from).isoformat(),
        "valid_until": date.fromisoformat(answers.period_to).isoformat(),
        "decided_at": evidence.decided_at.isoformat(),
        "decision": {
            "votes": {"for": evidence.count(Choice.FOR), "against": evidence.count(Choice.AGAINST)},
            "stewards": [d.holder for d in by_holder],
        },
    }
