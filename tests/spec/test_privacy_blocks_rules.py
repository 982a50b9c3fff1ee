"""What can be asked of blocks of persons, and what is refused before anything is looked at."""

import json

import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.methods.block_vectors import GRID, MIDDLE
from hvelv.privacy.domain.methods.block_work import ESTIMATORS, few
from tests.builders_blocks import a_function, a_regression
from tests.builders_models import a_method

CODE = "def estimate(frame):\n    return [frame['age'].mean()]\n"


def refused(question):
    with pytest.raises(Invalid) as refusal:
        a_method(**question)
    return {problem.field for problem in refusal.value.problems}


def work(**changes):
    given = {"kind": "estimator", "name": "Ridge", "features": ["age"], "target": "pressure"} | changes
    return {"kind": "blocks", "work": given, "numbers": [{"low": -1, "high": 1}, {"low": 0, "high": 200}]}


@pytest.mark.parametrize(
    ("question", "field"),
    [
        (work(name="DummyRegressor"), "work.name"),
        (work(name="os.system"), "work.name"),
        (work(params={"n_jobs": 2}), "work.params"),
        (work(params={"alpha": 1.234}), "work.params"),
        (work(params={"alpha": -1}), "work.params"),
        (work(params={"alpha": True}), "work.params"),
        (work(params={"positive": 1}), "work.params"),
        (work(params={"alpha": [1, 2]}), "work.params"),
        (work(returns="importances"), "work.returns"),
        (work(features=["sex"]), "work.features.0"),
        (work(features=["nobody"]), "work.features.0"),
        (work(features=["age", "age"]), "work.features"),
        (work(target="age"), "work.features"),
        (work(params={"fit_intercept": False}), "numbers"),
        (work() | {"blocks": 73}, "blocks"),
        (work() | {"slot_ms": 1}, "slot_ms"),
        (work() | {"blocks": 1000, "slot_ms": 2000}, "slot_ms"),
        (work() | {"numbers": [{"low": -1, "high": 1}]}, "numbers"),
        (work() | {"numbers": [{"low": 1, "high": 1}, {"low": 0, "high": 1}]}, "numbers.0.low"),
        (work() | {"numbers": [{"low": -1, "high": 1}, {"low": 0, "high": 12.345}]}, "numbers.1.low"),
        (a_function("x = 1"), "work.text"),
        (a_function(CODE + "#" * 20_000), "work.text"),
        (a_function(CODE + "# " + "ø" * 9_990), "work.text"),
        (a_function(CODE, columns=("age", "age")), "work.columns"),
        (a_function(CODE, columns=("nobody",)), "work.columns.0"),
        (a_function(CODE) | {"default": 7}, ""),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_by_its_field(question, field):
    assert any(place.replace(".estimator", "").replace(".code", "").startswith(field) for place in refused(question))


def test_refusals_repeat_nothing_of_the_code():
    with pytest.raises(Invalid) as refusal:
        a_method(**a_function("kari = 'secret'"))
    assert "kari" not in str(refusal.value.problems)
    assert "secret" not in str(refusal.value.problems)


def test_names_of_numbers_are_variables_or_plain_numbers_and_nobodys_words():
    assert a_method(**a_regression()).names == ("age", "smoker", "intercept")
    assert a_method(**a_function(CODE, numbers=3)).names == ("y1", "y2", "y3")
    assert "estimate" not in a_method(**a_function(CODE)).summary


def test_code_leaves_in_no_part_of_an_answer_but_the_question_itself():
    method = a_method(**a_function(CODE))
    doses = method.doses(1_000_000)
    assert "frame" not in json.dumps([method.summary, method.expected(doses), method.warnings(), dict(method.bounds)])


@pytest.mark.parametrize(
    ("number", "is_few"), [(0, True), (120, True), (0.025, True), (1e-05, True), (123, False), (1.05, False)]
)
def test_numbers_that_are_chosen_have_two_digits(number, is_few):
    assert few(number) is is_few


def test_one_person_moves_the_sum_by_the_diagonal_of_the_grid():
    plain, whole = (a_method(**a_function(CODE, numbers=4, spread=spread)).doses(1_000_000) for spread in (False, True))
    assert GRID * 2 <= plain[0].sensitivity <= GRID * 2 * (1 + 1e-12)
    assert [dose.name for dose in whole] == ["sum", "squares", "answered"]
    assert MIDDLE**2 * 2 <= whole[1].sensitivity <= MIDDLE**2 * 2 * (1 + 1e-12)
    assert plain[1].sensitivity == 1.0
    assert sum(dose.rho_micro for dose in whole) == sum(dose.rho_micro for dose in plain) == 1_000_000


@pytest.mark.parametrize("rho", [1, 4, 19])
def test_a_price_that_is_too_small_for_all_parts_is_refused(rho):
    with pytest.raises(ValueError, match="micro-rho"):
        a_method(**a_function(CODE, spread=True)).doses(rho)


def test_the_quote_says_how_long_it_takes():
    said = [str(warning) for warning in a_method(**a_function(CODE, blocks=200, slot_ms=500)).warnings()]
    assert any("'seconds': 100" in one for one in said)


def test_every_estimator_of_the_list_is_one_of_scikit_learns():
    from importlib import import_module

    for name, known in ESTIMATORS.items():
        made = getattr(import_module(known.module), name)()
        assert set(known.params) <= set(made.get_params())
