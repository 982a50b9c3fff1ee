"""What an account was used for: charges as lines of a statement, added up for people.

A population loses as much as an answer costs, once for each answer, however many of its datasets the answer read; a
project's allocation of a dataset pays for each answer that read the dataset.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from hvelv.privacy.domain.charging import FEMTO, MICRO

Z95 = 1.959963984540054  # the normal distribution's two-sided 95 % point
Curve = Callable[[int, float], float]  # micro-rho and delta to epsilon


@dataclass(frozen=True)
class Entry:
    """One line of one charge, without the answer."""

    id: str
    project: str
    person: str
    summary: str
    state: str
    at: datetime
    dataset: str
    population: str
    rho_micro: int
    delta_femto: int
    pure_micro: int | None


@dataclass(frozen=True)
class Total:
    """What some answers add up to. `reserved`: of `spent`, what was charged and not answered yet."""

    answers: int
    spent: int
    reserved: int
    delta_femto: int
    pure_micro: int
    impure: int  # of `spent`, what has no native pure epsilon

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Total":
        """Add up, each charge once."""
        each = list({entry.id: entry for entry in entries}.values())
        return cls(
            len(each),
            sum(entry.rho_micro for entry in each),
            sum(entry.rho_micro for entry in each if entry.state == "charged"),
            sum(entry.delta_femto for entry in each),
            sum(entry.pure_micro or 0 for entry in each),
            sum(entry.rho_micro for entry in each if entry.pure_micro is None),
        )

    def epsilon(self, curve: Curve, delta: float) -> float:
        """Return the epsilon of all of it, at `delta` and what delta the answers themselves cost.

        The smaller of two bounds that both hold: the curve of the whole, and the native pure epsilons added to the curve of
        the rest (basic composition, Dwork & Roth 2014, theorem 3.16).
        """
        return min(curve(self.spent, delta), self.pure_micro / MICRO + curve(self.impure, delta))

    def delta(self, delta: float) -> float:
        """Return the delta that `epsilon` holds at."""
        return delta + self.delta_femto / FEMTO


def once(entries: Sequence[Entry]) -> list[tuple[Entry, tuple[str, ...]]]:
    """Return one entry for each charge, in the order given, with the datasets that it was charged on."""
    datasets: dict[str, list[str]] = {}
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.id, entry)
        datasets.setdefault(entry.id, []).append(entry.dataset)
    return [(entry, tuple(datasets[key])) for key, entry in first.items()]


def count_error95(rho_micro: int) -> float | None:
    """Return how far off a count would be, 95 times of 100, if all of it bought one count of people with one row each.

    A person moves such a count by 1, so that Gaussian noise of scale 1 / sqrt(2 rho) costs rho (Bun & Steinke 2016,
    proposition 1.6). None where nothing is left.
    """
    return Z95 / math.sqrt(2 * rho_micro / MICRO) if rho_micro > 0 else None
