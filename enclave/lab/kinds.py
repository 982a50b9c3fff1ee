"""What can be asked of rows: each closing verb is a measure of a table, or a question of another kind."""

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from hvelv.enclave.lab.asking import Question, Rows
from hvelv.enclave.lab.columns import Col, Column, column_of
from hvelv.enclave.lab.door import Refused
from hvelv.enclave.lab.scope import Source

Number = Column | Mapping[str, Any]  # a column within its public bounds, or one that `clamp` holds within narrower ones
QUARTILES = (0.25, 0.5, 0.75)
ROW_FIELDS = frozenset(each.name for each in fields(Rows))


@dataclass(frozen=True, repr=False)
class Query(Rows):
    """A question to one table: rows kept, groups, measures, and the bounds on what one person can add."""

    measures: tuple[dict[str, Any], ...] = ()

    # tables --------------------------------------------------------------------------------------------------------
    def count(self) -> "Query":
        """Ask how many rows."""
        return self._measure("count")

    def persons(self) -> "Query":
        """Ask how many persons."""
        return self._measure("persons")

    def sum(self, column: Column, *, low: float, high: float) -> "Query":
        """Ask for the sum of `column`, each value held within [low, high]: narrower bounds, smaller error.

        The bounds are the declared ones, or twentieths of the way between them.
        """
        return self._measure("sum", column, low, high)

    def mean(self, column: Column, *, low: float, high: float) -> "Query":
        """Ask for the mean of `column`, each value held within [low, high]."""
        return self._measure("mean", column, low, high)

    def variance(self, column: Column, *, low: float, high: float) -> "Query":
        """Ask for the variance of `column`, each value held within [low, high]."""
        return self._measure("variance", column, low, high)

    def std(self, column: Column, *, low: float, high: float) -> "Query":
        """Ask for the standard deviation of `column`, each value held within [low, high]."""
        return self._measure("std", column, low, high)

    def histogram(self, column: Column, edges: Sequence[float]) -> "Query":
        """Ask how many rows in each bin [e0, e1), [e1, e2) … of `column`: equally wide, within its bounds, 50 at most."""
        return self.by(column, edges=edges).count()

    def with_noise(self, noise: str) -> "Query":
        """Choose the noise: "gaussian" or "laplace"; the quote says which is smaller."""
        return replace(self, options={**self.options, "noise": noise})

    def expecting(self, rows: int) -> "Query":
        """Guess, from what is publicly known, how many rows a cell has: the quote gives errors in per cent of it."""
        return replace(self, options={**self.options, "expected": rows})

    def _measure(self, kind: str, column: Column | None = None, low: float = 0, high: float = 0) -> "Query":
        scope = self._scope()
        of = {} if column is None else {"column": scope.resolved(column_of(column)), "low": low, "high": high}
        measure = {"kind": kind, **of}
        return self if measure in self.measures else self._with(scope, measures=(*self.measures, measure))

    def _asked(self) -> dict[str, Any]:
        bounds = {"max_rows": 1, "max_groups": 1, **self.options}
        return {**self._rows(), "by": list(self.groups), "measures": list(self.measures), **bounds}

    def _wanted(self) -> str:
        asked = (m["kind"] + (f" av {self._shown(m['column'])}" if "column" in m else "") for m in self.measures)
        return ", ".join(asked) or "ingen mål ennå"

    # other kinds -----------------------------------------------------------------------------------------------------
    def ask(self, kind: str, **asked: Any) -> Question:
        """Ask a question of any kind in the fields of its JSON form; `Col("age")` is a column, None leaves a field out."""
        if self.measures:
            raise Refused("Dette kan ikke stå sammen med andre mål.", remedy="Still ett spørsmål av gangen.")
        scope = self._scope()
        given = {key: scope.resolved(each) for key, each in asked.items() if each is not None}
        rows = {name: getattr(self, name) for name in ROW_FIELDS}
        return Question(**rows | {"names": scope.names, "derived": tuple(scope.derive)}, fields={"kind": kind, **given})

    def quantiles(
        self, column: Column, at: Sequence[float] = QUARTILES, *, low: float | None = None, high: float | None = None, bins: int | None = None
    ) -> Question:  # fmt: skip
        """Ask for quantiles of a number, with its histogram and cumulative shares in `tables`."""
        return self.ask("distribution", column=column_of(column), low=low, high=high, bins=bins, quantiles=list(at))

    def ecdf(
        self, column: Column, *, low: float | None = None, high: float | None = None, bins: int | None = None
    ) -> Question:
        """Ask for the cumulative distribution of a number: `tables["ecdf"]`."""
        return self.ask("distribution", column=column_of(column), low=low, high=high, bins=bins)

    def contingency(self, *, margins: Sequence[Sequence[str]] | None = None, shares: str | None = None) -> Question:
        """Ask for a contingency table of what it is grouped by, consistent with its margins, and how strongly they go together."""
        named = None if margins is None else [[Col(each) for each in margin] for margin in margins]
        return self.ask("contingency", margins=named, shares=shares)

    def open_counts(self, *, most: int | None = None, noise: str | None = None) -> Question:
        """Ask for counts by columns without public codes: only what many persons have is shown."""
        return self.ask("open", most=most, noise=noise)

    def rates(
        self, events: Column | None = None, *, time: Column | None = None, per: int | None = None, over: str | None = None,
        events_high: float | None = None, time_high: float | None = None,
        standard: tuple[Column, str | Sequence[int]] | None = None, compare: tuple[Column, Any] | None = None,
    ) -> Question:  # fmt: skip
        """Ask for rates of events over persons or over `time`; `standard=("age", "esp2013")`; `compare=("sex", "f")`."""
        return self.ask(
            "rates", events=_maybe(events), events_high=events_high, time=_maybe(time), time_high=time_high, over=over, per=per,
            standard=_standard(standard),
            compare=None if compare is None else {"column": column_of(compare[0]), "reference": compare[1]},
        )  # fmt: skip

    def survival(self, *, time: Column, event: Column, width: int, intervals: int) -> Question:
        """Ask for survival curves: `event` true means that it came at `time`, false that one was followed until then."""
        return self.ask("survival", time=column_of(time), event=column_of(event), width=width, intervals=intervals)

    def linear(self, outcome: Number, *terms: Number) -> Question:
        """Ask for a linear regression. A term with public codes is a factor; `clamp("age", 20, 90)` is always a number."""
        return self.ask("linear", outcome=_number(outcome), terms=[_number(each) for each in terms])

    def logistic(self, outcome: Column, *terms: Number) -> Question:
        """Ask for a logistic regression of a truth value."""
        return self.ask("logistic", outcome=column_of(outcome), terms=[_number(each) for each in terms])

    def poisson(self, outcome: Number, *terms: Number, offset: Number | None = None) -> Question:
        """Ask for a Poisson regression of a count; the log of `offset` (time, say) is added."""
        given = None if offset is None else _number(offset)
        return self.ask("poisson", outcome=_number(outcome), terms=[_number(each) for each in terms], offset=given)

    def correlation(self, *columns: Number, components: int | None = None) -> Question:
        """Ask for the correlations of numbers."""
        return self.ask("correlation", columns=[_number(each) for each in columns], components=components)

    def pca(self, *columns: Number, components: int = 2) -> Question:
        """Ask for principal components of numbers: `tables["components"]` and `tables["loadings"]`."""
        return self.correlation(*columns, components=components)

    def clusters(self, *columns: Number, k: int) -> Question:
        """Ask for `k` clusters of rows (k-means)."""
        return self.ask("clusters", columns=[_number(each) for each in columns], k=k)

    def transitions(self) -> Question:
        """Ask how often each event follows each: after `.steps(…)`."""
        return self.ask("pathways")

    def time_to_next(self, bins: Sequence[float]) -> Question:
        """Ask how long it takes from each event to the next, in bins of days, too: after `.steps(…)`."""
        return self.ask("pathways", bins=list(bins))

    def top_paths(self, top: int | None = None) -> Question:
        """Ask for the commonest sequences: after `.paths(…)`."""
        return self.ask("pathways", top=top)

    def synthetic(
        self, *, rows: int | None = None, pairs: Sequence[tuple[str, str]] | None = None, shares: str | None = None
    ) -> Question:
        """Ask for rows that are nobody's, with the margins of what it is grouped by and of `pairs` (all, unless said)."""
        named = None if pairs is None else [[Col(each) for each in pair] for pair in pairs]
        return self.ask("synthetic", rows=rows, pairs=named, shares=shares)

    def blocks(
        self, work: Any, columns: Sequence[str], *, target: str | None = None, numbers: Sequence[tuple[float, float]],
        blocks: int = 200, slot_ms: int | None = None, spread: bool | None = None, returns: str | None = None,
    ) -> Question:  # fmt: skip
        """Ask for what a function or a scikit-learn estimator makes of persons: run on blocks of persons, and averaged.

        `work`: a function of a DataFrame with `columns` that returns as many numbers as `numbers` has bounds, or an
        estimator, which is fitted to `columns` and `target`. Its source is sent, not what it has seen here.
        """
        some = [Col(each) for each in columns]
        made = _estimator(work, some, target, returns) if hasattr(work, "get_params") else _code(work, some)
        bounds = [{"low": low, "high": high} for low, high in numbers]
        return self.ask("blocks", work=made, numbers=bounds, blocks=blocks, slot_ms=slot_ms, spread=spread)


def _maybe(column: Column | None) -> Any:
    return None if column is None else column_of(column)


def _number(number: Number) -> Any:
    return dict(number) if isinstance(number, Mapping) else column_of(number)


def _standard(asked: tuple[Column, str | Sequence[int]] | None) -> dict[str, Any] | None:
    if asked is None:
        return None
    column, population = asked
    named = isinstance(population, str)
    return {
        "column": column_of(column),
        "population" if named else "weights": population if named else list(population),
    }


def _estimator(work: Any, features: list[Col], target: str | None, returns: str | None) -> dict[str, Any]:
    """Return an estimator by its class's name and the parameters that are not the usual ones."""
    if target is None:
        raise Refused("En estimator trenger målet den skal tilpasses.", remedy='Skriv target="…".')
    usual = type(work)().get_params()
    params = {key: each for key, each in work.get_params().items() if usual[key] is not each and usual[key] != each}
    told = returns or ("importances" if hasattr(type(work), "feature_importances_") else "coefficients")
    asked = {"kind": "estimator", "name": type(work).__name__, "params": params, "features": features}
    return asked | {"target": Col(target), "returns": told}


def _code(work: Callable[..., Any] | str, columns: list[Col]) -> dict[str, Any]:
    """Return a function by its source. Raises `Refused` without one."""
    pairs = tuple((str(each), each) for each in columns)
    if isinstance(work, str):
        return {"kind": "code", "columns": columns, "text": Source(work, "estimate", pairs)}
    remedy = "Skriv den med def i en celle, uten dekoratorer, eller gi den som tekst."
    try:
        text = textwrap.dedent(inspect.getsource(work))
    except (OSError, TypeError):
        raise Refused("Funksjonens kildekode finnes ikke.", remedy=remedy) from None
    if not text.startswith("def "):
        raise Refused("Funksjonen må være skrevet med def.", remedy=remedy)
    return {"kind": "code", "columns": columns, "text": Source(text, work.__name__, pairs)}
