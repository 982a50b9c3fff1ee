"""Who may do what in the catalogue: one row an action."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hvelv.kernel.authority import Rule
from hvelv.kernel.errors import _
from hvelv.kernel.ids import HolderId
from hvelv.kernel.people import Person, Role


class Action(StrEnum):
    """What can be done in the catalogue."""

    BROWSE = "browse"
    SELECT = "select"
    UPLOAD = "upload"
    PUBLISH = "publish"


@dataclass(frozen=True)
class Holding:
    """What a publishing concerns: the datasets of one holder."""

    holder: HolderId


def _steward_of(person: Person, holding: Holding) -> bool:
    return person.is_(Role.STEWARD) and person.holder == holding.holder


POLICY: Mapping[StrEnum, Rule] = {
    Action.BROWSE: Rule(lambda person, _thing: person.active, _("Bare de som er logget inn, ser katalogen.")),
    Action.SELECT: Rule(
        lambda person, _thing: person.is_(Role.RESEARCHER), _("Bare forskere plukker variabler til en søknad.")
    ),
    Action.UPLOAD: Rule(lambda person, _thing: person.is_(Role.STEWARD), _("Bare dataforvaltere laster opp data.")),
    Action.PUBLISH: Rule(_steward_of, _("Bare dataforvaltere hos datainnehaveren publiserer datasettene dens.")),
}
