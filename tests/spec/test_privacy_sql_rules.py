"""What SQL is read as, and what is refused: with line and character, a way out, and nothing of what was written."""

import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.sql import question_in

KINDS = ("table", "distribution", "survival", "linear", "pathways", "blocks")
DATES = {"events": frozenset({"day"})}
COUNT = {"kind": "table", "measures": [{"kind": "count"}]}


def read(text):
    found = question_in(text, KINDS, DATES).document
    return {key: value for key, value in found.items() if value != []}


def refused(text):
    with pytest.raises(Invalid) as caught:
        question_in(text, KINDS, DATES)
    return caught.value.problems[0]


READ = {
    "SELECT COUNT(*) FROM labs": {"dataset": "labs", **COUNT},
    "select sex, count(distinct pid) as n from labs as l where l.age >= 50 group by l.sex;": {
        "dataset": "labs", "kind": "table", "by": ["sex"], "measures": [{"kind": "persons"}],
        "where": [{"column": "age", "op": ">=", "value": 50}],
    },
    "SELECT /*+ max_rows(3) max_groups(2) noise('laplace') */ BIN(age, 0, 50, 100) AS band, AVG(CLAMP(value, 0, 50)) FROM labs GROUP BY band": {
        "dataset": "labs", "kind": "table", "by": [{"column": "age", "edges": [0, 50, 100]}],
        "measures": [{"kind": "mean", "column": "value", "low": 0, "high": 50}], "max_rows": 3, "max_groups": 2, "noise": "laplace",
    },
    "SELECT COUNT(*) FROM labs WHERE value BETWEEN -1 AND 2.5 AND sex IN ('f', 'm') AND smoker AND NOT ill AND day < DATE '2020-01-31'": {
        "dataset": "labs", **COUNT, "where": [
            {"column": "value", "op": ">=", "value": -1}, {"column": "value", "op": "<=", "value": 2.5},
            {"column": "sex", "op": "in", "value": ["f", "m"]}, {"column": "smoker", "op": "==", "value": True},
            {"column": "ill", "op": "==", "value": False}, {"column": "day", "op": "<", "value": "2020-01-31"},
        ],
    },
    "SELECT COUNT(*) FROM (SELECT pid, LEAST(COUNT(*), 20) AS n FROM events WHERE code = 'a' GROUP BY pid) p WHERE p.n > 2": {
        "dataset": "events", **COUNT, "where": [{"column": "x1", "op": ">", "value": 2}],
        "of": {"kind": "people", "derive": [], "where": [{"column": "code", "op": "==", "value": "a"}],
               "columns": [{"kind": "count", "high": 20, "name": "x1"}]},
    },
    "SELECT EXTRACT(YEAR FROM day) AS y, COUNT(*) FROM labs GROUP BY y": {
        "dataset": "labs", **COUNT, "by": ["x1"], "derive": [{"kind": "date", "name": "x1", "column": "day", "part": "year"}],
    },
    "SELECT sex, QUANTILE(CLAMP(value, 0, 50), 0.9), MEDIAN(CLAMP(value, 0, 50)) FROM labs GROUP BY sex": {
        "dataset": "labs", "kind": "distribution", "column": "value", "low": 0, "high": 50, "quantiles": [0.5, 0.9], "by": ["sex"],
    },
    "SELECT SURVIVAL(time => CLAMP(DATE_DIFF('day', begun, \"end\"), 0, 3650), event => died = 1, width => 365, intervals => 10) FROM t GROUP BY sex": {
        "dataset": "t", "kind": "survival", "time": "x1", "event": "x2", "width": 365, "intervals": 10, "by": ["sex"],
        "derive": [{"kind": "days", "name": "x1", "start": "begun", "end": "end", "unit": "days", "low": 0, "high": 3650},
                   {"kind": "flag", "name": "x2", "column": "died", "op": "==", "value": 1}],
    },
    "SELECT LINEAR(outcome => CLAMP(value, 0, 50), terms => [CLAMP(age, 11, 110), sex]) FROM labs": {
        "dataset": "labs", "kind": "linear", "outcome": {"column": "value", "low": 0, "high": 50},
        "terms": [{"column": "age", "low": 11, "high": 110}, "sex"],
    },
    "SELECT PATHWAYS() FROM STEPS((SELECT * FROM events WHERE code <> 'z'), event => code, at => day, high => 360, end => TRUE)": {
        "dataset": "events", "kind": "pathways",
        "of": {"kind": "steps", "derive": [], "where": [{"column": "code", "op": "!=", "value": "z"}], "event": "code",
               "at": "day", "high": 360, "end": True},
    },
    "SELECT BLOCKS(work => ROW(kind => 'code', columns => [age], text => 'a = ''b'''), numbers => [ROW(low => 0, high => 1)]) FROM t": {
        "dataset": "t", "kind": "blocks", "work": {"kind": "code", "columns": ["age"], "text": "a = 'b'"}, "numbers": [{"low": 0, "high": 1}],
    },
}  # fmt: skip


@pytest.mark.parametrize(("text", "document"), READ.items())
def test_sql_is_read_as(text, document):
    assert read(text) == document


def test_a_joined_sub_select_is_a_link_for_each_set_of_conditions():
    found = read(
        "SELECT COUNT(*) FROM persons LEFT JOIN (SELECT pid, BOOL_OR(code IN ('a', 'b')) AS ill, MIN(day) AS first,"
        " CLAMP(SUM(cost), 0, 1000) AS paid, COUNT(*) FILTER (WHERE code = 'c') > 0 AS other FROM events"
        " WHERE day >= '2020-01-01' GROUP BY pid) e USING (pid) WHERE e.ill AND other"
    )
    since = {"column": "day", "op": ">=", "value": "2020-01-01"}
    assert [
        (link["table"], link["where"], [(c["kind"], c["name"]) for c in link["columns"]]) for link in found["links"]
    ] == [
        ("events", [since, {"column": "code", "op": "in", "value": ["a", "b"]}], [("any", "x1")]),
        ("events", [since], [("first", "x2"), ("sum", "x3")]),
        ("events", [since, {"column": "code", "op": "==", "value": "c"}], [("any", "x4")]),
    ]
    assert [each["column"] for each in found["where"]] == ["x1", "x4"]


def test_columns_are_made_once_and_numbered_as_they_are_made():
    found = read(
        "SELECT CASE WHEN code IN ('a', 'b') THEN 1 WHEN code = 'c' THEN 2 ELSE 0 END AS g, COUNT(*) FROM"
        " (SELECT *, age + weight AS s, BAND(age, 0, 50, 100) AS band FROM persons) p"
        " WHERE (s > 3 OR NOT (LEFT(code, 1) = 'x')) AND age + weight < 200 GROUP BY g"
    )
    assert [(each["kind"], each["name"]) for each in found["derive"]] == [
        ("arithmetic", "x1"), ("band", "x2"), ("group", "x3"), ("flag", "x4"), ("prefix", "x5"), ("flag", "x6"), ("logic", "x7"), ("logic", "x8"),
    ]  # fmt: skip
    assert found["where"] == [
        {"column": "x8", "op": "==", "value": True},
        {"column": "x1", "op": "<", "value": 200},
    ]


def test_what_the_statement_calls_its_columns_is_told_to_the_asker_and_stands_in_no_document():
    sql = "SELECT ill, EXTRACT(YEAR FROM day) AS aar, COUNT(*) FROM t LEFT JOIN (SELECT pid, BOOL_OR(a = 1) AS ill FROM e GROUP BY pid) e USING (pid) GROUP BY ill, aar"
    found = question_in(sql, KINDS)
    assert found.names == {"x1": "ill", "x2": "aar"}
    assert not {"ill", "aar"} & set(str(found.document).split("'"))


def test_a_column_of_the_table_can_be_told_from_a_made_one_of_the_same_name():
    join = "LEFT JOIN (SELECT pid, ANY_VALUE(age) AS age FROM persons GROUP BY pid) p USING (pid)"
    found = read(f"SELECT COUNT(*) FROM labs l {join} WHERE l.age > 1 AND p.age > 2 AND age > 3")  # noqa: S608 - read
    assert [each["column"] for each in found["where"]] == ["age", "x1", "x1"]


REFUSED = {
    "SELECT COUNT(*)\nFROM a UNION SELECT 1 FROM b": (2, 8, "UNION"),
    "SELECT COUNT(*) FROM a JOIN b USING (pid)": (1, 29, "LEFT JOIN"),
    "SELECT COUNT(*) FROM a INNER JOIN b USING (pid)": (1, 24, "LEFT JOIN"),
    "SELECT COUNT(*) FROM a LEFT JOIN b USING (pid)": (1, 34, "LEFT JOIN"),
    "SELECT COUNT(*) FROM a LEFT JOIN (SELECT pid, ANY_VALUE(x) AS x FROM b GROUP BY pid) b USING (age)": (1, 42, "USING (pid)"),
    "SELECT COUNT(*) FROM a LEFT JOIN (SELECT pid, ANY_VALUE(x) AS x FROM b GROUP BY sex) b USING (pid)": (1, 42, "GROUP BY pid"),
    "SELECT COUNT(*) FROM a, b": (1, 25, "LEFT JOIN"),
    "SELECT COUNT(*) FROM a WHERE x IN (SELECT y FROM b)": (1, 43, "SUBQUERY"),
    "SELECT (SELECT 1 FROM b), COUNT(*) FROM a": (1, 16, "vilkår"),
    "SELECT COUNT(*) FROM a WHERE EXISTS (SELECT 1 FROM b)": (1, 30, "vilkår"),
    "SELECT SUM(x) FROM a": (1, 12, "CLAMP"),
    "SELECT COUNT(x) FROM a": (1, 8, "COUNT(*)"),
    "SELECT read_file(x), COUNT(*) FROM a": (1, 8, "finnes ikke"),
    "SELECT COUNT(*) FROM read_csv('/etc/passwd')": (1, 22, "tabell"),
    "SELECT COUNT(*) FROM a.b": (1, 22, "IDENTIFIER"),
    "SELECT * FROM a": (1, 8, "vilkår"),
    "SELECT DISTINCT a, COUNT(*) FROM b GROUP BY a": (1, 17, "DISTINCT"),
    "SELECT a FROM t GROUP BY a": (1, 8, "COUNT(*)"),
    "SELECT a, COUNT(*) FROM t": (1, 8, "GROUP BY"),
    "SELECT a, COUNT(*) FROM t GROUP BY a, b": (1, 36, "SELECT"),
    "SELECT a, COUNT(*) FROM t GROUP BY 1": (1, 36, "navnet"),
    "SELECT COUNT(*) FROM t GROUP BY ROLLUP(a)": (1, 33, "finnes ikke"),
    "SELECT COUNT(*) FROM t HAVING COUNT(*) > 5": (1, 24, "WHERE"),
    "SELECT COUNT(*) FROM t ORDER BY 1": (1, 24, "sorter"),
    "SELECT COUNT(*) FROM t LIMIT 5": (1, 24, "LIMIT"),
    "SELECT COUNT(*) OVER () FROM t": (1, 17, "GROUP BY"),
    "SELECT COUNT(*) FROM t WHERE a LIKE 'x%'": (1, 32, "LEFT"),
    "SELECT COUNT(*) FROM t WHERE a IS NOT NULL": (1, 32, "manglende"),
    "SELECT COUNT(*) FROM t WHERE a::int = 1": (1, 31, "Typer"),
    "SELECT COUNT(*) FROM t WHERE a = b": (1, 34, "TRUE"),
    "SELECT COUNT(*) FROM t WHERE a = 1e999": (1, 34, "tall"),
    "SELECT COUNT(*) FROM t WHERE z.a = 1": (1, 30, "Ingen tabell"),
    "SELECT COUNT(*) FROM t; DROP TABLE t": (1, 23, "én setning"),
    "WITH x AS (SELECT 1) SELECT COUNT(*) FROM x": (1, 1, "FROM"),
    "DELETE FROM t": (1, 8, "leses"),
    "SELECT COUNT(*) INTO x FROM t": (1, 17, "INTO"),
    "SELECT COUNT(*), MEDIAN(CLAMP(a, 0, 1)) FROM t": (1, 8, "ett spørsmål"),
    "SELECT SURVIVAL(1) FROM t": (1, 17, "navn =>"),
    "SELECT SURVIVAL(time => a, TIME => b) FROM t": (1, 36, "to ganger"),
    "SELECT DATE_DIFF('day', a, b), COUNT(*) FROM t": (1, 8, "CLAMP"),
    "SELECT CASE WHEN a > 1 THEN 1 ELSE 0 END AS g, COUNT(*) FROM t GROUP BY g": (1, 18, "CASE"),
    "SELECT COUNT(*) FROM (SELECT pid, COUNT(*) AS n FROM t GROUP BY pid)": (1, 35, "LEAST"),
    "SELECT COUNT(*) FROM (SELECT pid, BOOL_OR(a = 1) AS n FROM t GROUP BY pid)": (1, 30, "LEFT JOIN"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "where"), REFUSED.items())
def test_what_is_not_read_is_refused_with_its_place_and_a_way_out(text, where):
    line, character, way_out = where
    problem = refused(text)

    assert (problem.params["line"], problem.params["column"]) == (line, character)
    assert way_out in problem.text()


@pytest.mark.attack("DP18")
@pytest.mark.attack("DP12")
@pytest.mark.parametrize("inner", ["AVG(x)", "MAX(x)", "(SELECT MAX(x) FROM t)", "now()", "x"])
def test_bounds_and_edges_are_numbers_that_were_chosen_and_never_reckoned_from_data(inner):
    for text in (
        "SELECT SUM(CLAMP(x, 0, {})) FROM t",
        "SELECT BIN(x, 0, {}, 100), COUNT(*) FROM t",
        "SELECT COUNT(*) FROM t WHERE x > {}",
    ):
        assert refused(text.format(inner))


@pytest.mark.attack("DP18")
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "/* ", "'", '"', "--", ";", "(", "\0", "SELECT", "SELECT COUNT(*) FROM t WHERE x = 'a", None, 7, ["SELECT"],
        "SELECT COUNT(*) FROM t WHERE " + "(" * 64_000, "SELECT " + "(" * 5_000 + "1" + ")" * 5_000 + " FROM t",
        "SELECT " + "DATE (" * 500 + "1" + ")" * 500, "SELECT " + "NOT " * 5_000 + "a FROM t", "SELECT " + "-" * 3_000 + "1 FROM t",
        "SELECT " + "- " * 3_000 + "1 FROM t", "SELECT " + "CASE WHEN " * 500, "SELECT " + "f(" * 2_000, "SELECT " + "(SELECT " * 400,
        "SELECT COUNT(*) FROM t WHERE " + "a AND " * 4_000 + "a", "SELECT 1" + "9" * 20_000 + ", COUNT(*) FROM t", "SELECT " + "a," * 9_000,
        "SELECT COUNT(*) FROM " + "(" * 9 + "t" + ")" * 9, "SELECT " + "x -> " * 3_000, "EXEC sp_x", "SELECT COUNT(*) FROM t WHERE x = ?",
        "SELECT {{ x }} FROM t", "SELECT @@version", "SELECT COUNT(*) FROM t WHERE a = $$x$$", "COPY t TO '/tmp/x'", "PRAGMA x", "SET x = 1",
    ],
    ids=lambda text: repr(text)[:40],
)  # fmt: skip
def test_hostile_sql_gets_an_ordinary_refusal_that_repeats_nothing_of_it(text):
    problem = refused(text)
    assert len(problem.text()) < 400
    assert "passwd" not in problem.text()
