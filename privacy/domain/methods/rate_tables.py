"""The answer to a question about rates: rates by group, standardised ones, and ratios, from noisy events and sizes.

What is measured, and why one person moves it no further than is said, is in `rates`. All here is post-processing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any, Literal

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import error95, fold_doses, gaussian, sensitivity
from hvelv.privacy.domain.checking import Key
from hvelv.privacy.domain.framing import Framed
from hvelv.privacy.domain.measuring import Cells, Dose, Folded, Noisy, Result, Step, Work, sentence
from hvelv.privacy.domain.methods.ratios import Counted, Estimate, pooled, rate_of, ratio_of, weighted
from hvelv.privacy.domain.methods.standards import Stratum
from hvelv.privacy.domain.pricing import SIZES, would_cost
from hvelv.privacy.domain.schema import Code

EVENTS_SHARE = Fraction(3, 4)


@dataclass(frozen=True)
class RateTable:
    """Rates, checked: the axes, what is measured, and the places that are standardised over and compared."""

    framed: Framed
    keys: tuple[Key, ...]
    ask: Cells | Folded
    events: str  # what is counted
    size: Literal["persons", "time"]
    size_unit: float  # what one unit of a size is, in the unit that rates are over
    per: int
    axis: int | None = None  # which of the keys is standardised over
    strata: tuple[Stratum, ...] = ()
    compared: int | None = None  # which of the keys has places that are compared
    reference: int = 0  # the place that the others are compared to

    @property
    def summary(self) -> str:
        """Return the question in one line of names."""
        names = ", ".join(key.name for key in self.keys)
        return f"{self.framed.table}: {self.events} / {self.size}" + (f" / {names}" if names else "")

    @property
    def shape(self) -> tuple[int, ...]:
        """Return how many places each axis has."""
        return tuple(len(key.labels) for key in self.keys)

    @property
    def cells(self) -> int:
        """Return how many groups there are."""
        return prod(self.shape)

    @property
    def bounds(self) -> Mapping[str, int]:
        """Return how many rows of a person count in a group, and in how many groups."""
        return {"max_rows": self.ask.max_rows, "max_groups": self.ask.max_groups}

    def doses(self, rho_micro: int) -> tuple[Dose, ...]:
        """Return the noise of events and sizes."""
        if isinstance(self.ask, Folded):
            return fold_doses(self.ask, (rho_micro,))
        first = int(rho_micro * EVENTS_SHARE)
        shares = zip(("events", "size"), self.ask.parts, (first, rho_micro - first), strict=True)
        bounds = self.ask.max_rows, self.ask.max_groups
        return tuple(gaussian(name, share, sensitivity(part, *bounds), part.unit) for name, part, share in shares)

    def work(self, doses: Sequence[Dose]) -> Work:
        """Measure events and sizes in all groups, and divide."""
        noisy = yield Step(self.ask, tuple(doses))
        groups = list(self._counted(noisy, doses))
        keys = list(product(*(key.labels for key in self.keys)))
        rows = [self._row(key, counted) for key, counted in zip(keys, groups, strict=True)]
        picture: dict[str, Any] = {"mark": "bar", "y": "rate", "band": True}
        if self.keys:
            picture |= {"x": self.keys[0].name, "mark": "line" if self.keys[0].edges else "bar"}
        if len(self.keys) > 1:
            picture["colour"] = self.keys[1].name
        return Result(tuple(k.name for k in self.keys), rows, self._tables(groups), tuple(self._notes()), picture)

    def _counted(self, noisy: Noisy, doses: Sequence[Dose]) -> Iterator[Counted]:
        if isinstance(self.ask, Folded):
            noise = doses[0].deviation ** 2
            for without, having in zip(noisy[0][::2], noisy[0][1::2], strict=True):
                yield Counted(having, without + having, noise, 2 * noise, noise, binomial=self.ask.max_rows == 1)
            return
        events, sizes = doses
        unit = float(events.unit)
        for some, size in zip(*noisy, strict=True):
            amount = size * float(sizes.unit) * self.size_unit
            yield Counted(some * unit, amount, events.deviation**2, (sizes.deviation * self.size_unit) ** 2)

    def _row(self, key: Sequence[Code], counted: Counted) -> dict[str, Any]:
        own = {"events": _half(counted.events_noise), self.size: _half(counted.size_noise)}
        return _joined(
            {"key": list(key), "values": {"events": counted.events, self.size: counted.size}, "error95": own},
            {"rate": _per(rate_of(counted), self.per)},
        )

    # further tables ------------------------------------------------------------------------------------------------
    def _others(self) -> list[Key]:
        return [key for i, key in enumerate(self.keys) if i != self.axis]

    def _tables(self, groups: Sequence[Counted]) -> dict[str, Any]:
        tables: dict[str, Any] = {}
        if self.axis is None and self.compared is None:
            return tables
        others, estimates = self._others(), {}
        keys, rows = [key.name for key in others], []
        for places in product(*(range(len(key.labels)) for key in others)):
            strata = list(self._strata(groups, places))
            fitting = pooled([s for s in strata if s[0]]) if self.axis is not None else strata
            crude = rate_of(_together([counted for _weight, counted in strata]))
            estimates[places] = weighted([s for s in fitting if s[1].says_something])
            row = {"key": [k.labels[p] for k, p in zip(others, places, strict=True)]}
            values = {"values": {"bands": len(fitting)}, "error95": {"bands": None}}
            shown = {"crude": _per(crude, self.per), "standardised": _per(estimates[places], self.per)}
            rows.append(_joined(row | values, shown))
        if self.axis is not None:
            tables["standardised"] = {"keys": keys, "rows": rows}
        if self.compared is not None:
            tables["ratio"] = {"keys": keys, "rows": list(self._ratios(others, estimates))}
        return tables

    def _strata(self, groups: Sequence[Counted], places: Sequence[int]) -> Iterator[tuple[float, Counted]]:
        if self.axis is None:
            yield 1.0, groups[_flat(self.shape, places)]
            return
        for weight, on_axis in self.strata:
            at = ([*places[: self.axis], place, *places[self.axis :]] for place in on_axis)
            yield float(weight), _together([groups[_flat(self.shape, each)] for each in at])

    def _ratios(
        self, others: Sequence[Key], estimates: Mapping[tuple[int, ...], Estimate | None]
    ) -> Iterator[dict[str, Any]]:
        axis = [key.name for key in others].index(self.keys[self.compared or 0].name)
        for places, one in estimates.items():
            if places[axis] == self.reference:
                continue
            other = (*places[:axis], self.reference, *places[axis + 1 :])
            key = [k.labels[p] for k, p in zip(others, places, strict=True)]
            found = ratio_of(one, estimates[other])
            yield _joined({"key": key, "values": {}, "error95": {}}, {"ratio": found})

    # words ---------------------------------------------------------------------------------------------------------
    def _notes(self) -> Iterator[dict[str, Any]]:
        yield sentence(
            _("Ratene er per {per}. Intervallene tar med både støyen og tilfeldigheten i hvem som fikk hendelsen."),
            per=self.per,
        )
        yield sentence(_("Feilen i antall og tid er støyen alene."))
        if self.axis is not None:
            yield sentence(
                _("Standardisert direkte; aldersgrupper for små for støyen er slått sammen med naboen («bands»).")
            )
        if self.ask.max_rows > 1:
            yield sentence(_("En person kan telle flere ganger, og da er intervallene for ratene for smale."))

    def expected(self, doses: Sequence[Dose]) -> list[dict[str, Any]]:
        """Return the errors of events and sizes, and of a low rate in groups of some sizes."""
        first, parts = doses[0], len(doses)
        size = error95(first.deviation * 2**0.5) if parts == 1 else error95(doses[1].deviation * self.size_unit)
        events = error95(first.deviation)
        foretold = [{"rows": rows, "error95": events / rows * self.per} for rows in SIZES]
        return [
            {"name": "events", "kind": "count", "scale": first.deviation, "error95": events}
            | {"would_cost": would_cost(first, parts)},
            {"name": self.size, "kind": "sum", "scale": doses[-1].deviation, "error95": size},
            {"name": "rate", "kind": "rate", "scale": first.deviation, "error95": None, "error95_at": foretold},
        ]

    def warnings(self) -> list[dict[str, Any]]:
        """Return what bounding does, and on what the errors depend."""
        found = [sentence(_("Feilen i en rate avhenger av hvor mange eller hvor lang tid gruppen har."))]
        if self.ask.max_groups < self.cells:
            message = _("En person teller i høyst {groups} av {cells} celler.")
            found.append(sentence(message, groups=self.ask.max_groups, cells=self.cells))
        found.append(sentence(_("Av en persons rader teller de {rows} første i hver celle."), rows=self.ask.max_rows))
        return found


def _half(variance: float) -> float:
    return error95(variance**0.5)


def _per(estimate: Estimate | None, per: int) -> Estimate | None:
    return None if estimate is None else estimate.times(per)


def _joined(row: dict[str, Any], estimates: Mapping[str, Estimate | None]) -> dict[str, Any]:
    """Return a row with estimates in it: each with its interval."""
    for name, found in estimates.items():
        ends = (None, None, None) if found is None else (found.value, found.low, found.high)
        row["values"] |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        row["error95"][name] = None if found is None else found.error95
    return row


def _together(some: Sequence[Counted]) -> Counted:
    found = some[0]
    for counted in some[1:]:
        found += counted
    return found


def _flat(shape: Sequence[int], places: Sequence[int]) -> int:
    at = 0
    for size, place in zip(shape, places, strict=True):
        at = at * size + place
    return at
