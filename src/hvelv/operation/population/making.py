"""Making a whole population: blocks of people go by, and each leaves its rows in all registers.

Memory is bounded by a block (and some 20 bytes for each child born), whatever the number of persons. Every block has a
random stream of its own from seed, kind and place, so the same seed gives the same bytes.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TextIO

import numpy as np

from hvelv.catalog.domain.declaration import Declaration
from hvelv.operation.population import figures, rows
from hvelv.operation.population.births import Births, births
from hvelv.operation.population.country import Country, Floats, Ints, blocks_of
from hvelv.operation.population.declarations import REGISTERS, document
from hvelv.operation.population.figures import Wanted
from hvelv.operation.population.lifetimes import Family, People, cancer_risk, grown, newborn
from hvelv.operation.population.writing import RegisterFile

BLOCK = 25_000  # persons; larger ones cost a fifth more, in fresh memory
PILOT = 200_000
WOMEN, MEN, GIRLS, BOYS, TRIAL = range(5)
CANONICAL = "canonical.csv"
OBJECTIONS = "objections.csv"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Scales:
    """What the rates of `rows` and `lifetimes` are multiplied by to come out at the figures."""

    cancers: float
    episodes: float
    dispensings: float


@cache
def scales(first_year: int, last_year: int) -> Scales:
    """Return the scales for a period, from a pilot of 200,000 persons that is the same for every seed."""
    pilot = Country(Wanted(PILOT, first_year, last_year, seed=0))
    people = [
        grown(pilot, pilot.birth_days, counts, _stream(pilot.wanted, TRIAL, int(women)), women=women)
        for women, counts in ((True, pilot.women), (False, pilot.men))
    ]
    cancers = np.concatenate([cancer_risk(p.age_at_start, p.span, p.died, p.frailty) for p in people])
    return Scales(
        _hazard_scale(cancers, pilot.wanted.of(figures.CANCERS)),
        pilot.wanted.of(figures.EPISODES) / float(sum(rows.episode_rate(p).sum() for p in people)),
        pilot.wanted.of(figures.DISPENSINGS) / float(sum(rows.dispensing_rate(p).sum() for p in people)),
    )


def _hazard_scale(hazards: Floats, events: int) -> float:
    """Return what the hazards are multiplied by so that `events` first events are expected."""
    low, high = 1e-3 * events / hazards.sum(), 1e3 * events / hazards.sum()
    for _ in range(50):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if -np.expm1(-middle * hazards).sum() < events else (low, middle)
    return float(low)


def _stream(wanted: Wanted, kind: int, block: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64([wanted.seed, kind, block]))


def make(wanted: Wanted, folder: Path, progress: Progress = lambda _persons: None) -> dict[str, int]:
    """Write all registers and the two lists into `folder`, and return how many rows each has.

    `progress` is told how many persons are done. The same `wanted` gives the same bytes with the same versions of
    numpy and pyarrow.
    """
    with ExitStack() as stack:
        files = {
            table: stack.enter_context(
                RegisterFile(folder / f"{table}.parquet", Declaration.read(document(table, wanted)))
            )
            for table in REGISTERS
        }
        canonical = _Lines(stack.enter_context((folder / CANONICAL).open("w", newline="")), ("old", "new"))
        objections = _Lines(
            stack.enter_context((folder / OBJECTIONS).open("w", newline="")), ("person_number", "scope", "since")
        )
        done, scale = 0, scales(wanted.first_year, wanted.last_year)
        for people, children, own, rng in _blocks(wanted, scale):
            files["persons"].add(rows.persons(people))
            files["episodes"].add(rows.episodes(people, children, scale.episodes, rng))
            files["prescriptions"].add(rows.prescriptions(people, scale.dispensings, rng))
            files["deaths"].add(rows.deaths(people, rng))
            files["cancers"].add(rows.cancers(people, rng))
            if own is not None:
                files["births"].add(rows.newborns(people, own))
            canonical.add(_changed(people))
            objections.add(_objecting(people, rng))
            done += len(people)
            progress(done)
    return {name: f.rows for name, f in files.items()} | {"canonical": canonical.rows, "objections": objections.rows}


Block = tuple[People, Births | None, Births | None, np.random.Generator]


def _blocks(wanted: Wanted, scale: Scales) -> Iterator[Block]:
    """Yield people with the children that they have and with their own births: women, men, then those born since."""
    country = Country(wanted, scale.cancers)
    born = []
    for place, (lo, hi) in enumerate(blocks_of(country.women, BLOCK)):
        rng = _stream(wanted, WOMEN, place)
        women = grown(country, country.birth_days[lo:hi], country.women[lo:hi], rng, women=True)
        before = country.births_before
        children = births(women, int(before[hi - 1] - (before[lo - 1] if lo else 0)), rng)
        born.append(children)
        yield women, children, None, rng
    everyone = Births.together(born)
    men = country.without(country.children - len(everyone))
    for place, (lo, hi) in enumerate(blocks_of(men, BLOCK)):
        rng = _stream(wanted, MEN, place)
        yield grown(country, country.birth_days[lo:hi], men[lo:hi], rng, women=False), None, None, rng
    for kind, chosen in ((GIRLS, ~everyone.boy), (BOYS, everyone.boy)):
        yield from _born(country, everyone.part(np.flatnonzero(chosen)), kind)


def _born(country: Country, children: Births, kind: int) -> Iterator[Block]:
    days = np.arange(country.first, country.last + 1, dtype=np.int32)
    counts = np.bincount(children.day - country.first, minlength=len(days))
    ends = np.cumsum(counts)
    for place, (lo, hi) in enumerate(blocks_of(counts, BLOCK)):
        rng = _stream(country.wanted, kind, place)
        own = children.part(np.arange(ends[lo] - counts[lo], ends[hi - 1]))
        family = Family(kind == GIRLS, own.week, own.home)
        yield newborn(country, days[lo:hi], counts[lo:hi], family, rng), None, own, rng


class _Lines:
    """A list with a header, as CSV."""

    def __init__(self, file: TextIO, header: tuple[str, ...]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(header)
        self.rows = 0

    def add(self, lines: list[tuple[str, ...]]) -> None:
        self._writer.writerows(lines)
        self.rows += len(lines)


def _changed(people: People) -> list[tuple[str, ...]]:
    at = np.flatnonzero(people.before)
    return [(f"{old:011d}", f"{new:011d}") for old, new in zip(people.before[at], people.number[at], strict=True)]


def _objecting(people: People, rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Return one in a hundred, with the day since when. Of those who changed number, half object with the old one."""
    at = np.flatnonzero(rng.random(len(people)) < figures.OBJECTING)
    old = (people.before[at] > 0) & (rng.random(len(at)) < 0.5)  # noqa: PLR2004 - half
    numbers: Ints = np.where(old, people.before[at], people.number[at])
    days = people.start[at] + (rng.random(len(at)) * people.span[at]).astype(np.int64)
    epoch = date(1970, 1, 1)
    return [
        (f"{number:011d}", "all", (epoch + timedelta(days=int(day))).isoformat())
        for number, day in zip(numbers, days, strict=True)
    ]
