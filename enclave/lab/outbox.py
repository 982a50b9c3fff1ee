"""Asking released answers out of the room: what is offered, and how the request stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hvelv.enclave.lab import shown
from hvelv.enclave.lab.door import Door

STATES = {"checking": "kontrolleres", "released": "utlevert", "refused": "avslått", "withdrawn": "trukket"}


@dataclass(frozen=True)
class Item:
    """One thing to be made outside from one release: a table, or a figure of one of its measures."""

    kind: str
    release: str
    title: str
    measure: str = ""
    mark: str = "bar"
    part: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the form that is sent. A table has neither measure nor mark; `part` names one of the further tables."""
        drawn = {"measure": self.measure, "mark": self.mark} if self.kind == "figure" else {}
        part = {"part": self.part} if self.part else {}
        return {"kind": self.kind, "release": self.release, "title": self.title} | drawn | part


@dataclass(repr=False)
class Export:
    """A request for items to be brought out. It is checked by rules; the portal hands out what passes."""

    door: Door = field(repr=False)
    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Return the request's name."""
        return str(self.document["id"])

    @property
    def state(self) -> str:
        """Return how it stood when last looked at: checking, released, refused or withdrawn."""
        return str(self.document["state"])

    @property
    def findings(self) -> tuple[Mapping[str, Any], ...]:
        """Return why it was refused, one finding for each reason, each with a way out."""
        return tuple(self.document.get("findings") or ())

    def status(self) -> "Export":
        """Look again how it stands."""
        self.document = self.door.get(f"/lab/exports/{self.id}")
        return self

    def _heading(self) -> str:
        return f"Utlevering {self.id}: {STATES.get(self.state, self.state)}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            ("alt" if not each.get("item") else f"nr. {each['item']}", each.get("reason", ""), each.get("remedy", ""))
            for each in self.findings
        ]

    def _repr_html_(self) -> str:
        released = "Filene hentes på prosjektets side i portalen." if self.state == "released" else ""
        findings = shown.table(["Gjelder", "Hvorfor", "Slik går det"], self._rows()) if self.findings else ""
        return shown.lines(self._heading()) + findings + shown.lines(released)

    def __repr__(self) -> str:
        reasons = shown.plain(["Gjelder", "Hvorfor", "Slik går det"], self._rows()) if self.findings else ""
        return "\n".join(filter(None, [self._heading(), reasons]))
