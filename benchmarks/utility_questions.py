"""The questions that utility is measured by, each with what plain Polars, numpy and statsmodels answer, and its chance.

A number's *chance* is its standard error as an estimate about people like these, had there been no noise at all: the
usual one of a coefficient, Greenwood's of a curve, the binomial one of counts and of a quantile's place, Poisson's of rates.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import statsmodels.api as sm
from statsmodels.duration.survfunc import SurvfuncRight

from hvelv.privacy.domain.measuring import Result
from hvelv.privacy.domain.methods.design import NO_LEVEL

Label = tuple[Any, ...]
Exact = dict[Label, tuple[float, float]]
NARROW = {"column": "bmi", "low": 17.1, "high": 49.5}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Question:
    """A question, what it answers without noise, and which of an answer's values are compared."""

    title: str
    document: Mapping[str, Any]
    exact: Callable[[pl.DataFrame], Exact]
    value: str
    whole: bool = False  # a column of whole numbers, each with its own bin: 39.7 is read as 39, as ages are

    def told(self, result: Result) -> dict[Label, tuple[float | None, float | None]]:
        """Return value and error of each label of an answer."""
        return {
            tuple(row["key"]): (self._read(row["values"][self.value]), row["error95"].get(self.value))
            for row in result.rows
        }

    def _read(self, value: float | None) -> float | None:
        return float(math.floor(value)) if self.whole and value is not None else value


def _design(frame: pl.DataFrame, terms: Sequence[str]) -> tuple[Any, list[Label]]:
    columns: list[Any] = [np.ones(len(frame))]
    labels: list[Label] = [("intercept", NO_LEVEL)]
    for term in terms:
        level = {"sex": "M", "heart": True}.get(term, NO_LEVEL)
        columns.append(frame[term].to_numpy() if level == NO_LEVEL else (frame[term] == level).to_numpy())
        labels.append((term, level))
    return np.column_stack([column.astype(float) for column in columns]), labels


def _regression(title: str, kind: str, outcome: Any, terms: Sequence[Any], offset: str | None = None) -> Question:
    names = [term if isinstance(term, str) else term["column"] for term in terms]
    y = outcome if isinstance(outcome, str) else outcome["column"]

    def exact(frame: pl.DataFrame) -> Exact:
        kept = frame.drop_nulls([y, *names])
        x, labels = _design(kept, names)
        target = kept[y].to_numpy().astype(float)
        if kind == "linear":
            fit = sm.OLS(target, x).fit()
        elif kind == "logistic":
            fit = sm.Logit(target, x).fit(disp=0)
        else:
            exposure = None if offset is None else np.log(kept[offset].to_numpy().astype(float))
            fit = sm.GLM(target, x, family=sm.families.Poisson(), offset=exposure).fit(scale="X2")
        return {label: (float(b), float(s)) for label, b, s in list(zip(labels, fit.params, fit.bse, strict=True))[1:]}

    document = {"kind": kind, "outcome": outcome, "terms": list(terms)} | ({"offset": offset} if offset else {})
    return Question(title, document, exact, "coefficient")


def _survival(title: str, width: int, intervals: int, shown: Sequence[int]) -> Question:
    def exact(frame: pl.DataFrame) -> Exact:
        found: Exact = {}
        for sex in ("F", "M"):
            own = frame.filter(pl.col("sex") == sex)
            curve = SurvfuncRight(own["days"].to_numpy(), own["died"].to_numpy().astype(int))
            for time in (width * one for one in shown):
                at = int(np.searchsorted(curve.surv_times, time, side="left")) - 1  # events before the interval's end
                found[sex, time] = (float(curve.surv_prob[at]), float(curve.surv_prob_se[at]))
        return found

    document = {
        "kind": "survival", "time": "days", "event": "died", "by": ["sex"], "width": width, "intervals": intervals
    }  # fmt: skip
    return Question(title, document, exact, "survival")


def _quantiles(title: str, column: str, more: Mapping[str, Any], *, step: float = 1.0) -> Question:
    def exact(frame: pl.DataFrame) -> Exact:
        values = frame[column].drop_nulls().to_numpy().astype(float)
        spread = values + np.random.default_rng(1).random(len(values)) * step  # ties would hide what chance does
        found: Exact = {}
        for share in QUANTILES:
            off = (share * (1 - share) / len(values)) ** 0.5
            low, high = np.quantile(spread, [share - off, share + off])
            found[(share,)] = float(np.quantile(values, share)), float(high - low) / 2
        return found

    document = {"kind": "distribution", "column": column, "quantiles": list(QUANTILES)} | dict(more)
    return Question(title, document, exact, "value", whole=step == 1)


def _bands(frame: pl.DataFrame, edges: Sequence[int]) -> list[tuple[str, str, pl.DataFrame]]:
    """Return sex, band and rows of each group, in the order of the answer; the last band is closed."""
    found = []
    for sex in ("F", "M"):
        for low, high in pairwise(edges):
            last = high == edges[-1]
            inside = pl.col("age").is_between(low, high, closed="both" if last else "left")
            label = f"[{low}, {high}{']' if last else ')'}"
            found.append((sex, label, frame.filter((pl.col("sex") == sex) & inside)))
    return found


def _counts(title: str, edges: Sequence[int]) -> Question:
    def exact(frame: pl.DataFrame) -> Exact:
        n = len(frame)
        return {
            (sex, band): (float(len(own)), (len(own) * (1 - len(own) / n)) ** 0.5)
            for sex, band, own in _bands(frame, edges)
        }

    by = ["sex", {"column": "age", "edges": list(edges)}]
    return Question(title, {"kind": "table", "by": by, "measures": [{"kind": "count"}]}, exact, "count")


def _rates(title: str, edges: Sequence[int]) -> Question:
    def exact(frame: pl.DataFrame) -> Exact:
        found: Exact = {}
        for sex, band, own in _bands(frame, edges):
            years, deaths = float(own["days"].sum()) / 365.25, float(own["died"].sum())
            if not years:
                continue  # nobody there, and so no rate to be near
            found[sex, band] = deaths / years * 1000, max(deaths, 1) ** 0.5 / years * 1000
        return found

    by = ["sex", {"column": "age", "edges": list(edges)}]
    document = {"kind": "rates", "by": by, "events": "died", "time": "days", "over": "years", "per": 1000}
    return Question(title, document, exact, "rate")


QUESTIONS: Mapping[str, Sequence[Question]] = {
    "population": (
        _regression("Linear: dispensings in five years", "linear", "dispensings", ["age", "sex"]),
        _regression("Logistic: died", "logistic", "died", ["age", "sex", "heart"]),
        _regression("Poisson: episodes, over days", "poisson", "episodes", ["age", "sex"], "days"),
        _survival("Kaplan–Meier by sex, days", 73, 25, (5, 15, 24)),
        _quantiles("Quantiles of age", "age", {"bins": 128}),
        _quantiles("Quantiles of dispensings", "dispensings", {"bins": 256}),
        _counts("Persons by sex and age", tuple(range(0, 111, 10))),
        _rates("Deaths per 1,000 person-years", tuple(range(0, 111, 10))),
    ),
    "nafld": (
        _regression("Linear: body mass index", "linear", "bmi", ["age", "sex"]),
        _regression("Linear: the same, held within 17.1 and 49.5", "linear", NARROW, ["age", "sex"]),
        _regression("Logistic: died", "logistic", "died", ["age", "sex"]),
        _regression("Poisson: diagnoses, over days", "poisson", "diagnoses", ["age", "sex"], "days"),
        _survival("Kaplan–Meier by sex, days", 365, 15, (3, 8, 14)),
        _quantiles("Quantiles of age", "age", {"bins": 128}),
        _quantiles("Quantiles of body mass index", "bmi", {"bins": 256}, step=0.1),
        _counts("Persons by sex and age", (*range(18, 99, 10), 100)),
        _rates("Deaths per 1,000 person-years", (*range(18, 99, 10), 100)),
    ),
}
