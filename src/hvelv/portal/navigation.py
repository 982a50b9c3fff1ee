"""The main menu and the start page's tasks: which role comes for which pages."""

from dataclasses import dataclass

from hvelv.kernel.errors import _
from hvelv.kernel.people import Person, Role


@dataclass(frozen=True)
class Entry:
    """One page in the menu. Without roles it is everyone's."""

    path: str
    title: str
    hint: str
    roles: frozenset[Role] = frozenset()
    count: str = ""  # where it is told how many wait there


MENU: tuple[Entry, ...] = (
    Entry("/catalogue", _("Katalog"), _("Søk blant datasett og variabler, og legg det du trenger i utvalget.")),
    Entry(
        "/applications",
        _("Søknader"),
        _("Skriv, send og følg søknader om data."),
        frozenset({Role.RESEARCHER}),
    ),
    Entry(
        "/projects",
        _("Prosjekter"),
        _("Åpne arbeidsrommet, se budsjett og hent utleveringer."),
        frozenset({Role.RESEARCHER, Role.STEWARD, Role.AUDITOR}),
    ),
    Entry(
        "/cases",
        _("Saker"),
        _("Vurder søknader som venter på komiteen eller på datainnehaveren."),
        frozenset({Role.ETHICS, Role.STEWARD}),
    ),
    Entry(
        "/extracts",
        _("Uttrekk"),
        _("Se risikoen i uttrekk av dine datasett, og slipp dem."),
        frozenset({Role.STEWARD}),
        "/extracts/count",
    ),
    Entry(
        "/accounts",
        _("Budsjetter"),
        _("Se hva som er brukt på menneskene i dine datasett, av hvem, og gjør kontoer større."),
        frozenset({Role.STEWARD}),
        "/account-count",
    ),
    Entry("/publish", _("Publisering"), _("Legg ut datasett for din datainnehaver."), frozenset({Role.STEWARD})),
    Entry(
        "/reidentification",
        _("Tilbakeføring"),
        _("Finn igjen noen få personer når det er nødvendig, med to godkjenninger."),
        frozenset({Role.STEWARD, Role.ETHICS, Role.AUDITOR}),
    ),
    Entry(
        "/sessions",
        _("Arbeidsøkter"),
        _("Se hvem som arbeider, hva det tar av maskinen, og om noen ser på uvanlig mye."),
        frozenset({Role.ADMIN, Role.AUDITOR}),
    ),
    Entry("/audit", _("Revisjon"), _("Se hendelsesloggen og kontroller at den er hel."), frozenset({Role.AUDITOR})),
    Entry("/projects-register", _("Prosjektregister"), _("Se hvilke prosjekter som bruker helsedata, og til hva.")),
)


def entries(person: Person | None) -> tuple[Entry, ...]:
    """Return the menu of a reader, signed in or not."""
    return tuple(e for e in MENU if not e.roles or (person and person.active and e.roles & person.roles))


def tasks(person: Person) -> tuple[Entry, ...]:
    """Return what a person can come for, their own roles' pages first."""
    return tuple(sorted(entries(person), key=lambda e: not e.roles))
