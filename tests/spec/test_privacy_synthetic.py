"""Synthetic rows: margins as in the data, no dependence that is not there, and no row at all where they do not fit."""

import random

import numpy as np
import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.methods import synthetic_gate
from hvelv.privacy.domain.methods.fitting import fitted, rounded
from hvelv.privacy.domain.questions import KINDS
from hvelv.privacy.domain.sql import question_in
from tests.builders_tables import HOSTILE, ROW, a_method, answer, column, everyone, shape

BANDS = {"column": "age", "edges": [0, 30, 60, 90]}
THIRDS = {"column": "value", "edges": [0, 20, 40, 50]}
HALVES = {"column": "value", "edges": [0, 25, 50]}
FINE = [
    {"column": name, "edges": [low + step * k for k in range(51)]}
    for name, low, step in (("age", 0, 2), ("test", 10, 1))
]
PRICE = 20_000


def a_synthetic(**changes):
    return a_method(**{"kind": "synthetic", "by": ["sex", "test", BANDS, HALVES]} | changes)


def some_persons(count=3_000, *, dependent=False, seed=5):
    """Return persons whose test depends on their sex, or whose columns have nothing to do with each other."""
    source = random.Random(seed)
    rows = []
    for _ in range(count):
        sex = source.choice("fm")
        weights = ([6, 3, 1] if sex == "f" else [1, 3, 6]) if dependent else [1, 1, 1]
        test = source.choices([10, 20, 30], weights)[0]
        rows.append(ROW | {"sex": sex, "test": test, "age": source.randrange(90), "value": source.choice([10.0, 40.0])})
    return everyone(rows)


def drawn(result, *axes):
    """Return the synthetic counts, or their margin along some axes."""
    table = np.reshape(column(result, "count"), (2, 3, 3, 2))
    return table.sum(axis=tuple(a for a in range(4) if a not in axes)) if axes else table


def dependence(pair):
    """Return how far (total variation) a pair is from independence."""
    shares = pair / pair.sum()
    return np.abs(shares - np.outer(shares.sum(axis=1), shares.sum(axis=0))).sum() / 2


# rows --------------------------------------------------------------------------------------------------------------
def test_without_much_noise_every_pair_is_as_in_the_data():
    persons = some_persons(dependent=True)

    result = answer(a_synthetic(), persons)

    true = np.zeros((2, 3))
    for rows in persons.values():
        true["fm".index(rows[0]["sex"]), rows[0]["test"] // 10 - 1] += 1
    assert drawn(result, 0, 1) == pytest.approx(true, abs=12)
    assert sum(column(result, "count")) == 3_000
    assert max(column(result, "tvd", "fit")) < 0.01
    assert min(column(result, "kept", "fit")) > 0.9


def test_dependence_that_is_there_is_found_with_noise():
    result = answer(a_synthetic(), some_persons(dependent=True), PRICE)

    assert dependence(drawn(result, 0, 1)) == pytest.approx(0.25, abs=0.06)


def test_independent_columns_do_not_come_out_dependent():
    """The findings saw 0.38 between columns that had nothing to do with each other."""
    persons = some_persons()
    for price in (PRICE, 2_000):
        table = drawn(answer(a_synthetic(), persons, price), 0, 1, 2, 3)

        for left, right in ((0, 1), (0, 2), (1, 2), (2, 3)):
            assert dependence(table.sum(axis=tuple({0, 1, 2, 3} - {left, right}))) < 0.06


def test_pairs_that_are_not_measured_follow_from_those_that_are():
    result = answer(a_synthetic(pairs=[["sex", "test"]]), some_persons(dependent=True))

    assert [row["key"] for row in result.tables["fit"]["rows"]] == [["sex", "test"]]
    assert dependence(drawn(result, 0, 1)) > 0.2
    assert dependence(drawn(result, 1, 2)) < 0.02


def test_as_many_rows_as_are_asked_for():
    result = answer(a_synthetic(rows=1_200), some_persons(), PRICE)

    assert sum(column(result, "count")) == 1_200


def test_of_many_combinations_the_rows_come_one_by_one():
    method = a_synthetic(by=["sex", *FINE, THIRDS], rows=500, pairs=[["sex", "test"], ["sex", "value"]])

    result = answer(method, some_persons(dependent=True))

    assert result.keys == ("row", "sex", "age", "test", "value")
    assert [row["key"][0] for row in result.rows] == list(range(1, 501))
    assert method.cells == 500
    women = [row["key"][3] for row in result.rows if row["key"][1] == "f"]
    assert sum(label == "[10, 11)" for label in women) / len(women) == pytest.approx(0.6, abs=0.12)


# the gate ----------------------------------------------------------------------------------------------------------
def refuses(result, method):
    """Say whether an answer has no rows, and all of its margins."""
    margins = {name: len(table["rows"]) for name, table in result.tables.items()}
    assert margins == {"fit": 6, "total": 1, "one_way": 10, "two_way": 37}
    assert None not in column(result, "count", "two_way")
    assert result.notes[-1]["params"]["pairs"] == 6
    assert len(result.rows) == method.cells
    told = {count is None for count in column(result, "count")}
    assert told == {result.notes[-1]["params"]["refused"] > 0}
    return told == {True}


def entangled(table):
    """Return a table with the same margins of one key, and dependence of the last two that nobody measured."""
    return table * (1 + 0.9 * np.array([[1, -1], [-1, 1], [0, 0]]))


INVENTED = {
    "fitted": lambda alone, wanted: entangled(fitted(alone, wanted)),
    "rounded": lambda expected, draws: rounded(entangled(expected), draws),
}


def test_rows_that_fit_are_given():
    method = a_synthetic()

    assert not refuses(answer(method, some_persons(dependent=True), PRICE), method)


@pytest.mark.parametrize("name", INVENTED)
def test_dependence_that_is_invented_is_refused(monkeypatch, name):
    monkeypatch.setattr(synthetic_gate, name, INVENTED[name])
    method = a_synthetic()

    assert refuses(answer(method, some_persons(dependent=True), PRICE), method)


def test_dependence_that_is_lost_is_refused(monkeypatch):
    monkeypatch.setattr(synthetic_gate, "fitted", lambda alone, _wanted: fitted(alone, {}))
    method = a_synthetic()

    assert refuses(answer(method, some_persons(dependent=True), PRICE), method)


@pytest.mark.parametrize(("persons", "price"), [({}, PRICE), (some_persons(20), 100), (some_persons(900), 100)])
def test_rows_that_would_be_noise_are_refused(persons, price):
    method = a_synthetic()
    result = answer(method, persons, price)

    assert refuses(result, method)


def test_the_quote_says_how_many_rows_there_must_be():
    method = a_synthetic()
    one, two = method.expected(method.doses(PRICE))

    least = two["least_rows"]

    margins = method.margins(method.doses(PRICE))
    far = [synthetic_gate.limit(frozenset(pair), margins, least + 1) for pair in method.pairs]
    assert max(far) <= synthetic_gate.MOST_FAR
    assert (
        max(synthetic_gate.SLACK + synthetic_gate.noise(frozenset(p), margins) / (least - 2) for p in method.pairs)
        > 0.25
    )
    assert (one["name"], two["name"]) == ("one_way", "two_way")


@pytest.mark.attack("DP14")
def test_a_hostile_person_changes_no_shape():
    few = some_persons(20)
    for question in ({"max_rows": 3}, {"by": ["sex", *FINE, THIRDS], "rows": 50, "pairs": [["sex", "test"]]}):
        method = a_synthetic(**question)
        forms = [form(answer(method, persons, 1_000)) for persons in ({}, few, few | {99_999: HOSTILE})]

        assert forms[0] == forms[1] == forms[2]
        assert form(answer(method, some_persons())) == forms[0]  # rows are given here


def form(result):
    """Return the shape without what the lines of rows are: these are drawn."""
    keys, rows, *others = shape(result)
    return keys, [(len(key), *names) for key, *names in rows], *others


# margins -----------------------------------------------------------------------------------------------------------
def test_margins_fit_each_other_and_their_intervals_hold():
    persons, method = some_persons(400, dependent=True), a_synthetic()
    true = column(answer(method, persons), "count", "two_way")

    held = []
    for _run in range(30):
        result = answer(method, persons, PRICE)
        pairs, total = np.array(column(result, "count", "two_way")), column(result, "count", "total")
        assert pairs[:6].sum() == pytest.approx(pairs[6:12].sum()) == pytest.approx(total[0])
        assert column(result, "count", "one_way")[:2] == pytest.approx(pairs[:6].reshape(2, 3).sum(axis=1))
        errors = [row["error95"]["count"] for row in result.tables["two_way"]["rows"]]
        held += (np.abs(pairs - np.rint(true)) <= errors).tolist()
    assert 0.88 <= np.mean(held) <= 0.995


@pytest.mark.parametrize(("shares", "first"), [("even", 100), ("one_way", 125), ("two_way", 25)])
def test_the_price_is_shared_as_was_asked_for(shares, first):
    doses = a_synthetic(shares=shares).doses(1_000)

    assert doses[0].rho_micro == first
    assert sum(dose.rho_micro for dose in doses) == 1_000


@pytest.mark.parametrize("max_rows", [1, 4])
def test_a_person_moves_each_margin_by_as_many_rows_as_count(max_rows):
    method = a_synthetic(max_rows=max_rows)

    assert [round(dose.sensitivity, 6) for dose in method.doses(1_000)] == [max_rows] * 10
    assert (method.ask.grouped, method.ask.max_groups, method.ask.max_rows) == (0, 1, max_rows)
    assert method.bounds == {"max_rows": max_rows}


# what cannot be asked ----------------------------------------------------------------------------------------------
WIDE = {"column": "value", "edges": list(range(51))}
REFUSED = {
    "one key": ({"by": ["sex"]}, "by"),
    "nine keys": ({"by": ["sex"] * 9}, "by"),
    "one key twice": ({"by": ["sex", "sex"]}, "by"),
    "a key without codes": ({"by": ["sex", "age"]}, "by.1"),
    "bins of one's own": ({"by": ["sex", {"column": "age", "edges": [0, 18, 67]}]}, "by.1.edges"),
    "a pair of one": ({"pairs": [["sex", "sex"]]}, "pairs.0"),
    "a pair of another column": ({"pairs": [["sex", "smoker"]]}, "pairs.0"),
    "a pair twice": ({"pairs": [["sex", "test"], ["test", "sex"]]}, "pairs"),
    "no pairs": ({"pairs": []}, "pairs"),
    "many digits": ({"rows": 1_234}, "rows"),
    "too many rows": ({"rows": 110_000}, "rows"),
    "shares of one's own": ({"shares": 0.5}, "shares"),
    "groups of a person": ({"max_groups": 2}, "max_groups"),
    "lines without a number": ({"by": ["sex", *FINE, THIRDS], "pairs": [["sex", "test"]]}, "rows"),
    "more lines than are answered": (
        {"by": ["sex", *FINE, THIRDS], "pairs": [["sex", "test"]], "rows": 20_000},
        "rows",
    ),
    "more cells than are answered": (
        {
            "by": ["x1", *FINE],
            "pairs": [["x1", "age"], ["x1", "test"]],
            "rows": 100,
            "derive": [{"kind": "date", "name": "x1", "column": "day", "part": "year", "low": 1910, "high": 2009}],
        },
        "by",
    ),
    "too many combinations": (
        {
            "by": ["sex", "x1", *FINE, WIDE],
            "pairs": [["sex", "test"]],
            "rows": 100,
            "derive": [{"kind": "date", "name": "x1", "column": "day", "part": "month"}],
        },
        "by",
    ),
    "too many places": (
        {
            "by": ["sex", "x1"],
            "derive": [{"kind": "date", "name": "x1", "column": "day", "part": "year", "low": 1900, "high": 2100}],
        },
        "by.1",
    ),
}


@pytest.mark.attack("DP06")
@pytest.mark.attack("DP12")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked(name):
    question, field = REFUSED[name]

    with pytest.raises(Invalid) as refusal:
        a_synthetic(**question)

    assert [problem.field for problem in refusal.value.problems] == [field]


def test_it_can_be_asked_in_sql():
    found = question_in("SELECT SYNTHETIC(rows => 1000, pairs => [[sex, test]]) FROM labs GROUP BY sex, test", KINDS)

    assert found.document["by"] == ["sex", "test"]
    assert (found.document["kind"], found.document["rows"], found.document["pairs"]) == (
        "synthetic",
        1_000,
        [["sex", "test"]],
    )
