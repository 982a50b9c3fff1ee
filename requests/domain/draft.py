"""What an applicant answers. A draft holds whatever was typed; `completeness.missing` says what it lacks."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from hvelv.kernel.errors import _
from hvelv.kernel.ids import DatasetId, HolderId, PersonId
from hvelv.privacy.domain.steps import Transform, as_documents, transforms_from


class Purpose(StrEnum):
    """Purposes for which health data may be processed for secondary use: Regulation (EU) 2025/327, article 53(1)."""

    PUBLIC_INTEREST = "public_interest"
    POLICY_AND_REGULATION = "policy_and_regulation"
    STATISTICS = "statistics"
    EDUCATION = "education"
    SCIENTIFIC_RESEARCH = "scientific_research"
    IMPROVING_CARE = "improving_care"


PURPOSE_NAMES: Mapping[Purpose, str] = {
    Purpose.PUBLIC_INTEREST: _("Folkehelse og arbeidshelse i allmennhetens interesse (a)"),
    Purpose.POLICY_AND_REGULATION: _("Politikkutforming og regulering (b)"),
    Purpose.STATISTICS: _("Statistikk (c)"),
    Purpose.EDUCATION: _("Utdanning innen helse og omsorg (d)"),
    Purpose.SCIENTIFIC_RESEARCH: _("Vitenskapelig forskning (e)"),
    Purpose.IMPROVING_CARE: _("Bedre helsehjelp og behandling (f)"),
}

OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in")
MOST_FILTERS = 8
SUMMARY_LENGTH = 200  # characters of plain language that a citizen can judge the project by

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Filter:
    """A condition on rows, in the form of the query model's `where`."""

    column: str
    op: str
    value: Scalar | tuple[Scalar, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "column": self.column,
            "op": self.op,
            "value": list(self.value) if isinstance(self.value, tuple) else self.value,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Filter":
        """Return the filter in `data`."""
        value = data["value"]
        return cls(str(data["column"]), str(data["op"]), tuple(value) if isinstance(value, list | tuple) else value)


@dataclass(frozen=True)
class Share:
    """A part of one dataset version: which columns and rows, and how much of its privacy budget, in micro-rho.

    `transforms`: by column, the steps that come after the steward's own and make it coarser still.
    """

    dataset: DatasetId
    holder: HolderId
    table: str
    version: str
    columns: tuple[str, ...]
    where: tuple[Filter, ...] = ()
    rho_micro: int = 0
    transforms: tuple[tuple[str, tuple[Transform, ...]], ...] = ()

    def steps(self, column: str) -> tuple[Transform, ...]:
        """Return a column's own steps."""
        return dict(self.transforms).get(column, ())

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form. Without steps it is the form that there was before steps: so are hashes and signatures."""
        return {
            "dataset": self.dataset,
            "holder": self.holder,
            "table": self.table,
            "version": self.version,
            "columns": list(self.columns),
            "where": [f.as_dict() for f in self.where],
            "rho_micro": self.rho_micro,
        } | ({"transforms": {name: as_documents(steps) for name, steps in self.transforms}} if self.transforms else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the part in `data`."""
        return cls(
            DatasetId(data["dataset"]),
            HolderId(data["holder"]),
            str(data["table"]),
            str(data["version"]),
            tuple(str(c) for c in data["columns"]),
            tuple(Filter.from_dict(f) for f in data["where"]),
            int(data["rho_micro"]),
            _transforms(dict(data.get("transforms", {}))),
        )


def _transforms(data: Mapping[str, Any]) -> tuple[tuple[str, tuple[Transform, ...]], ...]:
    """Return steps by column, in the columns' order. Raises `Invalid` for what are no steps."""
    return tuple((str(name), transforms_from(steps)) for name, steps in sorted(data.items()) if steps)


class Wish(Share):
    """What is wanted of a dataset version."""


@dataclass(frozen=True)
class Draft:
    """Answers as typed: texts, so that nothing is lost; dates as ISO text. Always can be saved."""

    title: str = ""
    purpose: str = ""
    legal_basis: str = ""
    summary: str = ""
    members: tuple[PersonId, ...] = ()
    wishes: tuple[Wish, ...] = ()
    period_from: str = ""
    period_to: str = ""

    def wish(self, dataset: DatasetId | str) -> Wish | None:
        """Return what is wanted of one dataset."""
        return next((w for w in self.wishes if w.dataset == dataset), None)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; what a revision's hash is taken over."""
        plain: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {"members": list(self.members), "wishes": [w.as_dict() for w in self.wishes]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Draft":
        """Return the draft in `data`."""
        texts = ("title", "purpose", "legal_basis", "summary", "period_from", "period_to")
        return cls(
            **{name: str(data.get(name, "")) for name in texts},
            members=tuple(PersonId(str(m)) for m in data.get("members", ())),
            wishes=tuple(Wish.from_dict(w) for w in data.get("wishes", ())),
        )
