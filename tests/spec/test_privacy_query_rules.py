"""What can be asked, and what cannot: one table of each."""

import json
import time

import pytest

from hvelv.kernel.errors import Invalid
from hvelv.operation.demo_data import DIAGNOSES, LABORATORY, POPULATION
from hvelv.privacy.domain.checking import conditions_of, scale_of
from hvelv.privacy.domain.documents import document_from
from hvelv.privacy.domain.plan import plan
from hvelv.privacy.domain.query import rho_from
from hvelv.privacy.domain.questions import query_from
from hvelv.privacy.domain.schema import Column, Schema
from hvelv.privacy.domain.source import filters_from
from hvelv.privacy.domain.transforms import combined, transformed, transforms_from
from hvelv.privacy.service.releases import key_from
from tests.builders_privacy import EXTRACT_SCHEMA, TABLE, a_query, labs_schema

COUNT = {"kind": "count"}


def a_sum(**changes):
    return {"kind": "sum", "column": "value", "low": 0, "high": 50} | changes


def where(column, op, value):
    return {"where": [{"column": column, "op": op, "value": value}]}


def bins(column, edges):
    return {"by": [{"column": column, "edges": edges}]}


ALLOWED = {
    "a count of everybody": {"by": []},
    "codes in a list": where("sex", "in", ["f", "m"]),
    "an integer compared": where("age", ">=", 18),
    "a decimal compared with a whole number": where("value", "<", 7),
    "a date compared": where("day", ">", "2015-12-31"),
    "a truth value": where("smoker", "==", True),
    "a truth value as a key": {"by": ["smoker"]},
    "an integer code as a key": {"by": ["test"]},
    "bins": bins("age", [0, 18, 36, 54, 72, 90, 108]),
    "bins of which the last is narrower": bins("age", [0, 50, 100, 110]),
    "bins in tenths": bins("value", [0.3, 0.6, 0.9, 1.1]),
    "fifty bins": bins("age", list(range(51))),
    "a sum within the declared bounds": {"measures": [a_sum(low=2.5, high=20)]},
    "a mean": {"measures": [a_sum(kind="mean")]},
    "three keys": {"by": ["sex", "smoker", "test"]},
}

REFUSED = {
    # form
    "an unknown field": ({"sql": "select 1"}, ""),
    "a number for a name": ({"dataset": 3}, "dataset"),
    "a path for a name": ({"dataset": "../etc/passwd"}, "dataset"),
    "an unknown measure": ({"measures": [{"kind": "max", "column": "value"}]}, "measures.0"),
    "no measure": ({"measures": []}, "measures"),
    "seven measures": ({"measures": [COUNT] * 7}, "measures"),
    "five keys": ({"by": ["sex", "smoker", "test", "sex", "sex"]}, "by"),
    "thirteen filters": ({"where": where("age", ">", 1)["where"] * 13}, "where"),
    "a text for a count of rows": ({"max_rows": "2"}, "max_rows"),
    "a truth value for a count of rows": ({"max_rows": True}, "max_rows"),
    "no row for each person": ({"max_rows": 0}, "max_rows"),
    "101 rows for each person": ({"max_rows": 101}, "max_rows"),
    "21 groups for each person": ({"max_groups": 21}, "max_groups"),
    "an expression for an operator": (where("age", "or 1=1", 3), "where.0.op"),
    "a nested value": (where("age", "in", [[1]]), "where.0.value"),
    "an empty list": (where("age", "in", []), "where.0.value"),
    "an integer of 400 digits": (where("age", ">", 10**400), "where.0.value"),
    "a number next to zero": (where("value", ">", 5e-324), "where.0.value"),
    "a number beyond all": (where("value", ">", 1e308), "where.0.value"),
    "a text of 201 letters": (where("sex", "==", "f" * 201), "where.0.value"),
    # columns
    "a column that is not there": (where("salary", ">", 1), "where.0.column"),
    "a filter on the person": (where("person_number", "==", "01810112345"), "where.0.column"),
    "a filter on a name": (where("name", "==", "Kari"), "where.0.column"),
    "a filter on the pseudonym": (where("pid", "==", 1), "where.0.column"),
    "the pseudonym as a key": ({"by": ["pid"]}, "by.0"),
    "a free text as a key": ({"by": ["note"]}, "by.0"),
    "a key without public codes": ({"by": ["age"]}, "by.0"),
    "a date as a key": ({"by": ["day"]}, "by.0"),
    "one key twice": ({"by": ["sex", "sex"]}, "by"),
    # values
    "a code that is not public": (where("sex", "==", "x"), "where.0.value"),
    "a text for a number": (where("age", ">", "18"), "where.0.value"),
    "a truth value for a number": (where("age", ">", True), "where.0.value"),
    "a number for a truth value": (where("smoker", "==", 1), "where.0.value"),
    "an order of codes": (where("sex", "<", "m"), "where.0.op"),
    "a list without in": (where("age", "==", [1]), "where.0.value"),
    "in without a list": (where("age", "in", 1), "where.0.value"),
    "not a date": (where("day", ">", "2015-13-01"), "where.0.value"),
    # bins and bounds
    "falling edges": (bins("age", [10, 5]), "by.0.edges"),
    "equal edges": (bins("age", [5, 5]), "by.0.edges"),
    "one edge": (bins("age", [5]), "by.0"),
    "bins of codes": (bins("sex", [0, 1]), "by.0.column"),
    "51 bins": (bins("age", list(range(52))), "by.0.edges"),
    "102 edges": (bins("age", list(range(102))), "by.0"),
    "an edge below the declared low": (bins("age", [-10, 0, 10]), "by.0.edges"),
    "an edge above the declared high": (bins("age", [100, 105, 111]), "by.0.edges"),
    "an edge between two whole numbers": (bins("age", [0, 18.5]), "by.0.edges"),
    "an edge next to a step": (bins("value", [0, 0.1 + 0.2]), "by.0.edges"),
    "an edge with a message in its decimals": (bins("value", [0, 12.345678901234567]), "by.0.edges"),
    "bins of several widths": (bins("age", [0, 18, 67]), "by.0.edges"),
    "a narrow bin that is not the last": (bins("age", [0, 5, 15, 25]), "by.0.edges"),
    "bins without public bounds": (bins("unbounded", [0, 1]), "by.0.column"),
    "more than 10,000 cells": (
        {"by": [{"column": c, "edges": list(range(10, 60))} for c in ("age", "value", "test")]},
        "by",
    ),
    "bounds wider than declared": ({"measures": [a_sum(high=51)]}, "measures.0.low"),
    "bounds lower than declared": ({"measures": [a_sum(low=-1)]}, "measures.0.low"),
    "bounds turned round": ({"measures": [a_sum(low=9, high=8)]}, "measures.0.low"),
    "no room between the bounds": ({"measures": [a_sum(low=9, high=9)]}, "measures.0.low"),
    "bounds between two steps": ({"measures": [a_sum(low=0.05)]}, "measures.0.low"),
    "bounds left out": ({"measures": [{"kind": "sum", "column": "value"}]}, "measures.0"),
    "bounds asked of the data": ({"measures": [a_sum(low="min", high="max")]}, "measures.0"),
    "a sum without public bounds": ({"measures": [a_sum(column="unbounded", low=0, high=1)]}, "measures.0.column"),
    "a sum of codes": ({"measures": [a_sum(column="sex")]}, "measures.0.column"),
    "one measure twice": ({"measures": [a_sum(), a_sum(high=10)]}, "measures"),
    "a low bound beside the public ones": ({"measures": [a_sum(low=2.6)]}, "measures.0.low"),
    "a high bound beside the public ones": ({"measures": [a_sum(high=49.9)]}, "measures.0.high"),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_can_be_asked(name):
    assert plan(query_from(a_query(**ALLOWED[name])), EXTRACT_SCHEMA).cells >= 1


@pytest.mark.attack("DP06")
@pytest.mark.attack("DP12")
@pytest.mark.attack("DP18")
@pytest.mark.parametrize("name", REFUSED)
def test_cannot_be_asked(name):
    changes, field = REFUSED[name]

    with pytest.raises(Invalid) as refusal:
        plan(query_from(a_query(**changes)), EXTRACT_SCHEMA)

    assert refusal.value.problems
    assert refusal.value.problems[0].field.startswith(field)


@pytest.mark.attack("DP06")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_a_number_is_refused_wherever_it_stands(value):
    for changes in (where("value", ">", value), bins("age", [0, value]), {"measures": [a_sum(high=value)]}):
        with pytest.raises(Invalid):
            query_from(a_query(**changes))


@pytest.mark.attack("DP06")
@pytest.mark.parametrize("rho", [0, -1, 1.5, True, "1", None, float("nan"), float("inf"), 5e-324, 10**400, [1]])
def test_a_price_is_a_whole_positive_number_of_micro_rho(rho):
    with pytest.raises(Invalid) as refusal:
        rho_from(rho)

    assert refusal.value.problems[0].field == "rho_micro"


@pytest.mark.parametrize("rho", [1, 99, 100, 1_500, 20_000, 50_000, 10**9])
def test_a_price_has_one_or_two_digits_and_then_nothing_but_zeros(rho):
    assert rho_from(rho) == rho


@pytest.mark.parametrize(("rho", "down"), [(101, 100), (12_345, 12_000), (999_999_999, 990_000_000)])
def test_a_price_that_could_carry_a_message_is_refused_and_the_next_below_is_named(rho, down):
    with pytest.raises(Invalid) as refusal:
        rho_from(rho)

    assert [(p.field, p.params) for p in refusal.value.problems] == [("rho_micro", {"down": down})]


def test_a_refused_bound_names_the_nearest_that_can_be_used():
    with pytest.raises(Invalid) as refusal:
        plan(query_from(a_query(measures=[a_sum(low=2.6, high=41)])), EXTRACT_SCHEMA)

    found = {p.field: p.params["nearest"] for p in refusal.value.problems}
    assert found == {"measures.0.low": 2.5, "measures.0.high": 40}


@pytest.mark.parametrize(
    ("declared", "clamps"),
    [
        ((0, 10, None), range(11)),  # all there are
        ((18, 100, None), [18, 22, 23, 26, 27, 30, 31]),
        ((0, 50, 0.1), range(0, 501, 25)),
        ((-1.5, 0.5, 0.01), range(-150, 51, 10)),
    ],
)
def test_bounds_of_a_measure_are_few_and_hold_the_declared_ones(declared, clamps):
    low, high, step = declared
    scale = scale_of(Column("x", "integer" if step is None else "decimal", "attribute", low=low, high=high, step=step))

    assert scale.clamps[: len(clamps)] == tuple(clamps)
    assert scale.clamps[-1] == scale.high / scale.step
    assert len(scale.clamps) <= 2 * 21


@pytest.mark.parametrize("key", ["", "short", "a" * 81, "with space!", "æøåæøåæø", "12345678\n", 12345678, None])
def test_an_idempotency_key_is_8_to_80_plain_characters(key):
    with pytest.raises(Invalid):
        key_from(key)


@pytest.mark.attack("DS02")
@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"a":' * 12_000 + b"1" + b"}" * 12_000,
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":' + b"9" * 5_000 + b"}",
        b"{" + b",".join(b'"%d":1' % i for i in range(10**5)) + b"}",
        b"\xff\xfe{}",
        b"[]",
        b"",
    ],
)
def test_hostile_json_is_refused_at_once(raw):
    started = time.perf_counter()

    with pytest.raises(Invalid):
        document_from(raw)

    assert time.perf_counter() - started < 0.1


@pytest.mark.attack("DS03")
def test_names_are_matched_in_no_time():
    started = time.perf_counter()
    for text in ("a" * 60_000, "a" * 59_999 + "!", "_-" * 30_000):
        with pytest.raises(Invalid):
            query_from(a_query(dataset=text))
        with pytest.raises(Invalid):
            key_from(text)
    assert time.perf_counter() - started < 0.3


RARE = {"kind": "suppress", "persons": 5, "instead": 0}
SUPPRESSED = {
    "as a filter": ({"by": []} | where("age", ">=", 18), "where.0.column"),
    "as a filter on public codes": ({"by": []} | where("sex", "==", "f"), "where.0.column"),
    "as a key": ({"by": ["sex"]}, "by.0"),
    "as a key beside another": ({"by": ["smoker", "sex"]}, "by.1"),
    "in bins": (bins("age", [0, 11, 22]), "by.0.column"),
    "in a sum": ({"by": [], "measures": [COUNT, a_sum(column="age", high=110)]}, "measures.1.column"),
    "in a mean": ({"by": [], "measures": [a_sum(kind="mean", column="age", high=110)]}, "measures.0.column"),
}


def suppressed_by(who):
    """Return the extract's schema where rare sexes and ages are left out, as declared by the steward or added later."""
    steps = {"sex": transforms_from([RARE | {"instead": "x"}]), "age": transforms_from([RARE])}
    if who == "permit":
        return labs_schema().extracted(["sex", "age", "smoker"], steps)
    columns = {
        name: Column(
            **{field: getattr(column, field) for field in ("name", "type", "role", "low", "high", "categories")},
            transforms=steps[name],
        )
        for name in steps
        if (column := labs_schema().find(name))
    }
    return labs_schema(**columns).extracted(["sex", "age", "smoker"], {"age": transforms_from([{"kind": "keep"}])})


@pytest.mark.attack("DP11")
@pytest.mark.parametrize("who", ["steward", "permit"])
@pytest.mark.parametrize(("changes", "field"), SUPPRESSED.values(), ids=SUPPRESSED)
def test_what_depends_on_how_many_others_have_a_code_cannot_be_asked_for(changes, field, who):
    with pytest.raises(Invalid) as refusal:
        plan(query_from(a_query(**changes)), suppressed_by(who))

    (problem,) = refusal.value.problems
    assert problem.field == field
    assert "avhenger av andre personer" in problem.message
    assert "kodeliste" in problem.message


@pytest.mark.attack("DP11")
def test_rows_are_not_filtered_by_what_depends_on_others_and_the_rest_of_the_extract_can_be_asked_for():
    with pytest.raises(Invalid):
        conditions_of(filters_from(where("age", ">", 5)["where"]), suppressed_by("permit"))

    assert plan(query_from(a_query(by=["smoker"])), suppressed_by("steward")).cells == 2


@pytest.mark.parametrize(
    "documents",
    [[RARE], [{"kind": "clip", "high": 90}, RARE], [RARE, {"kind": "clip", "high": 90}], [RARE, RARE | {"persons": 9}]],
)
def test_a_column_says_that_it_depends_on_others_wherever_suppression_stands_among_its_steps(documents):
    column = labs_schema().find("age")
    steps = combined(transforms_from(documents))

    assert transformed(column, steps).depends_on_others
    assert not transformed(column, steps[:-1]).depends_on_others
    assert transformed(transformed(column, steps), ()).depends_on_others


def test_no_refusal_repeats_what_was_sent():
    secret = "01810112345"
    for changes in (where("person_number", "==", secret), {secret: 1}, where("sex", "==", secret), {"by": [secret]}):
        with pytest.raises(Invalid) as refusal:
            plan(query_from(a_query(**changes)), EXTRACT_SCHEMA)
        assert secret not in json.dumps(refusal.value.as_dict())


def test_the_same_question_has_one_name_however_it_is_written():
    one = query_from(a_query(measures=[a_sum(low=0, high=50)]))
    other = query_from(dict(reversed(a_query(measures=[a_sum(low=0.0, high=50.0)]).items())))

    assert one.hash == other.hash
    assert one.hash != query_from(a_query()).hash


NUMERIC = [
    v for v in (*POPULATION, *LABORATORY, *DIAGNOSES) if v["type"] in {"integer", "decimal"} and v["high"] is not None
]


@pytest.mark.parametrize("variable", NUMERIC, ids=[v["name"] for v in NUMERIC])
def test_every_numeric_column_of_the_demo_can_be_binned_and_averaged(variable):
    name, low, high, step = (variable[part] for part in ("name", "low", "high", "step"))
    schema = Schema(TABLE, (Column(name, variable["type"], "attribute", low=low, high=high, step=step),))
    width = step or 1
    edges = [round(low + k * width, 6) for k in range(11)]
    measures = [{"kind": "mean", "column": name, "low": low, "high": high}]

    assert plan(query_from(a_query(measures=measures, **bins(name, edges))), schema).cells == 10


def test_the_histogram_of_the_first_notebook_can_be_asked_for():
    age = next(v for v in POPULATION if v["name"] == "age")
    schema = Schema(TABLE, (Column("age", "integer", "attribute", low=age["low"], high=age["high"]),))

    assert plan(query_from(a_query(**bins("age", list(range(20, 101, 10))))), schema).cells == 8
