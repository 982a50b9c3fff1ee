"""Pathways against plain loops over each person's events, and errors that keep what they promise."""

import random
from itertools import pairwise
from statistics import median

import numpy as np
import pytest

from tests.builders_rates import PATHS, ROW, STEPS, a_method, answer, by_key, simulated

SOURCE = random.Random(9)
CODES = ("a", "b", "c")
PEOPLE = {
    pid: [
        ROW
        | {"sex": "fm"[pid % 2], "code": SOURCE.choice([*CODES, "ø", None]), "day": SOURCE.choice([None, *range(900)])}
        for _event in range(SOURCE.randrange(5))
    ]
    for pid in range(1, 1200)
}
BINS = [0, 100, 200, 300, 360]


def walk(events):
    """Return a person's (code, day) in time."""
    there = [(e["day"], CODES.index(e["code"])) for e in events if e["day"] is not None and e["code"] in CODES]
    return [(CODES[place], day) for day, place in sorted(there)]


def steps(end):
    """Return all steps: (from, to, days)."""
    found = []
    for own in map(walk, PEOPLE.values()):
        found += [(a, b, min(then - day, 360)) for (a, day), (b, then) in pairwise(own)]
        found += [(own[-1][0], "end", None)] if own and end else []
    return found


@pytest.mark.parametrize("end", [False, True])
def test_steps_are_counted_and_shared_out_among_where_they_lead(end):
    question = STEPS | {"of": STEPS["of"] | {"end": end}, "max_rows": 10, "max_groups": 12}
    result, expected = answer(a_method(**question), PEOPLE), steps(end)

    values = by_key(result)
    assert set(values) == {(a, b) for a in CODES for b in (*CODES, *(["end"] if end else []))}
    for (a, b), found in values.items():
        count = sum(step[:2] == (a, b) for step in expected)
        assert found["count"] == pytest.approx(count, abs=5)
        assert found["probability"] == pytest.approx(count / sum(step[0] == a for step in expected), abs=0.02)


def test_times_to_the_next_event_are_those_of_the_steps():
    question = STEPS | {"bins": BINS, "max_rows": 10, "max_groups": 9}
    result = answer(a_method(**question), PEOPLE)

    for (a, b), found in by_key(result, "median").items():
        days = [step[2] for step in steps(end=False) if step[:2] == (a, b)]
        assert found["median_low"] - 1 <= median(days) <= found["median_high"] + 1
        counts = [
            by_key(result, "times")[a, b, label] for label in ("[0, 100)", "[100, 200)", "[200, 300)", "[300, 360]")
        ]
        expected = np.histogram(days, BINS)[0]
        assert [c["count"] for c in counts] == pytest.approx(expected.tolist(), abs=5)
        assert sum(c["share"] for c in counts) == pytest.approx(1)


def test_a_person_counts_in_so_many_kinds_of_step_and_no_more():
    restless = {1: [ROW | {"code": "abc"[i % 3], "day": i} for i in range(90)]}
    question = STEPS | {"max_rows": 2, "max_groups": 2}

    found = by_key(answer(a_method(**question), restless))

    assert sum(values["count"] for values in found.values()) == pytest.approx(4, abs=2)


def test_the_most_frequent_paths_come_first():
    result = answer(a_method(**PATHS | {"top": 5}), PEOPLE)
    counted = {}
    for own in map(walk, PEOPLE.values()):
        path = " > ".join(list(dict.fromkeys(code for code, _day in own))[:3])
        counted[path] = counted.get(path, 0) + bool(path)
    highest = sorted(counted.values(), reverse=True)[:5]

    assert [row["key"][0] for row in result.rows] == [1, 2, 3, 4, 5]
    assert [row["values"]["count"] for row in result.rows] == pytest.approx(highest, abs=1)
    assert all(counted[row["key"][1]] == pytest.approx(row["values"]["count"], abs=1) for row in result.rows)


def test_errors_of_the_most_frequent_hold_for_all_of_them_at_once():
    method, source = a_method(**PATHS | {"top": 5}), np.random.default_rng(4)
    exact = np.array([300, 200, 200, 200, 0, *([5] * 10)])
    labels, held = method.keys[-1].labels, 0
    for _run in range(300):
        rows = simulated(method, [exact], 1_000, source).rows
        held += all(
            abs(row["values"]["count"] - exact[labels.index(row["key"][1])]) <= row["error95"]["count"] for row in rows
        )

    assert held / 300 >= 0.9


def test_errors_of_counts_and_probabilities_hold():
    method, source = a_method(**STEPS, max_groups=3), np.random.default_rng(6)
    exact, hits, runs = np.array([500, 300, 200, 10, 900, 90, 0, 0, 800]), 0, 0
    truth = exact / np.repeat(exact.reshape(3, 3).sum(axis=1), 3)
    for _run in range(200):
        for row, share in zip(simulated(method, [exact], 20_000, source).rows, truth, strict=True):
            runs += 1
            hits += abs(row["values"]["probability"] - share) <= row["error95"]["probability"]

    assert hits / runs >= 0.9


@pytest.mark.attack("DP14")
def test_steps_from_where_noise_alone_could_be_have_no_probability():
    method = a_method(**STEPS)
    work = method.work(method.doses(1_000))
    next(work)
    with pytest.raises(StopIteration) as done:
        work.send([[-3, 2, 1, 0, 0, 0, 9_000, 500, 500]])

    shares = [row["values"]["probability"] for row in done.value.value.rows]
    assert shares == [None] * 6 + [pytest.approx(0.9), pytest.approx(0.05), pytest.approx(0.05)]


def test_steps_can_be_told_apart_by_a_linked_column():
    link = {"table": "patients", "columns": [{"kind": "value", "name": "x1", "column": "sex"}]}
    result = answer(a_method(**STEPS, links=[link], by=["x1"], max_rows=10, max_groups=9), PEOPLE)

    both = by_key(result)
    assert {key[0] for key in both} == {"f", "m"}
    women = [own for pid, own in PEOPLE.items() if pid % 2 == 0]
    count = sum(a[0] == "a" and b[0] == "b" for own in map(walk, women) for a, b in pairwise(own))
    assert both["f", "a", "b"]["count"] == pytest.approx(count, abs=4)
