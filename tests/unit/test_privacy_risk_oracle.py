"""k, l and t against pycanon, on generalised data with one row for each person: small, because pycanon loops over rows."""

import random

import pandas as pd
import pytest

from tests.builders_risk import a_schema, measured

anonymity = pytest.importorskip("pycanon.anonymity")
QUASI = ["age", "sex", "place"]


def some_people(seed, count=300):
    source = random.Random(seed)
    return [
        {
            "pid": person,
            "age": source.choice([20, 40, 60]),
            "sex": source.choice(["f", "m"]),
            "place": source.choice(["north", "south"]),
            "code": source.choice(["I10", "C34", "E11", "J45"]),
            "value": float(source.choice([1, 2, 4, 8, 16])),
        }
        for person in range(count)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_k_l_and_t_are_those_of_pycanon(tmp_path, seed):
    rows = some_people(seed)
    frame = pd.DataFrame(rows).drop(columns="pid")

    report = measured(tmp_path, rows, a_schema(*QUASI, "code", "value"))

    assert report.k == anonymity.k_anonymity(frame, QUASI)
    assert report.k > 1
    for one in report.sensitive:
        about = [one.column]
        assert one.ordered == (one.column == "value")
        assert one.distinct == anonymity.l_diversity(frame, QUASI, about)
        assert int(one.entropy) == anonymity.entropy_l_diversity(frame, QUASI, about)
        assert one.closeness == pytest.approx(anonymity.t_closeness(frame, QUASI, about), abs=1e-6)


def test_ten_rows_of_one_person_are_one_person_alone(tmp_path):
    rows = [{"pid": 1, "age": 20, "sex": "f", "place": "north", "code": c, "value": 1.0} for c in "ABCDEFGHIJ"]
    rows += [{**row, "pid": 2 + n, "age": 40} for n, row in enumerate(rows)]

    report = measured(tmp_path, rows, a_schema(*QUASI, "code", "value"))

    assert (report.k, dict(report.below)[3], report.persons) == (1, 1, 11)
    assert anonymity.k_anonymity(pd.DataFrame(rows), QUASI) == 10  # counted in rows, nobody would be alone


def test_an_empty_extract_and_one_without_quasi_identifiers_have_a_report_too(tmp_path):
    rows = some_people(1, count=20)

    nobody = measured(tmp_path / "a", [], a_schema("age", "code"))
    alike = measured(tmp_path / "b", rows, a_schema("code"))

    assert (nobody.persons, nobody.k, nobody.subsets) == (0, 0, ())
    assert (alike.k, alike.classes, alike.subsets) == (20, 1, ())
