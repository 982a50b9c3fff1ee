"""Transitions between events: counts and probabilities of kinds of step, and how long they took.

What is measured, and why one person moves it no further than is said, is in `pathways`. All here is post-processing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import cell_doses, error95, fold_doses, split
from hvelv.privacy.domain.checking import Key
from hvelv.privacy.domain.framing import DAYS, FROM, TO, Framed
from hvelv.privacy.domain.measuring import Cells, Dose, Folded, Result, Step, Work, sentence
from hvelv.privacy.domain.methods.quantiles import Curve
from hvelv.privacy.domain.pricing import SIZES, would_cost
from hvelv.privacy.domain.schema import Code

HALF = 0.5
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Transitions:
    """Steps, checked."""

    framed: Framed
    keys: tuple[Key, ...]  # groups, from, to
    counts: Cells
    times: Folded | None

    @property
    def summary(self) -> str:
        """Return the question in one line of names."""
        return f"{self.framed.table}: steps / {', '.join(key.name for key in self.keys)}"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the answer's axes."""
        return tuple(key.name for key in self.keys)

    @property
    def cells(self) -> int:
        """Return how many kinds of step there are."""
        return self.counts.length

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many steps of a kind count of a person, and of how many kinds."""
        return {"max_rows": self.counts.max_rows, "max_groups": self.counts.max_groups}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of the counts, and of those by time."""
        if self.times is None:
            return cell_doses(self.counts, rho_micro)
        first, second = split(rho_micro, 2)
        return (*cell_doses(self.counts, first), *fold_doses(self.times, (second,)))

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure kinds of steps; then, if asked, how long they took."""
        (found,) = yield Step(self.counts, tuple(doses[:1]))
        counts, tables = np.array(found, np.float64), {}
        if self.times is not None:
            (timed,) = yield Step(self.times, tuple(doses[1:]))
            tables = self._timed(np.array(timed, np.float64).reshape(self.cells, -1), doses[1], self.times.keys[-1])
        rows = list(self._rows(counts, doses[0]))
        picture = {"mark": "heat", "x": TO, "y": FROM, "value": "probability"}
        return Result(self.names, rows, tables, tuple(self._notes()), picture)

    def _rows(self, counts: Floats, dose: Dose) -> Iterator[dict[str, Any]]:
        onward = len(self.keys[-1].labels)
        noise = dose.deviation**2
        for place, key in enumerate(product(*(key.labels for key in self.keys))):
            count = float(counts[place])
            together = float(counts[place - place % onward :][:onward].sum())
            share, error = _share(count, together, noise, onward)
            yield {
                "key": list(key),
                "values": {"count": int(count), "probability": share},
                "error95": {"count": error95(dose.deviation), "probability": error},
            }

    def _timed(self, counts: Floats, dose: Dose, axis: Key) -> dict[str, Any]:
        times, medians = [], []
        covariance = np.diag(np.full(counts.shape[1], dose.deviation**2))
        for key, bins in zip(product(*(key.labels for key in self.keys)), counts, strict=True):
            curve = Curve(bins, covariance, axis.edges)
            clear = curve.says_something
            for label, count in zip(axis.labels, bins.tolist(), strict=True):
                share, error = _share(count, curve.total, dose.deviation**2, len(bins)) if clear else (None, None)
                row = {"values": {"count": int(count), "share": share}}
                times.append(
                    {"key": [*key, label]} | row | {"error95": {"count": error95(dose.deviation), "share": error}}
                )
            medians.append(_median(key, curve, axis) if clear else _median(key, None, axis))
        return {
            "times": {"keys": [*self.names, DAYS], "rows": times},
            "median": {"keys": list(self.names), "rows": medians},
        }

    def _notes(self) -> Iterator[dict[str, Any]]:
        yield sentence(_("Tallene gjelder stegene i uttrekket; feilene er støyen alene."))
        if self.times is not None:
            yield sentence(_("Medianen er av tiden for de stegene som ble tatt, ikke for dem som aldri kom videre."))

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the error of a count, and of a probability from some numbers of steps."""
        first, onward = doses[0], len(self.keys[-1].labels)
        foretold = [{"rows": r, "error95": _share(r / onward, r, first.deviation**2, onward)[1]} for r in SIZES]
        found: list[dict[str, Any]] = [
            {"name": "count", "kind": "count", "scale": first.deviation, "error95": error95(first.deviation)}
            | {"would_cost": would_cost(first, len(doses))},
            {"name": "probability", "kind": "share", "scale": first.deviation, "error95": None, "error95_at": foretold},
        ]
        if self.times is not None:
            last = doses[-1]
            found.append(
                {"name": "times", "kind": "count", "scale": last.deviation, "error95": error95(last.deviation)}
            )
        return found

    def warnings(self) -> list[dict[str, Any]]:
        """Return what bounding does."""
        message = _("Av en persons steg teller de {rows} første av hvert slag, i høyst {groups} av {cells} slag.")
        return [sentence(message, rows=self.counts.max_rows, groups=self.counts.max_groups, cells=self.cells)]


def _share(count: float, together: float, noise: float, many: int) -> tuple[float | None, float | None]:
    """Return a share of a sum of `many` noisy counts, and its 95 % error; None where the sum does not stand out."""
    if together < 1 or together <= error95((many * noise) ** 0.5):
        return None, None
    share = count / together
    spread = noise * max(0.0, 1 - 2 * share + many * share * share) / together**2
    return min(max(share, 0.0), 1.0), error95(spread**0.5)


def _median(key: Sequence[Code], curve: Curve | None, axis: Key) -> dict[str, Any]:
    found = None if curve is None else curve.quantile(HALF, float(axis.edges[0]), float(axis.edges[-1]))
    ends = (None, None, None) if found is None else (found.value, found.low, found.high)
    values = dict(zip(("median", "median_low", "median_high"), ends, strict=True))
    return {"key": list(key), "values": values, "error95": {"median": None if found is None else found.error95}}
