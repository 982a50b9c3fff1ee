"""What a cell's noisy parts say: values with their 95 % errors, one function for each measure.

All of it is post-processing. Errors are those of the noise, by the delta method where a value is made of several parts.
A mean or a spread is given where the noisy count of its rows is above its own 95 % error; below that it says nothing, and
is None. That too is decided on noisy numbers alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hvelv.privacy.domain.accounting import error95_of, mean_error95
from hvelv.privacy.domain.measuring import Dose, Part
from hvelv.privacy.domain.plan import Answer

Value = tuple[float | int | None, float | None]
NOTHING: Value = (None, None)
FEWEST = 2  # rows that a spread is of


@dataclass(frozen=True)
class Noted:
    """One part of a cell: what it is, its noise, and the noisy total in units."""

    part: Part
    dose: Dose
    noisy: int

    @property
    def total(self) -> float:
        """Return the total in the part's own unit."""
        return self.noisy * float(self.part.unit)

    @property
    def error95(self) -> float:
        """Return the total's 95 % error in the part's own unit."""
        return error95_of(self.dose)


def value_of(answer: Answer, parts: Sequence[Part], used: Sequence[Dose], noisy: Sequence[int]) -> Value:
    """Return one cell's value and 95 % error from the noisy parts alone; (None, None) where they say nothing."""
    return READ[answer.kind]([Noted(*noted) for noted in zip(parts, used, noisy, strict=True)])


def _count(noted: Sequence[Noted]) -> Value:
    return noted[0].noisy, noted[0].error95


def _sum(noted: Sequence[Noted]) -> Value:
    part, units = noted[0].part, noted[0].noisy
    for counted in noted[1:]:  # a sum around the middle
        units += part.origin * counted.noisy
    total = units * part.unit
    return (int(total) if total.denominator == 1 else float(total)), sum_error95(part, [one.dose for one in noted])


def sum_error95(part: Part, used: Sequence[Dose]) -> float:
    """Return the 95 % error of a sum: of itself, or of what lies around the middle with that of the count of its rows."""
    return math.hypot(error95_of(used[0]), *(part.origin * float(part.unit) * error95_of(dose) for dose in used[1:]))


def _says_something(counted: Noted) -> bool:
    return counted.noisy >= 1 and counted.noisy > counted.error95


def _mean(noted: Sequence[Noted]) -> Value:
    first, counted = noted
    if not _says_something(counted):
        return NOTHING
    part, unit = first.part, float(first.part.step)
    origin = part.origin * unit
    mean = min(max(origin + first.total / counted.noisy, part.low * unit), part.high * unit)
    return mean, mean_error95(first.dose, counted.dose, counted.noisy, mean - origin)


def _variance(noted: Sequence[Noted]) -> Value:
    """Return S2 / n - (S1 / n)^2, over n - 1. With m = S1 / n and v the variance, dv = (dS2 - 2 m dS1 + (m^2 - v) dn) / n."""
    first, squares, counted = noted
    rows = counted.noisy
    if not _says_something(counted) or rows < FEWEST:
        return NOTHING
    reach = (first.part.high - first.part.low) * float(first.part.step) / 2
    mean = min(max(first.total / rows, -reach), reach)
    found = (squares.total - mean * first.total) / (rows - 1)
    most = reach**2 * rows / (rows - 1)  # no values within the bounds vary more
    variance = min(max(found, 0.0), most)
    moved = squares.error95, 2 * mean * first.error95, (mean**2 - variance) * counted.error95
    return variance, min(math.hypot(*moved) / rows, most)


def _std(noted: Sequence[Noted]) -> Value:
    """Return the root of the variance; its error is the farther end of the variance's interval, also where that reaches nought."""
    variance, error = _variance(noted)
    if variance is None or error is None:
        return NOTHING
    return math.sqrt(variance), spread_error(variance, error)


def spread_error(variance: float, error: float) -> float:
    """Return how far a root is from the farther end of an interval around its square."""
    root = math.sqrt(variance)
    return max(root - math.sqrt(max(variance - error, 0.0)), math.sqrt(variance + error) - root)


READ: Mapping[str, Callable[[Sequence[Noted]], Value]] = {
    "count": _count,
    "persons": _count,
    "sum": _sum,
    "mean": _mean,
    "variance": _variance,
    "std": _std,
}
