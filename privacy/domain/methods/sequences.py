"""The most frequent sequences of events: all that there can be are measured, and those with the highest counts are told.

Errors hold for all sequences at once (Bonferroni), because choosing the highest favours those that noise has lifted.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from statistics import NormalDist
from typing import Any

import numpy as np

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import cell_doses
from hvelv.privacy.domain.checking import Key
from hvelv.privacy.domain.framing import PATH, Framed
from hvelv.privacy.domain.measuring import Cells, Dose, Result, Step, Work, sentence

SHARE_WRONG = 0.05


@dataclass(frozen=True)
class Sequences:
    """The most frequent paths, checked."""

    framed: Framed
    keys: tuple[Key, ...]  # groups, path
    ask: Cells
    most: int  # paths that are told in each group

    @property
    def summary(self) -> str:
        """Return the question in one line of names."""
        return f"{self.framed.table}: {self.top} paths / {', '.join(key.name for key in self.keys)}"

    @property
    def top(self) -> int:
        """Return how many paths are told in each group."""
        return min(self.most, len(self.keys[-1].labels))

    @property
    def cells(self) -> int:
        """Return how many rows the answer has."""
        return prod(len(key.labels) for key in self.keys[:-1]) * self.top

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return that a person has one path."""
        return {"max_rows": 1, "max_groups": 1}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of the counts."""
        return cell_doses(self.ask, rho_micro)

    def error(self, dose: Dose) -> float:
        """Return the half-width that all paths' counts lie within at once, with 95 %."""
        return dose.deviation * NormalDist().inv_cdf(1 - SHARE_WRONG / 2 / self.ask.length)

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure all paths, and tell those with the highest noisy counts."""
        (found,) = yield Step(self.ask, tuple(doses))
        paths = self.keys[-1].labels
        counts = np.array(found, np.int64).reshape(-1, len(paths))
        error, rows = self.error(doses[0]), []
        for key, group in zip(product(*(key.labels for key in self.keys[:-1])), counts, strict=True):
            order = np.argsort(-group, kind="stable")[: self.top].tolist()
            rows += [
                {"key": [*key, rank, paths[p]], "values": {"count": int(group[p])}, "error95": {"count": error}}
                for rank, p in enumerate(order, start=1)
            ]
        names = (*(key.name for key in self.keys[:-1]), "rank", PATH)
        return Result(names, rows, notes=tuple(self._notes(error)), picture={"mark": "bar", "x": PATH, "y": "count"})

    def _notes(self, error: float) -> Iterator[dict[str, Any]]:
        yield sentence(
            _(
                "De {top} hyppigste av {paths} mulige forløp. Feilen er støyen alene, og gjelder alle forløp på én gang."
            ),
            top=self.top,
            paths=len(self.keys[-1].labels),
        )
        yield sentence(
            _("Forløp med lavere antall enn {error} kan være støy alene, og rekkefølgen mellom nære tall er usikker."),
            error=math.ceil(error),
        )

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the error that holds for all counts at once."""
        first = doses[0]
        return [{"name": "count", "kind": "count", "scale": first.deviation, "error95": self.error(first)}]

    def warnings(self) -> list[dict[str, Any]]:
        """Return how many paths are measured."""
        return [sentence(_("Alle {paths} mulige forløp måles; hver person har ett."), paths=len(self.keys[-1].labels))]
