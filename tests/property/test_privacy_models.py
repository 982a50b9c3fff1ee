"""Models: whoever is taken away moves no vector further than its noise assumes, and leaves all others' parts as they were."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hvelv.kernel.canonical import canonical
from hvelv.privacy.domain.measuring import Step
from tests.builders_models import a_cohort, a_method, answer, exact

NAN, INF = float("nan"), float("inf")
QUESTIONS = {
    "linear": {"kind": "linear", "outcome": "pressure", "terms": ["age", "sex", "region", {"column": "bmi", "low": 15, "high": 40}]},
    "logistic": {"kind": "logistic", "outcome": "ill", "terms": ["age", "bmi", "sex", "smoker"]},
    "poisson": {"kind": "poisson", "outcome": {"column": "visits", "low": 0, "high": 20}, "terms": ["age", "sex"], "offset": "days"},
    "correlation": {"kind": "correlation", "columns": ["age", "bmi", "pressure"], "components": 2},
    "clusters": {"kind": "clusters", "columns": ["age", "bmi"], "k": 3},
}  # fmt: skip
rows = st.fixed_dictionaries(
    {
        "age": st.sampled_from([None, -5, 0, 50, 100, 101, 2**40, -(2**62)]),
        "bmi": st.sampled_from([None, NAN, INF, -INF, -0.0, 10.0, 34.9, 60.0, 1e300, -1e300, 5e-324]),
        "pressure": st.sampled_from([None, NAN, 60.0, 150.0, 240.0, 1e300, -1e300]),
        "sex": st.sampled_from(["f", "m", "x", None]),
        "region": st.sampled_from([1, 2, 4, 9, None]),
        "smoker": st.sampled_from([True, False, None]),
        "ill": st.sampled_from([True, False, None]),
        "visits": st.sampled_from([None, -3, 0, 1, 20, 40, 2**50]),
        "days": st.sampled_from([None, 0, 100, 700, 2000, 2**33]),
    }
)
people = st.lists(st.lists(rows, min_size=1, max_size=6), min_size=1, max_size=5)
FEW = settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # a step is a file: shrinking takes minutes
    suppress_health_check=list(HealthCheck),
)


def table(persons):
    """Return the columns of the persons' rows, and whose they are."""
    found = [(number, row) for number, own in enumerate(persons, 1) for row in own]
    names = ("age", "bmi", "pressure", "sex", "region", "smoker", "ill", "visits", "days")
    return {name: [row[name] for _number, row in found] for name in names}, [number for number, _row in found]


def totals(persons, method, ask):
    columns, pids = table(persons)
    return [np.array(part, dtype=object) for part in exact(columns, method, ask, pids=pids)]


def looks(persons, method, rho_micro, source):
    """Yield every step that the method takes on the persons' rows, with the noise that is foretold."""
    work = method.work(method.doses(rho_micro))
    step: Step = next(work)
    while True:
        yield step
        noisy = [
            [int(value) + round(source.gauss(0, dose.scale)) for value in part]
            for dose, part in zip(step.doses, totals(persons, method, step.ask), strict=True)
        ]
        try:
            step = work.send(noisy)
        except StopIteration:
            return


@pytest.mark.attack("DP11")
@pytest.mark.attack("DP14")
@pytest.mark.attack("DP17")
@pytest.mark.parametrize("kind", QUESTIONS)
@FEW
@given(people, st.data(), st.integers(1, 3), st.sampled_from([20_000, 10**9]), st.integers(0, 2**32).map(random.Random))
def test_one_person_moves_no_step_further_than_its_noise_assumes_and_nobody_elses_part(  # noqa: PLR0917 - drawn by position
    kind, persons, data, max_rows, rho_micro, source
):
    method = a_method(**QUESTIONS[kind], max_rows=max_rows)
    away = data.draw(st.integers(0, len(persons) - 1))
    others = [[] if number == away else own for number, own in enumerate(persons)]
    alone = [own if number == away else [] for number, own in enumerate(persons)]

    for step in looks(persons, method, rho_micro, source):
        together, left, only = (totals(some, method, step.ask) for some in (persons, others, alone))
        for dose, all_of, rest, own in zip(step.doses, together, left, only, strict=True):
            assert (all_of - rest == own).all()
            assert math.sqrt(sum(int(value) ** 2 for value in own)) <= dose.sensitivity


@pytest.mark.attack("DP12")
@pytest.mark.parametrize("kind", QUESTIONS)
@FEW
@given(people, st.integers(0, 2**32).map(random.Random))
def test_what_is_measured_is_what_was_foretold_whatever_the_data(kind, persons, source):
    method = a_method(**QUESTIONS[kind])

    steps = list(looks(persons, method, 20_000, source))

    assert [dose for step in steps for dose in step.doses] == list(method.doses(20_000))
    assert sum(dose.rho_micro for dose in method.doses(20_000)) == 20_000
    for step in steps:
        assert step.ask.max_rows == 1


def shape(result):
    """Return all of a result but its numbers."""

    def of(given):
        return [(row["key"], sorted(row["values"]), sorted(row["error95"])) for row in given]

    tables = {name: (found["keys"], of(found["rows"])) for name, found in result.tables.items()}
    return canonical([list(result.keys), of(result.rows), tables, list(result.notes), dict(result.picture)])


LIKELY = {"age": 50, "bmi": 25.0, "pressure": 120.0, "sex": "f", "region": 1, "smoker": False, "ill": False, "visits": 1, "days": 500}  # fmt: skip
HOSTILE = {"age": -(2**62), "bmi": INF, "pressure": NAN, "sex": "x", "region": 9, "smoker": None, "ill": None, "visits": 2**50, "days": 0}  # fmt: skip


def several(persons):
    """Return persons of whom a model can be told, one row each."""
    columns = a_cohort(persons)
    return [[{name: columns[name][i].item() for name in LIKELY}] for i in range(persons)]


@pytest.mark.attack("DP14")
@pytest.mark.parametrize("rho_micro", [20_000, 10**9])
@pytest.mark.parametrize("kind", QUESTIONS)
def test_an_answer_has_the_same_shape_whoever_is_in_the_data(kind, rho_micro):
    crowd = several(2_000)
    shapes = set()
    for persons in ([[]], [[LIKELY]], [[HOSTILE]], crowd, [*crowd, [HOSTILE] * 1_000], [*crowd, [LIKELY] * 1_000]):
        columns, pids = table(persons)
        result = answer(columns, rho_micro, pids=pids, **QUESTIONS[kind])
        shapes.add(shape(result))
        canonical([result.rows, dict(result.tables)])  # plain finite numbers and None

    assert len(shapes) == 1


def asks_of(method):
    """Return what a method asks for, with coefficients and centres from one end to the other."""
    if hasattr(method, "ask"):
        return [method.ask]
    if hasattr(method, "size"):
        return [method.step(np.full((method.question.k, method.size), at)) for at in (-1.0, 0.3, 1.0)]
    return [method.model.moments(), *map(method.model.step, slopes(method.cells))]


@pytest.mark.parametrize("kind", QUESTIONS)
def test_no_row_is_longer_than_its_bound_and_one_at_the_bounds_nearly_is(kind):
    """A bound that is too low would leave rows out; one that is much too high would be paid for in noise."""
    asks = asks_of(a_method(**QUESTIONS[kind]))
    source = np.random.default_rng(1)
    for ask in asks:
        corners = itertools.product(
            *[(amount.low, (amount.low + amount.high) // 3, amount.high) for amount in ask.amounts],
            *[range(len(key.codes)) for key in ask.positions],
        )
        names = [amount.column.name for amount in ask.amounts] + [key.name for key in ask.positions]
        rows_there = np.array(list(corners), dtype=np.int64)
        inner = [source.integers(amount.low, amount.high + 1, 500) for amount in ask.amounts]
        inner += [source.integers(0, len(key.codes), 500) for key in ask.positions]
        rows_there = np.concatenate([rows_there, np.stack(inner, axis=1)])
        made = ask.make({name: rows_there[:, i] for i, name in enumerate(names)}).astype(float)

        longest = np.sqrt((made**2).sum(axis=1)).max()
        assert longest <= ask.bound
        assert longest >= 0.95 * ask.bound or ask is not asks[0]


def slopes(size):
    """Return coefficients that take a row's mean from one end to the other."""
    return [np.full(size, far) for far in (-8.0, -1.0, -0.3, 0.0, 0.2, 0.3, 0.5, 1.0, 8.0)]


@pytest.mark.attack("DP17")
@pytest.mark.parametrize("kind", QUESTIONS)
def test_no_order_and_no_company_of_rows_changes_a_sum(kind):
    columns = a_cohort(300)
    method, source = a_method(**QUESTIONS[kind]), np.random.default_rng(3)
    order = source.permutation(300)
    shuffled = {name: np.asarray(values)[order] for name, values in columns.items()}
    asks = asks_of(method)

    for ask in asks:
        parts = [
            exact({name: values[a : a + 61] for name, values in shuffled.items()}, method, ask)
            for a in range(0, 300, 61)
        ]
        assert exact(columns, method, ask) == np.sum(np.array(parts, dtype=object), axis=0).tolist()
