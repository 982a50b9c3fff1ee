"""Applications from first answer to signed permit, as applicants and reviewers meet them."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from sqlmodel import Session

from hvelv.catalog.service.catalogue import Catalogue
from hvelv.catalog.service.selections import Selected
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.ids import ApplicationId, DatasetId, IdSource, PersonId
from hvelv.kernel.people import Person
from hvelv.kernel.signing import Signed, Verifier
from hvelv.requests.domain.application import Application
from hvelv.requests.domain.draft import Draft
from hvelv.requests.domain.review import Choice
from hvelv.requests.service.cases import CaseLine, CaseView
from hvelv.requests.service.projects import ProjectRows


class Directory(Protocol):
    """Who is who; `hvelv.kernel.people_store.People` is one."""

    def find(self, person: str) -> Person | None: ...
    def all(self) -> tuple[Person, ...]: ...


class PermitOffice(Protocol):
    """The custodian's permit office, as the portal knows it. Idempotent by application and revision."""

    def issue(self, actor: str, evidence: Mapping[str, Any], grant: Mapping[str, Any]) -> Signed: ...


class ApplicationRows(Protocol):
    """What applications ask of their database."""

    def get(self, session: Session, application: str) -> Application | None: ...
    def add(self, session: Session, application: Application) -> None: ...
    def save(self, session: Session, before: Application, after: Application) -> bool: ...
    def all(self, session: Session) -> tuple[Application, ...]: ...


class Applications:
    """The service. Each call is one transaction with its audit row; each change goes through `authorise`."""

    def __init__(
        self,
        database: Database,
        rows: ApplicationRows,
        projects: ProjectRows,
        *,
        people: Directory,
        catalogue: Catalogue,
        office: PermitOffice,
        verifier: Verifier,
        clock: Clock,
        ids: IdSource,
        quorum: int,
        decision_days: int,
        data_days: int,
        chair: PersonId | None = None,
    ) -> None: ...

    # For applicants

    def create(self, person: Person, selected: Iterable[Selected] = ()) -> CaseView:
        """Begin an application, with what is picked in the catalogue. Raises `Denied` for who is no researcher."""

    def save_draft(self, person: Person, application: ApplicationId | str, version: int, draft: Draft) -> CaseView:
        """Keep the answers as they are, complete or not. Raises `NotPossible` when someone else has saved since `version`.

        Of a wish only dataset, columns, where and rho_micro are the applicant's; the rest is filled from the catalogue.
        """

    def add_selection(
        self, person: Person, application: ApplicationId | str, version: int, selected: Iterable[Selected]
    ) -> CaseView:
        """Add what is picked in the catalogue to the data wanted."""

    def submit(self, person: Person, application: ApplicationId | str, version: int) -> CaseView:
        """Freeze the answers as a revision and send them to review. Raises `Invalid` with what is missing."""

    def withdraw(self, person: Person, application: ApplicationId | str, reason: str = "") -> CaseView:
        """Take the application back for good."""

    def revise(self, person: Person, application: ApplicationId | str) -> CaseView:
        """Begin on the next revision of a returned application, from the answers of the last."""

    # For reviewers

    def vote(
        self, person: Person, application: ApplicationId | str, revision: str, choice: Choice, reason: str = ""
    ) -> CaseView:
        """Cast a vote on the revision with that hash. The vote that completes an approval has the permit signed."""

    def decide(
        self,
        person: Person,
        application: ApplicationId | str,
        revision: str,
        choice: Choice,
        *,
        granted: Mapping[DatasetId, int] | None = None,
        conditions: Iterable[str] = (),
        reason: str = "",
    ) -> CaseView:
        """Answer for the person's own data holder. `granted`: micro-rho on each of its datasets; what was wished where none is named."""

    def declare_conflict(self, person: Person, application: ApplicationId | str, reason: str) -> CaseView:
        """Declare a conflict of interest: the person's votes do not count, cast or not."""

    def return_(self, person: Person, application: ApplicationId | str, reason: str) -> CaseView:
        """Give the application back to be mended. Raises `Invalid` without a reason. The clock stops."""

    # For reading

    def view(self, person: Person, application: ApplicationId | str) -> CaseView:
        """Return one application. Raises `NotFound`, also for those who may not know of it."""

    def mine(self, person: Person) -> tuple[CaseLine, ...]:
        """Return the applications that the person leads or takes part in, newest change first."""

    def to_review(self, person: Person) -> tuple[CaseLine, ...]:
        """Return the submitted applications that the person sees as reviewer or auditor, those that await them first."""

    def settle(self) -> int:
        """Have the permit signed for each approved application that lacks it; return how many were. Run at start."""
