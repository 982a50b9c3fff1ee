"""The gate's rules: what must hold for each thing offered, and what to tell the one who offered it.

A rule is data and one small function. The gate writes the bytes itself from the stored releases, and names them itself
(hvelv.enclave.domain.naming): no byte and no word that a researcher made passes. What is left to choose is which
releases, and how they are drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hvelv.enclave.domain.exports import MARKS, Artifact, ArtifactKind, Finding
from hvelv.enclave.domain.tables import viewed
from hvelv.kernel.errors import _
from hvelv.kernel.ids import ReleaseId

MOST_ITEMS = 20
MOST_A_DAY = 20  # bundles of one project: what is chosen, and how often, says something too
FIELDS = frozenset({"kind", "release", "title", "part", "measure", "mark"})
LONGEST_FIELD = 200


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
        """Return the measures that the release, or the table of it that is meant, holds."""
        table = viewed(self.evidence.document, self.text("part")) if self.evidence else None
        rows = (table or {}).get("rows", ())
        return tuple(rows[0]["values"]) if rows else ()


@dataclass(frozen=True)
class GateRule:
    """One rule: an id that stays, what must hold, why not, and the way to do it right."""

    id: str
    holds: Callable[[Offer], bool]
    reason: str
    remedy: str


def _known_kind(offer: Offer) -> bool:
    return offer.text("kind") in {str(kind) for kind in ArtifactKind}


def _fields_are_known(offer: Offer) -> bool:
    return set(offer.item) <= FIELDS and all(isinstance(value, str) for value in offer.item.values())


def _is_charged(offer: Offer) -> bool:
    if offer.evidence is None:
        return False
    cost = offer.evidence.document.get("rho_micro")
    return isinstance(cost, int) and 0 < cost <= offer.evidence.charged_rho


def _part_is_there(offer: Offer) -> bool:
    return offer.evidence is None or viewed(offer.evidence.document, offer.text("part")) is not None


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
        "G07-figure",
        _figure_is_drawable,
        _("Figuren viser et mål som resultatet ikke har, eller en form som porten ikke tegner."),
        _("Velg et mål fra resultatet, og mark som en av: bar, line, step, point, heat."),
    ),
    GateRule(
        "G11-part",
        _part_is_there,
        _("Resultatet har ikke noen tabell med dette navnet."),
        _("Se release.tables for tabellene som resultatet har."),
    ),
)

COUNT = Finding(
    "G08-count", 0, _("Utleveringen må ha minst én og høyst 20 deler."), _("Del den opp i flere utleveringer.")
)
DAILY = Finding(
    "G09-daily",
    0,
    _("Prosjektet har fått ut så mange utleveringer som det kan på én dag."),
    _("Vent til i morgen, og legg flere resultater i samme utlevering."),
)
MIXED = Finding(
    "G10-mixed",
    0,
    _(
        "Resultatet er laget av et tidligere uttrekk av datasettet enn andre i utleveringen. Forskjellen mellom uttrekkene kan vise hvem som har reservert seg."
    ),
    _(
        "Lag dette resultatet på nytt av det nye uttrekket med project.query(…).release(…), eller ta bare med resultater av ett uttrekk."
    ),
)


def plain_items(offered: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """Return what was offered in a form that can be kept: known fields with short, printable texts.

    Anything else leaves a mark, by which the rules refuse the item.
    """
    return tuple(_plain(item) for item in offered[: MOST_ITEMS + 1])


def _plain(item: Any) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        return {"not-an-item": True}
    kept = {
        str(name): value
        for name, value in item.items()
        if name in FIELDS and isinstance(value, str) and len(value) <= LONGEST_FIELD and value.isprintable()
    }
    return kept if len(kept) == len(item) else kept | {"not-a-field": True}


def findings_on(offers: tuple[Offer, ...], *, released_today: int = 0) -> tuple[Finding, ...]:
    """Return every reason to refuse; empty when the whole request may leave."""
    found: list[Finding] = []
    if not 1 <= len(offers) <= MOST_ITEMS:
        found.append(COUNT)
    if released_today >= MOST_A_DAY:
        found.append(DAILY)
    for number, offer in enumerate(offers, start=1):
        broken = [rule for rule in RULES if not rule.holds(offer)]
        # Where the kind or the release is unknown, what follows from it says nothing more to a person.
        first = [rule for rule in broken if rule.id in {"G01-kind", "G02-fields", "G03-release"}][:1]
        found.extend(Finding(rule.id, number, rule.reason, rule.remedy) for rule in first or broken)
    found.extend(replace(MIXED, item=number) for number in _of_earlier_extracts(offers))
    return tuple(found)


def _of_earlier_extracts(offers: tuple[Offer, ...]) -> list[int]:
    """Return the numbers of the offers that are of another extract than the newest offered release of their dataset.

    Two extracts of one dataset differ by those who objected, or withdrew an objection, in between: figures of both beside
    each other ask who that was. The newest release is of the newest extract, for an earlier one is withdrawn.
    """
    documents = {n: offer.evidence.document for n, offer in enumerate(offers, start=1) if offer.evidence}
    newest: dict[str, str] = {}
    for document in sorted(documents.values(), key=lambda document: str(document.get("at", ""))):
        newest |= _extracts(document)
    return [
        number
        for number, document in documents.items()
        if any(newest[dataset] != sha256 for dataset, sha256 in _extracts(document).items())
    ]


def _extracts(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of the extract of each dataset that a release was made of."""
    own = [{"dataset_id": document.get("dataset_id"), "extract_hash": document.get("extract_hash")}]
    return {str(e.get("dataset_id")): str(e.get("extract_hash")) for e in document.get("extracts") or own}


def artifacts(offers: tuple[Offer, ...]) -> list[tuple[Artifact, Mapping[str, Any]]]:
    """Return what the gate will make of offers that passed every rule: each thing once, in an order of the gate's own."""
    chosen = {
        a: _view(offer.evidence.document, a.part) for offer in offers if offer.evidence for a in [artifact(offer)]
    }
    return sorted(chosen.items(), key=lambda pair: (pair[0].release, pair[0].part, *_drawn(pair[0])))


def _drawn(made: Artifact) -> tuple[str, str, str]:
    return made.kind, made.measure, made.mark


def _view(document: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Return the table that an offer which passed the rules is about."""
    found = viewed(document, part)
    if found is None:
        raise KeyError(part)
    return found


def artifact(offer: Offer) -> Artifact:
    """Return what the gate will make of one offer."""
    kind = ArtifactKind(offer.text("kind"))
    if kind is ArtifactKind.TABLE:
        return Artifact(kind, ReleaseId(offer.text("release")), offer.text("part"))
    return Artifact(
        kind=kind,
        release=ReleaseId(offer.text("release")),
        part=offer.text("part"),
        measure=offer.text("measure"),
        mark=offer.text("mark") or "bar",
    )
