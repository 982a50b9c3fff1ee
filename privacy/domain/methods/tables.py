"""Tables: counts, persons, sums, means and spreads in cells of public keys, all in one pass.

What one person moves is said in `hvelv.privacy.domain.accounting`; what is made of the noisy parts in `values`, as
post-processing. A spread is made of three vectors: values around the midpoint, their squares, and how many there are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import cell_doses, error95_of, mean_error95, sensitivity, sensitivity1
from hvelv.privacy.domain.framing import Framed
from hvelv.privacy.domain.measuring import Dose, Noisy, Part, Result, Step, Work, sentence
from hvelv.privacy.domain.methods.values import spread_error, sum_error95, value_of
from hvelv.privacy.domain.plan import Answer, Plan, planned
from hvelv.privacy.domain.pricing import SIZES, compared, noises, per_cent, would_cost, would_cost_in_all
from hvelv.privacy.domain.query import Query
from hvelv.privacy.domain.schema import Schema

ADDED = frozenset({"count", "persons", "sum"})  # measures that are one noisy number
SPREAD = frozenset({"variance", "std"})
MANY_CELLS = 20


@dataclass(frozen=True)
class Tables:
    """A table of measures."""

    plan: Plan

    @property
    def framed(self) -> Framed:
        """Return the rows that it is about."""
        return self.plan.framed

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the names of the answer's axes."""
        return tuple(key.name for key in self.plan.ask.keys)

    @property
    def summary(self) -> str:
        """Return the question in one line of names: `labs: count, mean_value / sex, age`."""
        measured = ", ".join(answer.name for answer in self.plan.answers)
        return f"{self.framed.table}: {measured}" + (f" / {', '.join(self.keys)}" if self.keys else "")

    @property
    def cells(self) -> int:
        """Return how many cells there are."""
        return self.plan.cells

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count in a group, and in how many groups."""
        return {"max_rows": self.plan.ask.max_rows, "max_groups": self.plan.ask.max_groups}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of every part."""
        return cell_doses(self.plan.ask, rho_micro, self.plan.query.noise)

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure all parts at once."""
        noisy = yield Step(self.plan.ask, tuple(doses))
        mark = "line" if self.plan.ask.keys and self.plan.ask.keys[0].edges else "bar"
        return Result(self.keys, rows_of(self.plan, doses, noisy), picture={"mark": mark})

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the error of each measure; of means and spreads, for groups of some sizes; and what others would cost."""
        return [self._expected(answer, doses) for answer in self.plan.answers]

    def _expected(self, answer: Answer, doses: Sequence[Dose]) -> dict[str, Any]:
        parts, used = [self.plan.parts[i] for i in answer.parts], [doses[i] for i in answer.parts]
        first, part = used[0], parts[0]
        found: dict[str, Any] = {"name": answer.name, "kind": answer.kind, "scale": first.deviation}
        found["noises"] = self._noises(part, first)
        if answer.kind not in ADDED:
            foretold = [{"rows": rows, "error95": _foretold(answer, part, used, rows)} for rows in SIZES]
            return found | {"error95": None, "error95_at": foretold}
        if used[1:]:
            return found | self._around_middle(parts, used, sum(dose.rho_micro for dose in doses))
        error = error95_of(first)
        found |= {"error95": error, "would_cost": would_cost(first, len(doses))}
        return found if answer.kind == "sum" else found | per_cent(error, self.plan.query.expected)

    def _noises(self, part: Part, dose: Dose) -> dict[str, Any]:
        bounds = self.plan.ask.max_rows, self.plan.ask.max_groups
        return noises(dose, sensitivity(part, *bounds), sensitivity1(part, *bounds))

    def _around_middle(self, parts: Sequence[Part], used: Sequence[Dose], rho_micro: int) -> dict[str, Any]:
        """Return what is foretold of a sum that is made of what lies around the middle, and the count of its rows."""
        middle = parts[0].origin * float(parts[0].unit)
        around, counted = (self._noises(part, dose) for part, dose in zip(parts, used, strict=True))
        errors = {name: math.hypot(around[name], middle * counted[name]) for name in ("gaussian", "laplace")}
        error = sum_error95(parts[0], used)
        return {
            "scale": math.hypot(used[0].deviation, middle * used[1].deviation),
            "noises": compared(errors),
            "error95": error,
            "would_cost": would_cost_in_all(error, rho_micro),
        }

    def warnings(self) -> list[dict[str, Any]]:
        """Return what bounding does, on what errors depend, and what would be cheaper."""
        ask, kinds, found = self.plan.ask, {answer.kind for answer in self.plan.answers}, []
        if ask.max_groups < self.cells:
            message = _("En person teller i høyst {groups} av {cells} celler.")
            found.append(sentence(message, groups=ask.max_groups, cells=self.cells))
        if kinds - {"persons"}:
            found.append(sentence(_("Av en persons rader teller de {rows} første i hver celle."), rows=ask.max_rows))
        if "mean" in kinds:
            found.append(sentence(_("Feilen i et gjennomsnitt avhenger av hvor mange rader gruppen har.")))
        if kinds & SPREAD:
            found.append(sentence(_("Feilen i et spredningsmål avhenger av hvor mange rader gruppen har.")))
        if self.cells > MANY_CELLS:
            message = _("Grovere grupper gir samme feil i hver celle, men flere rader i den: nå er det {cells} celler.")
            found.append(sentence(message, cells=self.cells))
        return found


def _foretold(answer: Answer, part: Part, used: Sequence[Dose], rows: int) -> float:
    """Return the error for `rows` values spread evenly between the bounds, which have their mean in the middle."""
    if answer.kind == "mean":
        return mean_error95(used[0], used[1], rows)
    variance = ((part.high - part.low) * float(part.step)) ** 2 / 12
    error = math.hypot(error95_of(used[1]), variance * error95_of(used[2])) / rows
    return error if answer.kind == "variance" else spread_error(variance, error)


def rows_of(plan: Plan, doses: Sequence[Dose], noisy: Noisy) -> list[dict[str, Any]]:
    """Return the answer's rows, one for each cell whether anybody is in it or not."""
    return [
        {"key": list(key)} | _row(plan, doses, [part[cell] for part in noisy])
        for cell, key in enumerate(plan.cell_keys())
    ]


def _row(plan: Plan, doses: Sequence[Dose], noisy: Sequence[int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for answer in plan.answers:
        parts, used = [plan.parts[i] for i in answer.parts], [doses[i] for i in answer.parts]
        values[answer.name], errors[answer.name] = value_of(answer, parts, used, [noisy[i] for i in answer.parts])
    return {"values": values, "error95": errors}


def prepare(query: Query, schemas: Mapping[str, Schema]) -> Tables:
    """Return the method for a table. Raises `Invalid`, `NotFound`."""
    return Tables(planned(query, schemas))
