"""The JSON of quotes and releases: made from public things and noisy numbers alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import delta_of, pure_of
from hvelv.privacy.domain.measuring import Dose, Method, Result, sentence

HALF = 2


def quote_of(
    method: Method,
    doses: Sequence[Dose],
    rho_micro: int,
    *,
    epsilon: float,
    delta: float,
    allowance: Mapping[str, int],
) -> dict[str, Any]:
    """Return price, expected errors, bounds and what should be thought of before paying."""
    return {
        "kind": method.framed.asked.kind,
        "summary": method.summary,
        "rho_micro": rho_micro,
        "epsilon": epsilon,
        "delta": delta,
        "delta_femto": delta_of(doses),
        "pure_micro": pure_of(doses),
        "cells": method.cells,
        "measures": method.expected(doses),
        "bounds": dict(method.bounds),
        "allowance": dict(allowance),
        "warnings": [*_of_the_budget(rho_micro, allowance), *method.warnings()],
    }


def _of_the_budget(rho_micro: int, allowance: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    left = allowance["left_after"] + rho_micro
    if rho_micro > left:
        yield sentence(_("Budsjettet rekker ikke: {left} mikro-rho er igjen."), left=left)
    elif rho_micro * HALF > left:
        yield sentence(_("Dette bruker mer enn halvparten av det som er igjen."))


def answer_of(result: Result) -> dict[str, Any]:
    """Return an answer as it stands in a release."""
    return {
        "keys": list(result.keys),
        "rows": result.rows,
        "tables": {name: dict(table) for name, table in result.tables.items()},
        "notes": [dict(note) for note in result.notes],
        "picture": dict(result.picture),
    }


def proof_of(doses: Sequence[Dose]) -> list[dict[str, Any]]:
    """Return what was drawn: each vector's bound, noise and price."""
    return [
        {
            "name": dose.name,
            "noise": dose.noise,
            "sensitivity": dose.sensitivity,
            "scale": dose.scale,
            "rho_micro": dose.rho_micro,
            **(_of_the_threshold(dose) if dose.delta_femto else {}),
        }
        for dose in doses
    ]


def _of_the_threshold(dose: Dose) -> dict[str, Any]:
    return {
        "threshold": dose.threshold,
        "delta_femto": dose.delta_femto,
        "groups": dose.groups,
        "each": dose.each,
    }
