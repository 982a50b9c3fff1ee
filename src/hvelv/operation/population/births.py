"""Births: which women of a block have children on which days, and how the children are."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from hvelv.operation.population import figures
from hvelv.operation.population.country import fertility_until
from hvelv.operation.population.figures import DAYS_A_YEAR
from hvelv.operation.population.lifetimes import People

Ints = npt.NDArray[Any]

APART = 300  # days between two deliveries, at least
SPARE = 1.6  # deliveries drawn for each one wanted: those too close to another one are dropped
WEEK, WEEK_SPREAD = 39.6, 1.5
EARLY = 0.06  # come early (Medical Birth Registry: about 6 per cent before week 37)
WEIGHT_AT_40, WEIGHT_A_WEEK, WEIGHT_SPREAD = 3590, 185, 430  # grams
SECTIONS = 0.16  # by caesarean (Medical Birth Registry: about 16 per cent)


@dataclass(frozen=True)
class Births:
    """Children, one entry each. `place`: the mother's in her block; `single` is false for twins."""

    place: Ints
    day: Ints
    single: npt.NDArray[np.bool_]
    mother: Ints
    mother_age: Ints
    week: Ints
    weight: Ints
    section: npt.NDArray[np.bool_]
    apgar: Ints
    home: Ints
    boy: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Return how many children there are."""
        return len(self.day)

    def part(self, chosen: Ints) -> "Births":
        """Return some of the children."""
        return Births(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @classmethod
    def together(cls, parts: list["Births"]) -> "Births":
        """Return all children of several blocks, those of one day in the order of the blocks."""
        joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        return cls(**joined).part(np.argsort(joined["day"], kind="stable"))


def births(women: People, wanted: int, rng: np.random.Generator) -> Births:
    """Return `wanted` children of the block, or fewer when the women cannot have as many."""
    twins = round(wanted * figures.TWINS)
    mother, day = _deliveries(women, wanted - twins, rng)
    second = np.sort(rng.permutation(len(day))[:twins])
    place, when = np.concatenate([mother, mother[second]]), np.concatenate([day, day[second]])
    single = np.ones(len(place), np.bool_)
    single[second] = single[len(day) :] = False
    order = np.lexsort((when, place))
    return _children(women, place[order], when[order], single[order], rng)


def _deliveries(women: People, wanted: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    low = fertility_until((women.start - women.born) / DAYS_A_YEAR)
    share = fertility_until((women.end - women.born) / DAYS_A_YEAR) - low
    if wanted < 1 or not share.any():
        return np.empty(0, np.int64), np.empty(0, np.int32)
    drawn = rng.poisson(share * (SPARE * wanted / share.sum()))
    mother = np.repeat(np.arange(len(women)), drawn)
    age = _age_at(low[mother] + rng.random(len(mother)) * share[mother])
    day = np.clip(women.born[mother] + (age * DAYS_A_YEAR), women.start[mother], women.end[mother]).astype(np.int32)
    order = np.lexsort((day, mother))
    mother, day = mother[order], day[order]
    close = (mother[1:] == mother[:-1]) & (day[1:] - day[:-1] < APART)
    free = np.flatnonzero(np.concatenate([[True], ~close])) if len(day) else np.empty(0, np.int64)
    kept = np.sort(rng.permutation(free)[:wanted])
    return mother[kept], day[kept]


def _age_at(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    ages = np.linspace(15, 50, 2000)
    return np.interp(share, fertility_until(ages), ages)


def _children(women: People, place: Ints, day: Ints, single: Ints, rng: np.random.Generator) -> Births:
    """Say how each child is. A frail mother's comes earlier, a twin too, and who comes early weighs less."""
    n = len(place)
    frail = np.minimum(women.frailty[place], 4) - 1
    early = rng.random(n) < EARLY * (1 + 0.25 * frail) * np.where(single, 0.85, 9)
    week = rng.normal(WEEK, WEEK_SPREAD, n) - 0.25 * frail - early * (2.5 + rng.exponential(2, n))
    week = np.clip(np.round(week), 23, 43)
    weight = rng.normal(WEIGHT_AT_40, WEIGHT_SPREAD, n) - WEIGHT_A_WEEK * (40 - week) - 350 * ~single
    weight = np.clip(weight, np.maximum(week * 90 - 1700, 350), 6200)
    section = rng.random(n) < np.where(single, SECTIONS - 0.01, 0.5)
    apgar = np.clip(10 - rng.poisson(0.6 + 0.25 * np.maximum(37 - week, 0)), 0, 10)
    age = (day - women.born[place]) / DAYS_A_YEAR
    return Births(
        place,
        day,
        np.asarray(single),
        women.number_on(place, day),
        age.astype(np.int8),
        week.astype(np.int8),
        (weight // 5 * 5).astype(np.int16),
        section,
        apgar.astype(np.int8),
        women.municipality[place],
        rng.random(n) < figures.BOYS,
    )
