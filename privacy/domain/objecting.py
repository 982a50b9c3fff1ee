"""Objections: what a person may object to, who says so, and what is wrong with a row that says it.

The register is a list of what people said: *object* or *withdraw*, about one scope, from a day on. What holds on a day is
what was said last before or on it; of two things said of one day, the objection holds. So neither the order in which
files are taken in nor taking one in twice changes anything, and nothing that was said is ever rewritten.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from hvelv.kernel.errors import _
from hvelv.privacy.domain.identifiers import is_person_number

EVERYTHING = "all"
LONGEST_SCOPE = 100

Fault = tuple[str, str]
"""The field that is wrong, and why."""


class Act(StrEnum):
    """What is said."""

    OBJECT = "object"
    WITHDRAW = "withdraw"


class By(StrEnum):
    """Who says it: the person, or somebody on the person's behalf."""

    SELF = "self"
    GUARDIAN = "guardian"
    PARENT = "parent"
    OTHER = "other"


DAY_FIELD: Mapping[Act, str] = {Act.OBJECT: "since", Act.WITHDRAW: "until"}
"""The column with the first day on which an objection holds, or on which it no longer does."""


@dataclass(frozen=True)
class Scopes:
    """Everything that can be objected to: all, or a purpose, a dataset or a holder by its id."""

    purposes: Collection[str]
    datasets: Collection[str]
    holders: Collection[str]

    def named(self) -> dict[str, str]:
        """Return how a file may write each scope, and how it is kept. A bare id is a dataset's, as in older files."""
        kinds = (("purpose", self.purposes), ("dataset", self.datasets), ("holder", self.holders))
        full = [f"{kind}:{name}" for kind, names in kinds for name in names]
        bare = {name: f"dataset:{name}" for name in self.datasets}
        return bare | {name: name for name in (EVERYTHING, *full)}


def scopes_of(dataset: str, holder: str, purpose: str) -> tuple[str, ...]:
    """Return the scopes whose objectors are in no extract of a holder's dataset for a purpose."""
    return EVERYTHING, f"purpose:{purpose}", f"dataset:{dataset}", f"holder:{holder}"


@dataclass
class RowCheck:
    """Says what is wrong with a row of objections or withdrawals. Days and scopes are looked at once each."""

    act: Act
    scopes: Mapping[str, str]
    _days: dict[str, bool] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that there have to be."""
        return "person_number", "scope", DAY_FIELD[self.act]

    def fault(self, row: Mapping[str, Any]) -> Fault | None:
        """Return what is wrong with the row, if anything."""
        if not is_number(row.get("person_number")):
            return "person_number", _("Personnummeret må ha nøyaktig 11 sifre, uten mellomrom.")
        scope, day = row.get("scope"), row.get(DAY_FIELD[self.act])
        if not isinstance(scope, str) or scope not in self.scopes:
            return "scope", _(
                "Omfanget må være «all», «purpose:», «dataset:» eller «holder:» fulgt av en id som finnes."
            )
        if not isinstance(day, str) or not self._is_day(day):
            return DAY_FIELD[self.act], _("Datoen må skrives som ÅÅÅÅ-MM-DD.")
        return _fault_of_who(row.get("by") or By.SELF.value, row.get("representative") or "")

    def _is_day(self, text: str) -> bool:
        if text not in self._days:
            try:
                self._days[text] = date.fromisoformat(text).isoformat() == text
            except ValueError:
                self._days[text] = False
        return self._days[text]


RELATIONS = frozenset(one.value for one in By)


def _fault_of_who(by: Any, representative: Any) -> Fault | None:
    if not isinstance(by, str) or by not in RELATIONS:
        return "by", _("Hvem som reserverer, må være self, guardian, parent eller other.")
    if representative and (by == By.SELF.value or not is_number(representative)):
        return "representative", _(
            "Representantens nummer må ha 11 sifre, og skal bare stå der noen reserverer på vegne av en annen."
        )
    return None


def is_number(value: Any) -> bool:
    """Say whether `value` is a text with the form of a person's number."""
    return isinstance(value, str) and is_person_number(value)
