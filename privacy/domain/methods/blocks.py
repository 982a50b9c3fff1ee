"""Sample and aggregate as a question: the work, the bounds, how many blocks; and the answer that is made of noisy sums.

The argument for privacy is in `hvelv.privacy.domain.methods.block_vectors`. The three sums are measured one by one and
their prices add up. Everything after that is arithmetic on noisy numbers. That the answers of blocks are not those of all
rows together is a matter of statistics, and told in words.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import Z95, error95, gaussian
from hvelv.privacy.domain.checking import Checker
from hvelv.privacy.domain.closed import Closed, Number
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import Dose, Noisy, Result, Step, sentence
from hvelv.privacy.domain.measuring import Work as Measuring
from hvelv.privacy.domain.methods import block_work
from hvelv.privacy.domain.methods.block_vectors import GRID, MIDDLE, BlockVectors
from hvelv.privacy.domain.methods.block_work import ByCode, ByEstimator, Work
from hvelv.privacy.domain.schema import NUMERIC, Column, Schema
from hvelv.privacy.domain.source import Asked

MOST_SECONDS = 600
OF_ANSWERED, OF_SPREAD = 20, 5  # a twentieth of the price, and a fifth
THOUSAND = 1_000
FEW_BLOCKS = 200


class Bounds(Closed):
    """The public bounds of one number of the answer, of two digits each."""

    low: Number
    high: Number


class Blocks(Asked):
    """Do some work on each of some blocks of persons, and give the mean of what they say.

    `slot_ms`: how long each block is given, whatever it does. `spread`: pay for the spread over blocks, too.
    """

    kind: Literal["blocks"]
    work: Work
    numbers: Annotated[tuple[Bounds, ...], Field(min_length=1, max_length=50)]
    blocks: Literal[50, 100, 200, 500, 1000] = 200
    slot_ms: Literal[100, 250, 500, 1000, 2000] = 250
    spread: bool = False


@dataclass(frozen=True)
class BlocksMethod:
    """The mean over blocks of what each says."""

    framed: Framed
    question: Blocks
    ask: BlockVectors
    names: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Return the question in one line of names; a function is nobody's words, but how many numbers it gives."""
        work = self.question.work
        if isinstance(work, ByCode):
            return f"{self.framed.table}: code, {len(self.names)} / {self.question.blocks}"
        return f"{self.framed.table}: {work.name}({work.target} ~ {', '.join(work.features)}) / {self.question.blocks}"

    @property
    def cells(self) -> int:
        """Return how many numbers there are."""
        return len(self.names)

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count, and in how many blocks a person is one of."""
        return {"max_rows": self.ask.max_rows, "blocks": self.ask.blocks}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of the sums, of the squares if they are asked for, and of how many blocks answered."""
        answered = rho_micro // OF_ANSWERED
        spread = rho_micro // OF_SPREAD if self.ask.spread else 0
        sums = gaussian("sum", rho_micro - answered - spread, self._norm(GRID), Fraction(1, GRID))
        squares = gaussian("squares", spread, self._norm(MIDDLE**2), Fraction(1, GRID**2)) if spread else None
        if self.ask.spread and squares is None:
            raise ValueError("less than one micro-rho for a part")
        return (sums, *([squares] if squares else []), gaussian("answered", answered, 1.0))

    def _norm(self, most: int) -> float:
        return math.nextafter(math.nextafter(math.sqrt(len(self.names)), math.inf) * most, math.inf)

    def work(self, doses: Sequence[Dose]) -> Measuring:
        """Measure all at once."""
        noisy = yield Step(self.ask, tuple(doses))
        rows = [self._row(i, doses, noisy) for i in range(len(self.names))]
        fit = {
            "keys": ["statistic"],
            "rows": [
                {
                    "key": ["answered"],
                    "values": {"value": noisy[-1][0]},
                    "error95": {"value": error95(doses[-1].deviation)},
                }
            ],
        }
        picture = {"mark": "point", "x": "term", "y": "value", "band": True}
        return Result(("term",), rows, {"fit": fit}, tuple(self._notes(noisy[-1][0])), picture)

    def _row(self, i: int, doses: Sequence[Dose], noisy: Noisy) -> dict[str, Any]:
        low, high = self.ask.bounds[i]
        width, blocks = high - low, self.ask.blocks
        mean = noisy[0][i] / blocks / GRID
        noise = self._noise_error(doses[0], width)
        value = min(max(low + mean * width, low), high)
        values: dict[str, Any] = {"value": value}
        errors: dict[str, Any] = {"value": noise}
        if self.ask.spread:
            variance = noisy[1][i] / blocks / GRID**2 - (mean - 0.5) ** 2
            error = width * math.sqrt(variance / (blocks - 1)) if variance > 0 else None
            values["std_error"], errors["std_error"] = error, None
            errors["value"] = None if error is None else math.hypot(noise, Z95 * error)
        return {"key": [self.names[i]], "values": values, "error95": errors}

    def _noise_error(self, dose: Dose, width: float) -> float:
        return width * (error95(dose.deviation) / self.ask.blocks + 1 / (2 * GRID))

    def _notes(self, answered: int) -> list[dict[str, Any]]:
        mean = _("Hvert tall er gjennomsnittet av {blocks} svar, ett fra hver blokk av personer.")
        told = _("Omtrent {answered} av {blocks} blokker ga et svar som kunne brukes; de andre teller som midten.")
        both = _("Feilen er støyen og spredningen mellom blokkene.")
        noise = _("Feilen er støyen alene; hvor mye svaret ville endre seg med andre personer, er ikke med.")
        return [
            sentence(mean, blocks=self.ask.blocks),
            sentence(told, answered=min(max(answered, 0), self.ask.blocks), blocks=self.ask.blocks),
            sentence(both if self.ask.spread else noise),
        ]

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the error by noise of each number, and of how many blocks answered."""
        found: list[dict[str, Any]] = [
            {
                "name": name,
                "kind": "mean",
                "scale": doses[0].deviation * (high - low) / self.ask.blocks,
                "error95": self._noise_error(doses[0], high - low),
            }
            for name, (low, high) in zip(self.names, self.ask.bounds, strict=True)
        ]
        last = doses[-1]
        return [
            *found,
            {"name": "answered", "kind": "count", "scale": last.deviation, "error95": error95(last.deviation)},
        ]

    def warnings(self) -> list[dict[str, Any]]:
        """Return how long it takes, and what blocks do to an estimate."""
        seconds = math.ceil(self.ask.blocks * self.ask.seconds)
        found = [
            sentence(_("Dette tar minst {seconds} sekunder, uansett hva dataene er."), seconds=seconds),
            sentence(
                _(
                    "Hver blokk ser bare én av {blocks} deler av personene: et anslag som er skjevt i små utvalg, er like skjevt her."
                ),
                blocks=self.ask.blocks,
            ),
        ]
        if self.ask.blocks < FEW_BLOCKS:
            found.append(sentence(_("Med få blokker er støyen stor: den deles på antall blokker.")))
        return found


def _column_of(name: str, place: str, checker: Checker, *, numbers: bool) -> Column | None:
    column = checker.column(name, place)
    if column is None:
        return None
    if column.type in NUMERIC or column.type == "boolean" or (column.type == "date" and not numbers):
        return column
    if numbers or column.keys is None:
        message = _("Dette krever tall eller sann/usann; tekst må ha offentlige koder, og bare i egen kode.")
        checker.fault(place, message)
        return None
    return column


def _as_sent(column: Column) -> dict[str, Any]:
    """Return what the block is told of a column: public things only."""
    kind = {"date": "date", "string": "code"}.get(column.type, "number")
    return {"name": column.name, "kind": kind} | ({"codes": list(column.keys or ())} if kind == "code" else {})


def _bounds(question: Blocks, names: Sequence[str], checker: Checker) -> None:
    if len(question.numbers) != len(names):
        checker.fault("numbers", _("Svaret har {count} tall, og hvert må ha sine grenser."), count=len(names))
    for i, number in enumerate(question.numbers):
        if not number.low < number.high:
            checker.fault(f"numbers.{i}.low", _("Grensene må være stigende."))
        if not (block_work.few(number.low) and block_work.few(number.high)):
            checker.fault(f"numbers.{i}.low", _("Grensene kan ha høyst to sifre som ikke er null."))
    if question.blocks * question.slot_ms > MOST_SECONDS * THOUSAND:
        checker.fault("slot_ms", _("Alle blokkene til sammen kan ta høyst {seconds} sekunder."), seconds=MOST_SECONDS)


def _task(question: Blocks, use: Sequence[Column]) -> dict[str, Any]:
    work, columns = question.work, [_as_sent(column) for column in use]
    if isinstance(work, ByCode):
        return {"kind": "code", "text": work.text, "columns": columns}
    return {
        "kind": "estimator",
        "module": block_work.ESTIMATORS[work.name].module,
        "name": work.name,
        "params": dict(work.params),
        "features": list(work.features),
        "target": work.target,
        "returns": work.returns,
        "intercept": block_work.has_intercept(work),
        "columns": columns,
    }


def prepare(question: Blocks, schemas: Mapping[str, Schema]) -> BlocksMethod:
    """Return the method for work on blocks. Raises `Invalid`, `NotFound`."""
    found, checker = framed(question, schemas)
    work = question.work
    if isinstance(work, ByEstimator):
        block_work.check_estimator(work, checker)
        wanted, names = (
            (*work.features, work.target),
            (*work.features, *(["intercept"] * block_work.has_intercept(work))),
        )
        places = [*(f"work.features.{i}" for i in range(len(work.features))), "work.target"]
    else:
        block_work.check_code(work, checker)
        wanted, names = work.columns, tuple(f"y{i}" for i in range(1, len(question.numbers) + 1))
        places = [f"work.columns.{i}" for i in range(len(work.columns))]
    numbers = isinstance(work, ByEstimator)
    use = [_column_of(name, place, checker, numbers=numbers) for name, place in zip(wanted, places, strict=True)]
    _bounds(question, names, checker)
    checker.done()
    columns = tuple(column for column in use if column is not None)
    bounds = tuple((float(number.low), float(number.high)) for number in question.numbers)
    ask = BlockVectors(
        columns, _task(question, columns), bounds, question.blocks, question.slot_ms / THOUSAND, question.max_rows, question.spread
    )  # fmt: skip
    return BlocksMethod(found, question, ask, names)
