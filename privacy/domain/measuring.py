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
NoiseName = Literal["gaussian", "laplace"]


@dataclass(frozen=True)
class Part:
    """One vector that is measured: an integer per cell.

    `rows`: rows counted. `persons`: of these, the first one of each person, so that it is persons who are counted.
    `present`: rows with a value in `column`. `sum`: of these, the sum of the values in
    units of `step`, clamped to [low, high] and moved by `origin`; a missing value adds nothing. `square`: the same of
    the squares of what `sum` adds, so that its unit is `step` squared.
    """

    kind: Literal["rows", "persons", "present", "sum", "square"]
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

    def rows(self, max_rows: int) -> int:
        """Return how many of a person's rows in a cell can add to it, when `max_rows` count."""
        return 1 if self.kind == "persons" else max_rows


ROWS, PERSONS = Part("rows"), Part("persons")


@dataclass(frozen=True)
class Cells:
    """Ask for a vector of cells for each part: rows fall into cells by `keys`, in the order of their product.

    Of a person the first `max_rows` rows in each of the first `max_groups` cells met count. So at most `max_groups`
    cells of a vector move by at most `max_rows * reach` each (`persons`: by one).
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

    def __post_init__(self) -> None:
        """Refuse a column that would be given both as an amount and as a place on an axis."""
        if {a.column.name for a in self.amounts} & {k.name for k in self.positions}:
            raise ValueError("a column is given in one form")

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that are needed, each once."""
        return tuple(dict.fromkeys([a.column.name for a in self.amounts] + [k.name for k in self.positions]))


@dataclass(frozen=True)
class Folded:
    """Ask for sums over the cells of one table of rows: levels of a tree, or margins, that fit each other exactly.

    Of a person the first `max_rows` rows in each of the first `max_groups` *groups* met count; a group is a place on the
    first `grouped` of the keys. Each counted row is in one cell of the table by all `keys`. Each fold says, for each key,
    how many neighbouring places are taken together: 1 keeps them apart, as many as there are makes them one. A row is
    in one place of every fold, so a person moves each by at most `max_rows * max_groups` (L1). A fold that keeps the
    groups apart has at most `max_groups` groups that move, each by at most `max_rows` (L2: `max_rows * sqrt(max_groups)`).
    """

    keys: tuple[Key, ...]
    grouped: int
    folds: tuple[tuple[int, ...], ...]
    max_rows: int
    max_groups: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that are needed."""
        return tuple(dict.fromkeys(key.name for key in self.keys))

    @property
    def shape(self) -> tuple[int, ...]:
        """Return how many places each key has."""
        return tuple(len(key.labels) for key in self.keys)

    def folded(self, fold: Sequence[int]) -> tuple[int, ...]:
        """Return how many places each key has after a fold."""
        return tuple(-(-size // together) for size, together in zip(self.shape, fold, strict=True))

    def apart(self, fold: Sequence[int]) -> bool:
        """Say whether a fold keeps the groups apart."""
        return all(together == 1 for together in fold[: self.grouped])


@dataclass(frozen=True)
class OpenCells:
    """Ask for how many rows there are of each combination of values, whatever values there are.

    Of a person the first `max_rows` rows in each of the first `max_groups` combinations met count. What comes is a
    mapping from a combination, as a text (`combined`), to a count: at most `max_groups` counts move, by at most
    `max_rows` each. Only the threshold mechanisms may be given it, for which keys there are is a secret, too.
    """

    keys: tuple[Column, ...]
    max_rows: int
    max_groups: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns that are needed."""
        return tuple(column.name for column in self.keys)


LONGEST_KEY = 100  # characters of a text that can be a key
BETWEEN = "\x1f"  # stands between the values of a combination, and in no value


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

    `threshold`: below it a count is not told, nor that its key is there; it makes the chance that a key of one person
    alone is told at most `delta_femto` (1e-15), whatever the data. `groups` and `each` are then how many counts one
    person can move, and how far each.
    """

    name: str
    rho_micro: int
    sensitivity: float
    scale: float
    unit: Fraction = Fraction(1)
    noise: NoiseName = "gaussian"
    threshold: int = 0
    delta_femto: int = 0
    groups: int = 0
    each: int = 0

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
