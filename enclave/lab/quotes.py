"""What is told beforehand: a quote, which is free."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hvelv.enclave.lab import shown
from hvelv.enclave.lab.naming import renamed

if TYPE_CHECKING:
    import pandas as pd

ERROR = "Feil i hver celle, 95 %"


@dataclass(frozen=True, repr=False)
class Quote:
    """Price and expected error of a question. Nothing is charged and nothing is counted."""

    document: Mapping[str, Any]
    called: Mapping[str, str] = field(default_factory=dict)

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
    def measures(self) -> tuple[Mapping[str, Any], ...]:
        """Return, for each measure, all that can be foretold of it."""
        return tuple(self.document["measures"])

    @property
    def error95(self) -> dict[str, float | None]:
        """Return, for each measure, how far off a cell is at most, 19 times of 20, in the measure's unit; None where it depends."""
        return {renamed(each["name"], self.called): each.get("error95") for each in self.measures}

    @property
    def would_cost(self) -> "pd.DataFrame":
        """Return what other errors would cost: one row for each measure and error, where that can be told."""
        import pandas as pd

        rows = [
            {"measure": renamed(each["name"], self.called), "error95": other["error95"], "rho": other["rho_micro"] / shown.MICRO}
            for each in self.measures
            for other in each.get("would_cost") or ()
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["measure", "error95", "rho"])

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what is worth knowing before releasing."""
        return tuple(shown.sentence(each, self.called) for each in self.document.get("warnings") or ())

    def _rows(self) -> list[tuple[object, ...]]:
        return [(renamed(each["name"], self.called), _foretold(each)) for each in self.measures]

    def _cheaper(self) -> list[tuple[object, ...]]:
        return [
            (renamed(each["name"], self.called), f"± {shown.number(other['error95'])}", shown.rho(other["rho_micro"]))
            for each in self.measures
            for other in each.get("would_cost") or ()
        ]

    def _price(self) -> str:
        allowance = self.document.get("allowance") or {}
        left = shown.rho(allowance.get("left_after"))
        epsilon = shown.number(self.epsilon)
        return f"Pris: rho {shown.rho(self.document['rho_micro'])} (epsilon {epsilon}). Igjen etterpå: rho {left}."

    def _repr_html_(self) -> str:
        cells = f"{shown.number(self.document.get('cells'))} celler i svaret."
        price = shown.table(["Mål", ERROR], self._rows(), caption="Pristilbud")
        others = self._cheaper()
        heads = ["Mål", ERROR, "Pris (rho)"]
        cheaper = shown.folded("Hva andre feil ville koste", shown.table(heads, others)) if others else ""
        return price + shown.lines(self._price(), cells, *self.warnings) + cheaper

    def __repr__(self) -> str:
        return "\n".join([shown.plain(["Mål", ERROR], self._rows()), self._price(), *self.warnings])


def _foretold(measure: Mapping[str, Any]) -> str:
    """Return a measure's error in words: one, or one for each of some sizes; with per cent where these are told."""
    if measure.get("error95") is not None:
        percent = measure.get("error95_percent")
        return f"± {shown.number(measure['error95'])}" + (
            f" ({shown.number(percent)} %)" if percent is not None else ""
        )
    words = "andel " if "share_error95_at" in measure else ""
    sizes = measure.get("error95_at") or measure.get("share_error95_at") or ()
    told = [
        f"± {shown.number(each['error95'])} ved {shown.number(each.get('rows'))} rader"
        for each in sizes
        if each.get("error95") is not None
    ]
    return words + "; ".join(told) if told else "avhenger av svaret"
