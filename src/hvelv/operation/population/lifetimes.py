"""Who lives, falls ill, changes number and dies in the period, in blocks of people of one sex and falling age.

A person has a frailty (gamma, mean 1) that raises all hazards and all counts, and a theme: what ails them for years.
So the registers correlate, as real ones do.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hvelv.operation.population import places
from hvelv.operation.population.codes import CANCERS, SITES, Theme
from hvelv.operation.population.country import ACCIDENTS, AGEING, MEN_DIE, SHAPE, WOMEN_DIE, WORKING, Country
from hvelv.operation.population.figures import DAYS_A_YEAR
from hvelv.operation.population.numbers import person_numbers

Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

ABROAD = (0.84, 0.03, 0.06, 0.02, 0.04, 0.01)  # shares of `BIRTHPLACES`
BIRTHPLACES = ("norway", "nordic", "europe", "africa", "asia", "americas_oceania")
FRAILER_A_WEEK, EARLY_BEFORE = 0.15, 37
CANCER_AGEING, CANCER_OLDEST, CANCER_KILLS = 0.062, 80, 4.0
HOMES = np.cumsum(places.shares())
# Shares of the themes 1-6 among those who have one, from each age on.
AILING_FROM = (0, 15, 40, 65)
AILING = (
    (0.01, 0.01, 0.08, 0.1, 0.02, 0.78),
    (0.04, 0.06, 0.18, 0.5, 0.21, 0.01),
    (0.25, 0.17, 0.14, 0.21, 0.23, 0.0),
    (0.41, 0.16, 0.16, 0.09, 0.18, 0.0),
)
SITE_SHARES = np.cumsum(
    [np.array([CANCERS[s][w] for s in SITES]) / sum(c[w] for c in CANCERS.values()) for w in (0, 1)], axis=1
)


NEVER = np.int32(2**31 - 1)


@dataclass(frozen=True)
class People:
    """A block of people, by birth day. Days are counted from 1970; `end` is the last day on which anything can happen."""

    number: Ints
    before: Ints
    """The D-number, 0 without."""
    changed: Ints
    """First day with `number`; on the days before, registers have `before`."""
    born: Ints
    women: bool
    start: Ints
    end: Ints
    died: npt.NDArray[np.bool_]
    frailty: Floats
    municipality: Ints
    birthplace: Ints
    theme: Ints
    cancer: Ints
    """Day of the diagnosis; beyond every `end` without one."""
    site: Ints

    def __len__(self) -> int:
        """Return how many people there are."""
        return len(self.number)

    @property
    def age(self) -> Floats:
        """Return the age in the middle of the days that are covered, in years."""
        return np.asarray(((self.start + self.end) / 2 - self.born) / DAYS_A_YEAR)

    @property
    def age_at_start(self) -> Floats:
        """Return the age on the first day that is covered, in years."""
        return np.asarray((self.start - self.born) / DAYS_A_YEAR)

    @property
    def span(self) -> Ints:
        """Return how many days are covered."""
        return np.asarray(self.end - self.start + 1)

    def number_on(self, person: Ints, day: Ints) -> Ints:
        """Return the number that each of `person` had on `day`."""
        return np.where(day < self.changed[person], self.before[person], self.number[person])


@dataclass(frozen=True)
class Family:
    """What newborns have from their mothers: the week they came in, and the municipality."""

    girls: bool
    week: Ints
    home: Ints


@dataclass(frozen=True)
class _Beginning:
    number: Ints
    born: Ints
    start: Ints
    women: bool
    frailty: Floats
    home: Ints
    birthplace: Ints


def grown(country: Country, days: Ints, counts: Ints, rng: np.random.Generator, *, women: bool) -> People:
    """Return those born on `days` before the period, `counts` of them, as they are when it begins."""
    born = np.repeat(days, counts)
    n = len(born)
    began = _Beginning(
        person_numbers(days, counts, women=women),
        born,
        np.full(n, country.first, np.int32),
        women,
        rng.gamma(SHAPE, 1 / SHAPE, n),
        np.minimum(np.searchsorted(HOMES, rng.random(n)), len(HOMES) - 1).astype(np.int16),
        rng.choice(len(BIRTHPLACES), n, p=ABROAD).astype(np.int8),
    )
    return _lived(country, began, rng)


def newborn(country: Country, days: Ints, counts: Ints, family: Family, rng: np.random.Generator) -> People:
    """Return those born on `days` in the period; who came early is frailer, and they live where their mothers do."""
    born = np.repeat(days, counts)
    n = len(born)
    frailty = rng.gamma(SHAPE, 1 / SHAPE, n) * (1 + FRAILER_A_WEEK * np.maximum(EARLY_BEFORE - family.week, 0))
    number = person_numbers(days, counts, women=family.girls)
    began = _Beginning(number, born, born, family.girls, frailty, family.home, np.zeros(n, np.int8))
    return _lived(country, began, rng)


def _lived(country: Country, began: _Beginning, rng: np.random.Generator) -> People:
    n, born, start, frailty = len(began.born), began.born, began.start, began.frailty
    age = (start - born) / DAYS_A_YEAR
    pace = country.mortality * (WOMEN_DIE if began.women else MEN_DIE) * frailty * np.exp(AGEING * age)
    aged = np.log1p(AGEING * rng.exponential(1, n) / pace) / AGEING
    lasting = np.minimum(aged, rng.exponential(1 / ACCIDENTS, n)) * DAYS_A_YEAR
    left = country.last - start + 1
    died = lasting < left
    end = (start + np.where(died, lasting, left - 1)).astype(np.int32)

    before, changed, birthplace = np.zeros(n, np.int64), start.copy(), began.birthplace.copy()
    moved = (rng.random(n) < country.changing) & (age >= WORKING[0]) & (age < WORKING[1])
    before[moved] = _d_numbers(born[moved], women=began.women)
    changed[moved] = start[moved] + rng.random(int(moved.sum())) * (end[moved] - start[moved] + 1)
    birthplace[moved & (birthplace == 0)] = BIRTHPLACES.index("europe")

    risk = cancer_risk(age, end - start + 1, died, frailty)
    ill = rng.random(n) < -np.expm1(-country.cancers * risk)
    cancer = np.where(ill, (start + rng.random(n) * (end - start + 1)).astype(np.int32), NEVER)
    site = np.searchsorted(SITE_SHARES[int(began.women)], rng.random(n))
    theme = np.where(ill, Theme.CANCER, _themes(age, frailty, rng))
    return People(
        number=began.number,
        before=before,
        changed=changed,
        born=born,
        women=began.women,
        start=start,
        end=end,
        died=died,
        frailty=frailty,
        municipality=began.home,
        birthplace=birthplace,
        theme=theme.astype(np.int8),
        cancer=cancer,
        site=np.minimum(site, len(SITES) - 1).astype(np.int8),
    )


def cancer_risk(age: Floats, span: Ints, died: npt.NDArray[np.bool_], frailty: Floats) -> Floats:
    """Return each one's hazard of a first cancer in the days covered, up to the scale; higher for those who die."""
    rising = np.exp(CANCER_AGEING * np.minimum(age, CANCER_OLDEST))
    return np.asarray(rising * span * np.sqrt(frailty) * np.where(died, CANCER_KILLS, 1.0))


def _d_numbers(born: Ints, *, women: bool) -> Ints:
    days, counts = np.unique(born, return_counts=True)
    return person_numbers(days, counts, women=women, d_numbers=True)


def _themes(age: Floats, frailty: Floats, rng: np.random.Generator) -> Ints:
    """Return what ails each one for years: more often the frail and the old."""
    ailing = rng.random(len(age)) > np.exp(-frailty * (0.15 + age / 60))
    band = np.searchsorted(AILING_FROM, age, side="right") - 1
    edges = np.cumsum(AILING, axis=1)[band]
    which = (rng.random(len(age))[:, None] > edges).sum(axis=1)
    return np.asarray(np.where(ailing, 1 + np.minimum(which, len(AILING[0]) - 1), Theme.GENERAL))
