"""What a researcher may ask to have brought out, and the states that such a request goes through."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from hvelv.kernel.errors import NotPossible, _
from hvelv.kernel.ids import ExportId, PersonId, ProjectId, ReleaseId


class ExportState(StrEnum):
    """Where an export request stands."""

    CHECKING = "checking"
    RELEASED = "released"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class ExportAction(StrEnum):
    """What moves it."""

    PASS = "pass"  # noqa: S105 - the gate's word, not a password
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


EXPORT_LIFECYCLE: Mapping[ExportState, Mapping[ExportAction, ExportState]] = {
    ExportState.CHECKING: {
        ExportAction.PASS: ExportState.RELEASED,
        ExportAction.REFUSE: ExportState.REFUSED,
        ExportAction.WITHDRAW: ExportState.WITHDRAWN,
    },
    ExportState.RELEASED: {},
    ExportState.REFUSED: {},
    ExportState.WITHDRAWN: {},
}


def next_export_state(state: ExportState, action: ExportAction) -> ExportState:
    """Return the state that `action` leads to. Raises `NotPossible` where the table has none."""
    try:
        return EXPORT_LIFECYCLE[state][action]
    except KeyError:
        raise NotPossible(_("Utleveringen er avsluttet og kan ikke endres.")) from None


class ArtifactKind(StrEnum):
    """What the gate knows how to make."""

    TABLE = "table"
    FIGURE = "figure"


MARKS = ("bar", "line", "step", "point", "heat")


@dataclass(frozen=True)
class Artifact:
    """One thing asked for: made by the gate from one certified release, or from one of its further tables (`part`)."""

    kind: ArtifactKind
    release: ReleaseId
    part: str = ""
    measure: str = ""
    mark: str = "bar"


@dataclass(frozen=True)
class Finding:
    """One reason why the gate refuses: which rule, about which item (1 is the first, 0 the whole), and the way out."""

    rule: str
    item: int
    reason: str
    remedy: str

    def as_dict(self) -> dict[str, Any]:
        """Return the stored form."""
        return {"rule": self.rule, "item": self.item, "reason": self.reason, "remedy": self.remedy}


@dataclass(frozen=True)
class ExportRequest:
    """A request to have artifacts brought out of a project's room.

    `title` is the researcher's own note while the request is checked or refused, and stays inside; once the request is
    released it is the name that the gate gave the bundle.
    """

    id: ExportId
    project: ProjectId
    person: PersonId
    title: str
    offered: tuple[Mapping[str, Any], ...]
    asked_at: datetime
    state: ExportState = ExportState.CHECKING
    findings: tuple[Finding, ...] = ()
    sha256: str = ""
    size: int = 0
    decided_at: datetime | None = None
    files: tuple[str, ...] = field(default=())

    def refused(self, findings: tuple[Finding, ...], at: datetime) -> "ExportRequest":
        """Return the request, refused for `findings`."""
        state = next_export_state(self.state, ExportAction.REFUSE)
        return replace(self, state=state, findings=findings, decided_at=at)

    def released(self, title: str, sha256: str, size: int, files: tuple[str, ...], at: datetime) -> "ExportRequest":
        """Return the request, released as the bundle whose bytes have `sha256`."""
        state = next_export_state(self.state, ExportAction.PASS)
        return replace(self, state=state, title=title, sha256=sha256, size=size, files=files, decided_at=at)

    def as_dict(self) -> dict[str, Any]:
        """Return what is told outside the enclave: nothing in it was written by a researcher."""
        return {
            "id": self.id,
            "project": self.project,
            "person": self.person,
            "title": self.title if self.state is ExportState.RELEASED else "",
            "items": len(self.offered),
            "state": str(self.state),
            "asked_at": self.asked_at.isoformat(),
            "decided_at": self.decided_at.isoformat() if self.decided_at else None,
            "findings": [finding.as_dict() for finding in self.findings],
            "sha256": self.sha256,
            "size": self.size,
            "files": list(self.files),
        }

    def inside(self) -> dict[str, Any]:
        """Return what the project's own notebooks are told: the same, with the researcher's note."""
        return self.as_dict() | {"title": self.title}
