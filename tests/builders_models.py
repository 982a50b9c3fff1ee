"""A table of persons with numbers, codes and outcomes that are made from them, and the answers of models on it."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hvelv.privacy.adapters.aggregate import StreamingAggregator, totals
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.measuring import Result
from hvelv.privacy.domain.questions import method_for, query_from
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.service.releases import measured

ENGINE: Any = SimpleNamespace(aggregator=StreamingAggregator(), noise=OpenDPNoise())
NEARLY_NONE = 10**9  # micro-rho: noise that is next to nothing on thousands of rows
EPSILON_ONE = 20_000  # micro-rho: about epsilon 1 at delta 1e-6
SCHEMA = Schema(
    "cohort",
    (
        Column("age", "integer", "attribute", low=0, high=100),
        Column("bmi", "decimal", "attribute", low=10, high=60, step=0.1),
        Column("pressure", "decimal", "attribute", low=60, high=240, step=0.5),
        Column("sex", "string", "attribute", categories=("f", "m")),
        Column("region", "integer", "attribute", low=1, high=9, categories=(1, 2, 3, 4)),
        Column("smoker", "boolean", "attribute"),
        Column("ill", "boolean", "attribute"),
        Column("visits", "integer", "attribute", low=0, high=40),
        Column("days", "integer", "attribute", low=100, high=2000),
        Column("free", "decimal", "attribute"),
    ),
)
LAYOUT = {"sex": pa.string(), "region": pa.int64(), "smoker": pa.bool_(), "ill": pa.bool_()}
WHOLE = ("age", "visits", "days")


def a_cohort(persons: int, seed: int = 1) -> dict[str, Any]:
    """Return columns of a table with one row for each person; all outcomes follow the models that the tests fit."""
    source = np.random.default_rng(seed)
    age = source.integers(20, 90, persons)
    bmi = np.round(np.clip(source.normal(27, 5, persons), 12, 58), 1)
    sex, smoker = source.random(persons) < 0.5, source.random(persons) < 0.25
    region = source.choice([1, 2, 3, 4], persons, p=[0.4, 0.3, 0.2, 0.1])
    days = source.integers(100, 2000, persons)
    pressure = 90 + 0.5 * age + 0.8 * (bmi - 27) + 4 * sex + 2.0 * (region == 4) + source.normal(0, 14, persons)
    risk = 1 / (1 + np.exp(-(-5 + 0.04 * age + 0.05 * (bmi - 27) + 0.4 * sex + 0.7 * smoker)))
    rate = np.exp(-7.2 + 0.015 * age + 0.3 * sex + 0.4 * smoker) * days
    return {
        "age": age,
        "bmi": bmi,
        "pressure": np.clip(np.round(pressure * 2) / 2, 60, 240),
        "sex": np.where(sex, "m", "f"),
        "region": region,
        "smoker": smoker,
        "ill": source.random(persons) < risk,
        "visits": np.minimum(source.poisson(rate), 40),
        "days": days,
        "free": source.normal(size=persons),
    }


def a_cohort_file(folder: Path, columns: Mapping[str, Any], pids: Any = None) -> Path:
    """Write columns (arrays, or lists with None) as an extract."""
    size = len(next(iter(columns.values())))
    arrays = {"pid": pa.array(np.arange(1, size + 1) if pids is None else pids, pa.uint64())}
    for name, values in columns.items():
        kind = LAYOUT.get(name, pa.int64() if name in WHOLE else pa.float64())
        arrays[name] = pa.array(values, kind)
    path = folder / "cohort.parquet"
    pq.write_table(pa.table(arrays), path)
    return path


def a_method(**question: Any) -> Any:
    """Return the method for a question about the cohort."""
    return method_for(query_from({"dataset": "cohort"} | question), {"cohort": SCHEMA})


def answer(table: Mapping[str, Any], rho_micro: int = NEARLY_NONE, /, *, pids: Any = None, **question: Any) -> Result:
    """Return the answer of a question on a table, through the road that a release takes."""
    method = a_method(**question)
    doses = method.doses(rho_micro)
    with tempfile.TemporaryDirectory() as folder:
        path = a_cohort_file(Path(folder), table, pids)
        return measured(method, doses, rho_micro, {"cohort": [path]}, ENGINE)


def exact(columns: Mapping[str, Any], method: Any, ask: Any, *, pids: Any = None) -> list[list[int]]:
    """Return the exact totals that an ask is for."""
    with tempfile.TemporaryDirectory() as folder:
        return totals({"cohort": [a_cohort_file(Path(folder), columns, pids)]}, method.framed, ask)


def numbers(result: Result, name: str = "coefficient") -> tuple[Any, Any]:
    """Return the values and errors of one measure, NaN for none."""
    values = [row["values"][name] for row in result.rows]
    errors = [row["error95"].get(name) for row in result.rows]
    return np.array(values, dtype=float), np.array(errors, dtype=float)
