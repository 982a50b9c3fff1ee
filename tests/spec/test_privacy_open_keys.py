"""Unknown keys: what is told passes a threshold, and delta is charged for the chance that it should not have."""

import dataclasses
import math

import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.adapters.noise import NotCovered, OpenDPNoise
from hvelv.privacy.domain.accounting import delta_of, pure_of, threshold_dose
from hvelv.privacy.domain.measuring import OpenCells
from hvelv.privacy.domain.methods.open_keys import DELTA_FEMTO
from hvelv.privacy.domain.schema import Column, Schema
from tests.builders_privacy import TABLE
from tests.builders_tables import HOSTILE, ROW, a_method, answer, everyone

NOISE = OpenDPNoise()
KINDS = ["gaussian", "laplace"]
PLACES = Schema(
    TABLE,
    (
        Column("sex", "string", "quasi_identifier"),
        Column("age", "integer", "quasi_identifier"),
        Column("test", "integer", "attribute", categories=(10, 20, 30)),
        Column("value", "decimal", "sensitive", low=0, high=50, step=0.1),
    ),
)


def an_open(**changes):
    return a_method(**{"kind": "open", "by": ["sex"], "schema": PLACES} | changes)


def some(counts):
    return everyone([ROW | {"sex": sex} for sex, count in counts.items() for _ in range(count)])


@pytest.mark.parametrize("noise", KINDS)
def test_what_many_have_is_told_and_what_few_have_is_not(noise):
    persons = some({"Oslo": 800, "Bergen": 500, "Utsira": 3, "Kari Nordmann, 01018012345": 1})

    for _ in range(20):
        result = answer(an_open(noise=noise), persons, 20_000)

        assert [row["key"] for row in result.rows] == [["Oslo"], ["Bergen"]]
        assert result.rows[0]["values"]["count"] == pytest.approx(800, abs=200)


def test_the_commonest_come_first_and_no_more_than_asked_for():
    result = answer(an_open(most=10), some({f"s{i:02d}": 40 + 10 * i for i in range(30)}))

    assert [row["key"][0] for row in result.rows] == [f"s{i}" for i in range(29, 19, -1)]
    assert [note["params"] for note in result.notes][1] == {"passed": 30, "shown": 10}


def test_combinations_come_back_as_the_values_they_are_of():
    persons = everyone([ROW | {"sex": "Oslo", "age": -4, "test": 20}] * 60)

    assert [row["key"] for row in answer(an_open(by=["sex", "age"]), persons).rows] == [["Oslo", -4]]
    assert [row["key"] for row in answer(an_open(by=["test", "age"]), persons).rows] == [[20, -4]]


@pytest.mark.attack("DP14")
@pytest.mark.parametrize("sex", ["", "a\x1fb", "x\n", "y" * 101, "\u202eabc", None])
def test_texts_that_are_no_keys_are_not_counted(sex):
    assert answer(an_open(), everyone([ROW | {"sex": sex}] * 200)).rows == []


@pytest.mark.attack("DP11")
@pytest.mark.parametrize("noise", KINDS)
def test_a_person_with_a_thousand_rows_brings_no_key_out(noise):
    assert answer(an_open(noise=noise), {1: [ROW | {"sex": "mine"}] * 1_000}, 1_000).rows == []
    assert answer(an_open(noise=noise, max_rows=3, max_groups=4), {1: HOSTILE}, 1_000).rows == []


# the price ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("noise", KINDS)
@pytest.mark.parametrize("rho", [2, 1_000, 50_000, 10**6, 10**9])
@pytest.mark.parametrize(("max_rows", "max_groups"), [(1, 1), (2, 3), (100, 20)])
@pytest.mark.parametrize("delta", [10**3, DELTA_FEMTO, 10**6])
def test_every_threshold_is_covered_by_price_and_delta(noise, rho, max_rows, max_groups, delta):
    dose = threshold_dose("keys", OpenCells((), max_rows, max_groups), rho, delta, noise)

    assert NOISE.draw_keys(dose, {"one": 1}) in ({}, NOISE.draw_keys(dose, {}) | {})
    assert dose.threshold > max_rows


@pytest.mark.attack("DP06")
@pytest.mark.parametrize("noise", KINDS)
@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 2},
        {"delta_femto": 0},
        {"delta_femto": 1},
        {"groups": 10**9},
        {"each": 500, "sensitivity": 1e9},
        {"scale": 1.0},
        {"rho_micro": 1},
    ],
)
def test_a_threshold_that_covers_less_than_was_paid_is_not_drawn(noise, change):
    dose = threshold_dose("keys", OpenCells((), 2, 3), 1_000, DELTA_FEMTO, noise)

    with pytest.raises(NotCovered):
        NOISE.draw_keys(dataclasses.replace(dose, **change), {"one": 10**6})


def test_a_key_of_one_person_passes_as_seldom_as_delta_says():
    """With a delta so large that it can be seen: one in a hundred."""
    dose = threshold_dose("keys", OpenCells((), 1, 1), 100_000, 10**13, "gaussian")

    told = sum("mine" in NOISE.draw_keys(dose, {"mine": 1}) for _ in range(4_000))

    assert told <= 40 + 5 * math.sqrt(40)


def test_delta_is_told_and_pure_epsilon_is_not():
    doses = an_open(noise="laplace").doses(1_000)

    assert delta_of(doses) == DELTA_FEMTO
    assert pure_of(doses) is None


REFUSED = {
    "a column that never leaves": ({"by": ["note"], "schema": None}, "by.0"),
    "the pseudonym": ({"by": ["pid"]}, "by.0"),
    "a decimal number": ({"by": ["value"]}, "by.0"),
    "a date": ({"by": ["day"], "schema": None}, "by.0"),
    "public codes alone": ({"by": ["test"]}, "by"),
    "one column twice": ({"by": ["sex", "sex"]}, "by"),
    "no column": ({"by": []}, "by"),
    "three columns": ({"by": ["sex", "age", "test"]}, "by"),
    "a number of one's own": ({"most": 37}, "most"),
    "a delta of one's own": ({"delta": 0.1}, "delta"),
    "a threshold of one's own": ({"threshold": 1}, "threshold"),
}


@pytest.mark.attack("DP06")
@pytest.mark.attack("DP12")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked(name):
    question, field = REFUSED[name]
    if question.get("schema", PLACES) is None:
        from tests.builders_privacy import EXTRACT_SCHEMA

        question = question | {"schema": EXTRACT_SCHEMA}

    with pytest.raises(Invalid) as refusal:
        an_open(**question)

    expected = "" if field in {"delta", "threshold"} else field
    assert [problem.field for problem in refusal.value.problems] == [expected]
