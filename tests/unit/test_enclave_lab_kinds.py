"""The notebook side of all kinds of questions: what is sent, what comes back under one's own names, and its picture."""

import pytest

from hvelv.enclave.lab import Door, Query, Refused, Release, any_row, clamp, count_rows, days, flag, last, value, year
from hvelv.enclave.lab.pricing import Priced
from hvelv.enclave.lab.quotes import Quote


class Answers(Door):
    """Answers in place of a platform, and keeps what was asked."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.asked = answer, []

    def post(self, path, json, *, again=False):
        self.asked.append((path, json))
        return self.answer


def labs(answer=None, *known):
    return Query(Answers(answer), "labs", known=frozenset(known))


def a_release(**changes):
    document = {
        "id": "r-1", "keys": ["sex"], "rho_micro": 1000, "epsilon": 0.2, "notes": [], "tables": {}, "picture": {"mark": "bar"},
        "rows": [{"key": ["f"], "values": {"count": 4}, "error95": {"count": 1.5}}, {"key": ["m"], "values": {"count": None}, "error95": {"count": None}}],
    }  # fmt: skip
    return document | changes


def test_names_stay_here_and_come_back_in_frames_tables_and_notes():
    query = (
        labs()
        .link("events", sykdom=any_row(("code", "==", "E11")), kontroller=count_rows(20))
        .derive(oppfølging=days("day", "until", high=3650))
        .where("sykdom", "==", True)
        .by("kontroller")
        .mean("oppfølging", low=0, high=3650)
    )
    sent = query.as_dict()
    assert [[column["name"] for column in link["columns"]] for link in sent["links"]] == [["x1"], ["x2"]]
    assert (sent["where"][0]["column"], sent["by"], sent["measures"][0]["column"]) == ("x1", ["x2"], "x3")
    assert not any(word in str(sent) for word in ("sykdom", "kontroller", "oppfølging"))
    assert "oppfølging" in repr(query)

    document = a_release(
        keys=["x2"],
        rows=[{"key": ["x1"], "values": {"mean_x3": 1.5}, "error95": {"mean_x3": 0.25}}],
        tables={"x1_x2": {"keys": ["term"], "rows": [{"key": ["x1"], "values": {"a": 1}, "error95": {}}]}},
        notes=[{"message": "Snittet av {column} er {value}.", "params": {"column": "x3", "value": 1234.5}}],
    )
    release = Release(document, query.called)
    assert release.to_pandas().to_dict("list") == {
        "kontroller": ["x1"],  # a code that happens to be called so
        "mean_oppfølging": [1.5],
        "mean_oppfølging_error95": [0.25],
    }
    assert list(release.tables) == ["sykdom_kontroller"]
    assert release.tables["sykdom_kontroller"].to_dict("list") == {"term": ["sykdom"], "a": [1]}
    assert release.notes == ("Snittet av oppfølging er 1\u202f234,50.",)
    assert "Snittet av oppfølging" in release._repr_html_()


def test_what_is_made_before_a_change_of_rows_is_about_the_tables_own():
    sent = (
        labs().derive(år=year("day")).where("år", ">=", 2015)
        .per_person(prøver=count_rows(50), siste=last("day"), år=value("sex")).where("prøver", ">", 2).by("år").count().as_dict()
    )  # fmt: skip
    assert sent["of"] == {
        "kind": "people",
        "derive": [{"name": "x1", "kind": "date", "column": "day", "part": "year", "low": 1900, "high": 2100}],
        "where": [{"column": "x1", "op": ">=", "value": 2015}],
        "columns": [
            {"name": "x2", "kind": "count", "high": 50},
            {"name": "x3", "kind": "last", "column": "day"},
            {"name": "x4", "kind": "value", "column": "sex"},
        ],
    }
    assert (sent["where"], sent["by"]) == ([{"column": "x2", "op": ">", "value": 2}], ["x4"])
    assert "derive" not in sent


def test_a_name_is_used_once():
    with pytest.raises(Refused, match="samme navn"):
        labs(None, "age").derive(age=year("day"))
    with pytest.raises(Refused, match="samme navn"):
        labs().link("events", a=any_row()).derive(a=year("day"))
    with pytest.raises(Refused, match="før"):
        labs().link("events", a=any_row()).per_person(b=any_row())
    with pytest.raises(Refused, match="link"):
        labs().per_person(b=any_row(("a", "==", 1)))
    with pytest.raises(Refused, match="ett spørsmål"):
        labs().count().clusters("age", k=2)


def fields(question):
    return {key: each for key, each in question.as_dict().items() if key not in {"dataset", "where"}}


KINDS = {
    "quantiles": (lambda q: q.by("sex").quantiles("value", [0.5], high=50), {"kind": "distribution", "column": "value", "high": 50, "quantiles": [0.5], "by": ["sex"]}),
    "ecdf": (lambda q: q.ecdf("value", bins=20), {"kind": "distribution", "column": "value", "bins": 20}),
    "contingency": (lambda q: q.by("sex", "test").contingency(margins=[["sex"]]), {"kind": "contingency", "margins": [["sex"]], "by": ["sex", "test"]}),
    "open": (lambda q: q.by("postcode").open_counts(most=50), {"kind": "open", "most": 50, "by": ["postcode"]}),
    "rates": (lambda q: q.by("sex").rates("died", per=1000, standard=("age", "esp2013"), compare=("sex", "f")),
              {"kind": "rates", "events": "died", "per": 1000, "standard": {"column": "age", "population": "esp2013"}, "compare": {"column": "sex", "reference": "f"}, "by": ["sex"]}),
    "survival": (lambda q: q.survival(time="followup", event=flag("died", "==", 1), width=365, intervals=10),
                 {"kind": "survival", "time": "followup", "event": "x1", "width": 365, "intervals": 10,
                  "derive": [{"name": "x1", "kind": "flag", "column": "died", "op": "==", "value": 1}]}),
    "linear": (lambda q: q.linear(clamp("value", 0, 50), "sex", clamp("age", 20, 90)),
               {"kind": "linear", "outcome": {"column": "value", "low": 0, "high": 50}, "terms": ["sex", {"column": "age", "low": 20, "high": 90}]}),
    "logistic": (lambda q: q.logistic("smoker", "age"), {"kind": "logistic", "outcome": "smoker", "terms": ["age"]}),
    "poisson": (lambda q: q.poisson("n", "age", offset=clamp("time", 1, 100)),
                {"kind": "poisson", "outcome": "n", "terms": ["age"], "offset": {"column": "time", "low": 1, "high": 100}}),
    "pca": (lambda q: q.pca("age", "value"), {"kind": "correlation", "columns": ["age", "value"], "components": 2}),
    "clusters": (lambda q: q.clusters("age", "value", k=3), {"kind": "clusters", "columns": ["age", "value"], "k": 3}),
    "transitions": (lambda q: q.steps(event="code", at="day", high=360, end=True).bounded(max_groups=4).transitions(),
                    {"kind": "pathways", "max_rows": 1, "max_groups": 4,
                     "of": {"kind": "steps", "derive": [], "where": [], "event": "code", "at": "day", "high": 360, "end": True}}),
    "paths": (lambda q: q.paths(event="code", at="day", length=3).top_paths(5),
              {"kind": "pathways", "top": 5,
               "of": {"kind": "paths", "derive": [], "where": [], "event": "code", "at": "day", "length": 3, "distinct": True}}),
    "synthetic": (lambda q: q.by("sex", "test").synthetic(rows=1000, pairs=[("sex", "test")]),
                  {"kind": "synthetic", "rows": 1000, "pairs": [["sex", "test"]], "by": ["sex", "test"]}),
    "any": (lambda q: q.ask("synthetic", rows=10), {"kind": "synthetic", "rows": 10}),
}  # fmt: skip


@pytest.mark.parametrize(("ask", "sent"), KINDS.values(), ids=KINDS)
def test_each_kind_is_sent_in_its_form(ask, sent):
    assert fields(ask(labs())) == sent


def spread(frame):
    return [frame["alder i år"].std()]


def test_a_function_is_sent_as_its_source_with_ones_own_names_for_columns():
    made = (
        labs()
        .derive(**{"alder i år": year("day")})
        .blocks(spread, ["alder i år", "value"], numbers=[(0, 50)], spread=True)
    )
    work = fields(made)["work"]
    assert (work["kind"], work["columns"]) == ("code", ["x1", "value"])

    room = {}
    exec(work["text"], room)  # noqa: S102 - what the lab wrote, of the function above
    import pandas as pd

    assert room["estimate"](pd.DataFrame({"x1": [1.0, 3.0], "value": [0, 0]})) == [pytest.approx(2**0.5)]


def test_a_text_that_defines_estimate_is_sent_as_it_is():
    text = "def estimate(frame):\n    return [1]\n"
    assert fields(labs().blocks(text, ["age"], numbers=[(0, 2)]))["work"] == {
        "kind": "code",
        "columns": ["age"],
        "text": text,
    }


def test_a_function_without_source_is_refused():
    for work in (len, eval("lambda frame: [1]")):  # noqa: S307
        with pytest.raises(Refused, match=r"kildekode|def"):
            labs().blocks(work, ["age"], numbers=[(0, 2)])


def test_an_estimator_is_sent_by_name_with_what_is_not_usual():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    asked = fields(
        labs().blocks(LogisticRegression(C=0.5, max_iter=200), ["age", "value"], target="smoker", numbers=[(-2, 2)] * 3)
    )
    assert asked["work"] == {
        "kind": "estimator", "name": "LogisticRegression", "params": {"C": 0.5, "max_iter": 200}, "features": ["age", "value"], "target": "smoker", "returns": "coefficients",
    }  # fmt: skip
    assert asked["numbers"] == [{"low": -2, "high": 2}] * 3
    forest = fields(labs().blocks(RandomForestClassifier(max_depth=3), ["age"], target="smoker", numbers=[(0, 1)]))
    assert forest["work"]["returns"] == "importances"
    with pytest.raises(Refused, match="target"):
        labs().blocks(LogisticRegression(), ["age"], numbers=[(0, 1)] * 2)


def test_new_noise_is_asked_for_in_so_many_words():
    query = labs(a_release()).count()
    query.release(rho=0.001)
    query.release(rho=0.001, again=True)
    first, second = [body for _path, body in query.door.asked]
    assert "again" not in first
    assert second["again"] is True


def test_a_quote_tells_errors_by_size_and_what_others_would_cost():
    quote = Quote(
        {
            "rho_micro": 1000, "epsilon": 0.2, "delta": 1e-6, "cells": 3, "allowance": {"left_after": 9000}, "warnings": [],
            "measures": [
                {"name": "count", "error95": 5.0, "error95_percent": 2.5, "would_cost": [{"error95": 10.0, "rho_micro": 250}]},
                {"name": "mean_x1", "error95": None, "error95_at": [{"rows": 100, "error95": 1.25}]},
                {"name": "hazard"},
            ],
        },
        {"x1": "oppfølging"},
    )  # fmt: skip
    assert quote.error95 == {"count": 5.0, "mean_oppfølging": None, "hazard": None}
    assert quote.would_cost.to_dict("records") == [{"measure": "count", "error95": 10.0, "rho": 0.00025}]
    shown = quote._repr_html_()
    for told in ("± 5 (2,50 %)", "± 1,25 ved 100 rader", "mean_oppfølging", "avhenger av svaret", "0,00025"):
        assert told in shown


ROWS = [
    {"key": [a, b], "values": {"rate": 0.5, "rate_low": 0.4, "rate_high": 0.7, "n": 3}, "error95": {"n": 1.0}}
    for a in ("f", "m")
    for b in (365, 730)
]
PICTURES = [
    {"mark": "bar", "x": "time", "y": "rate", "colour": "sex", "band": True}, {"mark": "line", "x": "time", "y": "n"}, {"mark": "point", "x": "time", "y": "rate"},
    {"mark": "step", "x": "time", "y": "rate", "colour": "sex", "start": [0, 1]}, {"mark": "heat", "x": "time", "y": "sex", "value": "rate"},
    {"mark": "heat", "x": "time", "y": "sex", "colour": "n"}, {"mark": "bar"}, {"mark": "unknown", "x": "gone", "y": "gone", "colour": "gone"},
]  # fmt: skip


@pytest.mark.parametrize("picture", PICTURES)
def test_every_mark_is_drawn(picture):
    release = Release(a_release(keys=["sex", "time"], rows=ROWS, picture=picture))
    assert release.plot()._repr_png_().startswith(b"\x89PNG")
    assert "data:image/png;base64," in release._repr_html_()


def test_a_survival_curve_begins_at_one_and_has_a_band_for_each_group():
    axes = Release(a_release(keys=["sex", "time"], rows=ROWS, picture=PICTURES[3])).plot().figure.axes[0]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines] == [
        ([0, 365, 730], [1, 0.5, 0.5])
    ] * 2
    assert len(axes.collections) == 2
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["f", "m"]


def test_what_is_asked_out_is_called_what_the_platform_calls_it():
    document = a_release(
        picture={"mark": "step", "y": "mean_x1"},
        rows=[{"key": ["f"], "values": {"count": 1, "mean_x1": 2.0}, "error95": {}}],
        tables={"rmst": {"keys": ["sex"], "rows": [{"key": ["f"], "values": {"rmst": 1.0}, "error95": {}}]}},
    )
    release = Release(document, {"x1": "oppfølging"})
    assert release.figure().as_dict() == {
        "kind": "figure",
        "release": "r-1",
        "title": "",
        "measure": "mean_x1",
        "mark": "step",
    }
    assert release.figure("", "mean_oppfølging", mark="bar").as_dict()["measure"] == "mean_x1"
    assert release.figure(part="rmst").as_dict()["measure"] == "rmst"
    assert release.table(part="rmst").as_dict() == {"kind": "table", "release": "r-1", "title": "", "part": "rmst"}
    with pytest.raises(Refused, match="rmst"):
        release.table(part="gone")


def test_answers_without_rows_or_with_missing_values_are_shown_too():
    assert Release(a_release()).plot()._repr_png_()
    empty = Release(a_release(rows=[], keys=["postcode"]))
    assert list(empty.to_pandas().columns) == ["postcode"]
    assert empty.plot()._repr_png_()
    assert empty._repr_html_()


def test_what_is_priced_says_what_is_sent():
    with pytest.raises(NotImplementedError):
        Priced().body()
