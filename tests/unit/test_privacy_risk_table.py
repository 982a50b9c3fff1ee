"""What risk is measured on: codes in two bytes or four, repetitions, and the buckets of persons with several rows."""

from itertools import combinations

import pyarrow as pa
import pytest

from hvelv.privacy.adapters import risk, risk_buckets, risk_table
from hvelv.privacy.adapters.risk_codes import coding, listed
from tests.builders_risk import Slow, a_schema, measured, some_parts

QUASI = ("age", "sex")


def person(number, age, sex="f", **more):
    return {"pid": number, "age": age, "sex": sex, **more}


def test_as_many_rows_as_persons_is_not_taken_for_one_row_each(tmp_path, monkeypatch):
    ages = [(20, 20), (20, 30), (20,), (30,), (30, 40), (40, 40), (50,), (60,), (60, 70), (70,)]
    rows = [
        person(number, age, code="ABC"[(number + place) % 3])
        for number, own in enumerate(ages)
        for place, age in enumerate(own)
    ]
    slow = Slow(rows, QUASI)
    for limit in range(1, len(rows) + 1):  # so many rows in a bucket: some bucket has a row for each of the persons
        for module in (risk, risk_buckets):
            monkeypatch.setattr(module, "IN_MEMORY", limit)
        report = measured(tmp_path / str(limit), rows, a_schema(*QUASI, "code"))
        one = report.sensitive[0]

        assert (one.distinct, one.entropy, one.closeness, one.exposed) == pytest.approx(
            slow.sensitive("code", ordered=False), abs=1e-7
        )


def test_rows_that_a_person_repeats_are_gathered_once_and_the_parts_rows_are_told(tmp_path):
    rows = [person(1, 20), person(1, 20), person(1, 30), person(1, 20), person(2, 20), person(2, 20)]
    schema = a_schema(*QUASI)

    told = risk.PolarsMeasurer().gather(some_parts(tmp_path / "parts", rows), schema, tmp_path / "gathered")

    table = risk_table.Table(tmp_path / "gathered", schema, {})
    assert (told, table.persons, table.rows) == (6, 2, 3)


def test_more_values_than_two_bytes_can_tell_apart_are_told_apart(tmp_path):
    rows = [person(number, number // 2, value=float(number % 3)) for number in range(140_000)]

    report = measured(tmp_path, rows, a_schema(*QUASI, "value"))

    assert (report.persons, report.classes, report.k) == (140_000, 70_000, 2)
    assert {one.columns: one.persons for one in report.subsets} == {
        names: 0 for size in (1, 2) for names in combinations(QUASI, size)
    }


@pytest.mark.parametrize(
    ("column", "codes", "values"),
    [
        (pa.array([True, None, False]), [2, 0, 1], [False, True]),
        (pa.array([1.5, -0.0, 0.0, None]), [2, 1, 1, 0], [0.0, 1.5]),
        (pa.array([None, None], pa.int64()), [0, 0], []),
        (pa.array([None, None], pa.string()), [0, 0], []),
        (pa.array([5, 2**40, None, -(2**62)]), [2, 3, 0, 1], [-(2**62), 5, 2**40]),
        (pa.array([12, None, 10]), [3, 0, 1], [10, 11, 12]),
        (pa.array([-(2**63), 1 - 2**63]), [1, 2], [-(2**63), 1 - 2**63]),
        (pa.array(["b", "a", None, ""]), [3, 2, 0, 1], ["", "a", "b"]),
        (pa.array(["b", None, "a"]).dictionary_encode(), [2, 0, 1], ["a", "b"]),
    ],
)
def test_a_column_is_listed_with_missing_first_and_its_values_ascending(column, codes, values):
    found = listed(column, risk_table.WIDEST)

    assert (found.indices.to_pylist(), found.dictionary.to_pylist()) == (codes, [None, *values])


def test_a_value_that_a_coding_does_not_know_has_the_code_after_the_last():
    made = coding([pa.array([None, 1, 3]), pa.array([None, 3, 7])])

    assert made.codes(pa.array([7, 2, None, 1])).tolist() == [3, made.radix, 0, 1]
