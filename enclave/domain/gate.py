"""The gate's rules: what must hold for each thing offered, and what to tell the one who offered it.

A rule is data and one small function. The gate writes the bytes itself from the stored releases, so the rules are
about *which* releases and *which* words; no byte that a researcher made passes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hvelv.enclave.domain.exports import MARKS, Artifact, ArtifactKind, Finding
from hvelv.kernel.errors import _
from hvelv.kernel.ids import ReleaseId

MOST_ITEMS = 20
LONGEST_TITLE = 100
# Letters of European languages, digits and plain punctuation: no controls, no zero-width or look-alike signs.
TITLE = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿ0-9 .,:;()/%&+–'’?!-]*")
LONG_NUMBER = re.compile(r"(?:[0-9][ .,]?){5}")  # five digits and more, also in pieces: an id or a figure, no year
MOST_DIGITS = 8  # two years
ENCODED = re.compile(r"[A-Za-z0-9]{25}")  # no word is that long and mixed; base64 and hex are


@dataclass(frozen=True)
class Evidence:
    """What the custodian holds on one release: nothing here is taken from the researcher."""

    document: Mapping[str, Any]
    signature_holds: bool
    charged_rho: int
    in_permit: bool


@dataclass(frozen=True)
class Offer:
    """One item as it was offered, with the evidence on the release it names (None: no such release in the project)."""

    item: Mapping[str, Any]
    evidence: Evidence | None

    def text(self, name: str) -> str:
        """Return a text field, or nothing where it is no text."""
        value = self.item.get(name, "")
        return value if isinstance(value, str) else ""

    @property
    def measures(self) -> tuple[str, ...]:
        """Return the measures that the release holds."""
        rows = self.evidence.document.get("rows", ()) if self.evidence else ()
        return tuple(rows[0]["values"]) if rows else ()


@dataclass(frozen=True)
class GateRule:
    """One rule: an id that stays, what must hold, why not, and the way to do it right."""

    id: str
    holds: Callable[[Offer], bool]
    reason: str
    remedy: str


def words_are_plain(text: str) -> bool:
    """Say whether a text that people typed can carry little more than its words."""
    return (
        0 < len(text.strip()) <= LONGEST_TITLE
        and TITLE.fullmatch(text) is not None
        and LONG_NUMBER.search(text) is None
        and sum(character.isdigit() for character in text) <= MOST_DIGITS
        and ENCODED.search(text) is None
    )


def _known_kind(offer: Offer) -> bool:
    return offer.item.get("kind") in {str(kind) for kind in ArtifactKind}


def _fields_are_known(offer: Offer) -> bool:
    return set(offer.item) <= {"kind", "release", "title", "measure", "mark"} and all(
        isinstance(value, str) for value in offer.item.values()
    )


def _is_charged(offer: Offer) -> bool:
    if offer.evidence is None:
        return False
    cost = offer.evidence.document.get("rho_micro")
    return isinstance(cost, int) and 0 < cost <= offer.evidence.charged_rho


def _figure_is_drawable(offer: Offer) -> bool:
    if offer.item.get("kind") != ArtifactKind.FIGURE:
        return True
    return offer.text("measure") in offer.measures and (offer.text("mark") or "bar") in MARKS


RULES: tuple[GateRule, ...] = (
    GateRule(
        "G01-kind",
        _known_kind,
        _(
            "Porten lager bare tabeller og figurer av sertifiserte resultater. Filer, objekter og egne data slipper ikke ut."
        ),
        _(
            "Be om tallene med project.query(…).release(…), og legg release.table(…) eller release.figure(…) i utleveringen."
        ),
    ),
    GateRule(
        "G02-fields",
        _fields_are_known,
        _("Det som ble bedt om, har felt som porten ikke kjenner, eller verdier som ikke er tekst."),
        _("Bruk release.table(…) eller release.figure(…) uten å endre det de gir tilbake."),
    ),
    GateRule(
        "G03-release",
        lambda offer: offer.evidence is not None,
        _("Prosjektet har ikke noe resultat med dette navnet."),
        _("Se project.releases for resultatene som finnes, eller lag et nytt med project.query(…).release(…)."),
    ),
    GateRule(
        "G04-signature",
        lambda offer: offer.evidence is not None and offer.evidence.signature_holds,
        _("Signaturen på resultatet stemmer ikke."),
        _("Resultatet er endret etter at det ble laget. Meld fra til drift, og lag resultatet på nytt."),
    ),
    GateRule(
        "G05-charge",
        _is_charged,
        _("Resultatet er ikke betalt med personvernbudsjett."),
        _("Meld fra til drift. Bare resultater med registrert belastning slipper ut."),
    ),
    GateRule(
        "G06-permit",
        lambda offer: offer.evidence is not None and offer.evidence.in_permit,
        _("Resultatet er laget av et datasett som ikke er med i datatillatelsen."),
        _("Bruk bare resultater fra datasettene i den gjeldende tillatelsen."),
    ),
    GateRule(
        "G07-title",
        lambda offer: words_are_plain(offer.text("title")),
        _("Tittelen kan bare ha vanlige ord: høyst 100 tegn, ingen lange tall og ingen koder."),
        _("Skriv en kort tittel med ord. Tall hører hjemme i tabellen."),
    ),
    GateRule(
        "G08-figure",
        _figure_is_drawable,
        _("Figuren viser et mål som resultatet ikke har, eller en form som porten ikke tegner."),
        _("Velg et mål fra resultatet, og mark='bar' eller mark='line'."),
    ),
)

TITLE_RULE = next(rule for rule in RULES if rule.id == "G07-title")
COUNT_REASON = _("Utleveringen må ha minst én og høyst 20 deler.")
COUNT_REMEDY = _("Del den opp i flere utleveringer.")


def findings_on(title: str, offers: tuple[Offer, ...]) -> tuple[Finding, ...]:
    """Return every reason to refuse; empty when the whole request may leave."""
    found: list[Finding] = []
    if not words_are_plain(title):
        found.append(Finding(TITLE_RULE.id, 0, TITLE_RULE.reason, TITLE_RULE.remedy))
    if not 1 <= len(offers) <= MOST_ITEMS:
        found.append(Finding("G09-count", 0, COUNT_REASON, COUNT_REMEDY))
    for number, offer in enumerate(offers, start=1):
        broken = [rule for rule in RULES if not rule.holds(offer)]
        # Where the kind or the release is unknown, what follows from it says nothing more to a person.
        first = [rule for rule in broken if rule.id in {"G01-kind", "G02-fields", "G03-release"}][:1]
        found.extend(Finding(rule.id, number, rule.reason, rule.remedy) for rule in first or broken)
    return tuple(found)


def artifact(offer: Offer) -> Artifact:
    """Return what the gate will make of an offer that passed every rule."""
    return Artifact(
        kind=ArtifactKind(offer.text("kind")),
        release=ReleaseId(offer.text("release")),
        title=offer.text("title").strip(),
        measure=offer.text("measure"),
        mark=offer.text("mark") or "bar",
    )
