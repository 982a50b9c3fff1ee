"""A variable: one column, with what a reader and the privacy engine must know of it beforehand."""

from dataclasses import dataclass
from typing import Any

from hvelv.catalog.domain.forms import Step, as_documents
from hvelv.catalog.domain.words import IDENTIFYING, Text, ValueType, VariableRole

Code = str | int


@dataclass(frozen=True)
class Category:
    """One value of a public code list, with its label."""

    code: Code
    label: Text

    def as_dict(self) -> dict[str, Any]:
        """Return the form of declarations."""
        return {"code": self.code, "label": self.label.as_dict()}


@dataclass(frozen=True)
class CodeList:
    """The values that a variable can have. Public: it says nothing of which ones occur."""

    categories: tuple[Category, ...]

    @property
    def codes(self) -> tuple[Code, ...]:
        """Return the codes in the order declared."""
        return tuple(category.code for category in self.categories)


@dataclass(frozen=True)
class Variable:
    """One column. `low`, `high` and `step` are in `unit`; sums are exact in whole steps.

    `transforms` are the steps that it leaves through, the least coarse form that the steward hands out.
    """

    name: str
    title: Text
    role: VariableRole
    type: ValueType
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    step: float | None = None
    code_list: CodeList | None = None
    nullable: bool = False
    transforms: tuple[Step, ...] = ()

    @property
    def identifying(self) -> bool:
        """Say whether values point straight at a person, and so are never shown or handed out."""
        return self.role in IDENTIFYING

    @property
    def categories(self) -> tuple[Category, ...]:
        """Return the public categories; none where there is no code list."""
        return self.code_list.categories if self.code_list else ()

    def as_dict(self) -> dict[str, Any]:
        """Return the form of declarations. Without steps it is the form that there was before steps: so are hashes."""
        return {
            "name": self.name,
            "title": self.title.as_dict(),
            "role": self.role.value,
            "type": self.type.value,
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "step": self.step,
            "categories": [c.as_dict() for c in self.categories] if self.code_list else None,
            "nullable": self.nullable,
        } | ({"transforms": as_documents(self.transforms)} if self.transforms else {})
