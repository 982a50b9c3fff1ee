"""From JSON to a declaration: every field looked at, one problem for each that must be mended."""

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from hvelv.catalog.domain.declaration import Declaration, Encoding, FileKind, Format
from hvelv.catalog.domain.forms import MOST_STEPS, steps_from
from hvelv.catalog.domain.variable import Category, Code, CodeList, Variable
from hvelv.catalog.domain.words import NUMERIC, Text, ValueType, VariableRole, is_name
from hvelv.kernel.errors import Invalid, Problem, _

LONGEST = {"title": 200, "description": 5000, "label": 200, "unit": 40, "keyword": 60, "code": 100}
MOST_VARIABLES = 2000
MOST_CATEGORIES = 5000
MOST_KEYWORDS = 50
MOST_DECIMALS = 1e12  # bounds beyond this in steps of `step` are not summed exactly
DELIMITERS = (",", ";", "\t", "|")
TOP = frozenset(
    {
        "title", "description", "table", "keywords", "person_unique", "format", "variables", "review_before_release",
        "population",
    }
)  # fmt: skip
POPULATION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")  # as ids of datasets are
FORMAT = frozenset({"kind", "delimiter", "encoding", "decimal"})
VARIABLE = frozenset(
    {"name", "title", "role", "type", "unit", "low", "high", "step", "categories", "nullable", "transforms"}
)
E = TypeVar("E", FileKind, Encoding, VariableRole, ValueType)


class _Reading:
    """One reading of one document; gathers problems instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def wrong(self, message: str, field: str, **params: object) -> None:
        self.problems.append(Problem(message, field, params=params))

    def mapping(self, value: Any, field: str, known: frozenset[str]) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self.wrong(_("Her må det stå et objekt."), field)
            return {}
        if unknown := [k for k in value if k not in known]:
            self.wrong(_("Her står {count} felt som ikke er kjent."), field, count=len(unknown))
        return value

    def text(self, value: Any, field: str, longest: int, *, needed: bool = True) -> Text:
        parts = self.mapping(value if value is not None else {}, field, frozenset({"nb", "en"}))
        for locale in ("nb", "en"):
            part = parts.get(locale, "")
            if not isinstance(part, str):
                self.wrong(_("Her må det stå en tekst."), f"{field}.{locale}")
                return Text("")
            if len(part) > longest:
                self.wrong(_("Teksten er lengre enn {most} tegn."), f"{field}.{locale}", most=longest)
        if needed and not parts.get("nb", "").strip():
            self.wrong(_("Teksten på bokmål mangler."), f"{field}.nb")
        return Text(parts.get("nb", ""), parts.get("en", ""))

    def choice(self, value: Any, field: str, kind: type[E]) -> E | None:
        try:
            return kind(value)
        except ValueError:
            self.wrong(_("Velg en av: {choices}."), field, choices=", ".join(kind))
            return None

    def flag(self, value: Any, field: str) -> bool:
        if not isinstance(value, bool):
            self.wrong(_("Her må det stå ja eller nei (true eller false)."), field)
            return False
        return value

    def number(self, value: Any, field: str) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.wrong(_("Her må det stå et tall."), field)
            return None
        return value


def _format(r: _Reading, document: Any) -> Format:
    data = r.mapping(document, "format", FORMAT)
    kind = r.choice(data.get("kind", "csv"), "format.kind", FileKind)
    encoding = r.choice(data.get("encoding", "utf-8"), "format.encoding", Encoding)
    delimiter, decimal = data.get("delimiter", ","), data.get("decimal", ".")
    if delimiter not in DELIMITERS:
        r.wrong(_("Skilletegnet må være komma, semikolon, tabulator eller loddrett strek."), "format.delimiter")
    if decimal not in {".", ","}:
        r.wrong(_("Desimaltegnet må være punktum eller komma."), "format.decimal")
    elif decimal == delimiter:
        r.wrong(_("Desimaltegn og skilletegn kan ikke være det samme."), "format.decimal")
    return Format(kind or FileKind.CSV, str(delimiter), encoding or Encoding.UTF_8, str(decimal))


def _categories(r: _Reading, value: Any, field: str, kind: ValueType | None) -> CodeList | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or len(value) > MOST_CATEGORIES:
        r.wrong(_("Et kodeverk har mellom 1 og {most} koder."), field, most=MOST_CATEGORIES)
        return None
    if kind not in {ValueType.STRING, ValueType.INTEGER}:
        r.wrong(_("Bare tekst og heltall kan ha kodeverk."), field)
        return None
    found: list[Category] = []
    seen: set[Code] = set()
    wanted = str if kind is ValueType.STRING else int
    for i, entry in enumerate(value):
        place = f"{field}.{i}"
        data = r.mapping(entry, place, frozenset({"code", "label"}))
        code = data.get("code")
        if not isinstance(code, wanted) or isinstance(code, bool) or len(str(code)) > LONGEST["code"] or code == "":
            r.wrong(_("Koden må ha samme type som variabelen og være kort."), f"{place}.code")
        elif code in seen:
            r.wrong(_("Koden står to ganger i kodeverket."), f"{place}.code")
        else:
            seen.add(code)
            found.append(Category(code, r.text(data.get("label"), f"{place}.label", LONGEST["label"], needed=False)))
    return CodeList(tuple(found)) if found else None


def _bounds(r: _Reading, data: Mapping[str, Any], field: str, kind: ValueType | None) -> tuple[float | None, ...]:
    low, high, step = (r.number(data.get(name), f"{field}.{name}") for name in ("low", "high", "step"))
    if kind is not None and kind not in NUMERIC:
        for name, number in (("low", low), ("high", high), ("step", step)):
            if number is not None:
                r.wrong(_("Bare tall kan ha grenser og oppløsning."), f"{field}.{name}")
        return None, None, None
    if kind is ValueType.INTEGER:
        for name, number in (("low", low), ("high", high), ("step", step)):
            if number is not None and not float(number).is_integer():
                r.wrong(_("Et heltall har hele grenser og hel oppløsning."), f"{field}.{name}")
        step = 1 if step is None else step
    if low is not None and high is not None and low > high:
        r.wrong(_("Nedre grense er høyere enn øvre grense."), f"{field}.low")
    if step is not None and step <= 0:
        r.wrong(_("Oppløsningen må være større enn null."), f"{field}.step")
    elif step is not None and max(abs(low or 0), abs(high or 0)) / step > MOST_DECIMALS:
        r.wrong(_("Oppløsningen er for fin for grensene."), f"{field}.step")
    return low, high, step


def _variable(r: _Reading, entry: Any, field: str) -> Variable | None:
    data = r.mapping(entry, field, VARIABLE)
    name = data.get("name")
    if not is_name(name):
        r.wrong(_("Et navn har små bokstaver a–z, sifre og _, og begynner med en bokstav."), f"{field}.name")
    role = r.choice(data.get("role"), f"{field}.role", VariableRole)
    kind = r.choice(data.get("type"), f"{field}.type", ValueType)
    unit = data.get("unit")
    if unit is not None and (not isinstance(unit, str) or len(unit) > LONGEST["unit"]):
        r.wrong(_("Enheten må være en kort tekst."), f"{field}.unit")
    title = r.text(data.get("title"), f"{field}.title", LONGEST["title"])
    low, high, step = _bounds(r, data, field, kind)
    codes = _categories(r, data.get("categories"), f"{field}.categories", kind)
    nullable = r.flag(data.get("nullable", False), f"{field}.nullable")
    steps = steps_from(data.get("transforms", []))
    if steps is None:
        r.wrong(_("Trinnene er en liste av høyst {most} objekter med «kind»."), f"{field}.transforms", most=MOST_STEPS)
    if role is VariableRole.PERSON_ID and (kind is not ValueType.STRING or nullable or codes):
        r.wrong(_("Personnummeret er en tekst uten kodeverk og kan ikke mangle."), f"{field}.type")
    if role is VariableRole.DATE and kind not in {ValueType.DATE, None}:
        r.wrong(_("En variabel med rollen dato må ha typen dato."), f"{field}.type")
    if role is None or kind is None or not is_name(name):
        return None
    return Variable(
        str(name), title, role, kind, str(unit) if unit else None, low, high, step, codes, nullable, steps or ()
    )


def _variables(r: _Reading, value: Any) -> tuple[Variable, ...]:
    if not isinstance(value, list) or not value or len(value) > MOST_VARIABLES:
        r.wrong(_("En tabell har mellom 1 og {most} variabler."), "variables", most=MOST_VARIABLES)
        return ()
    read = [_variable(r, entry, f"variables.{i}") for i, entry in enumerate(value)]
    seen: set[str] = set()
    for i, variable in enumerate(read):
        if variable is not None and variable.name in seen:
            r.wrong(_("To variabler har samme navn."), f"variables.{i}.name")
        elif variable is not None:
            seen.add(variable.name)
    found = tuple(v for v in read if v is not None)
    if sum(v.role is VariableRole.PERSON_ID for v in found) != 1 and len(found) == len(read):
        r.wrong(_("Nøyaktig én variabel må ha rollen person_id."), "variables")
    return found


def declared(document: Mapping[str, Any]) -> Declaration:
    """Return the declaration in `document`. Raises `Invalid`, with `field` as the path into the document."""
    r = _Reading()
    data = r.mapping(document, "", TOP)
    title = r.text(data.get("title"), "title", LONGEST["title"])
    description = r.text(data.get("description"), "description", LONGEST["description"])
    table = data.get("table")
    if not is_name(table):
        r.wrong(_("Et navn har små bokstaver a–z, sifre og _, og begynner med en bokstav."), "table")
    keywords = data.get("keywords", [])
    if (
        not isinstance(keywords, list)
        or len(keywords) > MOST_KEYWORDS
        or not all(isinstance(k, str) and len(k) <= LONGEST["keyword"] for k in keywords)
    ):
        r.wrong(_("Stikkord er en liste av høyst {most} korte tekster."), "keywords", most=MOST_KEYWORDS)
        keywords = []
    unique = r.flag(data.get("person_unique", False), "person_unique")
    review = r.flag(data.get("review_before_release", False), "review_before_release")
    population = data.get("population")
    if population is not None and not (isinstance(population, str) and POPULATION.fullmatch(population)):
        r.wrong(_("Befolkningens navn har små bokstaver a–z, sifre og bindestrek, høyst 64 tegn."), "population")
    written = _format(r, data.get("format", {}))
    variables = _variables(r, data.get("variables"))
    if r.problems:
        raise Invalid(tuple(r.problems), _("Beskrivelsen av tabellen må rettes."))
    return Declaration(title, description, str(table), tuple(keywords), unique, written, variables, review, population)
