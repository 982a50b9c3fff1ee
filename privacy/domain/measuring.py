"""How an answer is made: vectors of integers that one person moves a little, noise on each, and arithmetic on what is left.

A *method* is one kind of question on the project's tables, checked. It says beforehand which vectors it will measure and
with how much noise (`doses`): that is the quote, and the price. Its `work` then asks for the vectors' exact totals one
after the other and is given noisy ones: what it does with these is post-processing, and may decide what it asks next.
It never sees a total without noise. The service adds up what is drawn and refuses more than was paid for.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hvelv.privacy.domain.checking import Amount, Key
from hvelv.privacy.domain.framing import Framed
from hvelv.privacy.domain.schema import Column

MOST_CELLS = 10_000
Units = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """One vector that is measured: an integer per cell.

    `rows`: rows counted. `present`: of these, those with a value in `column`. `sum`: of these, the sum of the values in
    units of `step`, clamped to [low, high] and moved by `origin`; a missing value adds nothing. `square`: the same of
    the squares of what `sum` adds, so that its unit is `step` squared.
    """

    kind: Literal["rows", "present", "sum", "square"]
    column: Column | None = None
    step: Fraction = Fraction(1)
    low: int = 0
    high: int = 0
    origin: int = 0

    @property
    def reach(self) -> int:
        """Return the most that one row can add, in units, up or down."""
        farthest = max(abs(self.low - self.origin), abs(self.high - self.origin))
        return {"sum": farthest, "square": farthest**2}.get(self.kind, 1)

    @property
    def unit(self) -> Fraction:
        """Return what one unit is in the column's own."""
        return self.step**2 if self.kind == "square" else self.step


ROWS = Part("rows")


@dataclass(frozen=True)
class Cells:
    """Ask for a vector of cells for each part: rows fall into cells by `keys`, in the order of their product.

    Of a person the first `max_rows` rows in each of the first `max_groups` cells met count. So at most `max_groups`
    cells of a vector move by at most `max_rows * reach` each.
    """

    keys: tuple[Key, ...]
    parts: tuple[Part, ...]
    max_rows: int
    max_groups: int

    @property
    def length(self) -> int:
        """Return how many cells there are; all of them are answered, empty or not."""
        return prod(len(key.labels) for key in self.keys)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that are needed, each once."""
        names = [key.name for key in self.keys] + [part.column.name for part in self.parts if part.column]
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class RowVectors:
    """Ask for the sum of a vector made of each row by itself, over the first `max_rows` rows of each person.

    `amounts` come as int64 arrays in units of their steps, clamped; `positions` as int64 arrays of places on the keys'
    axes. A row in which any is missing or not on the axis is left out. `make` returns an int64 matrix, a line for each
    row; a line whose L2 norm is over `bound` is left out by the one who adds, so that a fault here costs accuracy and
    not privacy. A person moves the sum by at most `max_rows * bound` (L2).
    """

    amounts: tuple[Amount, ...]
    positions: tuple[Key, ...]
    max_rows: int
    length: int
    bound: int
    make: Callable[[Mapping[str, Units]], Units] = field(compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that are needed, each once."""
        return tuple(dict.fromkeys([a.column.name for a in self.amounts] + [k.name for k in self.positions]))


class Ask(Protocol):
    """What exact totals are wanted of. Each kind of ask is known to the aggregator."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns of the framed rows that are needed."""
        ...

    @property
    def max_rows(self) -> int:
        """Return how many rows of a person count."""
        ...


@dataclass(frozen=True)
class Dose:
    """The noise that one vector gets, and what it costs. `sensitivity` and `scale` are in units; one is `unit`.

    `gaussian`: `sensitivity` is L2 and the cost zCDP. `laplace`: L1, and the cost is epsilon squared over two, of an
    epsilon that is the native one.
    """

    name: str
    rho_micro: int
    sensitivity: float
    scale: float
    unit: Fraction = Fraction(1)
    noise: Literal["gaussian", "laplace"] = "gaussian"

    @property
    def deviation(self) -> float:
        """Return the noise's standard deviation in the vector's own unit."""
        spread = self.scale * (2**0.5 if self.noise == "laplace" else 1.0)
        return spread * float(self.unit)


@dataclass(frozen=True)
class Step:
    """One look at the data: what for, and the noise for each vector that comes of it."""

    ask: Ask
    doses: tuple[Dose, ...]


Noisy = list[list[int]]


@dataclass(frozen=True)
class Result:
    """An answer: a table with a key for each row, more tables by name, a reading in words, and how to draw it.

    `rows`: {"key": [...], "values": {name: number or None}, "error95": {name: half-width or None}}. Where an interval is
    not even, `values` has `name_low` and `name_high` too. `notes`: sentences (msgid, params). `picture`: mark, x, y,
    colour, as names of keys and values.
    """

    keys: tuple[str, ...]
    rows: list[dict[str, Any]]
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[Mapping[str, Any], ...] = ()
    picture: Mapping[str, Any] = field(default_factory=dict)


Work = Generator[Step, Noisy, Result]


class Method(Protocol):
    """One question, checked against the project's tables: what it costs, what it measures, and what it makes of it."""

    @property
    def framed(self) -> Framed:
        """Return the rows that it is about."""
        ...

    @property
    def summary(self) -> str:
        """Return the question in one line of names."""
        ...

    @property
    def cells(self) -> int:
        """Return how many rows the answer has."""
        ...

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return what one person can add, by name."""
        ...

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of all that will be measured, in order. Raises `ValueError` where the price is too small."""
        ...

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure, and return the answer. Yields steps whose doses are `doses`, in order."""
        ...

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return, for each measure: name, kind, scale, error95 or None, and what else can be foretold."""
        ...

    def warnings(self) -> list[dict[str, Any]]:
        """Return what is worth knowing before paying, as sentences with params."""
        ...


def sentence(message: str, **params: object) -> dict[str, Any]:
    """Return a sentence that is shown in the reader's language."""
    return {"message": message, "params": params}
