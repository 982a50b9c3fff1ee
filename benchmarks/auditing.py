"""How much one person shows in an answer, measured: an empirical lower bound on epsilon (and on rho).

Two neighbouring extracts differ by a whole person in all tables. Whoever holds both asks which of them an answer is from,
by the likelihood ratio of all that was drawn: for Gaussian noise the best test there is (Neyman & Pearson). A threshold is
picked on half of the runs; on the other half the rates beyond it bound epsilon from below (Clopper & Pearson, 99 %):

    epsilon >= ln((lower bound of P[beyond | with] - delta) / upper bound of P[beyond | without])

A claim that is below the bound is false. A bound below the claim proves nothing; a fault of a factor is far beyond it.
Beside it stands the shift of the means: for any statistic, with d between its means and v its variance on one side,
chi-square >= d^2/v (Hammersley, Chapman & Robbins), and a loss of rho allows exp(2 rho) - 1 at most (Renyi of order 2).
So rho >= ln(1 + d^2/v)/2, which is close to rho where rho is small; taken with a 99 % bound from below.
"""

import itertools
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import beta, norm

from hvelv.privacy.adapters import aggregate, block_host
from hvelv.privacy.adapters.blocks import KEY_BYTES, dealt
from hvelv.privacy.adapters.frames import passing
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.measuring import Ask, Dose, Method, OpenCells, Step
from hvelv.privacy.domain.methods.block_vectors import BlockVectors
from hvelv.privacy.domain.schema import PSEUDONYM

Sources = Mapping[str, Sequence[Path]]
Totals = list[list[int]]
ALPHA = 0.01
GRID = 40
GIVEN_AWAY = 1e6
HISTORIES = 10
NOISE = OpenDPNoise()


@dataclass(frozen=True)
class Bound:
    """What was found: the claim at `delta`, the bound from below on epsilon, and the same for rho."""

    claimed: float
    found: float
    rho_claimed: float
    rho_found: float
    runs: int

    @property
    def holds(self) -> bool:
        """Say whether the claim was not disproved."""
        return self.found <= self.claimed and self.rho_found <= self.rho_claimed


class Held:
    """An extract's framed rows in memory, so that adaptive methods can be run many times: totals by the real passes."""

    def __init__(self, sources: Sources, method: Method) -> None:
        self._sources, self._framed = sources, method.framed
        self._pieces: dict[tuple[str, ...], list[tuple[Any, Mapping[str, Any], Any]]] = {}

    def totals(self, ask: Ask) -> Totals:
        """Return the exact totals of an ask."""
        if isinstance(ask, BlockVectors):
            return self._of_blocks(ask)
        if ask.columns not in self._pieces:
            self._pieces[ask.columns] = list(self._read(ask.columns))
        work = aggregate.PASSES[type(ask)](ask)
        for person, column, inside in self._pieces[ask.columns]:
            work.add(person, column, inside.copy())
        return work.result()

    def _of_blocks(self, ask: BlockVectors) -> Totals:
        """Return what blocks say, dealt out by one key on both sides, and run here: the code is ours."""
        said = []
        for raw in dealt(self._sources, self._framed, ask, bytes(KEY_BYTES)):
            found = block_host.WORK[ask.task["kind"]](ask.task, block_host.frame_of(raw, ask.task["columns"]))
            said.append(struct.pack(f"<{len(found)}d", *found))
        return ask.totals(said)

    def _read(self, columns: Sequence[str]) -> Iterator[tuple[Any, Mapping[str, Any], Any]]:
        persons = aggregate._Persons()  # noqa: SLF001 - the real reading, step by step
        for column, inside in passing(self._sources, self._framed, columns):
            yield persons.of(column[PSEUDONYM]), column, inside


def ratio(dose: Dose, noisy: NDArray[np.float64], truth: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return ln P[noisy | with] - ln P[noisy | without], summed over the last axis. `truth`: totals with and without."""
    away = [noisy - one for one in truth]
    if dose.noise == "laplace":
        return (np.abs(away[1]) - np.abs(away[0])).sum(axis=-1) / dose.scale
    return (away[1] ** 2 - away[0] ** 2).sum(axis=-1) / (2 * dose.scale**2)


def _drawn_often(step: Step, both: Sequence[Totals], runs: int) -> list[NDArray[np.float64]]:
    """Return the likelihood ratios of `runs` draws of one step from either side.

    Only coordinates that the person moves are drawn: the others are alike on both sides and noised by themselves.
    """
    found = [np.zeros(runs), np.zeros(runs)]
    for dose, *truth in zip(step.doses, *both, strict=True):
        vectors = [np.array(one, float) for one in truth]
        moved = np.flatnonzero(vectors[0] != vectors[1])
        if not len(moved):
            continue
        kept = [vector[moved] for vector in vectors]
        for side, mine in enumerate(kept):
            drawn = NOISE.draw(dose, [int(v) for v in np.tile(mine, runs)])
            found[side] += ratio(dose, np.array(drawn, float).reshape(runs, -1), kept)
    return found


def many(method: Method, doses: Sequence[Dose], held: Sequence[Held], runs: int) -> list[NDArray[np.float64]]:
    """Return the likelihood ratios of `runs` answers from either side.

    A method that looks several times chooses what it looks at by what it saw: its looks are recorded along some histories,
    and each is drawn again and again.
    """
    first = next(method.work(doses))
    histories = 1 if len(first.doses) == len(doses) else HISTORIES
    found: list[list[NDArray[np.float64]]] = [[], []]
    for number in range(histories):
        sides = [np.zeros(runs // histories), np.zeros(runs // histories)]
        for step, both in _history(method, doses, held, number % 2):
            for side, drawn in enumerate(_drawn_often(step, both, runs // histories)):
                sides[side] += drawn
        for side, drawn in enumerate(sides):
            found[side].append(drawn)
    return [np.concatenate(side) for side in found]


def _history(
    method: Method, doses: Sequence[Dose], held: Sequence[Held], side: int
) -> Iterator[tuple[Step, Sequence[Totals]]]:
    """Yield the steps of one answer from a side, with the totals on both."""
    work, left = method.work(doses), len(doses)
    step = next(work)
    while True:
        both = [one.totals(step.ask) for one in held]
        yield step, both
        left -= len(step.doses)
        if left <= 0:
            work.close()  # all was drawn: the rest is arithmetic on it
            return
        step = work.send([NOISE.draw(dose, part) for dose, part in zip(step.doses, both[side], strict=True)])


def one_by_one(method: Method, doses: Sequence[Dose], held: Sequence[Held], runs: int) -> list[NDArray[np.float64]]:
    """Return the likelihood ratios of `runs` whole answers from either side, each with a history of its own."""
    return [np.array([_transcript(method, doses, held, side) for _run in range(runs)]) for side in range(2)]


def _transcript(method: Method, doses: Sequence[Dose], held: Sequence[Held], side: int) -> float:
    found = 0.0
    work, left = method.work(doses), len(doses)
    step = next(work)
    while True:
        both = [one.totals(step.ask) for one in held]
        draw = NOISE.draw_keys if isinstance(step.ask, OpenCells) else NOISE.draw
        noisy = [draw(dose, part) for dose, part in zip(step.doses, both[side], strict=True)]
        for dose, drawn, *truth in zip(step.doses, noisy, *both, strict=True):
            found += _of_keys(dose, drawn, truth) if isinstance(step.ask, OpenCells) else _of_vector(dose, drawn, truth)
        left -= len(step.doses)
        if left <= 0:
            work.close()
            return found
        step = work.send(noisy)


def _of_vector(dose: Dose, drawn: Sequence[int], truth: Sequence[Sequence[int]]) -> float:
    return float(ratio(dose, np.array(drawn, float), [np.array(one, float) for one in truth]))


def _of_keys(dose: Dose, drawn: Mapping[str, int], truth: Sequence[Mapping[str, int]]) -> float:
    """Return the ratio of the counts that are told; a key that only one side has gives that side away."""
    if any(key not in truth[1] for key in drawn):
        return GIVEN_AWAY
    told = sorted(drawn)
    return _of_vector(dose, [drawn[key] for key in told], [[one[key] for key in told] for one in truth])


def epsilon_bound(beyond: Sequence[NDArray[np.float64]], delta: float) -> float:
    """Return the bound from below on epsilon, by thresholds on the likelihood ratio in both directions."""
    picked, kept = zip(*((side[: len(side) // 2], side[len(side) // 2 :]) for side in beyond), strict=True)
    marks = np.quantile(np.concatenate(picked), np.linspace(0.005, 0.995, GRID))
    tests = list(itertools.product(marks, (1, -1)))
    best = max(tests, key=lambda test: _bound(picked, *test, delta))
    return _bound(kept, *best, delta)


def _bound(sides: Sequence[NDArray[np.float64]], mark: float, sign: int, delta: float) -> float:
    """Return the bound of one test: beyond the mark speaks for the first side (sign 1) or for the second (-1)."""
    likely, rare = (sides[0], sides[1]) if sign == 1 else (sides[1], sides[0])
    hits = int((sign * likely >= sign * mark).sum()), int((sign * rare >= sign * mark).sum())
    low = beta.ppf(ALPHA / 2, hits[0], len(likely) - hits[0] + 1) if hits[0] else 0.0
    high = beta.ppf(1 - ALPHA / 2, hits[1] + 1, len(rare) - hits[1]) if hits[1] < len(rare) else 1.0
    return max(0.0, math.log((low - delta) / high)) if low > delta else 0.0


def rho_bound(beyond: Sequence[NDArray[np.float64]]) -> float:
    """Return the bound from below on rho by the shift of the mean ratio."""
    point = norm.ppf(1 - ALPHA / 2)
    error = math.sqrt(sum(side.var() / len(side) for side in beyond))
    shift = max(0.0, float(beyond[0].mean() - beyond[1].mean()) - point * error)
    return 0.5 * math.log1p(shift**2 / min(_spread(side, point) for side in beyond)) if shift else 0.0


def _spread(side: NDArray[np.float64], point: float) -> float:
    """Return the variance, bounded from above."""
    away = (side - side.mean()) ** 2
    return float(away.mean() + point * away.std() / math.sqrt(len(side)))


def audited(method: Method, rho_micro: int, sources: Sequence[Sources], runs: int, delta: float = 1e-5) -> Bound:
    """Return what `runs` answers from either side say of a claim of `rho_micro`.

    Of a method that looks several times, a hundredth as many whole answers are drawn as well; the larger bound counts.
    """
    doses, held = method.doses(rho_micro), [Held(source, method) for source in sources]
    first = next(method.work(doses))
    tried = []
    if not isinstance(first.ask, OpenCells):
        tried.append(many(method, doses, held, runs))
    if len(first.doses) < len(doses) or not tried:
        tried.append(one_by_one(method, doses, held, runs if not tried else max(100, runs // 100)))
    claimed = NOISE.epsilon(rho_micro, delta)
    epsilon, rho = (
        max(bound(beyond) for beyond in tried) for bound in (partial(epsilon_bound, delta=delta), rho_bound)
    )
    return Bound(claimed, epsilon, rho_micro / 1e6, rho, runs)


def written(folder: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]], layouts: Mapping[str, Any]) -> Sources:
    """Write tables, sorted by person, as extracts are."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    found: dict[str, list[Path]] = {}
    for name, some in tables.items():
        path = folder / f"{name}.parquet"
        ordered = sorted(some, key=lambda row: row["pid"])
        pq.write_table(pa.Table.from_pylist(list(ordered), layouts[name]), path)
        found[name] = [path]
    return found
