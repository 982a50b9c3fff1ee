"""What comes back: a quote, which is free, and a release, which is charged and may leave."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hvelv.enclave.lab import shown
from hvelv.enclave.lab.outbox import Item

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Quote:
    """Price and expected error of a query. Nothing is charged and nothing is counted."""

    document: Mapping[str, Any]

    @property
    def rho(self) -> float:
        """Return the price as zCDP rho."""
        return int(self.document["rho_micro"]) / shown.MICRO

    @property
    def epsilon(self) -> float:
        """Return the price as epsilon at `delta`."""
        return float(self.document["epsilon"])

    @property
    def delta(self) -> float:
        """Return the delta that `epsilon` is given at."""
        return float(self.document["delta"])

    @property
    def error95(self) -> dict[str, float]:
        """Return, for each measure, how far off a cell is at most, 19 times of 20, in the measure's unit."""
        return {each["name"]: each["error95"] for each in self.document["measures"]}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what is worth knowing before releasing."""
        return tuple(_sentence(each) for each in self.document.get("warnings") or ())

    def _rows(self) -> list[tuple[object, ...]]:
        return [(each["name"], f"± {shown.number(each['error95'])}") for each in self.document["measures"]]

    def _price(self) -> str:
        allowance = self.document.get("allowance") or {}
        left = shown.rho(allowance.get("left_after"))
        epsilon = shown.number(self.epsilon)
        return f"Pris: rho {shown.rho(self.document['rho_micro'])} (epsilon {epsilon}). Igjen etterpå: rho {left}."

    def _repr_html_(self) -> str:
        cells = f"{shown.number(self.document.get('cells'))} celler i svaret."
        return shown.table(["Mål", "Feil i hver celle, 95 %"], self._rows(), caption="Pristilbud") + shown.lines(
            self._price(), cells, *self.warnings
        )

    def __repr__(self) -> str:
        return "\n".join([shown.plain(["Mål", "Feil i hver celle, 95 %"], self._rows()), self._price(), *self.warnings])


@dataclass(frozen=True, repr=False)
class Release:
    """A certified answer: what was asked, what it cost, the numbers and how far off they may be."""

    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Return the release's name, by which an export asks for it."""
        return str(self.document["id"])

    @property
    def measures(self) -> tuple[str, ...]:
        """Return the names of the measures."""
        rows = self.document["rows"]
        return tuple(rows[0]["values"]) if rows else ()

    def to_pandas(self) -> "pd.DataFrame":
        """Return one row for each group: the keys, each measure, and `…_error95` beside it."""
        import pandas as pd

        keys = [str(key) for key in self.document["keys"]]
        records = [
            dict(zip(keys, map(_key, row["key"]), strict=True))
            | {
                column: cell
                for name, value in row["values"].items()
                for column, cell in ((name, value), (f"{name}_error95", row["error95"].get(name)))
            }
            for row in self.document["rows"]
        ]
        return pd.DataFrame(records)

    def table(self, title: str = "") -> Item:
        """Return this release as a table to ask out of the room with `project.export`.

        The title is a note for yourself: outside, the gate names things after what was measured.
        """
        return Item("table", self.id, title)

    def figure(self, title: str = "", measure: str = "count", *, mark: str = "bar") -> Item:
        """Return one measure of this release as a figure to ask out; it is drawn outside, from the released numbers.

        The title is a note for yourself: outside, the gate names things after what was measured.
        """
        return Item("figure", self.id, title, measure=measure, mark=mark)

    def _rows(self) -> list[list[object]]:
        return [
            [
                *map(_key, row["key"]),
                *(f"{shown.number(v)} ± {shown.number(row['error95'].get(n))}" for n, v in row["values"].items()),
            ]
            for row in self.document["rows"]
        ]

    def _cost(self) -> str:
        return f"Kostet rho {shown.rho(self.document['rho_micro'])} (epsilon {shown.number(self.document['epsilon'])})."

    def _repr_html_(self) -> str:
        heads = [*map(str, self.document["keys"]), *self.measures]
        return shown.table(heads, self._rows(), caption=f"Resultat {self.id}") + shown.lines(self._cost())

    def __repr__(self) -> str:
        return "\n".join([shown.plain([*map(str, self.document["keys"]), *self.measures], self._rows()), self._cost()])


def _key(key: Any) -> Any:
    """Return a group's key; a bin, which comes as its two edges, as text."""
    if isinstance(key, list | tuple):
        return "–".join(shown.number(edge) for edge in key)
    return key


def _sentence(warning: Any) -> str:
    if isinstance(warning, Mapping):
        params = warning.get("params") or {}
        return str(warning.get("message", "")).format(**params)
    return str(warning)
