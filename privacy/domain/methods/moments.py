"""Correlations and principal components from noisy second moments: one look at the data.

**The sensitivity argument.** That of linear regression (`hvelv.privacy.domain.methods.regression`): numbers held between
public bounds and moved to [-1, 1], sums over rows of all products of two of them and of each of them, each once. All
else is post-processing: the correlation matrix, the nearest one that is a correlation matrix (Higham 2002), and its
eigenvectors (as in Dwork, Talwar, Thakurta & Zhang 2014, who add noise to the second moments).

**The errors** are by simulation around the noisy moments: of the noise, whose scale is public, and of the rows as a
sample of a normal distribution (a Wishart matrix). The simulation's own randomness is the same each time.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import error95, row_dose
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import Dose, Result, RowVectors, Step, Work, sentence
from hvelv.privacy.domain.methods.coefficients import SIZES, statistics, warnings
from hvelv.privacy.domain.methods.components import components
from hvelv.privacy.domain.methods.correlating import Sample, correlation_of, nearest, simulated, within95
from hvelv.privacy.domain.methods.design import Design, Floats, Term, distinct, half, middle, name_of, number
from hvelv.privacy.domain.methods.products import SQUARE, Products
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import Asked

NOTES = (
    sentence(
        _(
            "Feilen er halve bredden av et 95-prosentintervall. Den regner med både støyen og at radene er et utvalg, men "
            "regner radene som uavhengige av hverandre."
        )
    ),
    sentence(_("Bare rader der alle variablene har en verdi, er med. Tall er holdt innenfor sine offentlige grenser.")),
    sentence(_("Et tomt felt betyr at variabelens spredning ikke lar seg skille fra støyen.")),
)


class Correlation(Asked):
    """How numbers go together, two and two; with `components`, what directions most of the variation is in."""

    kind: Literal["correlation"]
    columns: Annotated[tuple[Term, ...], Field(min_length=2, max_length=12)]
    components: Annotated[int, Field(ge=0, le=12)] = 0


@dataclass(frozen=True)
class CorrelationMatrix:
    """A correlation matrix, checked."""

    question: Correlation
    framed: Framed
    design: Design

    @cached_property
    def products(self) -> Products:
        """Return the products that are summed."""
        return Products(self.design)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns' names."""
        return tuple(amount.column.name for amount in self.design.amounts)

    @property
    def ask(self) -> RowVectors:
        """Return what is summed of each row."""
        return self.products.ask(self.question.max_rows)

    @property
    def summary(self) -> str:
        """Return the question in one line of names: `labs: correlation age, value`."""
        return f"{self.framed.table}: correlation {', '.join(self.names)}"

    @property
    def cells(self) -> int:
        """Return how many pairs there are, both ways and each column with itself."""
        return len(self.names) ** 2

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count."""
        return {"max_rows": self.question.max_rows}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of the products."""
        return (row_dose("products", self.ask, rho_micro, Fraction(1, SQUARE)),)

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure once, and tell what follows."""
        noisy = yield Step(self.ask, tuple(doses))
        return self.solved(np.array(noisy[0], dtype=np.float64) / SQUARE, doses[0].deviation)

    def solved(self, sums: Floats, deviation: float) -> Result:
        """Return the answer from noisy sums of products (rows are 1 each)."""
        sample = Sample.of(self.products, sums, deviation)
        raw = correlation_of(sample.covariance, sample.known)
        found, drawn = nearest(raw), simulated(self.products, sums, deviation, sample)
        errors = within95(drawn - raw)
        tables: dict[str, Mapping[str, Any]] = {
            "columns": self._columns(sample),
            "fit": statistics([("rows", sample.rows, error95(deviation))]),
        }
        if self.question.components:
            told = components(self.names, found, drawn, self.question.components, usable=bool(sample.known.all()))
            tables |= told
        picture = {"mark": "heat", "x": "column", "y": "with", "colour": "correlation"}
        return Result(("column", "with"), self._pairs(sample, found, errors), tables, NOTES, picture)

    def _pairs(self, sample: Sample, found: Floats, errors: Floats) -> list[dict[str, Any]]:
        rows = []
        for i, one in enumerate(self.names):
            for j, other in enumerate(self.names):
                known = bool(sample.known[i] and sample.known[j])
                value = {"correlation": float(found[i, j]) if known else None}
                error = {"correlation": float(errors[i, j]) if known else None}
                rows.append({"key": [one, other], "values": value, "error95": error})
        return rows

    def _columns(self, sample: Sample) -> dict[str, Any]:
        rows = []
        for i, amount in enumerate(self.design.amounts):
            unit, known = half(amount), bool(sample.known[i])
            mean = middle(amount) + unit * float(sample.means[i]) if sample.usable else None
            spread = unit * math.sqrt(max(float(sample.covariance[i, i]), 0.0)) if known else None
            errors = {
                "mean": None if mean is None else unit * float(sample.mean_errors[i]),
                "std": None if spread is None else unit * float(sample.spread_errors[i]),
            }
            rows.append({"key": [amount.column.name], "values": {"mean": mean, "std": spread}, "error95": errors})
        return {"keys": ["column"], "rows": rows}

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the noise's part of a correlation's error, for numbers that are spread evenly between their bounds."""
        deviation = doses[0].deviation
        at = [{"rows": n, "error95": min(2.0, error95(deviation / (n / 3)))} for n in SIZES]
        return [{"name": "correlation", "kind": "correlation", "scale": deviation, "error95": None, "error95_at": at}]

    def warnings(self) -> list[dict[str, Any]]:
        """Return what is worth knowing before paying."""
        return warnings(self.design, self.question.max_rows)


def prepare(question: Correlation, schemas: Mapping[str, Schema]) -> CorrelationMatrix:
    """Return the method for a correlation matrix. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(question, schemas)
    found = [number(checker, term, f"columns.{i}") for i, term in enumerate(question.columns)]
    distinct(checker, [name_of(term) for term in question.columns], "columns")
    if question.components > len(question.columns):
        checker.fault("components", _("Det kan ikke være flere komponenter enn variabler."))
    checker.done()
    return CorrelationMatrix(question, rows, Design(tuple(amount for amount in found if amount is not None)))
