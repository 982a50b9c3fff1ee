"""The JSON of quotes and releases: made from public things and noisy numbers alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hvelv.kernel.errors import _
from hvelv.privacy.domain.accounting import Dose, error95, mean_error95, value_of
from hvelv.privacy.domain.plan import Answer, Plan

SIZES = (100, 1_000, 10_000)  # group sizes for which a mean's error is foretold
HALF = 2


def keys_of(plan: Plan) -> list[str]:
    """Return the names of the answer's axes."""
    return [key.name for key in plan.keys]


def summary_of(plan: Plan) -> str:
    """Return the question in one line of names: `labs: count, mean_value / sex, age`."""
    measured = ", ".join(answer.name for answer in plan.answers)
    grouped = f" / {', '.join(keys_of(plan))}" if plan.keys else ""
    return f"{plan.query.dataset}: {measured}{grouped}"


def rows_of(plan: Plan, doses: Sequence[Dose], noisy: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Return the answer's rows, one for each cell whether anybody is in it or not."""
    return [
        {"key": list(key)} | _row(plan, doses, [part[cell] for part in noisy])
        for cell, key in enumerate(plan.cell_keys())
    ]


def _row(plan: Plan, doses: Sequence[Dose], noisy: Sequence[int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for answer in plan.answers:
        used = [doses[i] for i in answer.parts]
        values[answer.name], errors[answer.name] = value_of(answer, used, [noisy[i] for i in answer.parts])
    return {"values": values, "error95": errors}


def quote_of(
    plan: Plan,
    doses: Sequence[Dose],
    rho_micro: int,
    *,
    epsilon: float,
    delta: float,
    allowance: Mapping[str, int],
) -> dict[str, Any]:
    """Return price, expected errors, bounds and what should be thought of before paying."""
    return {
        "rho_micro": rho_micro,
        "epsilon": epsilon,
        "delta": delta,
        "cells": plan.cells,
        "measures": [_measure(answer, [doses[i] for i in answer.parts]) for answer in plan.answers],
        "bounds": {"max_rows": plan.max_rows, "max_groups": plan.max_groups},
        "allowance": dict(allowance),
        "warnings": list(_warnings(plan, rho_micro, allowance)),
    }


def _measure(answer: Answer, used: Sequence[Dose]) -> dict[str, Any]:
    first = used[0]
    found: dict[str, Any] = {"name": answer.name, "kind": answer.kind, "scale": first.deviation}
    if answer.kind != "mean":
        return found | {"error95": error95(first.deviation)}
    foretold = [{"rows": rows, "error95": mean_error95(first, used[1], rows)} for rows in SIZES]
    return found | {"error95": None, "error95_at": foretold}


def _warnings(plan: Plan, rho_micro: int, allowance: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    left = allowance["left_after"] + rho_micro
    if rho_micro > left:
        yield _warning(_("Budsjettet rekker ikke: {left} mikro-rho er igjen."), left=left)
    elif rho_micro * HALF > left:
        yield _warning(_("Dette bruker mer enn halvparten av det som er igjen."))
    if plan.max_groups < plan.cells:
        message = _("En person teller i høyst {groups} av {cells} celler.")
        yield _warning(message, groups=plan.max_groups, cells=plan.cells)
    if any(answer.kind == "mean" for answer in plan.answers):
        yield _warning(_("Feilen i et gjennomsnitt avhenger av hvor mange rader gruppen har."))


def _warning(message: str, **params: object) -> dict[str, Any]:
    return {"message": message, "params": params}
