"""What each register says of a block of people, as columns.

A column is whole numbers: places in the variable's code list, days since 1970, person numbers, or amounts. One random
64-bit word a row is cut into what the row needs, so that 250 million rows take seconds.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hvelv.operation.population import places
from hvelv.operation.population.births import Births
from hvelv.operation.population.codes import DIAGNOSES, GRAIN, MEDICINES, SITES, Theme, drawing_table
from hvelv.operation.population.figures import DAYS_A_YEAR
from hvelv.operation.population.lifetimes import NEVER, People

Ints = npt.NDArray[Any]
Columns = dict[str, Ints]

NO_DAY = np.iinfo(np.int32).min
THEMES = np.array([c.theme for c in DIAGNOSES])
DIAGNOSIS = drawing_table(np.array([c.weight for c in DIAGNOSES]), THEMES).ravel()
CAUSE = drawing_table(np.array([c.death for c in DIAGNOSES]), THEMES).ravel()
MEDICINE = drawing_table(np.array([m.weight for m in MEDICINES]), np.array([m.theme for m in MEDICINES])).ravel()
DOSES = np.array([m.doses for m in MEDICINES])
REIMBURSED = np.array([m.reimbursed for m in MEDICINES])
PLACES = {c.code: i for i, c in enumerate(DIAGNOSES)}
SITE_CODES = np.array([next(i for i, c in reversed(list(enumerate(DIAGNOSES))) if c.code[:3] == s) for s in SITES])
BIRTH, SECTION = PLACES["O809"], PLACES["O829"]
OWN_COUNTY = places.own_county()
LEVELS = ("inpatient", "day", "outpatient")
LEVEL_TABLE = np.repeat(np.array([0, 1, 2], np.int8), (38, 18, 200))  # of 256
STAY_TABLE = np.minimum(1 + np.floor(-3.2 * np.log1p(-(np.arange(256) + 0.5) / 256)), 40).astype(np.int8)
PACK_TABLE = np.repeat(np.array([1, 2, 3, 4, 6], np.int8), (190, 34, 20, 8, 4))  # of 256
ELSEWHERE = 0b0011_1100  # none of these bits: one episode in sixteen is at another hospital than the county's own
URGENT = np.array([5, 1, 1], np.int8)  # of 8, by level
PLACES_OF_DEATH = ("nursing_home", "hospital", "home", "other")
PLACE_OF_DEATH_EDGES = np.array([0.49, 0.79, 0.95])
DIES_OF_IT = np.array([0.4, 0.9, 0.4, 0.7, 0.7, 0.15, 0.9, 0.85])  # by theme: how often the cause is of that theme
OTHERWISE, OTHERWISE_SHARES = (0, 1, 3, 4), (0.45, 0.3, 0.1, 0.15)
STAGES = (0, 1, 2, 3, 4)
VERIFIED = 0.93
STAGE_EDGES = np.array([0.09, 0.45, 0.67, 0.83])


def episode_rate(people: People) -> npt.NDArray[np.float64]:
    """Return each one's episodes, up to the scale: many for infants, then ever more with age."""
    age = people.age
    yearly = 0.5 + 1.5 * (age < 2) + 0.00055 * age**2  # noqa: PLR2004 - infants
    return np.asarray(people.frailty * yearly * people.span * np.where(people.theme > 0, 1.6, 1.0) / DAYS_A_YEAR)


def dispensing_rate(people: People) -> npt.NDArray[np.float64]:
    """Return each one's dispensings, up to the scale."""
    age = people.age
    yearly = 0.6 + 0.0016 * age**2
    return np.asarray(people.frailty * yearly * people.span * np.where(people.theme > 0, 2.0, 1.0) / DAYS_A_YEAR)


def persons(people: People) -> Columns:
    """Return one row a person."""
    return {
        "fnr": people.number,
        "birth_date": people.born,
        "sex": np.full(len(people), 0 if people.women else 1, np.int8),
        "municipality": people.municipality,
        "birthplace": people.birthplace,
        "death_date": np.where(people.died, people.end, NO_DAY).astype(np.int32),
    }


def episodes(people: People, born: Births | None, scale: float, rng: np.random.Generator) -> Columns:
    """Return specialist care (in the manner of NPR), deliveries included; a person's rows together, days in no order."""
    count = rng.poisson(episode_rate(people) * scale)
    if born is not None:
        deliveries = np.flatnonzero(np.diff(born.place * 100_000 + born.day, prepend=-1))
        mother = born.place[deliveries]
        count += np.bincount(mother, minlength=len(people))
    rows = _Rows(people, count, rng)
    level = LEVEL_TABLE[rows.small(2)]
    code = rows.drawn(DIAGNOSIS)
    hospital = OWN_COUNTY[people.municipality][rows.person] + (rows.small(3) & 3)
    elsewhere = np.flatnonzero((rows.small(3) & ELSEWHERE) == 0)
    hospital[elsewhere] = rows.small(4)[elsewhere] % len(places.HOSPITALS)
    stay = np.where(level == 0, STAY_TABLE[rows.small(5)], 0)
    urgent = (rows.small(4) & 7) < URGENT[level]
    day = rows.day
    if born is not None:
        nth = np.arange(len(mother)) - np.searchsorted(mother, mother)
        at = rows.first[mother] + nth
        day[at], level[at], stay[at], urgent[at] = born.day[deliveries], 0, 2, False
        code[at] = np.where(born.section[deliveries], SECTION, BIRTH)
        hospital[at] = OWN_COUNTY[people.municipality[mother]]
    return {
        "fnr": rows.numbers(day),
        "admission_date": day,
        "discharge_date": np.minimum(day + stay, people.end[rows.person]),
        "diagnosis": code,
        "hospital": hospital,
        "level": level,
        "urgent": urgent,
        "municipality": people.municipality[rows.person],
    }


def prescriptions(people: People, scale: float, rng: np.random.Generator) -> Columns:
    """Return dispensed medicines (in the manner of LMR)."""
    rows = _Rows(people, rng.poisson(dispensing_rate(people) * scale), rng)
    code = rows.drawn(MEDICINE)
    packs = PACK_TABLE[rows.small(2)]
    return {
        "fnr": rows.numbers(rows.day),
        "dispensed_date": rows.day,
        "atc": code,
        "packs": packs,
        "doses": DOSES[code] * packs,
        "reimbursed": REIMBURSED[code],
    }


def deaths(people: People, rng: np.random.Generator) -> Columns:
    """Return causes of death (in the manner of DAR). Who has a cancer mostly dies of it."""
    dead = np.flatnonzero(people.died)
    n = len(dead)
    theme = people.theme[dead].astype(np.int64)
    theme = np.where(rng.random(n) < DIES_OF_IT[theme], theme, rng.choice(OTHERWISE, n, p=OTHERWISE_SHARES))
    cause = CAUSE[theme * GRAIN + rng.integers(0, GRAIN, n)]
    cause = np.where(theme == Theme.CANCER, SITE_CODES[people.site[dead]], cause)
    return {
        "fnr": people.number_on(dead, people.end[dead]),
        "death_date": people.end[dead],
        "cause": cause,
        "place": np.searchsorted(PLACE_OF_DEATH_EDGES, rng.random(n), side="right"),
        "age": ((people.end - people.born)[dead] / DAYS_A_YEAR).astype(np.int16),
        "municipality": people.municipality[dead],
    }


def cancers(people: People, rng: np.random.Generator) -> Columns:
    """Return cancers (in the manner of Kreftregisteret), one a person at most; late stages among those who die."""
    ill = np.flatnonzero(people.cancer < NEVER)
    n = len(ill)
    stage = np.searchsorted(STAGE_EDGES, np.minimum(rng.random(n) + 0.3 * people.died[ill], 0.9999), side="right")
    day = people.cancer[ill]
    return {
        "fnr": people.number_on(ill, day),
        "diagnosis_date": day,
        "site": people.site[ill],
        "stage": stage,
        "age": ((day - people.born[ill]) / DAYS_A_YEAR).astype(np.int16),
        "verified": rng.random(n) < VERIFIED,
        "municipality": people.municipality[ill],
    }


def newborns(people: People, born: Births) -> Columns:
    """Return births (in the manner of MFR): one row a child, in the order of `people`."""
    return {
        "fnr": people.number,
        "birth_date": born.day,
        "mother_fnr": born.mother,
        "mother_age": born.mother_age,
        "plurality": np.where(born.single, 1, 2),
        "week": born.week,
        "weight": born.weight,
        "apgar": born.apgar,
        "delivery": born.section.astype(np.int8),
        "municipality": born.home,
    }


class _Rows:
    """Rows of people, `count[i]` for the i-th, each with a day within that person's days and some chance."""

    def __init__(self, people: People, count: Ints, rng: np.random.Generator) -> None:
        self._people, self._count = people, count
        self.person = np.repeat(np.arange(len(people), dtype=np.int32), count)
        self.first = np.cumsum(count) - count
        chance = rng.integers(0, 1 << 64, len(self.person), dtype=np.uint64)
        self._sixteen = chance.view(np.uint16).reshape(-1, 4)
        self._eight = chance.view(np.uint8).reshape(-1, 8)
        span = people.span.astype(np.uint32)[self.person]
        self.day = people.start[self.person] + ((self._sixteen[:, 3] * span) >> 16).astype(np.int32)

    def small(self, which: int) -> Ints:
        """Return a random byte a row. Taken: 0 and 1 and the top of 3 by `drawn`, 6 and 7 by `day`."""
        return np.asarray(self._eight[:, which])

    def drawn(self, table: Ints) -> Ints:
        """Return places in a code list; half of the rows by the person's theme, a cancer's only from its first day on."""
        theme = self._people.theme[self.person].astype(np.int32) * (self._eight[:, 3] >> 7)
        ill = np.flatnonzero(theme == Theme.CANCER)
        early = self.day[ill] < self._people.cancer[self.person[ill]]
        theme[ill[early]] = Theme.GENERAL
        drawn = table[(theme << 16) + self._sixteen[:, 0]]
        if table is DIAGNOSIS:
            late = ill[~early]
            drawn[late] = SITE_CODES[self._people.site[self.person[late]]]
        return np.asarray(drawn)

    def numbers(self, day: Ints) -> Ints:
        """Return the number that each row's person had on its day."""
        numbers = self._people.number[self.person]
        changed = np.flatnonzero((self._people.before > 0)[self.person])
        numbers[changed] = self._people.number_on(self.person[changed], day[changed])
        return np.asarray(numbers)
