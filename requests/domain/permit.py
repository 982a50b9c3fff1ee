"""The data permit: the signed document that a decision becomes, and the only source of rights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Self

from hvelv.kernel.errors import NotPossible, Refusal, _
from hvelv.kernel.ids import ApplicationId, HolderId, PersonId, ProjectId
from hvelv.kernel.signing import Signed, Verifier
from hvelv.requests.domain.draft import Share

KIND = "permit"


class PermitState(StrEnum):
    """Where a permit stands."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    AMENDED = "amended"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed"


class PermitAction(StrEnum):
    """What can be done to a permit. EXPIRE is the calendar's, AMEND a new version's; the rest are people's."""

    SUSPEND = "suspend"
    RESUME = "resume"
    AMEND = "amend"
    EXPIRE = "expire"
    REVOKE = "revoke"
    CLOSE = "close"


PERMIT_LIFECYCLE: Mapping[PermitState, Mapping[PermitAction, PermitState]] = {
    PermitState.ACTIVE: {
        PermitAction.SUSPEND: PermitState.SUSPENDED,
        PermitAction.AMEND: PermitState.AMENDED,
        PermitAction.EXPIRE: PermitState.EXPIRED,
        PermitAction.REVOKE: PermitState.REVOKED,
        PermitAction.CLOSE: PermitState.CLOSED,
    },
    PermitState.SUSPENDED: {
        PermitAction.RESUME: PermitState.ACTIVE,
        PermitAction.EXPIRE: PermitState.EXPIRED,
        PermitAction.REVOKE: PermitState.REVOKED,
        PermitAction.CLOSE: PermitState.CLOSED,
    },
    PermitState.AMENDED: {},
    PermitState.EXPIRED: {},
    PermitState.REVOKED: {},
    PermitState.CLOSED: {},
}

PERMIT_STATE_NAMES: Mapping[PermitState, str] = {
    PermitState.ACTIVE: _("Gyldig"),
    PermitState.SUSPENDED: _("Stanset"),
    PermitState.AMENDED: _("Erstattet av en ny versjon"),
    PermitState.EXPIRED: _("Utløpt"),
    PermitState.REVOKED: _("Trukket tilbake"),
    PermitState.CLOSED: _("Avsluttet"),
}


def next_permit_state(state: PermitState, action: PermitAction) -> PermitState:
    """Return the state `action` leads to. Raises `NotPossible`, which names the state."""
    try:
        return PERMIT_LIFECYCLE[state][action]
    except KeyError:
        raise NotPossible(
            _("Tillatelsen står som «{state}» og kan ikke endres slik."),
            code=f"permit:{action}",
            state=PERMIT_STATE_NAMES[state],
        ) from None


@dataclass(frozen=True)
class PermittedDataset(Share):
    """What may be used of a dataset version. `go_ahead`: its steward looks at each extract before it is handed out."""

    go_ahead: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; `go_ahead` is there when it is asked for."""
        return super().as_dict() | ({"go_ahead": True} if self.go_ahead else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the part in `data`."""
        return replace(super().from_dict(data), go_ahead=data.get("go_ahead", False) is True)


@dataclass(frozen=True)
class Permit:
    """The document, read. Dates are whole days in UTC, `valid_until` included.

    `retention_days`: for how long after its end the project's key and sealed extracts are kept.
    """

    id: str
    version: int
    project: ProjectId
    title: str
    purpose: str
    legal_basis: str
    summary: str
    application: ApplicationId
    revision: str
    lead: PersonId
    members: tuple[PersonId, ...]
    datasets: tuple[PermittedDataset, ...]
    conditions: tuple[str, ...]
    valid_from: date
    valid_until: date
    decided_at: datetime
    votes_for: int
    votes_against: int
    stewards: tuple[HolderId, ...]
    retention_days: int = 0

    @property
    def people(self) -> frozenset[PersonId]:
        """Return everyone whom the permit names."""
        return frozenset((self.lead, *self.members))

    @property
    def expires(self) -> datetime:
        """Return the moment at which the last day is over, in UTC."""
        return datetime.combine(self.valid_until + timedelta(days=1), time.min, UTC)

    def runs(self, at: datetime) -> bool:
        """Say whether `at` is within the dates."""
        return self.valid_from <= at.astimezone(UTC).date() <= self.valid_until

    def allows(self, person: str, at: datetime) -> bool:
        """Say whether the permit names `person` and its dates include `at`. Its state is the office's to say."""
        return person in self.people and self.runs(at)

    def as_dict(self) -> dict[str, Any]:
        """Return the document that is signed."""
        return {
            "id": self.id,
            "version": self.version,
            "project": self.project,
            "title": self.title,
            "purpose": self.purpose,
            "legal_basis": self.legal_basis,
            "summary": self.summary,
            "application": self.application,
            "revision": self.revision,
            "members": list(self.members),
            "lead": self.lead,
            "datasets": [d.as_dict() for d in self.datasets],
            "conditions": list(self.conditions),
            "valid_from": self.valid_from.isoformat(),
            "valid_until": self.valid_until.isoformat(),
            "retention_days": self.retention_days,
            "decided_at": self.decided_at.isoformat(),
            "decision": {
                "votes": {"for": self.votes_for, "against": self.votes_against},
                "stewards": list(self.stewards),
            },
        }

    @classmethod
    def from_document(cls, data: Mapping[str, Any]) -> "Permit":
        """Return the permit in a document that was verified. Raises `Refusal` when it is not in the form of one."""
        try:
            return cls(
                str(data["id"]),
                int(data["version"]),
                ProjectId(data["project"]),
                str(data["title"]),
                str(data["purpose"]),
                str(data["legal_basis"]),
                str(data["summary"]),
                ApplicationId(data["application"]),
                str(data["revision"]),
                PersonId(data["lead"]),
                tuple(PersonId(m) for m in data["members"]),
                tuple(PermittedDataset.from_dict(d) for d in data["datasets"]),
                tuple(str(c) for c in data["conditions"]),
                date.fromisoformat(data["valid_from"]),
                date.fromisoformat(data["valid_until"]),
                datetime.fromisoformat(data["decided_at"]),
                int(data["decision"]["votes"]["for"]),
                int(data["decision"]["votes"]["against"]),
                tuple(HolderId(h) for h in data["decision"]["stewards"]),
                max(0, int(data.get("retention_days", 0))),
            )
        except (KeyError, TypeError, ValueError):
            raise Refusal(_("Dokumentet er ikke en datatillatelse."), code="not-a-permit") from None

    @classmethod
    def verified(cls, signed: Signed, verifier: Verifier) -> "Permit":
        """Return the permit in `signed`. Raises `BadSignature` for another kind of document or another key."""
        return cls.from_document(verifier.check(signed, KIND))
