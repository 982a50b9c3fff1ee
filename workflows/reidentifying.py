"""Re-identification put together: privacy's service on the permit office, the vault and the object store."""

from dataclasses import dataclass
from pathlib import Path

from hvelv.catalog.service.vault import BUCKET as VAULT
from hvelv.catalog.service.vault import VersionIndex
from hvelv.kernel.clock import Clock
from hvelv.kernel.database import Database
from hvelv.kernel.errors import Denied, NotFound, _
from hvelv.kernel.ids import IdSource
from hvelv.kernel.objects import ObjectStore
from hvelv.privacy.adapters.finding import StoreFinder
from hvelv.privacy.adapters.store_reidentification import SqlCases
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.service.desk import Desk as Privacy
from hvelv.privacy.service.reidentification import Reidentification, Source
from hvelv.requests.service.office import Office


@dataclass(frozen=True)
class Facts:
    """What the custodian itself knows of projects: its own permits and its own vault."""

    office: Office
    index: VersionIndex
    clock: Clock

    def people(self, project: str) -> frozenset[str]:
        """Return everyone whom the permit names. Raises `NotFound`."""
        return frozenset(str(person) for person in self.office.issued(project).permit.people)

    def is_member_now(self, project: str, person: str) -> bool:
        """Say whether the permit is in force and names the person."""
        try:
            self.office.grant(person, project, self.clock.now())
        except Denied:
            return False
        return True

    def source(self, project: str, dataset: str) -> Source:
        """Return a dataset of the permit, held by who published it. Raises `NotFound`."""
        entry = next((d for d in self.office.issued(project).permit.datasets if d.dataset == dataset), None)
        if entry is None:
            raise NotFound(_("Datasettet er ikke med i tillatelsen."))
        found = self.index.find(dataset, entry.version)
        persons = Schema.from_declaration(found.declaration.as_dict()).person_id.name
        return Source(str(found.holder), VAULT, found.object_name, persons)


def reidentifying(  # noqa: PLR0917 - what the desk is made of
    database: Database,
    office: Office,
    index: VersionIndex,
    privacy: Privacy,
    objects: ObjectStore,
    clock: Clock,
    ids: IdSource,
    *,
    folder: Path,
) -> Reidentification:
    """Return the service, working. What a search left that was killed is removed."""
    finder = StoreFinder(objects, folder, privacy.optouts.look)
    finder.tidy()
    return Reidentification(
        database,
        SqlCases(),
        facts=Facts(office, index, clock),
        keys=privacy.keys,
        finder=finder,
        clock=clock,
        ids=ids,
    )
