"""Names of made columns, from what they are called here to x1, x2 … in the order in which they are made."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hvelv.enclave.lab.columns import Col, Condition, Formula, condition


@dataclass(eq=False, frozen=True)
class Mark:
    """A made column before it has its number. Each is itself alone."""


@dataclass(frozen=True)
class Source:
    """A function's source, and the columns it asks for, each by its name here and as it is sent."""

    text: str
    function: str
    columns: tuple[tuple[str, Any], ...]

    def sent(self, names: Mapping[Mark, str]) -> str:
        """Return a text that defines `estimate(frame)`: in it, columns are called what they are called here."""
        other = {names[sent]: name for name, sent in self.columns if isinstance(sent, Mark)}
        if not other and self.function == "estimate":
            return self.text
        frame = f"frame.rename(columns={other!r})" if other else "frame"
        return f"{self.text}\n\n_asked = {self.function}\n\n\ndef estimate(frame):\n    return _asked({frame})\n"


@dataclass
class Scope:
    """Columns that are made in one part of a question, and what they are called there."""

    names: dict[str, Mark] = field(default_factory=dict)
    derive: list[dict[str, Any]] = field(default_factory=list)

    def made(self, fields: Mapping[str, Any]) -> Mark:
        """Return the column that is made so: the same one where the same was made before."""
        for part in self.derive:
            if {key: each for key, each in part.items() if key != "name"} == fields:
                mark: Mark = part["name"]
                return mark
        self.derive.append({"name": Mark(), **fields})
        found: Mark = self.derive[-1]["name"]
        return found

    def resolved(self, part: Any) -> Any:
        """Return a part of a document with marks for the columns that are made."""
        if isinstance(part, Col):
            return self.names.get(part, str(part))
        if isinstance(part, Formula):
            return self.made(self.resolved(dict(part.fields)))
        if isinstance(part, Source):
            return replace(part, columns=tuple((name, self.resolved(each)) for name, each in part.columns))
        if isinstance(part, dict):
            return {key: self.resolved(each) for key, each in part.items()}
        if isinstance(part, list | tuple):
            return [self.resolved(each) for each in part]
        return part

    def filters(self, where: Iterable[Condition]) -> list[dict[str, Any]]:
        """Return conditions with marks."""
        return [self.resolved(condition(each)) for each in where]


def marks(document: Mapping[str, Any]) -> Iterator[Mark]:
    """Yield the columns that are made, in the order in which they stand in the document."""
    for part in (document.get("of") or {}, *document.get("links", ()), document):
        for made in (*part.get("derive", ()), *part.get("columns", ())):
            if isinstance(made, Mapping) and isinstance(made.get("name"), Mark):
                yield made["name"]


def numbered(part: Any, names: Mapping[Mark, str]) -> Any:
    """Return a part of a document with x1, x2 … for the columns that are made."""
    if isinstance(part, Mark):
        return names[part]
    if isinstance(part, Source):
        return part.sent(names)
    if isinstance(part, dict):
        return {key: numbered(each, names) for key, each in part.items()}
    return [numbered(each, names) for each in part] if isinstance(part, list | tuple) else part
