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

and Gaussian noise of scale `sensitivity / sqrt(2 * rho)` costs `rho` (ibid., proposition 1.6; discrete noise: Canonne,
Kamath & Steinke 2020). Parts are measured one by one and costs add up. Means are made from two noisy vectors and cost
nothing more. All values are integers before they are added: no order of rows and no rounding can change a sum.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from hvelv.privacy.domain.measuring import Cells, Dose, Part, RowVectors
from hvelv.privacy.domain.plan import Answer, Plan

MICRO = 1_000_000
Z95 = 1.959963984540054  # the normal distribution's two-sided 95 % point
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
    square = max_groups * (max_rows * part.reach) ** 2
    return math.nextafter(math.sqrt(square), math.inf)


def scale(distance: float, rho_micro: int) -> float:
    """Return the Gaussian scale at which a vector moved by `distance` costs at most `rho_micro`."""
    return distance / math.sqrt(2 * rho_micro / MICRO) * MARGIN


def gaussian(name: str, rho_micro: int, distance: float, unit: Fraction = Fraction(1)) -> Dose:
    """Return the dose for a vector that one person moves by `distance` (L2, in units). Raises `ValueError` for no price."""
    if rho_micro < 1:
        raise ValueError("less than one micro-rho for a part")
    return Dose(name, rho_micro, distance, scale(distance, rho_micro), unit)


def cell_doses(ask: Cells, rho_micro: int) -> tuple[Dose, ...]:
    """Return the noise of every part of cells when they all cost `rho_micro`. Raises `ValueError` if too little."""
    shares = split(rho_micro, len(ask.parts))
    return tuple(
        gaussian(part.kind, share, sensitivity(part, ask.max_rows, ask.max_groups), part.unit)
        for part, share in zip(ask.parts, shares, strict=True)
    )


def row_dose(name: str, ask: RowVectors, rho_micro: int, unit: Fraction = Fraction(1)) -> Dose:
    """Return the noise of a vector that is summed over rows. Raises `ValueError` for no price."""
    return gaussian(name, rho_micro, math.nextafter(float(ask.max_rows * ask.bound), math.inf), unit)


def doses(plan: Plan, rho_micro: int) -> tuple[Dose, ...]:
    """Return the noise of every part of `plan` when the whole costs `rho_micro`. Raises `ValueError` if too little."""
    return cell_doses(plan.ask, rho_micro)


def error95(deviation: float) -> float:
    """Return the half-width that 95 of 100 noisy values lie within."""
    return Z95 * deviation


def mean_error95(total: Dose, counted: Dose, rows: float, offset: float = 0.0) -> float:
    """Return the 95 % error of a mean over `rows` rows that lies `offset` from the midpoint (delta method)."""
    return Z95 * math.hypot(total.deviation, offset * counted.deviation) / rows


def value_of(
    answer: Answer, parts: Sequence[Part], used: Sequence[Dose], noisy: Sequence[int]
) -> tuple[float | int | None, float | None]:
    """Return one cell's value and 95 % error from the noisy parts alone; (None, None) for a mean of too few rows.

    A mean is given where the noisy count is above its own 95 % error: below that it says nothing.
    """
    first, part = used[0], parts[0]
    if answer.kind == "count":
        return noisy[0], error95(first.deviation)
    if answer.kind == "sum":
        total = noisy[0] * part.step
        return (int(total) if total.denominator == 1 else float(total)), error95(first.deviation)
    rows, least = float(noisy[1]), error95(used[1].deviation)
    if rows < 1 or rows <= least:
        return None, None
    unit = float(part.step)
    offset = noisy[0] * unit / rows
    mean = min(max(part.origin * unit + offset, part.low * unit), part.high * unit)
    return mean, mean_error95(first, used[1], rows, mean - part.origin * unit)
