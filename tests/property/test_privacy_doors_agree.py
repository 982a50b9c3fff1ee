"""Three doors to one model: whatever is asked by the Python builder, in SQL and as JSON has one form and one hash."""

# ruff: noqa: S608 - SQL that is written here is read and never run
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hvelv.enclave.lab import any_row, band, count_rows, days, first, flag, none_of, plus, prefix, total, year
from hvelv.enclave.lab.door import Door
from hvelv.enclave.lab.kinds import Query
from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.questions import KINDS, query_from
from hvelv.privacy.domain.sql import question_in

SMALL = settings(max_examples=40, deadline=None)


@dataclass(frozen=True, eq=False)
class Part:
    """One piece of a question, written three times."""

    python: Any
    sql: str
    json: Any


CONDITIONS = (
    Part(("age", ">=", 50), "age >= 50", {"column": "age", "op": ">=", "value": 50}),
    Part(("age", "<", 60.5), "age < 60.5", {"column": "age", "op": "<", "value": 60.5}),
    Part(("sex", "!=", "it's"), "sex <> 'it''s'", {"column": "sex", "op": "!=", "value": "it's"}),
    Part(("code", "in", ["a", "b"]), "code IN ('a', 'b')", {"column": "code", "op": "in", "value": ["a", "b"]}),
    Part(("day", "<=", "2020-02-29"), "day <= DATE '2020-02-29'", {"column": "day", "op": "<=", "value": "2020-02-29"}),
    Part(("smoker", "==", True), "smoker", {"column": "smoker", "op": "==", "value": True}),
    Part(("smoker", "==", False), "NOT smoker", {"column": "smoker", "op": "==", "value": False}),
    Part(("value", ">", -3), "value > -3", {"column": "value", "op": ">", "value": -3}),
)
FORMULAS = (
    Part(days("day", "until", high=3650), "CLAMP(DATE_DIFF('day', day, until), 0, 3650)",
         {"kind": "days", "start": "day", "end": "until", "unit": "days", "low": 0, "high": 3650}),
    Part(year("day"), "EXTRACT(YEAR FROM day)", {"kind": "date", "column": "day", "part": "year"}),
    Part(flag("died", "==", 1), "died = 1", {"kind": "flag", "column": "died", "op": "==", "value": 1}),
    Part(band("age", [0, 50, 100]), "BAND(age, 0, 50, 100)", {"kind": "band", "column": "age", "edges": [0, 50, 100]}),
    Part(prefix("code", 2), "LEFT(code, 2)", {"kind": "prefix", "column": "code", "length": 2}),
    Part(plus("age", "value"), "age + value", {"kind": "arithmetic", "op": "+", "left": "age", "right": "value"}),
    Part(none_of("smoker", "ill"), "NOT (smoker OR ill)", {"kind": "logic", "op": "none", "columns": ["smoker", "ill"]}),
)  # fmt: skip
SUMMARIES = (
    Part(any_row(("code", "==", "a")), "BOOL_OR(code = 'a')", {"kind": "any", "where": [{"column": "code", "op": "==", "value": "a"}]}),
    Part(count_rows(20), "LEAST(COUNT(*), 20)", {"kind": "count", "high": 20, "where": []}),
    Part(first("day"), "FIRST(day)", {"kind": "first", "column": "day", "where": []}),
    Part(total("cost", low=0, high=1000, where=("code", "in", ["b"])), "CLAMP(SUM(cost) FILTER (WHERE code IN ('b')), 0, 1000)",
         {"kind": "sum", "column": "cost", "low": 0, "high": 1000, "where": [{"column": "code", "op": "in", "value": ["b"]}]}),
)  # fmt: skip
MEASURES = (
    Part(lambda q: q.count(), "COUNT(*)", {"kind": "count"}),
    Part(lambda q: q.persons(), "COUNT(DISTINCT pid)", {"kind": "persons"}),
    Part(lambda q: q.mean("value", low=0, high=50), "AVG(CLAMP(value, 0, 50))", {"kind": "mean", "column": "value", "low": 0, "high": 50}),
    Part(lambda q: q.std("age", low=0, high=110), "STDDEV(CLAMP(age, 0, 110))", {"kind": "std", "column": "age", "low": 0, "high": 110}),
)  # fmt: skip
OTHERS = (
    Part(lambda q: q.quantiles("value", [0.5, 0.9], low=0, high=50), "DISTRIBUTION(column => value, low => 0, high => 50, quantiles => [0.5, 0.9])",
         {"kind": "distribution", "column": "value", "low": 0, "high": 50, "quantiles": [0.5, 0.9]}),
    Part(lambda q: q.linear("value", {"column": "age", "low": 0, "high": 110}, "sex"),
         "LINEAR(outcome => value, terms => [CLAMP(age, 0, 110), sex])",
         {"kind": "linear", "outcome": "value", "terms": [{"column": "age", "low": 0, "high": 110}, "sex"]}),
    Part(lambda q: q.clusters("age", "value", k=3), "CLUSTERS(columns => [age, value], k => 3)", {"kind": "clusters", "columns": ["age", "value"], "k": 3}),
    Part(lambda q: q.logistic("smoker", "age"), "LOGISTIC(outcome => smoker, terms => [age])", {"kind": "logistic", "outcome": "smoker", "terms": ["age"]}),
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A question, as pieces."""

    inner: list[Part]
    summaries: list[Part]
    formulas: list[Part]
    where: list[Part]
    measures: list[Part]
    other: Part | None
    binned: bool
    rows: int

    @property
    def grouped(self) -> bool:
        """Say whether the kind can be grouped."""
        return self.other is None or self.other is OTHERS[0]


QUESTIONS = st.builds(
    Question,
    inner=st.lists(st.sampled_from(CONDITIONS), max_size=2, unique=True),
    summaries=st.lists(st.sampled_from(SUMMARIES), max_size=3, unique=True),
    formulas=st.lists(st.sampled_from(FORMULAS), max_size=3, unique=True),
    where=st.lists(st.sampled_from(CONDITIONS), max_size=3, unique=True),
    measures=st.lists(st.sampled_from(MEASURES), min_size=1, max_size=3, unique=True),
    other=st.none() | st.sampled_from(OTHERS),
    binned=st.booleans(),
    rows=st.integers(1, 9),
)


def by_python(asked):
    query = Query(Door(), "labs")
    if asked.summaries:
        columns = {f"mitt navn {i}": each.python for i, each in enumerate(asked.summaries)}
        query = query.link("events", where=[each.python for each in asked.inner], **columns)
    query = query.derive(**{f"laget{i}": each.python for i, each in enumerate(asked.formulas)})
    for each in asked.where:
        query = query.where(*each.python)
    query = query.by("sex") if asked.grouped else query
    query = query.by("age", edges=[0, 50, 100]) if asked.binned and asked.grouped else query
    if asked.other is not None:
        query = replace(query, options={} if asked.rows == 1 else {"max_rows": asked.rows})
        return asked.other.python(query).as_dict()
    for each in asked.measures:
        query = each.python(query)
    return query.bounded(max_rows=asked.rows).as_dict()


def by_sql(asked):
    keys = ["sex", *(["BIN(age, 0, 50, 100)"] if asked.binned else [])] if asked.grouped else []
    derived = [f"{each.sql} AS laget{i}" for i, each in enumerate(asked.formulas)]
    source = "labs"
    if asked.summaries:
        columns = ", ".join(f'{each.sql} AS "mitt navn {i}"' for i, each in enumerate(asked.summaries))
        where = " WHERE " + " AND ".join(each.sql for each in asked.inner) if asked.inner else ""
        source += f" LEFT JOIN (SELECT pid, {columns} FROM events{where} GROUP BY pid) e USING (pid)"
    if derived:
        source = f"(SELECT *, {', '.join(derived)} FROM {source}) labs"
    measures = [asked.other] if asked.other is not None else asked.measures
    where = " WHERE " + " AND ".join(each.sql for each in asked.where) if asked.where else ""
    hint = f"/*+ max_rows({asked.rows}) */ " if asked.other is None or asked.rows != 1 else ""
    items = ", ".join([*keys, *(each.sql for each in measures)])
    return f"SELECT {hint}{items} FROM {source}{where}" + (f" GROUP BY {', '.join(keys)}" if keys else "")


def by_json(asked):
    links: list[dict[str, Any]] = []
    for i, each in enumerate(asked.summaries):
        kept = [part.json for part in asked.inner] + each.json["where"]
        column = {key: value for key, value in each.json.items() if key != "where"}
        same = next((link for link in links if link["where"] == kept), None)
        if same is None:
            links.append(same := {"table": "events", "where": kept, "columns": []})
        same["columns"].append({"name": i, **column})
    made = [column for link in links for column in link["columns"]]
    for number, column in enumerate(made, start=1):
        column["name"] = f"x{number}"
    derive = [{"name": f"x{len(made) + i}", **each.json} for i, each in enumerate(asked.formulas, start=1)]
    keys = ["sex", *([{"column": "age", "edges": [0, 50, 100]}] if asked.binned else [])]
    rows = {
        "dataset": "labs",
        "links": links,
        "derive": derive,
        "where": [each.json for each in asked.where],
        **({"by": keys} if asked.grouped else {}),
    }
    if asked.other is not None:
        return rows | asked.other.json | {"max_rows": asked.rows}
    return rows | {"kind": "table", "measures": [each.json for each in asked.measures], "max_rows": asked.rows}


def verdict(document):
    """Return the question's hash, or where it is at fault."""
    try:
        return query_from(document).hash
    except Invalid as refused:
        return sorted((problem.field, problem.message) for problem in refused.problems)


@SMALL
@given(QUESTIONS)
def test_three_doors_lead_to_one_question(asked):
    expected = verdict(by_json(asked))

    assert verdict(by_python(asked)) == expected
    assert verdict(question_in(by_sql(asked), KINDS).document) == expected
    if isinstance(expected, str):
        assert query_from(query_from(by_json(asked)).as_dict()).hash == expected


WORDS = st.sampled_from([
    "SELECT", "FROM", "WHERE", "GROUP BY", "LEFT JOIN", "USING (pid)", "(", ")", "[", "]", ",", "*", "COUNT(*)", "COUNT", "DISTINCT", "pid", "labs", "AS",
    "CASE", "WHEN", "THEN", "ELSE", "END", "0", "1", "'a'", '"b"', "=", "<>", "AND", "OR", "NOT", "IN", "BETWEEN", "-", "+", "CLAMP", "SUM", "=>", "NULL", ".",
    "/*+ max_rows(2) */", "SURVIVAL", "ROW", "STEPS", "FILTER", "DATE", "EXTRACT(YEAR FROM d)", "UNION", ";", "--", "/*", "::", "?", "@", "$", "\\", "`",
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(WORDS, max_size=25).map(" ".join),
        st.lists(WORDS, max_size=12).map(lambda some: "SELECT COUNT(*) FROM labs WHERE " + " ".join(some)),
    )
)
def test_whatever_is_written_is_a_document_or_a_refusal(text):
    try:
        found = question_in(text, KINDS).document
    except Invalid:
        return
    assert found["dataset"]
    verdict(found)
