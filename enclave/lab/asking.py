"""Building a question step by step. Each step returns a new query; nothing is asked before `quote` or `release`."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hvelv.enclave.lab import shown
from hvelv.enclave.lab.answers import Quote, Release
from hvelv.enclave.lab.door import Door, Refused

OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "in")
Scalar = str | int | float | bool
DELTA = 1e-6
DIGITS = 2


def rho_of(epsilon: float, delta: float) -> float:
    """Return the rho whose zCDP guarantee is (epsilon, delta): rho + 2·√(rho·ln 1/delta) = epsilon.

    Bun & Steinke 2016, proposition 1.3; the platform's own conversion is tighter, so the epsilon you see is at most this.
    """
    reach = math.log(1 / delta)
    return float((math.sqrt(reach + epsilon) - math.sqrt(reach)) ** 2)


def micro(rho: float | None, epsilon: float | None, delta: float) -> int:
    """Return the price in millionths of rho. Raises `Refused` unless exactly one price above zero is given.

    A price in rho is sent as it is, and the platform takes it with two significant digits; one in epsilon is rounded
    down to that, so that it never costs more than was said.
    """
    if (rho is None) == (epsilon is None):
        raise Refused(
            "Gi prisen som enten rho eller epsilon.", remedy="For eksempel .quote(rho=0.01) eller .quote(epsilon=0.5)."
        )
    price = rho if rho is not None else rho_of(float(epsilon or 0), delta)
    if not math.isfinite(price) or price <= 0:
        raise Refused("Prisen må være større enn null.")
    if rho is not None:
        return max(1, round(price * shown.MICRO))
    return max(1, rounded_down(math.floor(price * shown.MICRO)))


def rounded_down(price: int) -> int:
    """Return the nearest price at or below `price` that the platform takes: one with two significant digits."""
    unit = int(10 ** max(0, len(str(price)) - DIGITS))
    return price // unit * unit


@dataclass(frozen=True, repr=False)
class Query:
    """A question to one table: rows kept, groups, measures, and the bounds on what one person can add."""

    door: Door = field(repr=False, compare=False)
    dataset: str
    filters: tuple[dict[str, Any], ...] = ()
    groups: tuple[Any, ...] = ()
    measures: tuple[dict[str, Any], ...] = ()
    max_rows: int = 1
    max_groups: int = 1
    delta: float = field(default=DELTA, compare=False)

    def where(self, column: str, op: str, value: Scalar | Sequence[Scalar]) -> "Query":
        """Keep the rows whose `column` stands so to `value`: ==, !=, <, <=, >, >= or in (a list)."""
        if op not in OPERATORS:
            raise Refused(f"Operatoren finnes ikke. Bruk en av {', '.join(OPERATORS)}.")
        plain = value if isinstance(value, str | int | float | bool) else list(value)
        return replace(self, filters=(*self.filters, {"column": column, "op": op, "value": plain}))

    def by(self, *columns: str, edges: Sequence[float] | None = None) -> "Query":
        """Group by columns with public categories; with `edges`, by bins of one numeric column."""
        if edges is not None:
            if len(columns) != 1:
                raise Refused(
                    "Grenser gjelder én kolonne om gangen.",
                    remedy='For eksempel .by("age", edges=[0, 25, 50, 75, 100]).',
                )
            return replace(self, groups=(*self.groups, {"column": columns[0], "edges": list(edges)}))
        return replace(self, groups=(*self.groups, *columns))

    def count(self) -> "Query":
        """Ask how many rows."""
        return self._measure({"kind": "count"})

    def sum(self, column: str, *, low: float, high: float) -> "Query":
        """Ask for the sum of `column`, each value held within [low, high]: narrower bounds, smaller error.

        The bounds are the declared ones, or twentieths of the way between them.
        """
        return self._measure({"kind": "sum", "column": column, "low": low, "high": high})

    def mean(self, column: str, *, low: float, high: float) -> "Query":
        """Ask for the mean of `column`, each value held within [low, high]."""
        return self._measure({"kind": "mean", "column": column, "low": low, "high": high})

    def histogram(self, column: str, edges: Sequence[float]) -> "Query":
        """Ask how many rows in each bin [e0, e1), [e1, e2) … of `column`: equally wide, within its bounds, 50 at most."""
        return self.by(column, edges=edges).count()

    def bounded(self, *, max_rows: int = 1, max_groups: int = 1) -> "Query":
        """Say how many rows of one person count in each group, and in how many groups one person counts."""
        return replace(self, max_rows=max_rows, max_groups=max_groups)

    def _measure(self, measure: dict[str, Any]) -> "Query":
        return self if measure in self.measures else replace(self, measures=(*self.measures, measure))

    def as_dict(self) -> dict[str, Any]:
        """Return the question as it is sent."""
        return {
            "dataset": self.dataset,
            "where": list(self.filters),
            "by": list(self.groups),
            "measures": list(self.measures),
            "max_rows": self.max_rows,
            "max_groups": self.max_groups,
        }

    def quote(self, *, rho: float | None = None, epsilon: float | None = None) -> Quote:
        """Return what the answer would cost and how far off it would be. Free. Raises `Refused`."""
        price = micro(rho, epsilon, self.delta)
        return Quote(self.door.post("/lab/quotes", {"query": self.as_dict(), "rho_micro": price}, again=True))

    def release(self, *, rho: float | None = None, epsilon: float | None = None) -> Release:
        """Return the certified answer and have it charged, once, also when the connection breaks. Raises `Refused`."""
        asked = {
            "query": self.as_dict(),
            "rho_micro": micro(rho, epsilon, self.delta),
            "idempotency_key": uuid.uuid4().hex,
        }
        return Release(self.door.post("/lab/releases", asked, again=True))

    def __repr__(self) -> str:
        kept = " og ".join(f"{f['column']} {f['op']} {f['value']}" for f in self.filters)
        groups = ", ".join(
            g if isinstance(g, str) else f"{g['column']} i {len(g['edges']) - 1} intervaller" for g in self.groups
        )
        asked = ", ".join(m["kind"] + (f" av {m['column']}" if "column" in m else "") for m in self.measures)
        parts = [
            f"spørring til {self.dataset}",
            f"der {kept}" if kept else "",
            f"delt på {groups}" if groups else "",
            asked or "ingen mål ennå",
        ]
        return ": ".join([" ".join(filter(None, parts[:3])), parts[3]])
