"""The declaration as a form: from the form's fields to the JSON document, and from a document to the fields."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hvelv.catalog.domain.forms import documents_of, key_of, steps_from
from hvelv.catalog.domain.words import ValueType
from hvelv.catalog.pages.suggestion import Suggestion
from hvelv.kernel.errors import Invalid, Problem, _

MOST_ROWS = 2000
NUMBERS = ("low", "high", "step")


def blank(suggestion: Suggestion) -> dict[str, Any]:
    """Return the document that a file's beginning suggests; the steward fills in the rest."""
    return {
        "title": {"nb": "", "en": ""},
        "description": {"nb": "", "en": ""},
        "table": "",
        "keywords": [],
        "person_unique": False,
        "format": suggestion.format.as_dict(),
        "variables": [
            {
                "name": column.name,
                "title": {"nb": "", "en": ""},
                "role": column.role.value,
                "type": column.type.value,
                "unit": None,
                "low": None,
                "high": None,
                "step": None,
                "categories": None,
                "nullable": column.nullable,
            }
            for column in suggestion.columns
        ],
    }


def from_json(text: str) -> dict[str, Any]:
    """Return the document in `text`. Raises `Invalid` that names the line."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        problem = Problem(
            _("Deklarasjonen er ikke gyldig JSON (linje {line}, tegn {column})."),
            "declaration",
            params={"line": error.lineno, "column": error.colno},
        )
        raise Invalid((problem,)) from None
    if not isinstance(document, dict):
        raise Invalid((Problem(_("Deklarasjonen må være et JSON-objekt."), "declaration"),))
    return document


@dataclass
class _Reading:
    """One reading of the form's texts."""

    fields: Mapping[str, str]
    problems: list[Problem]

    def text(self, name: str) -> str:
        return self.fields.get(name, "").strip()

    def both(self, name: str, row: str = "") -> dict[str, str]:
        return {"nb": self.text(f"{name}_nb{row}"), "en": self.text(f"{name}_en{row}")}

    def number(self, name: str) -> float | int | None:
        text = self.text(name).replace("\u00a0", "").replace(" ", "").replace(",", ".").replace("−", "-")
        if not text:
            return None
        try:
            return int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError:
            self.problems.append(Problem(_("Her må det stå et tall."), name))
            return None

    def form(self, name: str, low: float | None, high: float | None) -> list[dict[str, Any]]:
        """Read the form that a variable leaves in: the name of an offer, or steps as JSON."""
        found = documents_of(self.text(name), low, high)
        if found is None:
            self.problems.append(
                Problem(_("Denne formen finnes ikke, eller den trenger at minste og største verdi er oppgitt."), name)
            )
        return found or []

    def categories(self, name: str, kind: str) -> list[dict[str, Any]] | None:
        """Read one category a line: `code = bokmål | English`."""
        lines = [line for line in self.fields.get(name, "").splitlines() if line.strip()]
        if not lines:
            return None
        found: list[dict[str, Any]] = []
        for line in lines:
            code_text, _sign, labels = line.partition("=")
            nb, _bar, en = labels.partition("|")
            code: str | int = code_text.strip()
            if kind == ValueType.INTEGER and code_text.strip().lstrip("-").isdigit():
                code = int(code_text)
            found.append({"code": code, "label": {"nb": nb.strip() or str(code), "en": en.strip()}})
        return found


def from_form(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the document that the form's fields say. Raises `Invalid` for texts that are no numbers."""
    reading = _Reading(fields, [])
    variables = []
    for index in range(MOST_ROWS):
        row = f".{index}"
        if f"name{row}" not in fields:
            break
        if not reading.text(f"name{row}"):
            continue  # a row left empty is no variable
        kind = reading.text(f"type{row}")
        numbers = {name: reading.number(f"{name}{row}") for name in NUMBERS}
        steps = reading.form(f"form{row}", numbers["low"], numbers["high"])
        variables.append(
            {
                "name": reading.text(f"name{row}"),
                "title": reading.both("title", row),
                "role": reading.text(f"role{row}"),
                "type": kind,
                "unit": reading.text(f"unit{row}") or None,
                **numbers,
                "categories": reading.categories(f"categories{row}", kind),
                "nullable": f"nullable{row}" in fields,
            }
            | ({"transforms": steps} if steps else {})
        )
    if reading.problems:
        raise Invalid(tuple(reading.problems))
    more: dict[str, Any] = {"population": reading.text("population")} if reading.text("population") else {}
    more |= {"review_before_release": True} if "review_before_release" in fields else {}
    return {
        "title": reading.both("title"),
        "description": reading.both("description"),
        "table": reading.text("table"),
        "keywords": [word.strip() for word in reading.text("keywords").split(",") if word.strip()],
        "person_unique": "person_unique" in fields,
        "format": {
            "kind": reading.text("kind") or "csv",
            "delimiter": {"tab": "\t"}.get(fields.get("delimiter", ","), fields.get("delimiter", ",")),
            "encoding": reading.text("encoding") or "utf-8",
            "decimal": reading.text("decimal") or ".",
        },
        "variables": variables,
    } | more


def _both(value: Any, name: str, row: str = "") -> dict[str, str]:
    texts = value if isinstance(value, Mapping) else {}
    return {f"{name}_{lang}{row}": str(texts.get(lang, "") or "") for lang in ("nb", "en")}


def _lines(categories: Any) -> str:
    """Return categories as the form writes them."""
    lines = []
    for category in categories if isinstance(categories, list) else ():
        if isinstance(category, Mapping):
            label = category.get("label")
            texts = label if isinstance(label, Mapping) else {}
            english = f" | {texts['en']}" if texts.get("en") else ""
            lines.append(f"{category.get('code', '')} = {texts.get('nb', '')}{english}")
    return "\n".join(lines)


def _form(variable: Mapping[str, Any]) -> str:
    """Return the name of a variable's form, or its steps as JSON; "" where there are none that could be kept."""
    steps = steps_from(variable.get("transforms", []))
    low, high = (n if isinstance(n := variable.get(name), int | float) else None for name in ("low", "high"))
    return key_of([step.as_dict() for step in steps or ()], low, high)


def to_form(document: Mapping[str, Any], *, spare: int = 0) -> tuple[dict[str, str], int]:
    """Return the form's fields for a document, however faulty, and how many rows the form has."""
    written = document.get("format")
    how = written if isinstance(written, Mapping) else {}
    keywords = document.get("keywords")
    fields = {
        **_both(document.get("title"), "title"),
        **_both(document.get("description"), "description"),
        "table": str(document.get("table", "")),
        "population": str(document.get("population") or ""),
        "keywords": ", ".join(str(word) for word in keywords) if isinstance(keywords, list) else "",
        "kind": str(how.get("kind", "csv")),
        "delimiter": {"\t": "tab"}.get(str(how.get("delimiter", ",")), str(how.get("delimiter", ","))),
        "encoding": str(how.get("encoding", "utf-8")),
        "decimal": str(how.get("decimal", ".")),
    }
    if document.get("person_unique") is True:
        fields["person_unique"] = "on"
    if document.get("review_before_release") is True:
        fields["review_before_release"] = "on"
    given = document.get("variables")
    variables = [v for v in given if isinstance(v, Mapping)][:MOST_ROWS] if isinstance(given, list) else []
    for index, variable in enumerate(variables):
        row = f".{index}"
        fields |= _both(variable.get("title"), "title", row)
        for name in ("name", "role", "type", "unit", *NUMBERS):
            value = variable.get(name)
            fields[f"{name}{row}"] = "" if value is None else str(value)
        fields[f"form{row}"] = _form(variable)
        fields[f"categories{row}"] = _lines(variable.get("categories"))
        if variable.get("nullable") is True:
            fields[f"nullable{row}"] = "on"
    return fields, len(variables) + spare
