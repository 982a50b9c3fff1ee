"""The plan of a country: how many are born on which day, how many children they have, and the hazard of death.

Everything here is expectation: no chance, so that blocks of people can be made one after another and still add up.
"""

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hvelv.operation.population import figures
from hvelv.operation.population.figures import DAYS_A_YEAR, Wanted

Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

SHAPE = 1.2  # of frailty's gamma distribution
AGEING = 0.1  # Gompertz: the hazard of death doubles in seven years
ACCIDENTS = 1.5e-4  # deaths a year that neither age nor frailty brings
MEN_DIE, WOMEN_DIE = 1.2, 0.85
FERTILE = (15.1, 49.9)  # years of age
MEAN_AGE, SPREAD = 31.0, 5.1  # of mothers (SSB 07872: 31 years and some months)
WORKING = (18.0, 66.0)  # the age of those who have had a D-number


def days_of(year: int, month: int = 1, day: int = 1) -> int:
    """Return the days from 1970 to a date."""
    return (date(year, month, day) - date(1970, 1, 1)).days


def fertility_until(age: Floats) -> Floats:
    """Return the share of a woman's children born before she has that age."""
    grid = np.linspace(*FERTILE, 400)
    bell = np.exp(-0.5 * ((grid - MEAN_AGE) / SPREAD) ** 2)
    whole = np.concatenate([[0.0], np.cumsum((bell[1:] + bell[:-1]) / 2)])
    return np.asarray(np.interp(age, grid, whole / whole[-1]))


class Country:
    """The plan. `women`, `men`: how many of those who live on the first day were born on each of `birth_days`.

    `cancers`: the scale of `lifetimes.cancer_risk`.
    """

    def __init__(self, wanted: Wanted, cancers: float = 0.0) -> None:
        self.wanted, self.cancers = wanted, cancers
        self.first, self.last = days_of(wanted.first_year), days_of(wanted.last_year, 12, 31)
        oldest = figures.AGES[-1][0] + figures.AGE_GROUP
        self.birth_days = np.arange(self.first - round(oldest * DAYS_A_YEAR), self.first, dtype=np.int32)
        self.age_at_first = (self.first - self.birth_days) / DAYS_A_YEAR
        group = np.minimum(self.age_at_first // figures.AGE_GROUP, len(figures.AGES) - 1).astype(int)
        thousands, women = (np.array([g[i] for g in figures.AGES])[group] for i in (1, 2))
        self._by_sex = {True: thousands * women, False: thousands * (1 - women)}
        whole = thousands.sum()
        self.children = wanted.of(figures.BIRTHS)
        adults = wanted.persons - self.children
        self.women = self._spread(True, round(adults * float(self._by_sex[True].sum() / whole)))
        self.men = self._spread(False, adults - int(self.women.sum()))

    def _spread(self, women: bool, people: int) -> Ints:  # noqa: FBT001 - the key of two tables
        weights = np.cumsum(self._by_sex[women])
        edges = np.round(weights / weights[-1] * people).astype(np.int64)
        return np.diff(edges, prepend=0)

    def without(self, missing: int) -> Ints:
        """Return the men by birth day when `missing` fewer children than planned were born: the total stays."""
        return self._spread(False, int(self.men.sum()) + missing)

    @cached_property
    def births_before(self) -> Ints:
        """Return, for each birth day, how many children women born until then get; a whole number."""
        end = (self.last - self.birth_days) / DAYS_A_YEAR
        weights = np.cumsum(self.women * (fertility_until(end) - fertility_until(self.age_at_first)))
        return np.asarray(np.round(weights / weights[-1] * self.children).astype(np.int64))

    @cached_property
    def mortality(self) -> float:
        """Return the yearly hazard of death at birth that makes as many deaths as are published (gamma frailty: closed form)."""
        years = self.wanted.years
        grown = np.exp(AGEING * self.age_at_first) * np.expm1(AGEING * years) / AGEING
        wanted = self.wanted.of(figures.DEATHS)
        low, high = 1e-9, 1.0
        for _ in range(60):
            middle = (low * high) ** 0.5
            deaths = 0.0
            for people, sex in ((self.women, WOMEN_DIE), (self.men, MEN_DIE)):
                alive = (1 + middle * sex * grown / SHAPE) ** -SHAPE * np.exp(-ACCIDENTS * years)
                deaths += float((people * (1 - alive)).sum())
            low, high = (middle, high) if deaths < wanted else (low, middle)
        return low

    @cached_property
    def changing(self) -> float:
        """Return the share of those of working age who have had a D-number."""
        eligible = (self.age_at_first >= WORKING[0]) & (self.age_at_first < WORKING[1])
        return self.wanted.persons * figures.CHANGED_NUMBER / float((self.women + self.men)[eligible].sum())


def blocks_of(counts: Ints, size: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of birth days that hold about `size` people each."""
    ends = np.cumsum(counts)
    lo = 0
    while lo < len(counts):
        before = int(ends[lo - 1]) if lo else 0
        hi = max(int(np.searchsorted(ends, before + size, side="right")), lo + 1)
        yield lo, hi
        lo = hi
