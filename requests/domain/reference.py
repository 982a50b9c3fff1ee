"""The reference page of lifecycles and permissions, drawn from the tables that decide (docs/reference/lifecycle.md)."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from hvelv.requests.domain.lifecycle import LIFECYCLE, Action, State
from hvelv.requests.domain.permissions import MAY, Relation
from hvelv.requests.domain.permit import PERMIT_LIFECYCLE, PermitState
from hvelv.requests.domain.permit_rights import PERMIT_MAY

HEAD = """# Lifecycles and permissions

Generated from `requests/domain` by `make docs`; do not edit.
"""
RULES = """
The first vote or decision begins the review. `approve` and `reject` are in nobody's hand: they follow when, on one and
the same revision, the committee's counted votes meet the quorum with a majority and every affected data holder has
agreed, or when either says no. A vote counts only while its caster is an active committee member without conflict of
interest: not in the project, not in the same department as anyone in it, and not conflicted by own declaration.
"""


S = TypeVar("S", bound=StrEnum)
A = TypeVar("A", bound=StrEnum)


def _diagram(lifecycle: Mapping[S, Mapping[A, S]], first: S) -> list[str]:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for state, ways in lifecycle.items():
        by_target: dict[S, list[str]] = {}
        for action, target in ways.items():
            by_target.setdefault(target, []).append(action.value)
        lines += [f"    {state} --> {target}: {', '.join(actions)}" for target, actions in by_target.items()]
        if not ways:
            lines.append(f"    {state} --> [*]")
    return [*lines, "```"]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _actions(actions: Iterable[StrEnum], order: type[StrEnum]) -> str:
    actions = set(actions)
    return ", ".join(f"`{a}`" for a in order if a in actions) or "–"


def render() -> str:
    """Return the page as Markdown with Mermaid diagrams."""
    relations = [relation for relation in Relation if relation is not Relation.STRANGER]
    may = (
        (f"`{state}`", *(_actions(MAY.get((state, relation), ()), Action) for relation in relations)) for state in State
    )
    rights = (
        (f"`{part}`", ", ".join(f"`{a}`" for a in sorted(actions)) or "–") for part, actions in PERMIT_MAY.items()
    )
    lines = [
        HEAD,
        "## An application's life",
        "",
        *_diagram(LIFECYCLE, State.DRAFT),
        RULES,
        "## Who may do what to an application",
        "",
        *_table(("state", *(f"`{r}`" for r in relations)), may),
        "",
        "A `stranger` may nothing, and is told that there is no such application.",
        "",
        "## A permit's life",
        "",
        *_diagram(PERMIT_LIFECYCLE, PermitState.ACTIVE),
        "",
        "`amend` is what a new version does, `expire` what the calendar does.",
        "",
        "## Who may change a permit",
        "",
        *_table(("part in the project", "may"), rights),
    ]
    return "\n".join(lines) + "\n"
