"""What a release costs and how far off it is likely to be. Zero-concentrated differential privacy (Bun & Steinke 2016).

**The sensitivity argument.** Neighbouring tables differ by all rows of one person. What a query reads of a row is
decided from that person's rows, the project's keys and the public steps alone: every step looks at one row, but for
suppression of rare codes, which counts persons. A column with suppression among its steps is marked
(`Column.depends_on_others`), and a query that filters, groups or measures by it is refused before any data is looked at
(`hvelv.privacy.domain.plan`). Which rows of a person count is decided from that person's rows alone, too (filter, cell,
then the first `max_rows` rows in each of the first `max_groups` cells met, in the person's own order). That order is by
the unmarked columns first and by the marked ones last; a marked column decides between two rows only where they are
alike in all unmarked columns, and of these any query that is let through makes the same cell and adds the same, so that
either may stand for the other. So taking a person away changes nothing that another person adds. Of the person
taken away, at most `max_groups` cells of a part's vector change, each by at most `max_rows * reach`, where `reach` is
the most one row adds in whole units of the column's step: 1 for counts, the larger of |low| and |high| for sums, and
half the range for the sums that means are made of, which are measured around the midpoint. Hence, for each part,

    L2 sensitivity <= sqrt(max_groups) * max_rows * reach        (units)
    L1 sensitivity <= max_groups * max_rows * reach

(`persons`: only the first row of a person in a cell adds, so one instead of `max_rows`) and Gaussian noise of scale `sensitivity / sqrt(2 * rho)` costs `rho` (ibid., proposition 1.6; discrete noise: Canonne,
Kamath & Steinke 2020). Laplace noise of scale L1 / epsilon costs epsilon, and epsilon squared over two as `rho`
(proposition 1.4). Parts are measured one by one and costs add up. Means are made from two noisy vectors and cost
nothing more. All values are integers before they are added: no order of rows and no rounding can change a sum.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from statistics import NormalDist

from hvelv.privacy.domain.charging import FEMTO
from hvelv.privacy.domain.measuring import Cells, Dose, Folded, NoiseName, OpenCells, Part, RowVectors
from hvelv.privacy.domain.plan import Plan

MICRO = 1_000_000
Z95 = 1.959963984540054  # the normal distribution's two-sided 95 % point
ROOM = 0.98  # of delta: what is left over is more than the map's steps of 1e-16 lose
LAPLACE95 = math.log(20)  # the Laplace distribution's two-sided 95 % point, in scales
MARGIN = 1 + 1e-9  # more than float arithmetic can lose between here and the privacy map


def micro(rho: float | Fraction) -> int:
    """Return `rho` in micro-rho, rounded up: a price is never less than the loss."""
    return math.ceil(Fraction(rho) * MICRO)


def split(rho_micro: int, parts: int) -> tuple[int, ...]:
    """Share a price among parts as evenly as whole micro-rho go; the shares add up to the price."""
    each, rest = divmod(rho_micro, parts)
    return tuple(each + (i < rest) for i in range(parts))


def sensitivity(part: Part, max_rows: int, max_groups: int) -> float:
    """Return a bound, never below the exact one, on how far one person moves `part`'s vector (L2, in units)."""
    square = max_groups * (part.rows(max_rows) * part.reach) ** 2
    return math.nextafter(math.sqrt(square), math.inf)


def sensitivity1(part: Part, max_rows: int, max_groups: int) -> float:
    """Return a bound, never below the exact one, on how far one person moves `part`'s vector (L1, in units)."""
    return math.nextafter(float(max_groups * part.rows(max_rows) * part.reach), math.inf)


def scale(distance: float, rho_micro: int) -> float:
    """Return the scale at which a vector moved by `distance` costs at most `rho_micro`.

    Gaussian, `distance` L2: distance / sqrt(2 rho). Laplace, `distance` L1: distance / epsilon, where epsilon is
    sqrt(2 rho), so that epsilon squared over two is the price. It is one formula.
    """
    return distance / math.sqrt(2 * rho_micro / MICRO) * MARGIN


def gaussian(name: str, rho_micro: int, distance: float, unit: Fraction = Fraction(1)) -> Dose:
    """Return the dose for a vector that one person moves by `distance` (L2, in units). Raises `ValueError` for no price."""
    return _dose("gaussian", name, rho_micro, distance, unit)


def laplace(name: str, rho_micro: int, distance: float, unit: Fraction = Fraction(1)) -> Dose:
    """Return the dose for a vector that one person moves by `distance` (L1, in units). Raises `ValueError` for no price."""
    return _dose("laplace", name, rho_micro, distance, unit)


def _dose(noise: NoiseName, name: str, rho_micro: int, distance: float, unit: Fraction) -> Dose:
    if rho_micro < 1:
        raise ValueError("less than one micro-rho for a part")
    return Dose(name, rho_micro, distance, scale(distance, rho_micro), unit, noise)


DISTANCES = {"gaussian": sensitivity, "laplace": sensitivity1}


def cell_doses(ask: Cells, rho_micro: int, noise: NoiseName = "gaussian") -> tuple[Dose, ...]:
    """Return the noise of every part of cells when they all cost `rho_micro`. Raises `ValueError` if too little."""
    shares, distance = split(rho_micro, len(ask.parts)), DISTANCES[noise]
    return tuple(
        _dose(noise, part.kind, share, distance(part, ask.max_rows, ask.max_groups), part.unit)
        for part, share in zip(ask.parts, shares, strict=True)
    )


def fold_distance(ask: Folded, fold: Sequence[int]) -> float:
    """Return a bound, never below the exact one, on how far one person moves a fold (L2, in rows).

    Groups kept apart: `max_rows` in one place of each of `max_groups` groups at worst. Else all of it in one place.
    """
    groups = math.sqrt(ask.max_groups) if ask.apart(fold) else ask.max_groups
    return math.nextafter(ask.max_rows * groups, math.inf)


def fold_doses(ask: Folded, shares: Sequence[int]) -> tuple[Dose, ...]:
    """Return the noise of folds that cost `shares` (micro-rho). Raises `ValueError` if too little."""
    return tuple(
        gaussian("fold", share, fold_distance(ask, fold)) for fold, share in zip(ask.folds, shares, strict=True)
    )


def threshold_dose(name: str, ask: OpenCells, rho_micro: int, delta_femto: int, noise: NoiseName) -> Dose:
    """Return the noise of counts whose keys are unknown, and the threshold that they must pass to be told.

    Taking a person away lets at most `max_groups` keys vanish, each of which had at most `max_rows` of that person alone.
    The threshold is so far above `max_rows` that noise lifts one of them over it with a chance of `delta` over
    `max_groups`: delta bounds what is added to the loss of the counts that stay (Rogers 2023, arXiv 2309.09170).
    Raises `ValueError` for no price.
    """
    distance = float(ask.max_groups * ask.max_rows)
    if noise == "gaussian":
        distance = math.sqrt(ask.max_groups) * ask.max_rows
    dose = _dose(noise, name, rho_micro, math.nextafter(distance, math.inf), Fraction(1))
    chance = delta_femto / FEMTO * ROOM / ask.max_groups
    far = math.log(1 / (2 * chance)) if noise == "laplace" else -NormalDist().inv_cdf(chance)
    threshold = math.ceil(ask.max_rows + dose.scale * far) + 1
    return replace(dose, threshold=threshold, delta_femto=delta_femto, groups=ask.max_groups, each=ask.max_rows)


def delta_of(doses: Sequence[Dose]) -> int:
    """Return the delta of all that is drawn, in femto: deltas add up (Bun & Steinke 2016, lemma 8.8)."""
    return sum(dose.delta_femto for dose in doses)


def pure_of(doses: Sequence[Dose]) -> int | None:
    """Return the native pure epsilon of all that is drawn in millionths, rounded up; None where some noise has none.

    A Laplace dose is drawn only if half of epsilon squared is within its price: so epsilon is at most sqrt(2 rho).
    """
    if any(dose.noise != "laplace" or dose.delta_femto for dose in doses):
        return None
    return math.ceil(sum(math.sqrt(2 * dose.rho_micro * MICRO) for dose in doses) * MARGIN)


def row_dose(name: str, ask: RowVectors, rho_micro: int, unit: Fraction = Fraction(1)) -> Dose:
    """Return the noise of a vector that is summed over rows. Raises `ValueError` for no price."""
    return gaussian(name, rho_micro, math.nextafter(float(ask.max_rows * ask.bound), math.inf), unit)


def doses(plan: Plan, rho_micro: int) -> tuple[Dose, ...]:
    """Return the noise of every part of `plan` when the whole costs `rho_micro`. Raises `ValueError` if too little."""
    return cell_doses(plan.ask, rho_micro, plan.query.noise)


def error95(deviation: float) -> float:
    """Return the half-width that 95 of 100 noisy values lie within, of Gaussian noise."""
    return Z95 * deviation


def error95_of(dose: Dose) -> float:
    """Return the half-width that 95 of 100 values with this noise lie within, in the vector's own unit."""
    return LAPLACE95 * dose.scale * float(dose.unit) if dose.noise == "laplace" else error95(dose.deviation)


def mean_error95(total: Dose, counted: Dose, rows: float, offset: float = 0.0) -> float:
    """Return the 95 % error of a mean over `rows` rows that lies `offset` from the midpoint (delta method)."""
    return math.hypot(error95_of(total), offset * error95_of(counted)) / rows
