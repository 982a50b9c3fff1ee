"""One question for everything that asks "may they?"."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hvelv.kernel.errors import Denied, _
from hvelv.kernel.people import Person


@dataclass(frozen=True)
class Rule:
    """Who may do one action: a test on person and thing, and what to tell the one who may not."""

    allows: Callable[[Person, Any], bool]
    otherwise: str


Policy = Mapping[StrEnum, Rule]


def may(person: Person, action: StrEnum, thing: Any, policy: Policy) -> bool:
    """Say whether `person` may do `action` to `thing`. An action without a rule is nobody's."""
    rule = policy.get(action)
    return rule is not None and person.active and rule.allows(person, thing)


def authorise(person: Person, action: StrEnum, thing: Any, policy: Policy) -> None:
    """Let pass, or raise `Denied` with the reason in the rule. An action without a rule is denied."""
    if may(person, action, thing, policy):
        return
    rule = policy.get(action)
    raise Denied(rule.otherwise if rule else _("Ingen har rett til dette."), code=f"denied:{action}")
