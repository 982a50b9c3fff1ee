"""Tables: counts, sums and means in cells of public keys, all in one pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import cell_doses, error95, mean_error95, value_of
from hvelv.privacy.domain.framing import Framed
from hvelv.privacy.domain.measuring import Dose, Noisy, Result, Step, Work, sentence
from hvelv.privacy.domain.plan import Answer, Plan, planned
from hvelv.privacy.domain.query import Query
from hvelv.privacy.domain.schema import Schema

SIZES = (100, 1_000, 10_000)  # group sizes for which a mean's error is foretold


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
        return cell_doses(self.plan.ask, rho_micro)

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure all parts at once."""
        noisy = yield Step(self.plan.ask, tuple(doses))
        mark = "line" if self.plan.ask.keys and self.plan.ask.keys[0].edges else "bar"
        return Result(self.keys, rows_of(self.plan, doses, noisy), picture={"mark": mark})

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the error of each measure; of a mean, for groups of some sizes."""
        return [self._expected(answer, [doses[i] for i in answer.parts]) for answer in self.plan.answers]

    @staticmethod
    def _expected(answer: Answer, used: Sequence[Dose]) -> dict[str, Any]:
        first = used[0]
        found: dict[str, Any] = {"name": answer.name, "kind": answer.kind, "scale": first.deviation}
        if answer.kind != "mean":
            return found | {"error95": error95(first.deviation)}
        foretold = [{"rows": rows, "error95": mean_error95(first, used[1], rows)} for rows in SIZES]
        return found | {"error95": None, "error95_at": foretold}

    def warnings(self) -> list[dict[str, Any]]:
        """Return what bounding does, and on what a mean's error depends."""
        found = []
        if self.plan.ask.max_groups < self.cells:
            message = _("En person teller i høyst {groups} av {cells} celler.")
            found.append(sentence(message, groups=self.plan.ask.max_groups, cells=self.cells))
        if any(answer.kind == "mean" for answer in self.plan.answers):
            found.append(sentence(_("Feilen i et gjennomsnitt avhenger av hvor mange rader gruppen har.")))
        return found


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
