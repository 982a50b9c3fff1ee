"""All of privacy's services in one place, for doors and workflows."""

from dataclasses import dataclass

from hvelv.privacy.service.accounts import Accounts
from hvelv.privacy.service.background import Background
from hvelv.privacy.service.canonical import CanonicalPersons
from hvelv.privacy.service.credentials import RoomCredentials
from hvelv.privacy.service.destructions import Destructions
from hvelv.privacy.service.extraction import Extraction
from hvelv.privacy.service.extracts import ExtractRegistry
from hvelv.privacy.service.jobs import Jobs
from hvelv.privacy.service.keys import Keys
from hvelv.privacy.service.optouts import OptOuts
from hvelv.privacy.service.projects import ProjectPrivacy
from hvelv.privacy.service.releases import PermitCheck, Releases, VersionSource
from hvelv.privacy.service.reviews import Reviews
from hvelv.privacy.service.rooms import Rooms
from hvelv.privacy.service.statements import Statements
from hvelv.privacy.service.topups import TopUps


@dataclass(frozen=True)
class Desk:
    """The privacy services of one custodian; doors find it in `app.state.privacy`."""

    accounts: Accounts
    keys: Keys
    destructions: Destructions
    optouts: OptOuts
    canonical: CanonicalPersons
    extraction: Extraction
    extracts: ExtractRegistry
    jobs: Jobs
    rooms: Rooms
    reviews: Reviews
    credentials: RoomCredentials
    projects: ProjectPrivacy
    releases: Releases
    background: Background
    statements: Statements
    topups: TopUps
    permits: PermitCheck
    versions: VersionSource
