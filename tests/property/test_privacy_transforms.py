"""Steps, held against a slow model that goes value by value and shares nothing with them but what they mean."""

import hashlib
import hmac
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import floor

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hvelv.privacy.adapters.transforms import COMPILED, DTYPES, SHIFT, expression, suppressing
from hvelv.privacy.domain.schema import Column, exact
from hvelv.privacy.domain.steps import Round
from hvelv.privacy.domain.transforms import (
    FITTED,
    KINDS,
    Drop,
    SuppressRare,
    as_documents,
    fits,
    transformed,
    transforms_from,
)

KEY = bytes(range(32))
CODES = ("I21.0", "I21.1", "I21", "I50", "C", "Æ9–é", "0301", "5001")
WHOLE = st.integers(-12, 12)  # few numbers, so that values often stand on an edge
YEARS = (1950, 1980, 2000)
DAYS = tuple(date(year + back, *day) for year in YEARS for back, day in ((0, (1, 1)), (-1, (12, 31)), (0, (7, 5))))


def _year(value, _step, _column, _days):
    return value.year


def _month(value, _step, _column, _days):
    return date(value.year, value.month, 1)


def _shift(value, step, _column, days):
    places = 2 * step.days + 1
    return value + timedelta(days=floor(Fraction((days + 365) * places, 731)) - step.days)


def _bands(value, step, column, _days):
    """Find the one band whose own name says that it has the number."""
    said = [name for name in transformed(column, (step,)).categories if _within(exact(value), name, column)]
    assert len(said) <= 1
    return said[0] if said else None


def _within(value, name, column):
    if name.startswith("<"):
        return value < exact(float(name[1:]))
    if name.endswith("+"):
        return value >= exact(float(name[:-1]))
    if name.startswith("["):
        low, high = name[1:-1].split(", ")
        return exact(float(low)) <= value < exact(float(high))
    low, _dash, high = name.partition("–")
    return exact(float(low)) <= value < exact(float(high or low)) + column.resolution


def _clip(value, step, _column, _days):
    value = value if step.low is None or value > step.low else step.low
    return value if step.high is None or value < step.high else step.high


def _round(value, step, _column, _days):
    size = exact(step.step)
    below = exact(value) // size * size
    found = below if exact(value) - below < size / 2 else below + size
    return int(found) if found.denominator == 1 else float(found)


def _hash(value, _step, column, _days):
    text = b"hvelv code 1\x00" + column.type.encode() + b"\x00" + str(value).encode()
    return hmac.new(KEY, text, hashlib.sha256).hexdigest()[:20]


MODEL = {
    "keep": lambda value, _step, _column, _days: value,
    "year": _year,
    "month": _month,
    "shift": _shift,
    "bands": _bands,
    "clip": _clip,
    "truncate": lambda value, step, _column, _days: value[: step.length],
    "coarsen": lambda value, step, _column, _days: dict(step.codes).get(str(value), step.otherwise),
    "hash": _hash,
    "round": _round,
    "suppress": lambda value, _step, _column, _days: value,
}


@st.composite
def columns(draw):
    kind = draw(st.sampled_from(["string", "coded", "integer", "count", "decimal", "free", "date", "boolean"]))
    if kind == "string":
        return Column("v", "string", "attribute")
    if kind == "coded":
        return Column("v", "string", "sensitive", categories=CODES, labels=tuple({"nb": code} for code in CODES))
    if kind in {"integer", "decimal"}:
        low, high = sorted(draw(st.tuples(WHOLE, WHOLE)))
        step = {"integer": 1, "decimal": draw(st.sampled_from([0.1, 0.25, 0.01]))}[kind]
        return Column("v", kind, "attribute", low=low, high=high, step=step)
    plain = {"count": "integer", "free": "decimal"}.get(kind, kind)
    return Column("v", plain, "date" if kind == "date" else "attribute")


STEPS = st.one_of(
    st.just({"kind": "keep"}),
    st.just({"kind": "year"}),
    st.just({"kind": "month"}),
    st.just({"kind": "hash"}),
    st.builds(lambda days: {"kind": "shift", "days": days}, st.integers(1, 365)),
    st.builds(lambda edges: {"kind": "bands", "edges": sorted(edges)}, st.sets(WHOLE, min_size=1, max_size=6)),
    st.builds(lambda edges: {"kind": "bands", "edges": sorted(edges)}, st.sets(st.sampled_from(YEARS), min_size=1)),
    st.just({"kind": "clip", "low": 1950, "high": 2000}),
    st.builds(lambda a, b: {"kind": "clip", "low": min(a, b), "high": max(a, b)}, WHOLE, WHOLE),
    st.builds(lambda a, side: {"kind": "clip", side: a}, WHOLE, st.sampled_from(["low", "high"])),
    st.builds(lambda length: {"kind": "truncate", "length": length}, st.integers(1, 5)),
    st.builds(lambda step: {"kind": "round", "step": step}, st.sampled_from([1, 2, 5, 7, 10, 0.5, 0.2, 3])),
    st.builds(
        lambda codes: {"kind": "coarsen", "codes": codes, "otherwise": "andre"},
        st.dictionaries(st.sampled_from([*CODES, "1", "-7", "2000"]), st.sampled_from(["A", "B", "C"]), min_size=1),
    ),
    st.builds(lambda persons: {"kind": "suppress", "persons": persons, "instead": "x"}, st.integers(2, 20)),
)


def _value(column):
    """Return values that the column can have; now and then none."""
    if column.categories:
        return st.sampled_from(column.categories)
    if column.type == "integer":
        low, high = (-14, 14) if column.low is None else (column.low, column.high)
        return st.integers(low, high)
    if column.type == "decimal":
        if column.step is None:
            return st.integers(-28, 28).map(lambda n: n / 2)
        size = exact(column.step)
        return st.integers(int(column.low / size), int(column.high / size)).map(lambda n: float(n * size))
    return {
        "string": st.one_of(st.sampled_from(CODES), st.text(max_size=6)),
        "date": st.dates(date(1900, 1, 1), date(2030, 12, 31)) | st.sampled_from(DAYS),
        "boolean": st.booleans(),
    }[column.type]


@st.composite
def cases(draw):
    """Return a column, steps that fit it, and rows with the days that their persons are moved."""
    column = draw(columns())
    steps, at = [], column
    for document in draw(st.lists(STEPS, max_size=4)):
        one = transforms_from([document])
        if fits(column, (*steps, *one)):
            steps.append(one[0])
            at = transformed(at, one)
    rows = draw(st.lists(st.tuples(st.none() | _value(column), st.integers(-365, 365)), max_size=25))
    return column, tuple(steps), rows


def _frame(column, rows):
    return pl.DataFrame(
        {"v": [value for value, _days in rows], SHIFT: [days for _value, days in rows]},
        schema={"v": DTYPES[column.type], SHIFT: pl.Int32},
    )


def _modelled(column, steps, value, days):
    for step in steps:
        if value is None:
            return None
        value = MODEL[step.kind](value, step, column, days)
        column = transformed(column, (step,))
    return value


def test_every_kind_of_step_is_fitted_compiled_and_modelled():
    assert set(FITTED) == set(COMPILED) == set(KINDS.values()) - {Drop}
    assert set(MODEL) == set(KINDS) - {"drop"}


@settings(max_examples=400, deadline=None)
@given(cases())
def test_values_are_as_the_model_says_one_by_one(case):
    column, steps, rows = case

    found = _frame(column, rows).select(expression(column, steps, KEY))["v"].to_list()

    assert found == [_modelled(column, steps, value, days) for value, days in rows]


def test_values_are_the_nearest_to_the_step_however_many_rows_there_are():
    column, values = Column("v", "decimal", "attribute", low=0, high=100, step=0.1), [n / 10 for n in range(1001)]
    together = pl.DataFrame({"v": values}).select(expression(column, (Round(step=0.2),), KEY))["v"].to_list()
    alone = [
        pl.DataFrame({"v": [value]}).select(expression(column, (Round(step=0.2),), KEY)).item() for value in values
    ]

    assert together == alone == [_round(value, Round(step=0.2), column, 0) for value in values]


@settings(max_examples=400, deadline=None)
@given(cases())
def test_the_public_description_holds_for_what_comes_out(case):
    column, steps, rows = case
    public = transformed(column, steps)

    found = _frame(column, rows).select(expression(column, steps, KEY))["v"]

    there = found.drop_nulls().to_list()
    assert found.dtype == DTYPES[public.type]
    assert public.categories is None or set(there) <= set(public.categories)
    assert public.categories is None or len(public.labels) in {0, len(public.categories)}
    assert all(public.low is None or value >= public.low for value in there)
    assert all(public.high is None or value <= public.high for value in there)
    if public.step is not None and public.type in {"integer", "decimal"}:
        assert all((exact(value) / public.resolution).denominator == 1 for value in there)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, 25))
def test_a_column_gives_the_same_however_it_is_cut_and_whenever_it_is_made(case, cut):
    column, steps, rows = case
    frame, made = _frame(column, rows), expression(column, steps, KEY)

    whole = frame.select(made)["v"].to_list()

    again = expression(column, transforms_from(as_documents(steps)), KEY)
    assert [*frame[:cut].select(made)["v"], *frame[cut:].select(again)["v"]] == whole
    assert frame.lazy().select(made).collect(engine="streaming")["v"].to_list() == whole


@settings(max_examples=100, deadline=None)
@given(cases())
def test_steps_one_after_the_other_are_steps_all_at_once(case):
    column, steps, rows = case
    frame, at = _frame(column, rows), column
    assume(steps)

    for step in steps:
        frame = frame.select(expression(at, (step,), KEY), SHIFT)
        at = transformed(at, (step,))

    assert frame["v"].equals(_frame(column, rows).select(expression(column, steps, KEY))["v"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), None])
@pytest.mark.parametrize(
    "document",
    [
        [],
        [{"kind": "round", "step": 0.5}],
        [{"kind": "bands", "edges": [1, 2]}],
        [{"kind": "clip", "low": 0, "high": 9}],
    ],
)
def test_what_is_no_number_is_missing(value, document):
    column = Column("v", "decimal", "attribute")
    frame = pl.DataFrame({"v": [value, 1.5]}, schema={"v": pl.Float64})

    assert frame.select(expression(column, transforms_from(document), KEY))["v"].is_null().to_list() == [True, False]


def test_a_band_begins_at_its_edge():
    column = Column("v", "integer", "attribute", low=-5, high=110)
    steps = transforms_from([{"kind": "bands", "edges": [0, 18, 40]}])
    frame = pl.DataFrame({"v": [-5, -1, 0, 17, 18, 39, 40, 110]})

    found = frame.select(expression(column, steps, KEY))["v"].to_list()

    assert found == ["<0", "<0", "0–17", "0–17", "18–39", "18–39", "40+", "40+"]


@given(st.lists(st.none() | st.sampled_from(["a", "b", "c", "x"])), st.sets(st.sampled_from(["a", "b", "c"])))
def test_rare_codes_and_they_alone_are_replaced(codes, rare):
    step = SuppressRare(persons=5, instead="x")
    frame = pl.DataFrame({"v": codes}, schema={"v": pl.String})

    found = frame.select(suppressing(Column("v", "string", "attribute"), step, rare))["v"].to_list()

    assert found == ["x" if code in rare else code for code in codes]


@given(st.integers(1, 365))
def test_every_shift_within_the_days_occurs_about_as_often(days):
    column = Column("v", "date", "date")
    rows = [(date(2020, 6, 1), person) for person in range(-365, 366)]

    found = _frame(column, rows).select(expression(column, transforms_from([{"kind": "shift", "days": days}]), KEY))[
        "v"
    ]

    counts = found.value_counts()["count"]
    assert len(counts) == 2 * days + 1
    assert counts.max() - counts.min() <= 1
    assert (found.min(), found.max()) == (date(2020, 6, 1) - timedelta(days), date(2020, 6, 1) + timedelta(days))


@pytest.mark.attack("PS06")
def test_a_date_has_no_time_of_day_whatever_the_source_has():
    frame = pl.DataFrame({"v": [datetime(2020, 2, 29, 13, 45, 12, 345678, UTC)]})

    found = frame.select(expression(Column("v", "date", "date"), (), KEY))["v"]

    assert (found.dtype, found.to_list()) == (pl.Date, [date(2020, 2, 29)])


@pytest.mark.parametrize("day", [2**31 - 1, -(2**31), 100_000_000, -100_000_000, 2_932_897, -719_163])
@pytest.mark.parametrize(
    "kinds", [[], ["year"], ["month"], ["shift"], ["shift", "year"], ["shift", "month"], ["keep", "month"]]
)
def test_a_date_outside_the_years_1_to_9999_is_missing_and_stops_nothing(day, kinds):
    column = Column("v", "date", "date")
    steps = transforms_from([{"kind": kind} | ({"days": 365} if kind == "shift" else {}) for kind in kinds])
    days = pl.Series("v", [day, 0], dtype=pl.Int32).cast(pl.Date)

    found = pl.DataFrame([days, pl.Series(SHIFT, [365, 0], dtype=pl.Int32)]).select(expression(column, steps, KEY))["v"]

    assert found.is_null().to_list() == [True, False]


@pytest.mark.parametrize(("day", "moved"), [(date.max, 1), (date.max, 365), (date.min, -1), (date.min, -365)])
@pytest.mark.parametrize("after", [[], [{"kind": "year"}], [{"kind": "month"}]])
def test_a_date_that_is_moved_out_of_the_calendar_is_missing(day, moved, after):
    column = Column("v", "date", "date")
    steps = transforms_from([{"kind": "shift", "days": 365}, *after])
    frame = _frame(column, [(day, moved), (day, -moved)])

    assert frame.select(expression(column, steps, KEY))["v"].is_null().to_list() == [True, False]


def test_a_person_without_days_has_no_date():
    column = Column("v", "date", "date")
    frame = pl.DataFrame({"v": [date(2020, 1, 1)], SHIFT: [None]}, schema={"v": pl.Date, SHIFT: pl.Int32})

    found = frame.select(expression(column, transforms_from([{"kind": "shift", "days": 10}]), KEY))

    assert found["v"].to_list() == [None]


@pytest.mark.attack("PS02")
def test_a_code_has_one_mark_in_a_project_whatever_its_variable_is_called_and_none_in_common_with_another_project():
    mark = transforms_from([{"kind": "hash"}])
    frame = pl.DataFrame({"ward": ["4", "5", None], "place": ["5", "4", "4"], "number": [4, 5, 4]})
    made = [
        frame.select(expression(Column(name, kind, "attribute"), mark, key))[name].to_list()
        for key in (KEY, KEY[::-1])
        for name, kind in (("ward", "string"), ("place", "string"), ("number", "integer"))
    ]
    ward, place, number, *others = made

    assert (ward[0], ward[1], ward[2]) == (place[1], place[0], None)
    assert not {*ward, *place} & {*number}
    assert not {m for row in made[:3] for m in row if m} & {m for row in others for m in row if m}
