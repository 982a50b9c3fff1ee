"""Who may change a permit's state: relation to the project to actions, one table."""

from collections.abc import Mapping
from enum import StrEnum

from hvelv.kernel.authority import Rule
from hvelv.kernel.errors import _
from hvelv.kernel.people import Person, Role
from hvelv.requests.domain.permit import Permit, PermitAction


class Part(StrEnum):
    """What a person is to a project."""

    LEAD = "lead"
    MEMBER = "member"
    STEWARD = "steward"
    AUDITOR = "auditor"


PERMIT_MAY: Mapping[Part, frozenset[PermitAction]] = {
    Part.LEAD: frozenset({PermitAction.CLOSE}),
    Part.MEMBER: frozenset(),
    Part.STEWARD: frozenset({PermitAction.SUSPEND, PermitAction.RESUME, PermitAction.REVOKE}),
    Part.AUDITOR: frozenset(),
}


def parts(person: Person, permit: Permit) -> frozenset[Part]:
    """Return what `person` is to the project; nothing at all for those who may not know of it."""
    if not person.active:
        return frozenset()
    if person.id == permit.lead:
        return frozenset({Part.LEAD})
    if person.id in permit.people:
        return frozenset({Part.MEMBER})
    found: set[Part] = set()
    if person.is_(Role.STEWARD) and person.holder in {d.holder for d in permit.datasets}:
        found.add(Part.STEWARD)
    if person.is_(Role.AUDITOR):
        found.add(Part.AUDITOR)
    return frozenset(found)


def permitted(person: Person, permit: Permit) -> frozenset[PermitAction]:
    """Return what the person may do to the permit in some state or other."""
    return frozenset().union(*(PERMIT_MAY[part] for part in parts(person, permit)))


MEANINGS: Mapping[PermitAction, tuple[str, str]] = {
    PermitAction.SUSPEND: (
        _("Stans prosjektet"),
        _(
            "Arbeidsrommene lukkes innen et minutt, og ingenting kan hentes ut. "
            "Data og budsjett står, og prosjektet kan gjenopptas."
        ),
    ),
    PermitAction.RESUME: (
        _("Gjenoppta prosjektet"),
        _("De som er navngitt i tillatelsen, slipper inn igjen, og budsjettet kan brukes."),
    ),
    PermitAction.REVOKE: (
        _("Trekk tillatelsen tilbake"),
        _(
            "Arbeidsrommene lukkes og prosjektrommet forsegles innen et minutt. Prosjektets nøkkel og uttrekk slettes, "
            "straks eller etter oppbevaringstiden i tillatelsen. Dette kan ikke gjøres om: videre arbeid krever en ny søknad."
        ),
    ),
    PermitAction.CLOSE: (
        _("Avslutt prosjektet"),
        _(
            "Prosjektet er ferdig: arbeidsrommene lukkes og prosjektrommet forsegles innen et minutt. Prosjektets nøkkel "
            "og uttrekk slettes, straks eller etter oppbevaringstiden i tillatelsen. Dette kan ikke gjøres om."
        ),
    ),
}
"""What people can do to a permit is called, and what it means: told before it is done."""

OTHERWISE: Mapping[PermitAction, str] = {
    PermitAction.SUSPEND: _("Bare dataforvaltere for prosjektets data kan stanse det."),
    PermitAction.RESUME: _("Bare dataforvaltere for prosjektets data kan gjenoppta det."),
    PermitAction.REVOKE: _("Bare dataforvaltere for prosjektets data kan trekke tillatelsen tilbake."),
    PermitAction.CLOSE: _("Bare den som leder prosjektet, kan avslutte det."),
    PermitAction.AMEND: _("En tillatelse endres ved en ny søknad."),
    PermitAction.EXPIRE: _("En tillatelse utløper på datoen som står i den."),
}


def _rule(action: PermitAction) -> Rule:
    def allows(person: Person, permit: Permit) -> bool:
        return action in permitted(person, permit)

    return Rule(allows, OTHERWISE[action])


PERMIT_POLICY: Mapping[StrEnum, Rule] = {action: _rule(action) for action in PermitAction}
