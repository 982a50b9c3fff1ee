"""Which models can be asked for, and which cannot: one table of each."""

import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.methods.links import Link
from tests.builders_models import a_method

LINEAR = {"kind": "linear", "outcome": "pressure", "terms": ["age", "sex"]}
LOGISTIC = {"kind": "logistic", "outcome": "ill", "terms": ["age", "sex"]}
POISSON = {"kind": "poisson", "outcome": "visits", "terms": ["age", "sex"]}
CORRELATION = {"kind": "correlation", "columns": ["age", "bmi"]}
CLUSTERS = {"kind": "clusters", "columns": ["age", "bmi"], "k": 3}

COEFFICIENTS = {
    "a number and a factor": (LINEAR, ["intercept", "age", "sex m"]),
    "a code as a factor": (LINEAR | {"terms": ["region"]}, ["intercept", "region 2", "region 3", "region 4"]),
    "a code as a number": (LINEAR | {"terms": [{"column": "region"}]}, ["intercept", "region"]),
    "a truth value as a factor": (LINEAR | {"terms": ["smoker"]}, ["intercept", "smoker True"]),
    "tighter bounds": (LINEAR | {"terms": [{"column": "age", "low": 20, "high": 90}]}, ["intercept", "age"]),
    "logistic": (LOGISTIC, ["intercept", "age", "sex m"]),
    "poisson with an offset": (POISSON | {"offset": "days"}, ["intercept", "age", "sex m"]),
    "a column that is made": (
        LINEAR | {"derive": [{"kind": "flag", "name": "x1", "column": "bmi", "op": ">", "value": 30}], "terms": ["x1"]},
        ["intercept", "x1 True"],
    ),
}

REFUSED = {
    "no terms": (LINEAR | {"terms": []}, "terms"),
    "thirteen terms": (LINEAR | {"terms": [f"x{i}" for i in range(1, 14)]}, "terms"),
    "a column that does not exist": (LINEAR | {"terms": ["weight"]}, "terms.0"),
    "a number without bounds": (LINEAR | {"terms": ["free"]}, "terms.0"),
    "bounds off the public grid": (LINEAR | {"terms": [{"column": "age", "low": 21, "high": 90}]}, "terms.0.low"),
    "bounds the wrong way round": (LINEAR | {"terms": [{"column": "age", "low": 90, "high": 20}]}, "terms.0.low"),
    "the outcome as a term": (LINEAR | {"terms": ["pressure"]}, "terms"),
    "a term twice": (LINEAR | {"terms": ["age", {"column": "age"}]}, "terms"),
    "an unknown field": (LINEAR | {"ridge": 3}, ""),
    "a formula": (LINEAR | {"terms": "age + sex"}, "terms"),
    "a text outcome": (LINEAR | {"outcome": "sex"}, "outcome"),
    "a logistic model of a number": (LOGISTIC | {"outcome": "age"}, "outcome"),
    "a logistic model of a code": (LOGISTIC | {"outcome": "sex"}, "outcome"),
    "a poisson outcome that does not begin at nought": (POISSON | {"outcome": "pressure"}, "outcome.low"),
    "an offset of nought": (POISSON | {"offset": "age"}, "offset.low"),
    "an offset in a linear model": (LINEAR | {"offset": "days"}, ""),
    "a correlation of one": (CORRELATION | {"columns": ["age"]}, "columns"),
    "a correlation with itself": (CORRELATION | {"columns": ["age", "age"]}, "columns"),
    "a correlation of codes": (CORRELATION | {"columns": ["age", "sex"]}, "columns.1"),
    "more components than columns": (CORRELATION | {"components": 3}, "components"),
    "one group": (CLUSTERS | {"k": 1}, "k"),
    "eleven groups": (CLUSTERS | {"k": 11}, "k"),
    "groups by nothing": (CLUSTERS | {"columns": []}, "columns"),
    "groups of texts": (CLUSTERS | {"columns": ["sex"]}, "columns.0"),
}


@pytest.mark.parametrize("case", COEFFICIENTS)
def test_a_model_has_a_coefficient_for_each_number_and_each_code_but_the_first(case):
    question, names = COEFFICIENTS[case]
    method = a_method(**question)

    found = [f"{axis.term} {axis.level}".strip() for axis in method.design.axes]

    assert found == names
    assert method.cells == len(names)
    assert [row["name"] for row in method.expected(method.doses(20_000))] == names


@pytest.mark.attack("DP12")
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_bounded_by_public_numbers_is_refused_at_its_field(case):
    question, field = REFUSED[case]

    with pytest.raises(Invalid) as refusal:
        a_method(**question)

    assert any(problem.field.startswith(field) for problem in refusal.value.problems)


@pytest.mark.parametrize("question", [LINEAR, LOGISTIC, POISSON, CORRELATION, CLUSTERS], ids=lambda q: q["kind"])
@pytest.mark.parametrize("rho_micro", [24, 999, 20_000, 10**9])
def test_the_parts_of_a_price_add_up_to_it(question, rho_micro):
    method = a_method(**question, max_rows=5)

    doses = method.doses(rho_micro)

    assert sum(dose.rho_micro for dose in doses) == rho_micro
    assert all(dose.scale >= dose.sensitivity / (2 * dose.rho_micro / 1e6) ** 0.5 for dose in doses)
    assert all(isinstance(row["scale"], float) for row in method.expected(doses))


@pytest.mark.parametrize("question", [LOGISTIC, POISSON, CLUSTERS], ids=lambda q: q["kind"])
def test_a_price_that_leaves_nothing_for_a_step_is_too_small(question):
    with pytest.raises(ValueError, match="micro-rho"):
        a_method(**question).doses(2)


@pytest.mark.parametrize("question", [LINEAR, CORRELATION, CLUSTERS], ids=lambda q: q["kind"])
def test_five_rows_of_a_person_cost_five_times_the_noise(question):
    one, five = (a_method(**question, max_rows=rows).doses(20_000) for rows in (1, 5))

    for a, b in zip(one, five, strict=True):
        assert b.scale == pytest.approx(5 * a.scale)


@pytest.mark.parametrize("axes", [1, 2, 5, 13, 40])
def test_no_mean_makes_a_logistic_row_longer_than_its_bound(axes):
    products = axes * (axes + 1) // 2
    means = [i / 10_000 for i in range(10_001)]

    longest = max(max(m, 1 - m) ** 2 * axes + (m * (1 - m)) ** 2 * products for m in means)

    assert longest <= Link("logistic").square(axes, products) * (1 + 1e-12)
    assert Link("logistic").square(axes, products) <= longest * 1.001
