"""Logistic and Poisson regression: a fixed number of noisy Newton steps.

**The sensitivity argument** for each sum that is measured is in `hvelv.privacy.domain.methods.row_models`. How many there
are and what each costs is fixed before anything is measured; sums that follow one another are composed adaptively (zCDP,
Bun & Steinke 2016, lemma 2.3): at which coefficients the next is measured is decided by earlier noisy sums alone. All
else is post-processing.

**The method.** A first guess from the noisy moments (a linear model of the outcome, put through the link), then Newton's
steps with noisy gradient and Hessian, as in Avella-Medina, Bradshaw & Loh 2023; what noise does in a
step the next one repairs, so that the last ones cost the most, and the answer is made of the last two together, weighted
by how exact they are. Directions that the noise hides take no
step larger than the noise allows.

**The errors.** The inverse of the noisy Hessian (times the dispersion, for Poisson: the sum of squared residuals over the
sum of means, one at least), and on top of it the noise of the last steps to first order: noise n and N in gradient and
Hessian moves the solution by -H^-1 n and H^-1 N H^-1 g.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, cast

import numpy as np

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import error95, row_dose
from hvelv.privacy.domain.checking import Amount, Checker, Key
from hvelv.privacy.domain.closed import Name
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import Dose, Result, Step, Work
from hvelv.privacy.domain.methods.coefficients import Fitted, answered, foretold, rows_of, statistics, warnings
from hvelv.privacy.domain.methods.design import (
    Design,
    Floats,
    Term,
    Terms,
    asked_in_words,
    checked,
    distinct,
    name_of,
    number,
)
from hvelv.privacy.domain.methods.links import Link
from hvelv.privacy.domain.methods.newton import Look, held, stepped, together, together_deviation
from hvelv.privacy.domain.methods.row_models import ONES, WHOLE, RowModel
from hvelv.privacy.domain.methods.solving import damped, moved, solver
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import Asked

SHARES = (3, 1, 2, 4, 7, 7)  # of the price: the moments, and each step
LAST = 2  # steps that the answer is made of
STEPS = len(SHARES) - 1
STEEPEST = 3.0  # the first guess's slopes together
USUAL_SHARE = 0.1  # of the upper bound: the outcome that errors are foretold for


class Logistic(Asked):
    """The log odds of a truth value as a sum of terms."""

    kind: Literal["logistic"]
    outcome: Name
    terms: Terms


class Poisson(Asked):
    """The log of the mean of a count as a sum of terms, and of the log of an offset such as a time at risk."""

    kind: Literal["poisson"]
    outcome: Term
    terms: Terms
    offset: Term | None = None


@dataclass(frozen=True)
class SteppedModel:
    """A logistic or Poisson regression, checked."""

    question: Logistic | Poisson
    framed: Framed
    model: RowModel

    @property
    def design(self) -> Design:
        """Return the columns."""
        return self.model.design

    @property
    def summary(self) -> str:
        """Return the question in one line of names: `labs: logistic smoker / age, sex`."""
        question = self.question
        return f"{self.framed.table}: {asked_in_words(question.kind, question.outcome, question.terms)}"

    @property
    def cells(self) -> int:
        """Return how many coefficients there are."""
        return len(self.design.axes)

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count."""
        return {"max_rows": self.question.max_rows}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of the moments and of each step."""
        asks = [self.model.moments(), *[self.model.step(np.zeros(self.cells))] * STEPS]
        units = [Fraction(1, ONES), *[Fraction(1, WHOLE)] * STEPS]
        names = ["moments", *(f"step {i}" for i in range(1, STEPS + 1))]
        parts = [rho_micro * share // sum(SHARES) for share in SHARES]
        parts[-1] += rho_micro - sum(parts)
        return tuple(row_dose(*given) for given in zip(names, asks, parts, units, strict=True))

    def work(self, doses: Sequence[Dose]) -> Work:
        """Guess, step, and tell how far off the last step may be."""
        noisy = yield Step(self.model.moments(), (doses[0],))
        sums = np.array(noisy[0], dtype=np.float64) / ONES
        here = held(self.guess(sums, doses[0].deviation))
        seen = []
        for dose in doses[1:]:
            noisy = yield Step(self.model.step(here), (dose,))
            look = self.look(here, noisy[0], dose.deviation)
            seen.append(look)
            here = stepped(look, dose.deviation * self.scale)
        return self.solved(together(seen[-LAST:]), sums, doses[0].deviation)

    @property
    def scale(self) -> float:
        """Return what weights are multiplied by to undo their damping."""
        return float(2**self.model.link.damping)

    def guess(self, sums: Floats, deviation: float) -> Floats:
        """Return coefficients to begin with: those of a linear model, put through the link at the mean."""
        size = self.model.products.length
        matrix, towards, offset = self.model.products.matrix(sums[:size]), sums[size:-1], sums[-1]
        rows = max(matrix[0, 0], 1.0)
        least = max(error95(deviation), 0.5) / rows
        mean = float(np.clip(towards[0] / rows, min(least, 0.4), max(1 - least, 0.6)))
        found = damped(matrix, deviation) @ towards / self.model.link.slope(mean)
        found[0] = 0.0
        found *= min(1.0, STEEPEST / max(float(np.abs(found).sum()), 1e-9))
        found[0] = self.model.link.predictor(mean) - found @ matrix[0] / rows - self._mean_offset(offset / rows)
        return found

    def _mean_offset(self, share: float) -> float:
        if self.model.offset is None:
            return 0.0
        low, high = (math.log(bound) for bound in self.model.offset.bounds)
        return low + min(max(share, 0.0), 1.0) * (high - low)

    def look(self, here: Floats, noisy: Sequence[int], deviation: float) -> Look:
        """Return what a step saw, in rows."""
        sums = np.array(noisy, dtype=np.float64) / WHOLE
        matrix = self.model.products.matrix(sums[self.cells : -1]) * self.scale
        return Look(here, sums[: self.cells], matrix, float(sums[-1]), deviation)

    def solved(self, look: Look, sums: Floats, first: float) -> Result:
        """Return the answer: a last step, and what is known of its error. `sums`: the moments, and `first` their noise."""
        matrix, deviation = look.matrix, look.deviation
        found = solver(matrix, deviation * self.scale)
        move = -found.inverse @ look.gradient
        by_noise = np.concatenate(
            [
                found.inverse,
                moved(found.inverse, self.model.products.place, move, self.model.products.length) * self.scale,
            ],
            axis=1,
        )
        spread = self._dispersion(look.squared, float(matrix[0, 0]), deviation)
        covariance = found.inverse * (spread[0] / self.model.link.most) + by_noise @ by_noise.T * deviation**2
        rows = float(sums[0])
        usable = rows > max(error95(first), self.cells)
        ratio = "odds_ratio" if self.model.link.kind == "logistic" else "rate_ratio"
        shown = rows_of(self.design, Fitted(look.here + move, covariance, found, usable=usable), ratio=ratio)
        return answered(shown, self._fit(sums, first, spread, usable=usable))

    def _dispersion(self, squared: float, means: float, deviation: float) -> tuple[float, float]:
        """Return the squared residuals over the means, one at least, and the error of it."""
        if self.model.link.kind == "logistic":
            return 1.0, 0.0
        means = max(means, self.scale * error95(deviation), 1e-9)
        found = self.model.link.most * squared / means
        error = self.model.link.most * error95(deviation) * math.hypot(1.0, self.scale * squared / means) / means
        return max(1.0, found), error

    def _fit(self, sums: Floats, deviation: float, spread: tuple[float, float], *, usable: bool) -> dict[str, Any]:
        rows, total, most = float(sums[0]), float(sums[self.model.products.length]), self.model.link.most
        mean = total / max(rows, 1.0)
        by_noise = error95(deviation) * math.hypot(1.0, mean) / max(rows, 1.0)
        chance = error95(math.sqrt(max(mean, 0.0) * spread[0] / most / max(rows, 1.0)))
        shown = (mean * most, math.hypot(by_noise, chance) * most) if usable else (None, None)
        found = [("rows", rows, error95(deviation))]
        if self.model.link.kind == "logistic":
            return statistics([*found, ("outcome_share", *shown)])
        dispersion = spread if usable else (None, None)
        return statistics([*found, ("outcome_mean", *shown), ("dispersion", *dispersion)])

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the noise's part of each error, foretold for an outcome of a tenth of its upper bound."""
        weight = self.model.link.slope(USUAL_SHARE)
        deviation = together_deviation([dose.deviation for dose in doses[-LAST:]])
        return foretold(self.design, "coefficient", deviation, weight, 1.0)

    def warnings(self) -> list[dict[str, Any]]:
        """Return what is worth knowing before paying."""
        return warnings(self.design, self.question.max_rows)


def _names(question: Logistic | Poisson) -> list[str]:
    offset = getattr(question, "offset", None)
    terms = [name_of(term) for term in question.terms]
    return [name_of(question.outcome), *terms, *([name_of(offset)] if offset else [])]


def prepare_logistic(question: Logistic, schemas: Mapping[str, Schema]) -> SteppedModel:
    """Return the method for a logistic regression. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(question, schemas)
    column = checker.typed(
        question.outcome, frozenset({"boolean"}), "outcome", _("Dette krever en sann/usann-variabel.")
    )
    outcome = checker.key(question.outcome, "outcome") if column else None
    design = checked(checker, question.terms, "terms")
    distinct(checker, _names(question), "terms")
    checker.done()
    return SteppedModel(
        question, rows, RowModel(design, cast("Key", outcome), None, Link("logistic"), question.max_rows)
    )


def prepare_poisson(question: Poisson, schemas: Mapping[str, Schema]) -> SteppedModel:
    """Return the method for a Poisson regression. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(question, schemas)
    outcome = number(checker, question.outcome, "outcome")
    if outcome is not None and outcome.low != 0:
        checker.fault("outcome.low", _("Utfallet må være et antall med nedre grense 0."))
    offset = _offset(checker, question.offset)
    design = checked(checker, question.terms, "terms")
    distinct(checker, _names(question), "terms")
    checker.done()
    counted = cast("Amount", outcome)
    link = Link("poisson", counted.bounds[1], damping=1)
    return SteppedModel(question, rows, RowModel(design, counted, offset, link, question.max_rows))


def _offset(checker: Checker, term: Term | None) -> Amount | None:
    offset = number(checker, term, "offset") if term is not None else None
    if offset is not None and offset.low <= 0:
        checker.fault("offset.low", _("Logaritmen krever en nedre grense over 0."))
    return offset
