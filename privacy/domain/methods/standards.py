"""Public reference populations, and the strata that they make of an age axis."""

import itertools
from collections.abc import Mapping, Sequence

from hvelv.privacy.domain.checking import Key

Stratum = tuple[int, tuple[int, ...]]  # weight, places on the axis

# Revision of the European Standard Population, Eurostat 2013 (ISBN 978-92-79-31094-2), table in the summary:
# 0–4 (1 000 + 4 000), 5–9, … 90–94, 95 and over; 100 000 in all.
ESP2013 = (
    5_000, 5_500, 5_500, 5_500, 6_000, 6_000, 6_500, 7_000, 7_000, 7_000,
    7_000, 6_500, 6_000, 5_500, 5_000, 4_000, 2_500, 1_500, 800, 200,
)  # fmt: skip
POPULATIONS: Mapping[str, tuple[int, ...]] = {"esp2013": ESP2013}
BAND = 5  # years in a band of a population


def strata_by_name(key: Key, population: Sequence[int]) -> tuple[Stratum, ...] | None:
    """Return the population's weight of each bin of age in years; None for bins that its bands do not add up to.

    The population's last band has no upper end: the bins that reach into it are one stratum.
    """
    if not key.edges:
        return None
    open_end = BAND * (len(population) - 1)
    found: list[Stratum] = []
    for place, (low, high) in enumerate(itertools.pairwise(key.edges)):
        if high > open_end:
            last = tuple(range(place, len(key.edges) - 1))
            return (
                (*found, (sum(population[int(min(low, open_end)) // BAND :]), last)) if _fits(low, open_end) else None
            )
        if low < 0 or low % BAND or high % BAND:
            return None
        found.append((sum(population[int(low) // BAND : int(high) // BAND]), (place,)))
    return tuple(found)


def _fits(low: float, open_end: int) -> bool:
    return low >= open_end or (low >= 0 and low % BAND == 0)


def strata_by_weight(key: Key, weights: Sequence[int]) -> tuple[Stratum, ...] | None:
    """Return the weight of each place on the axis; None unless there is one for each and they are not all nought."""
    if len(weights) != len(key.labels) or not any(weights):
        return None
    return tuple((weight, (place,)) for place, weight in enumerate(weights))
