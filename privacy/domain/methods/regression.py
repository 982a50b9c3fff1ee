"""Linear regression from noisy second moments: one look at the data.

**The sensitivity argument.** Outcome and terms are held between public bounds and moved to [-1, 1], each row by itself;
what is measured is the sum over rows of all products of two of them (X'X, X'y and y'y), each product once. A row's
vector is at most the root of the number of its products that can be other than nought
(`hvelv.privacy.domain.methods.products`), so a person with `max_rows` rows moves the sum by `max_rows` times that (L2).
All after it is post-processing of the noisy sums (sufficient statistics perturbation: Vu & Slavkovic 2009; Wang 2018).

**The errors.** A coefficient's variance is the usual one, the noisy residual variance times the inverse of the noisy
X'X, and on top of it that of the noise, to first order: b moves by (X'X)^-1 (n - N b) when noise N and n is added to
X'X and X'y (Ferrando, Wang & Sheldon 2022). The noise's scale is public.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np

from hvelv.privacy.domain.accounting import error95, row_dose
from hvelv.privacy.domain.checking import Amount
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import Dose, Result, RowVectors, Step, Work
from hvelv.privacy.domain.methods.coefficients import Fitted, answered, foretold, rows_of, statistics, warnings
from hvelv.privacy.domain.methods.design import (
    Design,
    Floats,
    Term,
    Terms,
    asked_in_words,
    checked,
    distinct,
    half,
    middle,
    name_of,
    number,
)
from hvelv.privacy.domain.methods.products import SQUARE, Products
from hvelv.privacy.domain.methods.solving import moved, solver
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import Asked


class Linear(Asked):
    """The mean of a number as a sum of terms: numbers, and factors whose first public code is the reference."""

    kind: Literal["linear"]
    outcome: Term
    terms: Terms


@dataclass(frozen=True)
class LinearModel:
    """A linear regression, checked."""

    question: Linear
    framed: Framed
    design: Design
    outcome: Amount

    @cached_property
    def products(self) -> Products:
        """Return the products that are summed; the outcome is the last column."""
        return Products(Design((*self.design.parts, self.outcome)))

    @property
    def ask(self) -> RowVectors:
        """Return what is summed of each row."""
        return self.products.ask(self.question.max_rows)

    @property
    def summary(self) -> str:
        """Return the question in one line of names: `labs: linear value / age, sex`."""
        return f"{self.framed.table}: {asked_in_words('linear', self.question.outcome, self.question.terms)}"

    @property
    def cells(self) -> int:
        """Return how many coefficients there are."""
        return len(self.design.axes)

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count."""
        return {"max_rows": self.question.max_rows}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of the products."""
        return (row_dose("products", self.ask, rho_micro, Fraction(1, SQUARE)),)

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure once, and solve."""
        noisy = yield Step(self.ask, tuple(doses))
        return self.solved(np.array(noisy[0], dtype=np.float64) / SQUARE, doses[0].deviation)

    def solved(self, sums: Floats, deviation: float) -> Result:
        """Return the answer from noisy sums of products (rows are 1 each)."""
        products, last = self.products, self.cells
        whole = products.matrix(sums)
        matrix, towards, square = whole[:last, :last], whole[:last, last], whole[last, last]
        found = solver(matrix, deviation)
        solution = found.inverse @ towards
        by_noise = moved(found.inverse, products.place[:last, :last], solution, products.length)
        by_noise[:, products.place[:last, last]] += found.inverse
        rows, freedom = whole[0, 0], max(whole[0, 0] - last, 1.0)
        left = square - 2 * solution @ towards + solution @ matrix @ solution
        left_noise = deviation * float(np.linalg.norm(self._left_by_noise(solution)))
        left = max(left, left_noise)
        covariance = found.inverse * (left / freedom) + by_noise @ by_noise.T * deviation**2
        usable = rows > error95(deviation) and rows > last
        fitted = Fitted(solution, covariance, found, usable=usable)
        around = square - whole[0, last] ** 2 / max(rows, 1.0)
        fit = self._fit(rows, (left, left_noise), around, deviation, usable=usable)
        return answered(rows_of(self.design, fitted, half(self.outcome), middle(self.outcome)), fit)

    def _left_by_noise(self, solution: Floats) -> Floats:
        """Return how far one unit of noise in each product moves the sum of squared residuals."""
        weights = np.append(solution, -1.0)
        place = self.products.place
        found = np.zeros(self.products.length)
        for i, j in zip(*np.nonzero(place >= 0), strict=True):
            found[place[i, j]] += weights[i] * weights[j]
        return found

    def _fit(
        self, rows: float, left: tuple[float, float], around: float, deviation: float, *, usable: bool
    ) -> dict[str, Any]:
        told = usable and around > error95(deviation) and around > left[0] > 0
        size = math.sqrt(left[0] / max(rows - self.cells, 1.0)) * half(self.outcome)
        relative = (
            math.hypot(error95(left[1]) / left[0], math.sqrt(2 / max(rows, 1.0)) * 2) if left[0] > 0 else math.inf
        )
        share = left[0] / around if told else 1.0
        return statistics(
            [
                ("rows", rows, error95(deviation)),
                ("residual_sd", size if told else None, size * relative / 2),
                ("r_squared", 1 - share if told else None, share * relative),
            ]
        )

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the noise's part of each coefficient's error for tables of some sizes."""
        return foretold(self.design, "coefficient", doses[0].deviation, 1.0, half(self.outcome))

    def warnings(self) -> list[dict[str, Any]]:
        """Return what is worth knowing before paying."""
        return warnings(self.design, self.question.max_rows)


def prepare(question: Linear, schemas: Mapping[str, Schema]) -> LinearModel:
    """Return the method for a linear regression. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(question, schemas)
    outcome = number(checker, question.outcome, "outcome")
    design = checked(checker, question.terms, "terms")
    distinct(checker, [name_of(question.outcome), *(name_of(term) for term in question.terms)], "terms")
    checker.done()
    return LinearModel(question, rows, design, cast("Amount", outcome))
