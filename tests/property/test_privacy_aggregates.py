"""Take any one person away: nothing changes by more than the price assumes, and the answer keeps its shape."""

import math
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hvelv.kernel.errors import Unavailable
from hvelv.privacy.adapters.aggregate import bounded_totals
from hvelv.privacy.domain.accounting import doses, sensitivity, sensitivity1
from hvelv.privacy.domain.methods.tables import rows_of
from tests.builders_privacy import a_plan, an_extract_file

NAN, INF = float("nan"), float("inf")
rows = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["f", "m", "x", None]),
        "age": st.sampled_from([None, -5, 0, 17, 18, 66, 67, 110, 2**40, -(2**62)]),
        "value": st.sampled_from([None, NAN, INF, -INF, -0.0, 0.05, 12.3, 49.99, 50.0, 1e300, -1e300, 5e-324]),
        "test": st.sampled_from([10, 20, 30, 40, None]),
    }
)
people = st.dictionaries(st.integers(0, 2**64 - 1), st.lists(rows, min_size=1, max_size=12), min_size=1, max_size=6)
MEASURES = [
    {"kind": "count"},
    {"kind": "sum", "column": "value", "low": 0, "high": 50},
    {"kind": "mean", "column": "value", "low": 10, "high": 50},
    {"kind": "mean", "column": "age", "low": 11, "high": 110},
    {"kind": "persons"},
    {"kind": "variance", "column": "value", "low": 0, "high": 50},
]
KEYS = st.sampled_from(
    [
        [],
        ["sex"],
        ["sex", "test"],
        [{"column": "age", "edges": [0, 18, 36, 54, 67]}, "sex"],
        [{"column": "value", "edges": [0, 25, 50]}],
    ]
)
WHERE = st.sampled_from(
    [
        [],
        [{"column": "age", "op": ">=", "value": 18}],
        [{"column": "sex", "op": "!=", "value": "f"}],
        [{"column": "value", "op": "!=", "value": 12.3}, {"column": "test", "op": "in", "value": [10, 30]}],
    ]
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def totals(persons, plan, *, batch=1 << 18):
    written = [{"pid": pid} | row for pid in sorted(persons) for row in persons[pid]]
    with tempfile.TemporaryDirectory() as folder:
        return bounded_totals([an_extract_file(Path(folder) / "x.parquet", written)], plan, batch=batch)


def cut(persons, plan, at, *, wide):
    """Return the totals over files cut between persons, with pseudonyms of 8 bytes or of 16."""
    ordered = sorted(persons)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, some in enumerate((ordered[:at], ordered[at:])):
            rows = [{"pid": pid} | row for pid in some for row in persons[pid]]
            path = an_extract_file(Path(folder) / f"{number}.parquet", rows)
            if wide:
                table = pq.read_table(path)
                pids = [(pid // 2).to_bytes(8, "big") + pid.to_bytes(8, "big") for pid in table["pid"].to_pylist()]
                pq.write_table(table.set_column(0, "pid", pa.array(pids, pa.binary(16))), path)
            paths.append(path)
        return bounded_totals(paths, plan, batch=3)


def check_neighbours(persons, away, plan):
    with_all = np.array(totals(persons, plan), dtype=object)
    without = np.array(totals({pid: r for pid, r in persons.items() if pid != away}, plan), dtype=object)
    for part, difference in zip(plan.parts, with_all - without, strict=True):
        moved = math.sqrt(sum(int(d) ** 2 for d in difference))
        assert moved <= sensitivity(part, plan.ask.max_rows, plan.ask.max_groups)
        assert sum(abs(int(d)) for d in difference) <= sensitivity1(part, plan.ask.max_rows, plan.ask.max_groups)


@pytest.mark.attack("DP11")
@pytest.mark.attack("DP14")
@FEW
@given(people, st.data(), KEYS, WHERE, st.integers(1, 4), st.integers(1, 4))
def test_one_person_moves_no_vector_further_than_its_sensitivity(  # noqa: PLR0917 - drawn by position
    persons, data, by, where, max_rows, max_groups
):
    plan = a_plan(by=by, where=where, measures=MEASURES, max_rows=max_rows, max_groups=max_groups)

    check_neighbours(persons, data.draw(st.sampled_from(sorted(persons))), plan)


@pytest.mark.attack("DP11")
def test_a_person_with_a_thousand_rows_counts_as_everybody_else():
    row = {"sex": "f", "age": 50, "value": 50.0, "test": 10}
    persons = {1: [row], 2: [row] * 1000, 3: [row]}
    plan = a_plan(measures=MEASURES[:2], max_rows=2)

    assert totals(persons, plan) == [[4, 0], [4 * 500, 0]]
    check_neighbours(persons, 2, plan)


@FEW
@given(people, KEYS, st.integers(1, 3), st.integers(1, 3), st.integers(0, 6), st.booleans())
def test_files_cut_between_persons_and_wide_pseudonyms_change_no_total(  # noqa: PLR0917 - drawn by position
    persons, by, max_rows, max_groups, at, wide
):
    plan = a_plan(by=by, measures=MEASURES, max_rows=max_rows, max_groups=max_groups)

    assert cut(persons, plan, at, wide=wide) == totals(persons, plan)


def test_wide_pseudonyms_in_the_wrong_order_are_refused(tmp_path):
    rows = [{"pid": 1, "sex": "f"}, {"pid": 2, "sex": "f"}]
    table = pq.read_table(an_extract_file(tmp_path / "x.parquet", rows))
    for pids in ([b"\1" * 16, b"\0" * 16], [b"\1" * 16, b"\1" * 15 + b"\0"]):
        pq.write_table(table.set_column(0, "pid", pa.array(pids, pa.binary(16))), tmp_path / "x.parquet")
        for batch in (1, 2):
            with pytest.raises(Unavailable):
                bounded_totals([tmp_path / "x.parquet"], a_plan(), batch=batch)


@FEW
@given(people, KEYS, st.integers(1, 3), st.integers(1, 3), st.integers(1, 5))
def test_a_person_cut_by_a_batch_is_one_person(persons, by, max_rows, max_groups, batch):
    plan = a_plan(by=by, measures=MEASURES, max_rows=max_rows, max_groups=max_groups)

    assert totals(persons, plan, batch=batch) == totals(persons, plan)


@pytest.mark.attack("DP17")
@FEW
@given(people, st.randoms(use_true_random=False))
def test_no_order_of_a_persons_rows_changes_a_sum_that_all_rows_are_in(persons, source):
    plan = a_plan(by=[], measures=MEASURES[1:3], max_rows=100)
    shuffled = {pid: source.sample(r, len(r)) for pid, r in persons.items()}

    assert totals(shuffled, plan) == totals(persons, plan)


@FEW
@given(people, KEYS, st.integers(1, 3), st.integers(1, 3))
def test_the_fast_pass_says_the_same_as_a_plain_loop(persons, by, max_rows, max_groups):
    """The oracle: written from the text of the rule, in exact fractions, without Arrow, numpy or numba."""
    plan = a_plan(by=by, measures=MEASURES, max_rows=max_rows, max_groups=max_groups)
    cells = {key: i for i, key in enumerate(plan.cell_keys())}
    expected = [[0] * plan.cells for _ in plan.parts]
    for own in persons.values():
        counted = {}
        for row in own:
            key = plain_key(plan, row)
            if key is None or (key not in counted and len(counted) == plan.ask.max_groups):
                continue
            counted[key] = counted.get(key, 0) + 1
            for i, part in enumerate(plan.parts):
                if counted[key] <= part.rows(plan.ask.max_rows):
                    expected[i][cells[key]] += plain_part(part, row)

    assert totals(persons, plan) == expected


def plain_key(plan, row):
    found = []
    for key in plan.ask.keys:
        value = row[key.name]
        if value is None or not math.isfinite(value if not isinstance(value, str) else 0):
            return None
        if key.codes:
            if value not in key.codes:
                return None
            found.append(value)
            continue
        if not key.edges[0] <= value <= key.edges[-1]:
            return None
        place = sum(value >= edge for edge in key.edges[1:-1])
        found.append(key.labels[place])
    return tuple(found)


def plain_part(part, row):
    if part.kind in {"rows", "persons"}:
        return 1
    value = row[part.column.name]
    there = value is not None and math.isfinite(value)
    if part.kind == "present":
        return int(there)
    if not there:
        return 0
    exact = Fraction(repr(value)) / part.step if isinstance(value, float) else Fraction(value) / part.step
    moved = min(max(round(exact), part.low), part.high) - part.origin
    return moved**2 if part.kind == "square" else moved


@pytest.mark.attack("DP14")
@pytest.mark.parametrize("value", [NAN, INF, -INF, None])
def test_what_is_no_number_never_passes_a_clamp(value):
    row = {"sex": "f", "age": 50, "value": value, "test": 10}
    plan = a_plan(by=[], measures=MEASURES[1:3])

    assert totals({1: [row]}, plan) == [[0], [0], [0]]


@pytest.mark.attack("DP14")
def test_an_answer_has_the_same_shape_whoever_is_in_the_data():
    plan = a_plan(by=["sex", "test"], measures=MEASURES)
    row = {"sex": "f", "age": 50, "value": 1.0, "test": 10}
    shapes = set()
    for persons in ({}, {1: [row]}, {1: [row | {"value": NAN, "age": None, "sex": None}]}):
        answer = rows_of(plan, doses(plan, 1_000), totals(persons, plan))
        shapes.add(str([(r["key"], sorted(r["values"]), sorted(r["error95"])) for r in answer]))

    assert len(shapes) == 1


def test_a_file_in_another_order_is_refused(tmp_path):
    row = {"sex": "f", "age": 50, "value": 1.0, "test": 10}
    path = an_extract_file(tmp_path / "x.parquet", [{"pid": pid} | row for pid in (1, 2, 1)])

    with pytest.raises(Unavailable):
        bounded_totals([path], a_plan())
    with pytest.raises(Unavailable):
        bounded_totals([path], a_plan(), batch=2)
