"""Coefficients in the units of the columns, with errors: how every regression's answer looks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import Z95, error95
from hvelv.privacy.domain.measuring import Result, sentence
from hvelv.privacy.domain.methods.design import Axis, Design, Floats, half, middle, named
from hvelv.privacy.domain.methods.solving import Solver

KEYS = ("term", "level")
LARGEST_POWER = 50.0  # of e; beyond, a ratio is no number for people
SIZES = (1_000, 10_000, 100_000)  # rows for which an error is foretold
NOTES = (
    sentence(
        _(
            "Feilen er halve bredden av et 95-prosentintervall. Den regner med både støyen og at radene er et utvalg, men "
            "regner radene som uavhengige av hverandre."
        )
    ),
    sentence(_("En rad der en verdi mangler, er ikke med. Tall er holdt innenfor sine offentlige grenser.")),
    sentence(_("Et tomt felt betyr at koeffisienten ikke lar seg skille fra støyen.")),
)
PICTURE: Mapping[str, Any] = {"mark": "point", "x": "term", "y": "coefficient", "colour": "level", "band": True}


@dataclass(frozen=True)
class Fitted:
    """Coefficients of a scaled design: the solution, its covariance, and in which directions it is known."""

    solution: Floats
    covariance: Floats
    solver: Solver
    usable: bool = True


def in_units(design: Design, outcome_half: float = 1.0) -> Floats:
    """Return the matrix that takes coefficients of the scaled columns to those of the columns themselves."""
    axes = design.axes
    found = np.zeros((len(axes), len(axes)))
    for i, axis in enumerate(axes):
        found[i, i] = outcome_half
        if axis.amount is not None:
            found[i, i] /= half(axis.amount)
            found[0, i] = -outcome_half * middle(axis.amount) / half(axis.amount)
    return found


def rows_of(
    design: Design, fitted: Fitted, outcome_half: float = 1.0, outcome_middle: float = 0.0, *, ratio: str = ""
) -> list[dict[str, Any]]:
    """Return the answer's rows. `ratio`: what the power of e of a coefficient is called, where it has a name."""
    taken = in_units(design, outcome_half)
    values = taken @ fitted.solution
    values[0] += outcome_middle
    deviations = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", taken, fitted.covariance, taken), 0.0))
    found = []
    for i, key in enumerate(named(design)):
        known = fitted.usable and fitted.solver.sees(taken[i]) and math.isfinite(values[i] + deviations[i])
        value, deviation = (float(values[i]), float(deviations[i])) if known else (None, None)
        found.append({"key": key} | _row(value, deviation, ratio))
    return found


def _row(value: float | None, deviation: float | None, ratio: str) -> dict[str, Any]:
    values: dict[str, Any] = {"coefficient": value, "std_error": deviation}
    errors: dict[str, Any] = {"coefficient": None if deviation is None else error95(deviation), "std_error": None}
    if ratio:
        values |= _powers(value, deviation, ratio)
        errors[ratio] = None
    return {"values": values, "error95": errors}


def _powers(value: float | None, deviation: float | None, ratio: str) -> dict[str, float | None]:
    names = ratio, f"{ratio}_low", f"{ratio}_high"
    if value is None or deviation is None:
        return dict.fromkeys(names)
    powers = value, value - Z95 * deviation, value + Z95 * deviation
    return {n: math.exp(p) if abs(p) <= LARGEST_POWER else None for n, p in zip(names, powers, strict=True)}


def statistics(found: Sequence[tuple[str, float | None, float | None]]) -> dict[str, Any]:
    """Return a table of single numbers: name, value, 95 % error."""
    rows = []
    for name, value, error in found:
        shown = (None, None) if value is None or error is None else (float(value), float(error))
        rows.append({"key": [name], "values": {"value": shown[0]}, "error95": {"value": shown[1]}})
    return {"keys": ["statistic"], "rows": rows}


def answered(rows: list[dict[str, Any]], fit: Mapping[str, Any], *more: Mapping[str, Any]) -> Result:
    """Return the answer of a regression."""
    return Result(KEYS, rows, {"fit": fit}, (*more, *NOTES), PICTURE)


def foretold(design: Design, kind: str, deviation: float, weight: float, outcome_half: float) -> list[dict[str, Any]]:
    """Return the noise's part of each coefficient's 95 % error for tables of some sizes.

    Foretold for numbers that are spread evenly between their bounds and codes that are equally common. `weight`: how
    much a row says of the outcome, 1 in a linear model.
    """
    found = []
    for i, axis in enumerate(design.axes):
        spread, unit = _spread(axis)
        at = [{"rows": n, "error95": error95(deviation / (n * spread * weight)) * outcome_half / unit} for n in SIZES]
        name = axis.term if not i or axis.key is None else f"{axis.term} {axis.level}"
        found.append({"name": name, "kind": kind, "scale": deviation, "error95": None, "error95_at": at})
    return found


def _spread(axis: Axis) -> tuple[float, float]:
    """Return a scaled column's variance, and what one scaled unit is."""
    if axis.key is not None:
        codes = len(axis.key.codes)
        return (codes - 1) / codes**2, 1.0
    return (1 / 3, half(axis.amount)) if axis.amount is not None else (1.0, 1.0)


def warnings(design: Design, max_rows: int) -> list[dict[str, Any]]:
    """Return what is worth knowing before paying."""
    found = []
    if max_rows > 1:
        message = _("Inntil {rows} rader av hver person er med, og de er ikke uavhengige: intervallene blir for smale.")
        found.append(sentence(message, rows=max_rows))
    if design.amounts:
        message = _("Feilen er mindre jo trangere grensene er: velg grenser som de fleste verdiene ligger innenfor.")
        found.append(sentence(message))
    return found
