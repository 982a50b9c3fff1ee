"""K-means: a noisy histogram to begin with, and a fixed number of noisy Lloyd steps.

**The sensitivity argument.** Columns are held between public bounds and moved to [-1, 1], each row by itself. First, rows
are counted in the cells of a public grid: of a person, up to `max_rows` rows in the first cell met, so that the counts
move by `max_rows` (L2). Then, `STEPS` times, each row is given to the nearest of centres made of earlier noisy numbers
alone, and adds to that centre's count and sums and to no other's: its vector is one count of weight a and a point of at
most the root of d columns' number in length, together sqrt(a^2 + d) (L2), times `max_rows` for a person. What each look
costs is fixed before; looks that follow one another are composed adaptively. All else is post-processing.

**The method** is the hybrid of Su, Cao, Li, Bertino & Jin 2016: k-means on the noisy histogram, where any number of
beginnings are tried for free, finds centres that Lloyd's steps then make exact. Their error-optimal weight of the count
against the sums is, for Gaussian noise on one vector, a^2 = r sqrt(d), where r is a centre's usual distance from the
middle of the box along one column.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import Z95, cell_doses, error95, row_dose
from hvelv.privacy.domain.checking import Amount, Key
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import ROWS, Cells, Dose, Result, RowVectors, Step, Units, Work, sentence
from hvelv.privacy.domain.methods.centres import Points, begun
from hvelv.privacy.domain.methods.coefficients import SIZES
from hvelv.privacy.domain.methods.design import ONE, Floats, Term, distinct, half, middle, name_of, number, scaled
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import Asked

SHARES = (4, 1, 1, 2)  # of the price: the histogram, and each step
STEPS = len(SHARES) - 1
GRID_CELLS = 4_096
MOST_BINS = 64
USUAL = 0.35  # a centre's distance from the middle along one column, in scaled units
FAR = 1e300  # beyond any number: the outermost bins take what is outside the bounds
NOTES = (
    sentence(
        _("Gruppene er ordnet etter størrelse. Feilen er halve bredden av et 95-prosentintervall for støyen alene.")
    ),
    sentence(
        _(
            "K-means finner grupper i alle data, også der det ikke er noen: prøv flere antall, og se etter om "
            "gruppene lar seg tolke."
        )
    ),
    sentence(_("Et tomt felt betyr at gruppen er for liten til å skilles fra støyen.")),
)


class Clusters(Asked):
    """`k` groups of rows whose numbers are near each other, each column scaled by its public bounds."""

    kind: Literal["clusters"]
    columns: Annotated[tuple[Term, ...], Field(min_length=1, max_length=8)]
    k: Annotated[int, Field(ge=2, le=10)]


@dataclass(frozen=True)
class KMeans:
    """A k-means clustering, checked."""

    question: Clusters
    framed: Framed
    amounts: tuple[Amount, ...]

    @property
    def size(self) -> int:
        """Return how many columns there are."""
        return len(self.amounts)

    @property
    def weight(self) -> int:
        """Return what a row adds to its centre's count, in `ONE`-ths."""
        return round(ONE * math.sqrt(USUAL * math.sqrt(self.size)))

    @property
    def bins(self) -> int:
        """Return how many cells the histogram has along each column."""
        return min(MOST_BINS, max(2, int(GRID_CELLS ** (1 / self.size) + 1e-9)))

    @property
    def histogram(self) -> Cells:
        """Return the first look: rows in the cells of a grid that is the same whatever the data."""
        keys = tuple(Key(amount.column, edges=_edges(amount, self.bins)) for amount in self.amounts)
        return Cells(keys, (ROWS,), self.question.max_rows, 1)

    def step(self, centres: Floats) -> RowVectors:
        """Return a look at the rows nearest to each centre: their count, and the sum of each column."""
        whole = np.rint(centres * ONE).astype(np.int64)
        weight, width = self.weight, 1 + self.size

        def make(given: Mapping[str, Units]) -> Units:
            points = np.stack([scaled(a, given[a.column.name]) for a in self.amounts], axis=1)
            squares = np.stack([((points - centre) ** 2).sum(axis=1) for centre in whole], axis=1)
            nearest = squares.argmin(axis=1)
            found = np.zeros((len(points), len(whole), width), dtype=np.int64)
            rows = np.arange(len(points))
            found[rows, nearest, 0] = weight
            found[rows, nearest, 1:] = points
            return found.reshape(len(points), -1)

        bound = math.isqrt(weight**2 + self.size * ONE**2 - 1) + 1
        return RowVectors(self.amounts, (), self.question.max_rows, self.question.k * width, bound, make)

    @property
    def summary(self) -> str:
        """Return the question in one line of names: `labs: 3 clusters of age, value`."""
        names = ", ".join(amount.column.name for amount in self.amounts)
        return f"{self.framed.table}: {self.question.k} clusters of {names}"

    @property
    def cells(self) -> int:
        """Return how many groups there are."""
        return self.question.k

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count."""
        return {"max_rows": self.question.max_rows}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of the histogram and of each step."""
        parts = [rho_micro * share // sum(SHARES) for share in SHARES]
        parts[-1] += rho_micro - sum(parts)
        ask = self.step(np.zeros((self.question.k, self.size)))
        steps = (row_dose(f"step {i}", ask, part, Fraction(1, ONE)) for i, part in enumerate(parts[1:], 1))
        return (*cell_doses(self.histogram, parts[0]), *steps)

    def work(self, doses: Sequence[Dose]) -> Work:
        """Begin where the histogram is dense, and step."""
        noisy = yield Step(self.histogram, (doses[0],))
        counts = np.array(noisy[0], dtype=np.float64)
        centres = begun(Points.of(counts, doses[0].deviation, self.bins, self.size), self.question.k)
        look = Look(np.zeros(self.question.k), centres, 0.0, 0.0)
        for dose in doses[1:]:
            noisy = yield Step(self.step(look.centres), (dose,))
            look = self.look(look.centres, noisy[0], dose.deviation)
        return self.answered(look)

    def look(self, before: Floats, noisy: Sequence[int], deviation: float) -> "Look":
        """Return sizes and centres of a step; a centre with too few rows to tell stays where it was."""
        sums = np.array(noisy, dtype=np.float64).reshape(self.question.k, -1) / ONE
        count_deviation = deviation * ONE / self.weight
        sizes = sums[:, 0] * ONE / self.weight
        enough = sizes > max(2 * error95(count_deviation), 1.0)
        moved = np.clip(sums[:, 1:] / np.maximum(sizes, 1.0)[:, None], -1.0, 1.0)
        return Look(sizes, np.where(enough[:, None], moved, before), deviation, count_deviation)

    def answered(self, look: "Look") -> Result:
        """Return the groups, the largest first."""
        total = float(look.sizes.sum())
        total_error = error95(look.count_deviation) * math.sqrt(self.question.k)
        rows = []
        for place, group in enumerate(np.argsort(-look.sizes, kind="stable")):
            size, centre = float(look.sizes[group]), look.centres[group]
            values: dict[str, Any] = {"size": size, "share": None}
            errors: dict[str, Any] = {"size": error95(look.count_deviation), "share": None}
            if total > max(2 * total_error, 1.0):
                values["share"] = size / total
                errors["share"] = math.hypot(errors["size"], values["share"] * total_error) / total
            known = size > max(2 * error95(look.count_deviation), 1.0)
            for amount, point in zip(self.amounts, centre, strict=True):
                name, unit = f"mean_{amount.column.name}", half(amount)
                off = Z95 * math.hypot(look.deviation, float(point) * look.count_deviation) / max(size, 1.0)
                values[name] = middle(amount) + unit * float(point) if known else None
                errors[name] = unit * off if known else None
            rows.append({"key": [place + 1], "values": values, "error95": errors})
        return Result(("cluster",), rows, {}, NOTES, {"mark": "bar", "x": "cluster", "y": "size", "band": True})

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the error of sizes, and of means in groups of some sizes that lie halfway to a bound."""
        deviation = doses[-1].deviation
        counted = deviation * ONE / self.weight
        size = {"name": "size", "kind": "count", "scale": counted, "error95": error95(counted)}
        return [size, *(self._expected(amount, deviation, counted) for amount in self.amounts)]

    @staticmethod
    def _expected(amount: Amount, deviation: float, counted: float) -> dict[str, Any]:
        off = half(amount) * error95(math.hypot(deviation, counted / 2))
        at = [{"rows": rows, "error95": off / rows} for rows in SIZES]
        name, scale = f"mean_{amount.column.name}", deviation * half(amount)
        return {"name": name, "kind": "mean", "scale": scale, "error95": None, "error95_at": at}

    def warnings(self) -> list[dict[str, Any]]:
        """Return what is worth knowing before paying."""
        message = _("Kolonnene veies likt etter sine offentlige grenser: smalere grenser gir en kolonne mer å si.")
        return [sentence(message)]


@dataclass(frozen=True)
class Look:
    """Sizes and centres (scaled) with noise: of a sum's, and of a count's deviation."""

    sizes: Floats
    centres: Floats
    deviation: float
    count_deviation: float


def _edges(amount: Amount, bins: int) -> tuple[float, ...]:
    low, high = amount.bounds
    inner = (low + (high - low) * i / bins for i in range(1, bins))
    return (-FAR, *inner, FAR)


def prepare(question: Clusters, schemas: Mapping[str, Schema]) -> KMeans:
    """Return the method for k-means. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(question, schemas)
    found = [number(checker, term, f"columns.{i}") for i, term in enumerate(question.columns)]
    distinct(checker, [name_of(term) for term in question.columns], "columns")
    checker.done()
    return KMeans(question, rows, tuple(amount for amount in found if amount is not None))
