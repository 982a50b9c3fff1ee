"""Numbers and factors of a row as the columns of a design matrix, in whole numbers.

A number is moved to [-1, 1] by its public bounds, a factor is a column of noughts and ones for each public code but the
first. All of it is integer arithmetic on one row at a time: what a row gives is the same to the last digit whatever
rows stand beside it, which no floating-point matrix product promises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.checking import Amount, Checker, Key
from hvelv.privacy.domain.closed import Closed, Name, Number
from hvelv.privacy.domain.measuring import Units
from hvelv.privacy.domain.schema import Code

GRID = 14
ONE = 1 << GRID  # what stands for 1 in a design; a product of two, over 2^31 rows, is within 63 bits
MOST_COEFFICIENTS = 40
NO_LEVEL = ""

Floats = NDArray[np.float64]


class Clamped(Closed):
    """A numeric column held within two of its public bounds; without them, within the declared ones."""

    column: Name
    low: Number | None = None
    high: Number | None = None


Term = Name | Clamped
Terms = Annotated[tuple[Term, ...], Field(min_length=1, max_length=12)]


def name_of(term: Term) -> str:
    """Return the name of a term's column."""
    return term if isinstance(term, str) else term.column


def number(checker: Checker, term: Term, field: str) -> Amount | None:
    """Return the number that a term is, whatever codes its column has; None, and a fault, where it is none."""
    if isinstance(term, str):
        return checker.amount(term, None, None, field)
    return checker.amount(term.column, term.low, term.high, field)


def part(checker: Checker, term: Term, field: str) -> Amount | Key | None:
    """Return the factor that the bare name of a column with public codes is; else a number."""
    column = checker.schema.find(term) if isinstance(term, str) else None
    if column is None or column.keys is None:
        return number(checker, term, field)
    return checker.key(column.name, field)


def asked_in_words(kind: str, outcome: Term, terms: Sequence[Term]) -> str:
    """Return a regression in one line of names: `linear value / age, sex`."""
    return f"{kind} {name_of(outcome)} / {', '.join(name_of(term) for term in terms)}"


def distinct(checker: Checker, names: Sequence[str], field: str) -> None:
    """Refuse a column that is used twice."""
    if len(set(names)) != len(names):
        checker.fault(field, _("Den samme variabelen kan bare brukes på ett sted i spørringen."))


def scaled(amount: Amount, units: Units) -> Units:
    """Return units moved to whole `ONE`-ths from -`ONE` (the lower bound) to `ONE` (the upper one), rounded."""
    width = amount.high - amount.low
    around: Units = (2 * units - (amount.low + amount.high)) * ONE
    return (2 * around + width) // (2 * width)


def raised(amount: Amount, units: Units, one: int) -> Units:
    """Return units moved to whole `one`-ths from 0 (nought) to `one` (the upper bound), rounded; for a low of 0 or more."""
    return (2 * units * one + amount.high) // (2 * amount.high)


def middle(amount: Amount) -> float:
    """Return the middle between the bounds, in the column's own unit."""
    low, high = amount.bounds
    return (low + high) / 2


def half(amount: Amount) -> float:
    """Return half the way between the bounds: what one scaled unit is in the column's own."""
    low, high = amount.bounds
    return (high - low) / 2


@dataclass(frozen=True)
class Axis:
    """One column of a design: the intercept, a number, or whether a factor has a code."""

    term: str = "intercept"
    level: Code = NO_LEVEL
    amount: Amount | None = None
    key: Key | None = None
    place: int = 0

    def of(self, given: Mapping[str, Units], rows: int) -> Units:
        """Return the column for some rows, in `ONE`-ths."""
        if self.amount is not None:
            return scaled(self.amount, given[self.term])
        if self.key is not None:
            return np.where(given[self.term] == self.place, ONE, 0).astype(np.int64)
        return np.full(rows, ONE, dtype=np.int64)


@dataclass(frozen=True)
class Design:
    """The columns of a design; the first one is the intercept."""

    parts: tuple[Amount | Key, ...]

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """Return the columns in the order of the terms."""
        found = [Axis()]
        for one in self.parts:
            if isinstance(one, Amount):
                found.append(Axis(one.column.name, amount=one))
            else:
                found += [Axis(one.name, code, key=one, place=i) for i, code in enumerate(one.codes) if i]
        return tuple(found)

    @property
    def amounts(self) -> tuple[Amount, ...]:
        """Return the numbers."""
        return tuple(one for one in self.parts if isinstance(one, Amount))

    @property
    def keys(self) -> tuple[Key, ...]:
        """Return the factors."""
        return tuple(one for one in self.parts if isinstance(one, Key))

    @property
    def most(self) -> int:
        """Return how many columns of a row can be other than nought: of a factor, one at most."""
        return 1 + len(self.amounts) + sum(len(key.codes) > 1 for key in self.keys)

    def lines(self, given: Mapping[str, Units]) -> Units:
        """Return the design's rows (rows, axes), in `ONE`-ths."""
        rows = len(next(iter(given.values())))
        return np.stack([axis.of(given, rows) for axis in self.axes], axis=1)


def checked(checker: Checker, terms: Sequence[Term], field: str) -> Design:
    """Return the design of some terms; the checker has the faults."""
    found = [part(checker, term, f"{field}.{i}") for i, term in enumerate(terms)]
    design = Design(tuple(one for one in found if one is not None))
    if len(design.axes) > MOST_COEFFICIENTS:
        checker.fault(field, _("Modellen ville fått flere enn {most} koeffisienter."), most=MOST_COEFFICIENTS)
    return design


def named(design: Design) -> list[list[Any]]:
    """Return the keys of an answer with a row for each column of the design."""
    return [[axis.term, axis.level] for axis in design.axes]
