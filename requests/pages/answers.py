"""An application's answers as a form: from the form's fields to a draft, and from a draft to the fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hvelv.catalog.domain.dataset import Dataset
from hvelv.catalog.domain.forms import Offer
from hvelv.catalog.domain.variable import Variable
from hvelv.catalog.domain.words import ValueType
from hvelv.kernel.errors import Problem, _
from hvelv.kernel.ids import PersonId
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.transforms import Transform, combined
from hvelv.requests.domain.draft import Draft, Filter, Scalar, Share, Wish
from hvelv.requests.domain.forms import chosen, offered, schema_of, steps_of

TEXTS = ("title", "purpose", "legal_basis", "summary", "period_from", "period_to")
MICRO = 1_000_000
MOST_RHO = 100.0
CONDITION = re.compile(r"(\w{1,63}) *(==|!=|<=|>=|<|>|=| in ) *(.{1,2000})")
SEPARATOR = re.compile(r"[\s,;]+")


@dataclass(frozen=True)
class Answered:
    """A form as read: the draft that can be kept, and what in it could not be."""

    draft: Draft
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Form:
    """The form's fields; lists where a field occurs several times."""

    fields: Mapping[str, list[str]]

    def text(self, name: str, otherwise: str = "") -> str:
        """Return the first value of `name`."""
        values = self.fields.get(name)
        return values[0].strip() if values else otherwise

    def has(self, name: str) -> bool:
        """Say whether the form was sent with `name`."""
        return name in self.fields


def read(form: Form, draft: Draft, datasets: Mapping[str, Dataset]) -> Answered:
    """Return the draft after the form. A field that the form does not have keeps its answer."""
    problems: list[Problem] = []
    texts = {name: form.text(name, getattr(draft, name)) for name in TEXTS}
    members = draft.members
    if form.has("members"):
        members = tuple(dict.fromkeys(PersonId(m) for m in SEPARATOR.split(form.text("members").lower()) if m))
    dropped = set(form.fields.get("drop", ()))
    wishes = [_wish(form, w, datasets.get(w.dataset), problems) for w in draft.wishes if w.dataset not in dropped]
    return Answered(replace(draft, **texts, members=members, wishes=tuple(wishes)), tuple(problems))


def _wish(form: Form, wish: Wish, dataset: Dataset | None, problems: list[Problem]) -> Wish:
    if wish.dataset not in form.fields.get("dataset", ()):
        return wish
    where, rho = wish.where, wish.rho_micro
    if form.has(f"where.{wish.dataset}"):
        read_where = _conditions(form.text(f"where.{wish.dataset}"), f"where.{wish.dataset}", dataset, problems)
        where = where if read_where is None else read_where
    if form.has(f"rho.{wish.dataset}"):
        read_rho = rho_micro(form.text(f"rho.{wish.dataset}"), f"rho.{wish.dataset}", problems)
        rho = rho if read_rho is None else read_rho
    columns = tuple(form.fields.get(f"columns.{wish.dataset}", ()))
    return replace(
        wish, columns=columns, where=where, rho_micro=rho, transforms=_forms(form, wish, columns, dataset, problems)
    )


def _forms(
    form: Form, wish: Wish, columns: tuple[str, ...], dataset: Dataset | None, problems: list[Problem]
) -> tuple[tuple[str, tuple[Transform, ...]], ...]:
    """Read `form.<dataset>.<column>`, the name of a form that is offered; a column without the field keeps its steps."""
    schema = schema_of(dataset.declaration) if dataset else None
    found: dict[str, tuple[Transform, ...]] = {name: wish.steps(name) for name in columns}
    for name in columns:
        field = f"form.{wish.dataset}.{name}"
        column = schema.find(name) if schema else None
        if column is None or not form.has(field) or form.text(field) == chosen(wish.steps(name), column):
            continue
        steps = steps_of(form.text(field), column)
        if steps is None:
            problems.append(Problem(_("Variabelen kan ikke utleveres i den formen."), field))
        else:
            found[name] = steps
    return tuple((name, steps) for name, steps in sorted(found.items()) if steps)


def rho_micro(text: str, field: str, problems: list[Problem]) -> int | None:
    """Return a budget written as decimal rho in micro-rho; None, and a problem, for what is no budget."""
    try:
        rho = float(text.replace(",", ".") or 0)
    except ValueError:
        rho = -1.0
    if not 0 <= rho <= MOST_RHO:  # also refuses what is not a number
        problems.append(
            Problem(_("Budsjettet må være et tall fra 0 til {most}."), field, params={"most": int(MOST_RHO)})
        )
        return None
    return round(rho * MICRO)


def _conditions(text: str, field: str, dataset: Dataset | None, problems: list[Problem]) -> tuple[Filter, ...] | None:
    """Read one condition a line, `column >= value` or `column in a, b`; None, and a problem, when one cannot be read."""
    found: list[Filter] = []
    before = len(problems)
    for number, line in enumerate((part.strip() for part in text.splitlines()), start=1):
        if not line:
            continue
        match = CONDITION.fullmatch(line)
        if match is None:
            message = _("Vilkåret på linje {line} kan ikke leses. Skriv for eksempel: alder >= 18")
            problems.append(Problem(message, field, params={"line": number}))
            continue
        column, op, value = match[1], match[2].strip(), match[3].strip()
        variable = dataset.declaration.variable(column) if dataset else None
        if op == "in":
            found.append(
                Filter(column, op, tuple(_scalar(v, variable) for v in value.strip("[]()").split(",") if v.strip()))
            )
        else:
            found.append(Filter(column, "==" if op == "=" else op, _scalar(value, variable)))
    return tuple(found) if len(problems) == before else None


def _scalar(text: str, variable: Variable | None) -> Scalar:
    """Return a value as the variable's type has it; a text where it cannot be."""
    plain = text.strip().strip("'\"")
    kind = variable.type if variable else None
    try:
        if kind is ValueType.INTEGER:
            return int(plain)
        if kind is ValueType.DECIMAL:
            return float(plain)
    except ValueError:
        return plain
    if kind is ValueType.BOOLEAN and plain.lower() in {"true", "false"}:
        return plain.lower() == "true"
    return plain


def condition_text(filters: tuple[Filter, ...]) -> str:
    """Return conditions as the form writes them."""
    lines = []
    for f in filters:
        value = ", ".join(str(v) for v in f.value) if isinstance(f.value, tuple) else str(f.value)
        lines.append(f"{f.column} {f.op} {value}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Forms:
    """The forms of one dataset's variables, for a page: what is offered, and what is chosen of it."""

    schema: Schema
    offers: Mapping[str, tuple[Offer, ...]]

    def declared(self, name: str) -> tuple[Transform, ...]:
        """Return the steward's own steps."""
        column = self.schema.find(name)
        return column.transforms if column else ()

    def effective(self, wish: Share, name: str) -> tuple[Transform, ...]:
        """Return all steps of a variable: the steward's, then the project's."""
        return combined(self.declared(name), wish.steps(name))

    def chosen(self, wish: Share, name: str) -> str:
        """Return the name of the form that is asked for."""
        column = self.schema.find(name)
        return chosen(wish.steps(name), column) if column else ""


def forms_of(dataset: Dataset) -> Forms:
    """Return the forms of a dataset's variables."""
    return Forms(schema_of(dataset.declaration), offered(dataset.declaration))
