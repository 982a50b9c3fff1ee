"""Columns that a statement makes, before they are called x1, x2 … in the order in which they stand in the document.

The SQL's own names are only for finding them: they are nobody's words in what leaves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Part = dict[str, Any]


@dataclass(eq=False, frozen=True)
class Mark:
    """A column that is made, which has no name yet. Each is itself alone."""


@dataclass
class Scope:
    """What columns can be called in one part of the statement. What is not made is the table's own, and not known here.

    `by_alias`: the made columns that can be called by the name of what they come from; of a table itself, none.
    """

    derive: list[Part] = field(default_factory=list)
    names: dict[str, Mark] = field(default_factory=dict)
    by_alias: dict[str, Mapping[str, Mark]] = field(default_factory=dict)
    dates: frozenset[str] = frozenset()

    def made(self, **how: Any) -> Mark:
        """Return the column that is made so: the same one where the same was made before."""
        for part in self.derive:
            if {key: value for key, value in part.items() if key != "name"} == how:
                found: Mark = part["name"]
                return found
        mark = Mark()
        self.derive.append({"kind": how["kind"], "name": mark, **how})
        return mark

    def column(self, name: str, alias: str = "") -> str | Mark | None:
        """Return the made column of that name; else the name, for the table's own. None where nothing has that alias."""
        names = self.by_alias.get(alias) if alias else self.names
        return None if names is None else names.get(name, name)


def numbered(document: Part, names: Mapping[str, Mark]) -> tuple[Part, dict[str, str]]:
    """Return the document with each made column called x1, x2 … in the order in which they are made in it.

    With it comes what the statement calls them: by number, of those among `names`.
    """
    numbers = {mark: f"x{i}" for i, mark in enumerate(dict.fromkeys(_marks(document)), start=1)}
    found: Part = _named(document, numbers)
    return found, {numbers[mark]: name for name, mark in names.items() if mark in numbers}


def _marks(document: Part) -> Iterator[Mark]:
    """Yield the marks where they are made: in what the rows are of, in the links, in the derived columns."""
    for part in (document.get("of") or {}, *document.get("links", ()), document):
        for made in (*part.get("derive", ()), *part.get("columns", ())):
            if isinstance(made, dict) and isinstance(made.get("name"), Mark):
                yield made["name"]


def _named(part: Any, names: Mapping[Mark, str]) -> Any:
    if isinstance(part, Mark):
        return names[part]
    if isinstance(part, dict):
        return {key: _named(value, names) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_named(value, names) for value in part]
    return part
