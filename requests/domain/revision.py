"""A revision: answers frozen at submission and known by their hash. Reviewers decide on it, never on the application."""

from dataclasses import dataclass
from datetime import datetime

from hvelv.kernel.canonical import digest
from hvelv.kernel.ids import ApplicationId, PersonId
from hvelv.requests.domain.draft import Draft


@dataclass(frozen=True)
class Revision:
    """The answers of one submission. `hash` covers the application, the number and every answer."""

    application: ApplicationId
    number: int
    lead: PersonId
    answers: Draft
    submitted_at: datetime

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the canonical form, in hex."""
        return digest(
            {
                "application": self.application,
                "number": self.number,
                "lead": self.lead,
                "answers": self.answers.as_dict(),
            }
        )

    @property
    def people(self) -> frozenset[PersonId]:
        """Return everyone in the project: the one who leads and the members."""
        return frozenset((self.lead, *self.answers.members))

    @property
    def holders(self) -> frozenset[str]:
        """Return the data holders that must agree."""
        return frozenset(w.holder for w in self.answers.wishes)
