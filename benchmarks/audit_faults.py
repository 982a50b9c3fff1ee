"""Faults that the audit has to see: each is planted in the running code and taken out again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from audit_cases import CASES, Case

from hvelv.privacy.adapters import aggregate, frames
from hvelv.privacy.domain import accounting
from hvelv.privacy.domain.measuring import Cells, Dose, Part


@dataclass(frozen=True)
class Fault:
    """One fault and the question by which it shows."""

    name: str
    case: Case
    planted: Callable[[], AbstractContextManager[Any]]


def _case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def half_the_noise() -> AbstractContextManager[Any]:
    """Draw from half the scale, whatever the dose says."""
    import auditing

    draw = auditing.OpenDPNoise.draw

    def faulty(self: Any, dose: Dose, totals: Any) -> list[int]:
        return draw(self, replace(dose, scale=dose.scale / 2, rho_micro=dose.rho_micro * 5), totals)

    return patch.object(auditing.OpenDPNoise, "draw", faulty)


@contextmanager
def the_first_group_alone_is_charged() -> Iterator[None]:
    """Forget that a person counts in several cells."""
    right = accounting.sensitivity

    def faulty(part: Part, max_rows: int, _max_groups: int) -> float:
        return right(part, max_rows, 1)

    with patch.dict(accounting.DISTANCES, {"gaussian": faulty}):
        yield


@contextmanager
def the_second_table_is_forgotten() -> Iterator[None]:
    """Join every row of the other table, as SQL would, with a bound that was worked out for one row of the first."""

    def joined(frame: Any, columns: Any, _reduction: Any) -> Any:
        return columns.join(frame, on="pid", how="inner", maintain_order="left")

    def every_row(frame: Any, reduction: Any, _known: Any) -> Any:
        import polars as pl

        return frame.select("pid", *(pl.lit(1).alias(s.column.name) for s in reduction.columns))

    def unbounded(ask: Cells) -> Any:
        return right(replace(ask, max_rows=10**6))

    right = aggregate.PASSES[Cells]

    with (
        patch.object(frames, "attached", joined),
        patch.object(frames, "reduced", every_row),
        patch.dict(aggregate.PASSES, {Cells: unbounded}),
    ):
        yield


@contextmanager
def bounds_come_from_the_data() -> Iterator[None]:
    """Clamp to the highest value that is there, not to the declared one."""
    import numpy as np

    right = aggregate.contribution

    def faulty(part: Part, column: Any) -> Any:
        units = np.asarray(right(part, column))
        return units * 0 + units.max() if part.kind == "sum" and units.size else units

    with patch.object(aggregate, "contribution", faulty):
        yield


FAULTS = (
    Fault("half the noise", _case("count"), half_the_noise),
    Fault("only the first group is charged", _case("counts in cells"), the_first_group_alone_is_charged),
    Fault("the second table is forgotten", _case("linked: visits of a person"), the_second_table_is_forgotten),
    Fault("bounds from the data", _case("sum and mean"), bounds_come_from_the_data),
)
