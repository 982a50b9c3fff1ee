"""What is paid for, and out of what: accounts of populations, allocations of datasets, purchases in lines.

**What a line says.** Neighbouring states of the platform differ by one person, who is taken out of every table at once. So
the loss of an answer is one number, whatever tables it reads, and everybody in any of these tables may lose that much.
Each line of a purchase therefore names one dataset and carries the whole answer's loss: it is charged to the project's
allocation of that dataset. A population pays once for each answer, however many of its datasets are read, because its
people are the same people. Lines of unlike prices are refused: which of two measures read which table is not in them, so
that no sum over a population would be right. Unlike measures are purchases of their own.

Loss is zCDP in whole micro-rho; delta is in units of 1e-15; a native pure epsilon is in millionths, rounded up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hvelv.kernel.errors import Invalid, Problem, _

MICRO = 10**6
FEMTO = 10**15
PLATFORM = "platform"  # the allocation that the platform itself pays from; project ids begin with "p-"
MOST_MICRO = 10**12  # rho of a million: no account is larger, and sums stay far within 64 bits
MOST_DELTA = 10**9  # delta of 1e-6, in femto: more than one person in a million is never risked
DELTA_CAP = MOST_DELTA
"""A population's delta budget, in femto (1e-6): what the whole account may add to the chance that the promise fails."""
DELTA_EACH = 10**8
"""The most delta that one allocation gets, in femto (1e-7): ten projects or more share what an account has."""
DELTA_PERSONS = 10
"""A population's delta budget stays this many times below one over its persons, for a mechanism that publishes one
person's row at random fulfils (0, 1/n): a delta near 1/n promises nothing (Dwork & Roth 2014, section 2.3.1)."""
MOST_LINES = 64


@dataclass(frozen=True)
class Line:
    """What an answer costs on one dataset that it reads: the whole answer's loss."""

    dataset: str
    rho_micro: int
    delta_femto: int = 0
    pure_micro: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, str) or not self.dataset:
            raise _wrong(_("En belastning gjelder et datasett."), "lines.dataset")
        if not whole(self.rho_micro, 1, MOST_MICRO):
            raise _wrong(_("Prisen er et helt antall mikro-rho, minst 1."), "rho_micro")
        if not whole(self.delta_femto, 0, MOST_DELTA):
            raise _wrong(_("Delta er et helt antall milliondeler av en milliarddel, fra 0 til 1e-6."), "delta_femto")
        if self.pure_micro is not None and not whole(self.pure_micro, 1, MOST_MICRO):
            raise _wrong(_("Ren epsilon er et helt antall milliondeler, minst 1."), "pure_micro")

    @property
    def price(self) -> tuple[int, int, int | None]:
        """Return the loss without the dataset."""
        return self.rho_micro, self.delta_femto, self.pure_micro


@dataclass(frozen=True)
class Purchase:
    """What somebody wants to pay for. Keeps its lines sorted by dataset. Raises `Invalid`.

    `extract_hash` says which extracts the answer is made from; `query_hash` what is asked of them.
    """

    project: str
    person: str
    idempotency_key: str
    query_hash: str
    extract_hash: str
    summary: str
    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.lines) <= MOST_LINES:
            raise _wrong(_("En belastning har fra 1 til {most} linjer."), "lines", most=MOST_LINES)
        if len(set(self.datasets)) < len(self.lines):
            raise _wrong(_("Et datasett står to ganger i belastningen."), "lines")
        if len({line.price for line in self.lines}) > 1:
            raise _wrong(_("Alle linjer i en belastning har svarets hele pris."), "lines")
        object.__setattr__(self, "lines", tuple(sorted(self.lines, key=lambda line: line.dataset)))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Return the datasets that are charged, sorted."""
        return tuple(line.dataset for line in self.lines)

    @property
    def rho_micro(self) -> int:
        """Return the answer's loss, in micro-rho."""
        return self.lines[0].rho_micro

    @property
    def delta_femto(self) -> int:
        """Return the answer's delta, in femto."""
        return self.lines[0].delta_femto

    @property
    def pure_micro(self) -> int | None:
        """Return the answer's native pure epsilon in millionths, None where its noise has none."""
        return self.lines[0].pure_micro


@dataclass(frozen=True)
class Charge:
    """A purchase that was paid for; `release` is the signed answer as JSON once it was given."""

    id: str
    purchase: Purchase
    state: Literal["charged", "released"]
    at: datetime
    release: str | None = None


@dataclass(frozen=True)
class Account:
    """All that may ever be spent on the people of a population, what was allotted of it, and what they have lost.

    `persons`: the most that any version held. `allotted` adds up over projects and datasets; `spent` counts an answer once.
    """

    population: str
    holder: str
    title: str
    cap: int
    allotted: int = 0
    spent: int = 0
    delta_cap: int = DELTA_CAP
    delta_allotted: int = 0
    delta_spent: int = 0
    persons: int = 0

    @property
    def left(self) -> int:
        """Return what is not allotted, in micro-rho."""
        return self.cap - self.allotted

    def delta_for(self, allocated: int, held: int = 0) -> int:
        """Return the delta that an allocation of `allocated` micro-rho gets more than the `held` it has.

        It has the same share of the delta budget as of the account, at most `DELTA_EACH`, so that delta does not run out
        before rho does.
        """
        due = min(DELTA_EACH, self.delta_cap * allocated // self.cap)
        return min(max(due - held, 0), self.delta_cap - self.delta_allotted)


@dataclass(frozen=True)
class Allocation:
    """A project's share of its population's account for one dataset, in micro-rho and femto of delta."""

    project: str
    dataset: str
    title: str
    allocated: int
    spent: int
    is_open: bool = True
    population: str = ""
    delta_allocated: int = 0
    delta_spent: int = 0

    @property
    def left(self) -> int:
        """Return what is not spent."""
        return self.allocated - self.spent

    @property
    def delta_left(self) -> int:
        """Return the delta that is not spent, in femto."""
        return self.delta_allocated - self.delta_spent


def delta_cap_of(persons: int, allotted: int = 0) -> int:
    """Return a population's delta budget in femto. `persons`: the most in any version, 0 where that is not known."""
    most = FEMTO // (DELTA_PERSONS * persons) if persons else DELTA_CAP
    return max(min(DELTA_CAP, most), allotted)


def whole(value: object, low: int, high: int) -> bool:
    """Say whether a value is a whole number, and no truth value, within the bounds."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def spent_on(charges: Sequence[Charge], dataset: str) -> int:
    """Return what the charges on a dataset add up to, in micro-rho."""
    return sum(charge.purchase.rho_micro for charge in charges if dataset in charge.purchase.datasets)


def _wrong(message: str, field: str, **params: object) -> Invalid:
    return Invalid((Problem(message, field, params=params),))
