"""Unknown keys: counts by one or two columns whose values are not publicly known, told where enough people share them.

**What one person moves.** A key is a combination of values; of a person the first `max_rows` rows in each of the first
`max_groups` keys met count (`OpenCells`). So at most `max_groups` counts move, each by at most `max_rows`, and a key of
which all counted rows were that person's appears or vanishes. Noise hides the former, at the price; the threshold hides
the latter but for a chance of delta (Korolova et al. 2009; Rogers 2023). OpenDP's threshold mechanism does both, and
its map is checked against the price and the delta at each draw. delta is a small public constant, charged to the
accounts' delta, which is held far below one over the persons.

**What a key may be.** Keys are data that leave, so: no column with a role that names a person (those never leave), none
whose codes depend on others, only texts of at most 100 printable characters and whole numbers, each decided row by row.
A value that one person or a few have is not told, whatever it says, because its count cannot pass the threshold but by a
chance of delta: what passes is shared by about as many as the threshold says. There is no way to ask for one key: the
answer is the commonest ones. How many keys pass is known from the answer; that is what is paid for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import error95_of, threshold_dose
from hvelv.privacy.domain.closed import Name
from hvelv.privacy.domain.framing import Framed, framed
from hvelv.privacy.domain.measuring import BETWEEN, Dose, OpenCells, Result, Step, Work, sentence
from hvelv.privacy.domain.pricing import per_cent
from hvelv.privacy.domain.query import Groups
from hvelv.privacy.domain.schema import Code, Column, Schema
from hvelv.privacy.domain.source import Asked

DELTA_FEMTO = 10**4
"""The chance that a key of one person alone is told, 1e-11 (in femto): small, for the threshold hardly grows with it, and
an account's whole delta is 1e-6 at most."""
OPEN_TYPES = frozenset({"string", "integer", "boolean"})
NOT_A_KEY = _("Ukjente nøkler kan bare være tekster og heltall.")


class Open(Asked):
    """How many rows there are of each value, the commonest first, where the values are not known beforehand."""

    kind: Literal["open"]
    by: Annotated[tuple[Name, ...], Field(min_length=1, max_length=2)]
    most: Literal[10, 20, 50, 100, 200, 500, 1000] = 100
    noise: Literal["gaussian", "laplace"] = "gaussian"
    max_groups: Groups = 1


@dataclass(frozen=True)
class OpenKeys:
    """Unknown keys, checked."""

    framed: Framed
    asked: Open
    ask: OpenCells

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the names of the columns that keys are made of."""
        return self.asked.by

    @property
    def summary(self) -> str:
        """Return the question in one line of names."""
        return f"{self.framed.table}: open / {', '.join(self.keys)}"

    @property
    def cells(self) -> int:
        """Return how many rows the answer has at most."""
        return self.asked.most

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count for a key, and for how many keys."""
        return {"max_rows": self.ask.max_rows, "max_groups": self.ask.max_groups}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise and the threshold."""
        return (threshold_dose("keys", self.ask, rho_micro, DELTA_FEMTO, self.asked.noise),)

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure once, and tell the commonest."""
        noisy = yield Step(self.ask, tuple(doses))
        (counts,) = cast("list[dict[str, int]]", noisy)
        passed = sorted(((count, key) for key, count in counts.items() if count > 0), key=lambda one: (-one[0], one[1]))
        error = error95_of(doses[0])
        rows = [
            {"key": self.values(key), "values": {"count": count}, "error95": {"count": error}}
            for count, key in passed[: self.asked.most]
        ]
        picture = {"mark": "bar", "x": self.keys[0], "y": "count"}
        return Result(self.keys, rows, notes=tuple(self._notes(doses[0], len(passed), len(rows))), picture=picture)

    def values(self, key: str) -> list[Code]:
        """Return the values that a combination is of, of the types that the columns have."""
        return [_value(column, text) for column, text in zip(self.ask.keys, key.split(BETWEEN), strict=True)]

    @staticmethod
    def _notes(dose: Dose, passed: int, shown: int) -> Iterator[dict[str, Any]]:
        message = _("Verdier med færre enn omtrent {threshold} rader er ikke med.")
        yield sentence(message, threshold=dose.threshold)
        if shown < passed:
            yield sentence(
                _("{passed} verdier var vanlige nok; de {shown} vanligste vises."), passed=passed, shown=shown
            )

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the error of a count, and the threshold that it must pass."""
        dose, error = doses[0], error95_of(doses[0])
        known = {"name": "count", "kind": "count", "scale": dose.deviation, "error95": error}
        return [known | {"threshold": dose.threshold, "delta_femto": dose.delta_femto} | per_cent(error, None)]

    def warnings(self) -> list[dict[str, Any]]:
        """Return what is left out, and what bounding does."""
        found = [sentence(_("Bare verdier som mange nok rader har, kommer med. En høyere pris gir en lavere terskel."))]
        found.append(sentence(_("En person teller for høyst {groups} verdier."), groups=self.ask.max_groups))
        message = _("Av en persons rader teller de {rows} første for hver verdi.")
        return [*found, sentence(message, rows=self.ask.max_rows)]


def _value(column: Column, text: str) -> Code:
    if column.type == "integer":
        return int(text)
    return bool(int(text)) if column.type == "boolean" else text


def prepare(asked: Open, schemas: Mapping[str, Schema]) -> OpenKeys:
    """Return the method for unknown keys. Raises `Invalid`, `NotFound`."""
    rows, checker = framed(asked, schemas)
    columns = [
        column for i, name in enumerate(asked.by) if (column := checker.typed(name, OPEN_TYPES, f"by.{i}", NOT_A_KEY))
    ]
    if len(set(asked.by)) != len(asked.by):
        checker.fault("by", _("Den samme variabelen kan bare grupperes på én gang."))
    if len(columns) == len(asked.by) and all(column.keys is not None for column in columns):
        checker.fault("by", _("Alle variablene har offentlige koder: bruk en tabell, som ikke utelater noen."))
    checker.done()
    return OpenKeys(rows, asked, OpenCells(tuple(columns), asked.max_rows, asked.max_groups))
