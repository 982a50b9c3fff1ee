"""What is publicly known of a table: columns, roles, bounds, resolution and categories. Never anything of its rows."""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, cast, get_args

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.steps import Transform, combined, transforms_from

ColumnType = Literal["string", "integer", "decimal", "date", "boolean"]
ColumnRole = Literal[
    "person_id", "direct_identifier", "quasi_identifier", "sensitive", "attribute", "date", "free_text"
]
Code = str | int | bool
TYPES: tuple[str, ...] = get_args(ColumnType)
ROLES: tuple[str, ...] = get_args(ColumnRole)
NEVER_LEAVES: frozenset[str] = frozenset({"person_id", "direct_identifier", "free_text"})
NUMERIC: frozenset[str] = frozenset({"integer", "decimal"})
PSEUDONYM = "pid"  # the column that takes the person id's place in an extract


def exact(number: float) -> Fraction:
    """Return the decimal number that people wrote as `number`, exactly: 0.1 is one tenth."""
    return Fraction(repr(number))


@dataclass(frozen=True)
class Column:
    """One variable as its steward declared it, before anyone looked at the data.

    `depends_on_others`: whether a row's value is decided by other persons' rows too, as after suppression. No query may
    use such a column: one person's sensitivity could not be bounded (see `hvelv.privacy.domain.accounting`).
    """

    name: str
    type: ColumnType
    role: ColumnRole
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = None
    categories: tuple[Code, ...] | None = None
    unit: str | None = None
    title: Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: tuple[Mapping[str, str], ...] = ()
    nullable: bool = True
    transforms: tuple[Transform, ...] = ()
    depends_on_others: bool = False

    def __post_init__(self) -> None:
        """Refuse a declaration that no sensitivity could be computed from."""
        if self.type not in TYPES or self.role not in ROLES:
            raise Invalid((Problem(_("Variabelen har ukjent type eller rolle."), self.name),))
        numbers = [n for n in (self.low, self.high, self.step) if n is not None]
        if any(isinstance(n, bool) or not math.isfinite(n) for n in numbers):
            raise Invalid((Problem(_("Grenser og oppløsning må være endelige tall."), self.name),))
        if self.low is not None and self.high is not None and self.low > self.high:
            raise Invalid((Problem(_("Nedre grense er høyere enn øvre grense."), self.name),))
        if self.step is not None and self.step <= 0:
            raise Invalid((Problem(_("Oppløsningen må være større enn null."), self.name),))

    @property
    def leaves(self) -> bool:
        """Say whether the column may be in an extract at all."""
        return self.role not in NEVER_LEAVES

    @property
    def resolution(self) -> Fraction | None:
        """Return the step on which sums are exact; None where sums are not possible."""
        if self.step is not None:
            return exact(self.step)
        return Fraction(1) if self.type == "integer" else None

    @property
    def keys(self) -> tuple[Code, ...] | None:
        """Return the public values that rows may be grouped by; None where there are none."""
        if self.type == "boolean":
            return (False, True)
        return self.categories


@dataclass(frozen=True)
class Schema:
    """A table's public description."""

    table: str
    columns: tuple[Column, ...]
    title: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse two columns with one name, and the name that the pseudonym has."""
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names) or PSEUDONYM in names:
            raise Invalid((Problem(_("Variabelnavnene må være ulike, og ingen kan hete «pid»."), self.table),))

    @property
    def person_id(self) -> Column:
        """Return the one column that says whom a row is about. Raises `Invalid` unless there is exactly one."""
        found = [column for column in self.columns if column.role == "person_id"]
        if len(found) != 1:
            raise Invalid((Problem(_("Tabellen må ha nøyaktig én variabel med rollen person-id."), self.table),))
        return found[0]

    def find(self, name: str) -> Column | None:
        """Return the column, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def permitted(self, names: Collection[str]) -> "Schema":
        """Return the schema of an extract with `names`: what never leaves is left out whatever was asked."""
        kept = tuple(column for column in self.columns if column.name in names and column.leaves)
        return Schema(self.table, kept, self.title)

    def extracted(self, names: Collection[str], extra: Mapping[str, Sequence[Transform]]) -> "Schema":
        """Return the public schema of an extract with `names`, after the steward's steps and then the `extra` ones.

        Raises `Invalid` for steps that do not fit, and for extra steps on what is not among `names`.
        """
        from hvelv.privacy.domain.transforms import transformed

        if unknown := len(set(extra) - set(names)):
            message = _("Det er trinn for {count} variabler som ikke er blant de valgte.")
            raise Invalid((Problem(message, self.table, params={"count": unknown}),))
        wanted = (column for column in self.columns if column.name in names)
        made = (transformed(column, combined(column.transforms, extra.get(column.name, ()))) for column in wanted)
        return Schema(self.table, tuple(column for column in made if column is not None), self.title)

    @classmethod
    def from_declaration(cls, declaration: Mapping[str, Any]) -> "Schema":
        """Return the schema in a dataset's declaration (the JSON that is frozen with a version)."""
        columns = tuple(_column(variable) for variable in declaration["variables"])
        return cls(str(declaration["table"]), columns, dict(declaration.get("title") or {}))


def _column(variable: Mapping[str, Any]) -> Column:
    categories = variable.get("categories")
    return Column(
        name=str(variable["name"]),
        type=cast("ColumnType", variable["type"]),
        role=cast("ColumnRole", variable["role"]),
        low=variable.get("low"),
        high=variable.get("high"),
        step=variable.get("step"),
        categories=None if not categories else tuple(category["code"] for category in categories),
        labels=() if not categories else tuple(dict(category.get("label") or {}) for category in categories),
        unit=variable.get("unit"),
        title=dict(variable.get("title") or {}),
        nullable=bool(variable.get("nullable", True)),
        transforms=_steps(variable),
    )


def _steps(variable: Mapping[str, Any]) -> tuple[Transform, ...]:
    try:
        return transforms_from(variable.get("transforms") or [])
    except Invalid as refusal:
        places = (dataclasses.replace(p, field=f"{variable['name']}.transforms.{p.field}") for p in refusal.problems)
        raise Invalid(tuple(places), refusal.message) from None
