"""Contingency tables: margins that fit, errors that are right, and how far keys depend on each other."""

import itertools
import random

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.methods.margins import Margins, part, subsets
from tests.builders_tables import HOSTILE, ROW, a_method, answer, column, everyone, shape

BANDS = {"column": "age", "edges": [0, 30, 60, 90]}


def a_contingency(**changes):
    return a_method(**{"kind": "contingency", "by": ["sex", "test"]} | changes)


def dependent(count=600, *, seed=3):
    """Return persons whose test depends on their sex."""
    source = random.Random(seed)
    rows = []
    for _ in range(count):
        sex = source.choice("fm")
        test = source.choices([10, 20, 30], [5, 3, 2] if sex == "f" else [2, 3, 5])[0]
        rows.append(ROW | {"sex": sex, "test": test, "age": source.randrange(90)})
    return everyone(rows)


def truth(persons, *names):
    found = {}
    for rows in persons.values():
        key = tuple(rows[0][name] for name in names)
        found[key] = found.get(key, 0) + 1
    return found


# least squares -----------------------------------------------------------------------------------------------------
def matrix(shape, kept):
    """Return M of a margin, written out."""
    cells = list(itertools.product(*map(range, shape)))
    places = list(itertools.product(*(range(shape[a]) for a in sorted(kept))))
    made = np.zeros((len(places), len(cells)))
    for j, cell in enumerate(cells):
        made[places.index(tuple(cell[a] for a in sorted(kept))), j] = 1
    return made


MEASURED = [
    ((2, 3), [{0, 1}, {0}], [4.0, 1.0]),
    ((2, 3, 4), [{0, 1, 2}, {0}, {1, 2}], [9.0, 2.0, 3.0]),
    ((3, 2, 2, 3), [{0, 1, 2, 3}, {0, 1}, {1, 2}, {3}], [2.0, 1.0, 5.0, 0.5]),
]


@pytest.mark.parametrize(("shape", "kept", "variances"), MEASURED)
def test_the_closed_form_is_weighted_least_squares(shape, kept, variances):
    """The oracle: all matrices written out, and numpy's least squares."""
    source = np.random.default_rng(1)
    margins = Margins(shape, tuple(map(frozenset, kept)), tuple(variances))
    matrices = [matrix(shape, some) for some in kept]
    measured = [m @ source.integers(0, 20, m.shape[1]) + source.normal(0, 2, len(m)) for m in matrices]
    weighted = np.vstack([m / v**0.5 for m, v in zip(matrices, variances, strict=True)])
    target = np.concatenate([y / v**0.5 for y, v in zip(measured, variances, strict=True)])

    fitted = margins.fitted(measured)

    assert fitted.ravel() == pytest.approx(np.linalg.lstsq(weighted, target)[0])
    covariance = np.linalg.inv(weighted.T @ weighted)
    for some in subsets(margins.axes):
        m = matrix(shape, some)
        assert np.diagonal(m @ covariance @ m.T) == pytest.approx(np.full(len(m), margins.variance(some)))


@pytest.mark.parametrize(("shape", "kept", "variances"), MEASURED)
def test_without_negatives_is_the_best_of_tables_without_negatives(shape, kept, variances):
    from scipy.optimize import nnls

    source = np.random.default_rng(2)
    margins = Margins(shape, tuple(map(frozenset, kept)), tuple(variances))
    matrices = [matrix(shape, some) for some in kept]
    measured = [m @ source.integers(0, 3, m.shape[1]) + source.normal(0, 3, len(m)) for m in matrices]
    weighted = np.vstack([m / v**0.5 for m, v in zip(matrices, variances, strict=True)])
    target = np.concatenate([y / v**0.5 for y, v in zip(measured, variances, strict=True)])

    found = margins.without_negatives(measured)

    assert found.ravel() == pytest.approx(nnls(weighted, target)[0], abs=1e-3)


def test_parts_of_a_table_add_up_to_it():
    table = np.arange(24.0).reshape(2, 3, 4) ** 1.5

    assert sum(part(table, some) for some in subsets(range(3))) == pytest.approx(table)


# the answer --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("non_negative", [True, False])
@pytest.mark.parametrize("margins", [None, [], [["test"]]])
def test_without_much_noise_the_table_is_the_datas_own(non_negative, margins):
    persons = dependent()
    asked = {} if margins is None else {"margins": margins}

    result = answer(a_contingency(non_negative=non_negative, **asked), persons)

    true = truth(persons, "sex", "test")
    assert column(result, "count") == pytest.approx([true[tuple(row["key"])] for row in result.rows], abs=0.5)
    assert set(result.tables) == {"sex", "test", "total", "association"}


def test_all_margins_fit_the_table():
    method = a_contingency(by=["sex", "test", BANDS], margins=[["sex"], ["test", "age"]])

    result = answer(method, dependent(), 5_000)

    counts = np.reshape(column(result, "count"), (2, 3, 3))
    assert (counts >= 0).all()
    assert column(result, "count", "sex") == pytest.approx(counts.sum(axis=(1, 2)))
    assert column(result, "count", "sex_age") == pytest.approx(counts.sum(axis=1).ravel())
    assert column(result, "count", "total") == pytest.approx([counts.sum()])


def test_intervals_hold_the_truth_as_often_as_they_say():
    persons, method = dependent(), a_contingency(non_negative=False, margins=[["sex"]])
    table, margin = truth(persons, "sex", "test"), truth(persons, "sex")

    runs = [answer(method, persons, 20_000) for _ in range(60)]

    for rows, true, most in (
        ([run.rows for run in runs], table, 0.995),
        ([run.tables["sex"]["rows"] for run in runs], margin, 1.0),  # two cells: all may hold by chance
    ):
        told = [row for some in rows for row in some]
        held = [abs(row["values"]["count"] - true[tuple(row["key"])]) <= row["error95"]["count"] for row in told]
        assert 0.85 <= np.mean(held) <= most


def test_a_margin_that_is_measured_is_less_far_off():
    method, without = a_contingency(shares="margins"), a_contingency(margins=[])
    margin = frozenset({0})

    assert method.margins(method.doses(1_000)).variance(margin) < without.margins(without.doses(1_000)).variance(margin)


@pytest.mark.parametrize(("shares", "first"), [("even", 334), ("cells", 500), ("margins", 250)])
def test_the_price_is_shared_as_was_asked_for(shares, first):
    doses = a_contingency(shares=shares).doses(1_000)

    assert doses[0].rho_micro == first
    assert sum(dose.rho_micro for dose in doses) == 1_000


def test_a_margin_is_moved_by_all_of_a_persons_cells():
    doses = a_contingency(max_rows=2, max_groups=4).doses(1_000)

    assert [round(dose.sensitivity, 6) for dose in doses] == [4, 8, 8]


# association -------------------------------------------------------------------------------------------------------
def test_chi_square_and_v_are_the_textbooks_without_much_noise():
    persons = dependent()
    true = truth(persons, "sex", "test")
    table = np.array([[true[sex, test] for test in (10, 20, 30)] for sex in "fm"])

    row = answer(a_contingency(margins=[]), persons).tables["association"]["rows"][0]

    expected = chi2_contingency(table, correction=False).statistic
    assert row["key"] == ["sex", "test"]
    assert row["values"]["chi_square"] == pytest.approx(expected, rel=0.01)
    assert row["values"]["cramers_v"] == pytest.approx((expected / 600) ** 0.5, rel=0.01)


def test_noise_alone_is_no_association():
    source = random.Random(1)
    rows = [ROW | {"sex": source.choice("fm"), "test": source.choice([10, 20, 30])} for _ in range(3_000)]
    method = a_contingency(margins=[])
    found = [answer(method, everyone(rows), 100).tables["association"]["rows"][0]["values"] for _ in range(10)]

    raw = 6 * method.doses(100)[0].deviation ** 2 / 500  # what noise adds before it is taken off
    assert np.mean([values["chi_square"] for values in found]) < 0.8 * raw
    assert sum(values["cramers_v_low"] < 0.02 for values in found) >= 8


def test_intervals_of_v_hold_the_datas_own_v():
    persons, method = dependent(), a_contingency()
    true = answer(method, persons).tables["association"]["rows"][0]["values"]["cramers_v"]

    runs = [answer(method, persons, 10_000).tables["association"]["rows"][0]["values"] for _ in range(40)]

    assert sum(v["cramers_v_low"] <= true <= v["cramers_v_high"] for v in runs) >= 31


@pytest.mark.attack("DP14")
def test_a_hostile_person_changes_no_shape():
    method, persons = a_contingency(by=["sex", "test", BANDS], max_rows=3, max_groups=2), dependent(20)

    shapes = [shape(answer(method, p, 1_000)) for p in ({}, persons, persons | {99_999: HOSTILE})]

    assert shapes[0] == shapes[1] == shapes[2]


REFUSED = {
    "one key": ({"by": ["sex"]}, "by"),
    "five keys": ({"by": ["sex", "test", "smoker", "age", "day"]}, "by"),
    "one key twice": ({"by": ["sex", "sex"]}, "by"),
    "a key without codes": ({"by": ["sex", "age"], "margins": []}, "by.1"),
    "bins of one's own": ({"by": ["sex", {"column": "age", "edges": [0, 18, 67]}], "margins": []}, "by.1.edges"),
    "a margin of all keys": ({"margins": [["test", "sex"]]}, "margins.0"),
    "a margin of another column": ({"margins": [["smoker"]]}, "margins.0"),
    "a margin twice": ({"margins": [["sex"], ["sex"]]}, "margins"),
    "shares of one's own": ({"shares": 0.123456}, "shares"),
    "more cells than are answered": (
        {"by": [{"column": c, "edges": list(range(10, 51))} for c in ("age", "value", "test")], "margins": []},
        "by",
    ),
}


@pytest.mark.attack("DP06")
@pytest.mark.attack("DP12")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked(name):
    question, field = REFUSED[name]

    with pytest.raises(Invalid) as refusal:
        a_contingency(**question)

    assert [problem.field for problem in refusal.value.problems] == [field]
