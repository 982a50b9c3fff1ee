"""A steward's review of an extract before it leaves: the states it can be in, and who moved it there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hvelv.kernel.errors import NotPossible, _
from hvelv.privacy.domain.steps import Transform, as_documents, transforms_from

Extra = Mapping[str, tuple[Transform, ...]]


class ReviewState(StrEnum):
    """Where a review is."""

    NOTED = "noted"  # measured; nobody has to say yes
    WAITING = "waiting"  # for the steward
    CHANGING = "changing"  # the steward decided on steps: the extract is made anew and comes back
    APPROVED = "approved"
    REFUSED = "refused"


class Verdict(StrEnum):
    """What whoever makes the extract has to do."""

    GO = "go"
    WAITING = "waiting"
    REFUSED = "refused"


class ReviewAction(StrEnum):
    """What a steward does with an extract that waits."""

    APPROVE = "approve"
    APPLY = "apply"
    REFUSE = "refuse"


LIFECYCLE: Mapping[ReviewState, Mapping[ReviewAction, ReviewState]] = {
    ReviewState.WAITING: {
        ReviewAction.APPROVE: ReviewState.APPROVED,
        ReviewAction.APPLY: ReviewState.CHANGING,
        ReviewAction.REFUSE: ReviewState.REFUSED,
    },
    ReviewState.CHANGING: {  # other steps, or none, instead of those that were decided on last
        ReviewAction.APPLY: ReviewState.CHANGING,
        ReviewAction.REFUSE: ReviewState.REFUSED,
    },
}
VERDICTS: Mapping[ReviewState, Verdict] = {
    ReviewState.NOTED: Verdict.GO,
    ReviewState.APPROVED: Verdict.GO,
    ReviewState.WAITING: Verdict.WAITING,
    ReviewState.CHANGING: Verdict.WAITING,
    ReviewState.REFUSED: Verdict.REFUSED,
}
WENT = tuple(state for state, verdict in VERDICTS.items() if verdict is Verdict.GO)


@dataclass(frozen=True)
class Review:
    """One table of one generation of a project's extracts, as it was measured and judged.

    `fingerprint` names the bytes that were measured; `extra`: the steps that the steward decided on, by variable;
    `before`: the first report, where steps were decided on since. Reports hold counts and shares only, and which of the
    steward's steps they were measured with.
    """

    project: str
    table: str
    generation: int
    dataset: str
    holder: str
    fingerprint: str
    state: ReviewState
    report: Mapping[str, Any]
    before: Mapping[str, Any] | None
    extra: Extra
    columns: tuple[Mapping[str, Any], ...]
    at: datetime
    decided_by: str = ""
    reason: str = ""

    @property
    def measured(self) -> Extra:
        """Return the steward's steps that the extract was made with when it was measured."""
        return extra_from(self.report.get("decided", {}))

    def moved(self, action: ReviewAction) -> ReviewState:
        """Return the state that `action` leads to. Raises `NotPossible`."""
        try:
            return LIFECYCLE[self.state][action]
        except KeyError:
            raise NotPossible(_("Uttrekket venter ikke lenger på et svar."), code="not-waiting") from None


def extra_documents(extra: Mapping[str, Sequence[Transform]]) -> dict[str, list[dict[str, Any]]]:
    """Return steps by variable in their JSON form."""
    return {name: as_documents(steps) for name, steps in sorted(extra.items())}


def extra_from(document: Mapping[str, Any]) -> dict[str, tuple[Transform, ...]]:
    """Return steps by variable from their JSON form. Raises `Invalid`."""
    return {str(name): transforms_from(steps) for name, steps in document.items()}
