"""The services that the portal's pages stand on. `building.build` is where their adapters are chosen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hvelv.catalog.service.catalogue import Catalogue
from hvelv.catalog.service.publishing import Publishing
from hvelv.catalog.service.selections import Selections
from hvelv.enclave.pages.rooms import Door
from hvelv.enclave.service.rooms import Rooms
from hvelv.enclave.service.unused import Unused
from hvelv.kernel.database import Database
from hvelv.kernel.people import Person
from hvelv.kernel.settings import Settings
from hvelv.portal.sign_in import SignIn
from hvelv.privacy.pages.accounts import AccountDoor
from hvelv.privacy.pages.extracts import ReviewDoor
from hvelv.requests.service.applications import Applications
from hvelv.requests.service.projects import Projects
from hvelv.requests.service.register import Register


class People(Protocol):
    """Who there is, and whether a password and a one-time code are theirs."""

    def find(self, person: str) -> Person | None:
        """Return a person, active or not, or None."""
        ...

    def check(self, person: str, password: str, otp: str, now: datetime) -> Person | None:
        """Return the person whose password and code these are, None for every reason why not."""
        ...


@dataclass(frozen=True)
class Wiring:
    """Everything that pages find in `app.state`."""

    settings: Settings
    session_key: bytes
    registry: Database
    sign_in: SignIn
    people: People
    catalogue: Catalogue
    selections: Selections
    publishing: Publishing
    applications: Applications
    projects: Projects
    register: Register
    rooms: Rooms
    unused: Unused
    custodian: Door
    reviews: ReviewDoor
    accounts: AccountDoor

    def services(self) -> dict[str, object]:
        """Return what goes in `app.state`, by name."""
        return {
            "registry": self.registry,
            "sign_in": self.sign_in,
            "people": self.people,
            "catalogue": self.catalogue,
            "selections": self.selections,
            "publishing": self.publishing,
            "applications": self.applications,
            "projects": self.projects,
            "register": self.register,
            "rooms": self.rooms,
            "unused": self.unused,
            "custodian": self.custodian,
            "reviews": self.reviews,
            "accounts": self.accounts,
            "locale": self.settings.locale,
        }
