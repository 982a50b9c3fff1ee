"""What a page shows of an application: the view that the service returns, made for one reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hvelv.kernel.errors import Problem
from hvelv.kernel.ids import ApplicationId, PersonId
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.clocks import Clocks
from hvelv.requests.domain.lifecycle import Action, State
from hvelv.requests.domain.permissions import Relation
from hvelv.requests.domain.review import Tally
from hvelv.requests.service.projects import Project


@dataclass(frozen=True)
class CaseView:
    """One application as one person may see and act on it."""

    application: Application
    relations: frozenset[Relation]
    may: frozenset[Action]  # what this person can do now, in this state
    missing: tuple[Problem, ...]  # of the draft; field is the answer's name, or `wishes.<dataset>.<part>`
    tally: Tally | None
    clocks: Clocks
    overdue: bool
    conflict: str  # why this person may not judge: "", "member", "declared", "department"
    has_voted: bool  # this person, on the newest revision
    has_decided: bool  # this person's data holder, on the newest revision
    names: Mapping[PersonId, str]  # of everyone mentioned
    holders: Mapping[str, str]  # names of the data holders mentioned
    project: Project | None  # once the permit is signed and recorded
    permit_pending: bool  # approved, but the custodian has not signed yet

    @property
    def id(self) -> ApplicationId:
        """Return the application's id."""
        return self.application.id

    @property
    def state(self) -> State:
        """Return the application's state."""
        return self.application.state

    @property
    def title(self) -> str:
        """Return the title as the reader should know it: the newest revision's, else the draft's."""
        revision = self.application.revision
        return revision.answers.title if revision and self.state is not State.DRAFT else self.application.draft.title


@dataclass(frozen=True)
class CaseLine:
    """One line of a list of applications."""

    id: ApplicationId
    title: str
    state: State
    lead_name: str
    changed_at: datetime
    decision_due: datetime | None
    overdue: bool
    awaits_me: bool  # this person can still vote or decide on the newest revision, or must mend a returned one
