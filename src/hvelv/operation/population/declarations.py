"""The registers' declarations, as a steward would write them: titles, roles, bounds and public code lists."""

from collections.abc import Iterable
from typing import Any

from hvelv.operation.population import codes, places, rows
from hvelv.operation.population.figures import Wanted
from hvelv.operation.population.lifetimes import BIRTHPLACES

Document = dict[str, Any]

MADE = ("Oppdiktede data. Ingen finnes. ", "Made-up data. Nobody exists. ")
SEXES = (("F", "Kvinne", "Female"), ("M", "Mann", "Male"))
BIRTHPLACE_NAMES = (
    ("Norge", "Norway"), ("Norden ellers", "Other Nordic"), ("Europa ellers", "Other Europe"), ("Afrika", "Africa"),
    ("Asia", "Asia"), ("Amerika og Oseania", "Americas and Oceania"),
)  # fmt: skip
LEVEL_NAMES = (("Døgnopphold", "Inpatient"), ("Dagbehandling", "Day treatment"), ("Poliklinikk", "Outpatient"))
DEATH_PLACE_NAMES = (("Sykehjem", "Nursing home"), ("Sykehus", "Hospital"), ("Hjemme", "Home"), ("Annet", "Other"))
STAGE_NAMES = (
    ("Ukjent", "Unknown"), ("Lokal", "Localised"), ("Regional", "Regional"), ("Fjern", "Distant"),
    ("Ikke relevant", "Not applicable"),
)  # fmt: skip
SITE_NAMES = {c.code[:3]: (c.nb, c.en) for c in codes.DIAGNOSES}


def _text(nb: str, en: str) -> Document:
    return {"nb": nb, "en": en}


def _variable(name: str, titles: tuple[str, str], role: str, kind: str, **more: Any) -> Document:
    blank = {"unit": None, "low": None, "high": None, "step": None, "categories": None, "nullable": False}
    return {"name": name, "title": _text(*titles), "role": role, "type": kind} | blank | more


def _listed(name: str, titles: tuple[str, str], role: str, values: Iterable[tuple[str | int, str, str]]) -> Document:
    categories = [{"code": code, "label": _text(nb, en)} for code, nb, en in values]
    kind = "integer" if isinstance(categories[0]["code"], int) else "string"
    return _variable(name, titles, role, kind, categories=categories)


def _named(values: Iterable[str | int], names: Iterable[tuple[str, str]]) -> list[tuple[str | int, str, str]]:
    return [(value, nb, en) for value, (nb, en) in zip(values, names, strict=True)]


def _number(
    name: str, titles: tuple[str, str], role: str, bounds: tuple[int, int], unit: str | None = None
) -> Document:
    return _variable(name, titles, role, "integer", low=bounds[0], high=bounds[1], unit=unit)


def _date(name: str, titles: tuple[str, str], role: str = "date", *, nullable: bool = False) -> Document:
    return _variable(name, titles, role, "date", nullable=nullable)


DIAGNOSES = [(c.code, f"{c.nb} ({c.code})", f"{c.en} ({c.code})") for c in codes.DIAGNOSES]
FNR = _variable("fnr", ("Fødselsnummer", "Person number"), "person_id", "string")
MUNICIPALITY = _listed(
    "municipality", ("Bostedskommune", "Municipality"), "quasi_identifier",
    [(code, name, name) for code, name in places.MUNICIPALITIES.items()],
)  # fmt: skip
AGE = ("Alder", "Age")

PERSONS = (
    FNR,
    _date("birth_date", ("Fødselsdato", "Date of birth"), "quasi_identifier"),
    _listed("sex", ("Kjønn", "Sex"), "quasi_identifier", SEXES),
    MUNICIPALITY,
    _listed("birthplace", ("Fødeland", "Region of birth"), "quasi_identifier", _named(BIRTHPLACES, BIRTHPLACE_NAMES)),
    _date("death_date", ("Dødsdato", "Date of death"), nullable=True),
)
EPISODES = (
    FNR,
    _date("admission_date", ("Innlagt", "Admitted")),
    _date("discharge_date", ("Utskrevet", "Discharged")),
    _listed("diagnosis", ("Hoveddiagnose, ICD-10", "Main diagnosis, ICD-10"), "sensitive", DIAGNOSES),
    _listed(
        "hospital", ("Sykehus", "Hospital"), "quasi_identifier", _named(places.HOSPITALS, places.HOSPITALS.values())
    ),
    _listed("level", ("Omsorgsnivå", "Level of care"), "attribute", _named(rows.LEVELS, LEVEL_NAMES)),
    _variable("urgent", ("Øyeblikkelig hjelp", "Urgent"), "attribute", "boolean"),
    MUNICIPALITY,
)
PRESCRIPTIONS = (
    FNR,
    _date("dispensed_date", ("Utlevert", "Dispensed")),
    _listed("atc", ("Legemiddel, ATC", "Medicine, ATC"), "sensitive", [(m.code, m.nb, m.en) for m in codes.MEDICINES]),
    _number("packs", ("Pakninger", "Packs"), "attribute", (1, 20)),
    _variable("doses", ("Definerte døgndoser", "Defined daily doses"), "attribute", "decimal", unit="DDD", low=0, high=4000, step=0.5),
    _variable("reimbursed", ("På blå resept", "Reimbursed"), "attribute", "boolean"),
)  # fmt: skip
DEATHS = (
    FNR,
    _date("death_date", ("Dødsdato", "Date of death")),
    _listed("cause", ("Underliggende dødsårsak, ICD-10", "Underlying cause, ICD-10"), "sensitive", DIAGNOSES),
    _listed("place", ("Dødssted", "Place of death"), "attribute", _named(rows.PLACES_OF_DEATH, DEATH_PLACE_NAMES)),
    _number("age", AGE, "quasi_identifier", (0, 120), "år"),
    MUNICIPALITY,
)
CANCERS = (
    FNR,
    _date("diagnosis_date", ("Diagnosedato", "Date of diagnosis")),
    _listed("site", ("Kreftform, ICD-10", "Site, ICD-10"), "sensitive", [(s, *SITE_NAMES[s]) for s in codes.SITES]),
    _listed("stage", ("Stadium", "Stage"), "sensitive", _named(rows.STAGES, STAGE_NAMES)),
    _number("age", AGE, "quasi_identifier", (0, 120), "år"),
    _variable("verified", ("Bekreftet ved mikroskopi", "Morphologically verified"), "attribute", "boolean"),
    MUNICIPALITY,
)
BIRTHS = (
    FNR,
    _date("birth_date", ("Fødselsdato", "Date of birth"), "quasi_identifier"),
    _variable("mother_fnr", ("Mors fødselsnummer", "Mother's person number"), "direct_identifier", "string"),
    _number("mother_age", ("Mors alder", "Mother's age"), "quasi_identifier", (12, 60), "år"),
    _number("plurality", ("Antall barn i fødselen", "Children of the delivery"), "attribute", (1, 2)),
    _number("week", ("Svangerskapslengde", "Gestational age"), "attribute", (20, 45), "uker"),
    _number("weight", ("Fødselsvekt", "Birth weight"), "attribute", (200, 7000), "g"),
    _number("apgar", ("Apgar etter 5 minutter", "Apgar at 5 minutes"), "sensitive", (0, 10)),
    _listed("delivery", ("Forløsning", "Delivery"), "attribute", _named(
        ("vaginal", "section"), (("Vaginal", "Vaginal"), ("Keisersnitt", "Caesarean section")))),
    MUNICIPALITY,
)  # fmt: skip
# Table: title, description, variables, one row a person.
REGISTERS: dict[str, tuple[tuple[str, str], tuple[str, str], tuple[Document, ...], bool]] = {
    "persons": (
        ("Personer", "Persons"),
        ("Én rad per person: fødselsdato, kjønn, bosted og død.", "One row a person: birth, sex, residence and death."),
        PERSONS, True,
    ),
    "episodes": (
        ("Episoder i spesialisthelsetjenesten", "Episodes of specialist care"),
        ("Én rad per opphold eller konsultasjon, slik Norsk pasientregister har det.",
         "One row a stay or consultation, in the manner of the Norwegian Patient Registry."),
        EPISODES, False,
    ),
    "prescriptions": (
        ("Utleverte legemidler", "Dispensed medicines"),
        ("Én rad per utlevering, slik Legemiddelregisteret har det.",
         "One row a dispensing, in the manner of the Norwegian Prescribed Drug Registry."),
        PRESCRIPTIONS, False,
    ),
    "deaths": (
        ("Dødsårsaker", "Causes of death"),
        ("Én rad per død, slik Dødsårsaksregisteret har det.", "One row a death, in the manner of the Cause of Death Registry."),
        DEATHS, True,
    ),
    "cancers": (
        ("Krefttilfeller", "Cancers"),
        ("Én rad per person med kreft, slik Kreftregisteret har det.",
         "One row a person with cancer, in the manner of the Cancer Registry of Norway."),
        CANCERS, True,
    ),
    "births": (
        ("Fødsler", "Births"),
        ("Én rad per barn, slik Medisinsk fødselsregister har det.", "One row a child, in the manner of the Medical Birth Registry."),
        BIRTHS, True,
    ),
}  # fmt: skip


def document(table: str, wanted: Wanted) -> Document:
    """Return the declaration of a register, in the form that `Declaration.read` takes."""
    title, description, variables, unique = REGISTERS[table]
    years = f"{wanted.first_year}–{wanted.last_year}"
    return {
        "title": _text(*(f"{t}, {years}" for t in title)),
        "description": _text(*(made + said for made, said in zip(MADE, description, strict=True))),
        "table": table,
        "keywords": ["eksempeldata", "sample data"],
        "person_unique": unique,
        "format": {"kind": "parquet"},
        "variables": [dict(v) for v in variables],
    }
