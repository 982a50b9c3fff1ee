"""The risk report against a slow model: rows of many per person, missing values, parts cut anywhere between persons."""

import itertools
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvelv.privacy.adapters import risk, risk_buckets, risk_counts, risk_table
from tests.builders_risk import PERSONS, POLICY, Slow, measured

QUASI = ("age", "sex", "place", "day")
ROW = st.fixed_dictionaries(
    {
        "pid": st.integers(0, 12).map(lambda n: n * 2**59 + 7),
        "age": st.sampled_from([30, 31, 32, None]),
        "sex": st.sampled_from(["f", "m"]),
        "place": st.sampled_from(["a", "b", None, ""]),
        "day": st.sampled_from([date(1999, 1, 1), date(2020, 2, 29), None]),
        "code": st.sampled_from(["I10", "C34", None]),
        "value": st.sampled_from([0.0, 0.5, 7.5, 100.0, None]),
        "note": st.just("x"),
    }
)
ROWS = st.lists(ROW, min_size=1, max_size=40)
HELD = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def folders(tmp_path):
    count = itertools.count()
    return lambda: tmp_path / str(next(count))


def holds(report, rows):
    slow = Slow(rows, QUASI)
    assert (report.rows, report.persons, report.classes) == (len(rows), len(slow.persons), len(slow.classes))
    assert report.k == min(slow.smallest.values())
    assert report.below == tuple((limit, slow.below(limit)) for limit in (3, 5, 10))
    assert report.small == pytest.approx(slow.below(POLICY.min_k) / len(slow.persons))
    assert {s.columns: s.persons for s in report.subsets} == {
        names: slow.alone(names) for size in (1, 2, 3) for names in itertools.combinations(QUASI, size)
    }
    chances = [1 / size for size in slow.smallest.values()]
    assert report.prosecutor.average == pytest.approx(sum(chances) / len(chances))
    assert report.prosecutor.highest == max(chances)
    assert report.prosecutor.above == pytest.approx(sum(c > POLICY.max_highest for c in chances) / len(chances))
    assert sum(persons for _from, _to, persons in report.sizes) == report.persons
    for one in report.sensitive:
        found = one.distinct, one.entropy, one.closeness, one.exposed
        assert found == pytest.approx(slow.sensitive(one.column, ordered=one.ordered), abs=1e-7), one.column


@HELD
@given(rows=ROWS, cuts=st.lists(st.integers(0, 13).map(lambda n: n * 2**59), max_size=3))
def test_the_report_is_that_of_a_slow_model_however_the_parts_are_cut(folders, rows, cuts):
    holds(measured(folders(), rows, cuts=cuts), rows)


@HELD
@given(rows=ROWS)
def test_the_report_is_the_same_when_little_fits_in_memory(folders, rows):
    with pytest.MonkeyPatch.context() as patch:
        for module in (risk, risk_buckets):
            patch.setattr(module, "IN_MEMORY", 5)
        patch.setattr(risk, "DENSE", 8)
        patch.setattr(risk_counts, "WIDER", 8)
        patch.setattr(risk_table, "BATCH", 3)
        holds(measured(folders(), rows), rows)


@HELD
@given(rows=ROWS)
def test_the_report_is_the_same_when_codes_do_not_fit_in_one_word(folders, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(risk_table, "WIDEST", 1)  # every number is looked up
        patch.setattr(risk_counts, "WORD", 8)  # and what is packed is packed by place
        patch.setattr(risk, "DENSE", 0)
        holds(measured(folders(), rows), rows)


@HELD
@given(rows=ROWS, others=ROWS)
def test_the_risk_among_all_counts_the_class_in_the_whole_register(folders, rows, others):
    population = [*rows, *({**row, "pid": row["pid"] + 1} for row in others)]
    report = measured(folders(), rows, population=population)
    slow, whole = Slow(rows, QUASI), Slow(population, QUASI)
    rarest = {p: min(len(whole.classes[key]) for key, who in slow.classes.items() if p in who) for p in slow.persons}
    chances = [1 / size for size in rarest.values()]

    assert report.population == len(whole.persons)
    assert report.journalist.average == pytest.approx(sum(chances) / len(chances))
    assert report.journalist.highest == max(chances)


def test_every_column_that_is_measured_is_in_the_schema_of_these_tests():
    assert {c.name for c in PERSONS.columns if c.role in {"quasi_identifier", "date"}} == set(QUASI)
