"""The notebook side, against a small server on a unix socket."""

import ast
import io
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from json import dumps, loads
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from hvelv.enclave.lab import Door, Project, Refused
from hvelv.enclave.lab.answers import Release
from hvelv.enclave.lab.pricing import micro, rho_of
from hvelv.enclave.lab.quotes import Quote
from tests.builders_enclave import ENVIRONMENT, need_sandbox

PROJECT = {
    "id": "p-abc", "title": "Leverstudien", "purpose": "Å vite mer", "person": "kari", "permit": {},
    "datasets": [
        {"name": "patients", "title": {"nb": "Pasienter <b>", "en": "Patients"}, "rows": 1200, "persons": 900, "hash": "h", "variables": [
            {"name": "age", "title": {"nb": "Alder"}, "type": "integer", "role": "attribute", "unit": "år", "low": 0, "high": 110, "step": 1,
             "categories": None},
            {"name": "sex", "title": {"nb": "Kjønn"}, "type": "string", "role": "attribute", "unit": None, "low": None, "high": None,
             "categories": [{"code": "F", "label": {"nb": "kvinne"}}, {"code": "M", "label": {"nb": "mann"}}]},
        ]},
    ],
    "budget": [{"dataset": "d-1", "title": "Pasienter", "allocated": 500000, "spent": 120000, "epsilon_allocated": 5.7, "epsilon_spent": 2.7,
                "delta": 1e-6}],
}  # fmt: skip
QUOTE = {
    "rho_micro": 10000, "epsilon": 0.75, "delta": 1e-6, "cells": 2, "measures": [{"name": "count", "scale": 7.07, "error95": 13.9}],
    "bounds": {"max_rows": 1, "max_groups": 1}, "allowance": {"allocated": 500000, "spent": 120000, "left_after": 370000}, "warnings": [],
}  # fmt: skip
RELEASE = {
    "id": "r-1", "project": "p-abc", "dataset": "d-1", "query": {}, "rho_micro": 10000, "epsilon": 0.75, "at": "2026-01-01T00:00:00Z",
    "keys": ["sex", "age"], "quote": QUOTE, "extract_hash": "h", "versions": {}, "signature": {},
    "rows": [
        {"key": ["F", [0, 50]], "values": {"count": 412}, "error95": {"count": 13.9}},
        {"key": ["M", [50, 110]], "values": {"count": 388}, "error95": {"count": 13.9}},
    ],
}  # fmt: skip
EXPORT = {
    "id": "x-1", "title": "Første", "items": 2, "state": "refused",
    "findings": [{"rule": "small", "item": 1, "reason": "For små tall.", "remedy": "Slå sammen grupper."}],
}  # fmt: skip


PARTS = {
    "/lab/datasets/patients/parts/aa": pd.DataFrame({"pid": [7, 8], "age": [1, 2], "sex": ["F", "M"]}),
    "/lab/datasets/patients/parts/bb": pd.DataFrame({"pid": [9], "age": [3], "sex": ["F"]}),
}


class Platform:
    """Answers as the custodian does, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict]] = []
        self.break_next = 0
        self.version = "one"
        self.refuse: tuple[int, dict] | None = None

    def answer(self, method: str, path: str, body: dict) -> tuple[int, bytes]:
        if self.refuse:
            return self.refuse[0], dumps(self.refuse[1]).encode()
        if path in PARTS:
            buffer = io.BytesIO()
            PARTS[path].to_parquet(buffer)
            return 200, buffer.getvalue()
        found = {
            "/lab/project": PROJECT, "/lab/datasets/patients/parts": {"sha256": self.version, "parts": [{"sha256": "aa"}, {"sha256": "bb"}]}, "/lab/quotes": QUOTE, "/lab/exports/x-1": EXPORT | {"state": "released", "findings": []},
            "/lab/releases": RELEASE if method == "POST" else [{"id": "r-1"}], "/lab/releases/r-1": RELEASE,
            "/lab/exports": EXPORT if method == "POST" else [EXPORT],
        }.get(path)  # fmt: skip
        return (
            (200, dumps(found).encode())
            if found is not None
            else (404, dumps({"message": "Finnes ikke.", "remedy": ""}).encode())
        )


@pytest.fixture
def platform() -> Iterator[tuple[Platform, Project]]:
    here = Platform()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = loads(self.rfile.read(length)) if length else {}
            here.asked.append((self.command, self.path, body))
            if here.break_next:
                here.break_next -= 1
                self.close_connection = True
                return
            status, content = here.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_args: object) -> None:
            pass

        def address_string(self) -> str:
            return "lab"

    with TemporaryDirectory(dir="/tmp") as folder:
        socket = Path(folder) / "s"
        with ThreadingUnixStreamServer(str(socket), Handler) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            door = Door(socket, pause=0)
            yield here, Project(door)
            door.close()
            server.shutdown()
            thread.join()


def test_nothing_is_asked_before_somebody_looks(platform):
    here, _project = platform
    assert here.asked == []


def test_a_project_shows_title_tables_and_budget(platform):
    _here, project = platform
    assert project.title == "Leverstudien"
    assert list(project.datasets) == ["patients"]
    assert project.datasets["patients"].variables == ("age", "sex")
    assert project.budget.left() == pytest.approx(0.38)
    page = project._repr_html_()
    assert "Pasienter &lt;b&gt;" in page
    assert "<b>" not in page
    assert "1\u202f200" in page
    assert "Leverstudien (p-abc): patients" in repr(project)


def test_a_table_is_fetched_once_and_every_reader_gets_a_copy(platform):
    here, project = platform
    first = project.read("patients")
    first.loc[0, "age"] = 99
    assert project.read("patients")["age"].tolist() == [1, 2, 3]
    assert [path for _method, path, _body in here.asked].count("/lab/datasets/patients/parts/bb") == 1


def test_only_columns_that_are_not_in_memory_are_fetched(platform):
    here, project = platform

    def fetched() -> int:
        return [path for _method, path, _body in here.asked].count("/lab/datasets/patients/parts/bb")

    assert project.read("patients", ["age"]).columns.tolist() == ["age"]
    assert project.read("patients", ["age"])["age"].tolist() == [1, 2, 3]
    assert fetched() == 1
    assert project.read("patients", ["sex", "age"]).columns.tolist() == ["sex", "age"]
    assert project.read("patients").shape == (3, 3)
    assert fetched() == 3  # once for the age, once for the sex, and once for the person


def test_rows_that_do_not_meet_the_conditions_are_left_out(platform):
    _here, project = platform
    assert project.read("patients", where=[("age", ">=", 2)])["age"].tolist() == [2, 3]
    assert project.read("patients", ["sex"], [("age", "in", [1, 3])])["sex"].tolist() == ["F", "F"]
    assert project.arrow("patients", ["age"], [("sex", "==", "F"), ("age", "<", 3)]).to_pydict() == {"age": [1]}
    assert project.read("patients").shape == (3, 3)


def test_a_new_extract_is_read_from_its_beginning(platform):
    here, project = platform
    project.read("patients", ["age"])
    here.version = "another"
    assert project.read("patients").shape == (3, 3)
    assert [path for _method, path, _body in here.asked].count("/lab/datasets/patients/parts/aa") == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"columns": ["name"]}, "age, sex"),
        ({"where": [("name", "==", 1)]}, "age, sex"),
        ({"where": [("age", "~", 1)]}, ">="),
        ({"where": ("age", ">=", 1)}, "[("),
        ({"where": [("age",)]}, "[("),
        ({"where": [("age", "==", None)]}, ".isna()"),
    ],
)
def test_what_the_table_does_not_have_is_refused_before_anything_is_fetched(platform, given, says):
    here, project = platform
    with pytest.raises(Refused) as refused:
        project.read("patients", **given)
    assert says in str(refused.value)
    assert {path for _method, path, _body in here.asked} == {"/lab/project"}


def test_a_value_of_another_kind_than_the_column_is_refused(platform):
    _here, project = platform
    with pytest.raises(Refused, match="tall med tall"):
        project.read("patients", where=[("age", ">=", "50")])


def test_one_column_may_be_named_without_brackets(platform):
    _here, project = platform
    assert project.read("patients", "age").columns.tolist() == ["age"]


@pytest.mark.integration
def test_polars_and_duckdb_read_the_same_in_the_sessions_own_environment():
    need_sandbox()
    program = """
import io, pyarrow as pa, pyarrow.parquet as pq
from hvelv.enclave.lab.room import Project
class Door:
    def get(self, path):
        if path.endswith("/parts"): return {"sha256": "v", "parts": [{"sha256": "a"}, {"sha256": "b"}]}
        return {"datasets": [{"name": "labs", "variables": [{"name": "age"}, {"name": "sex"}]}]}
    def read(self, path):
        kept = io.BytesIO()
        pq.write_table(pa.table({"pid": [1, 2], "age": [40, 60] if path.endswith("a") else [50, 70], "sex": ["F", "M"]}), kept)
        return kept.getvalue()
project = Project(Door())
print(project.polars("labs", ["age"], [("age", ">", 45)])["age"].to_list())
print(project.duckdb().sql("SELECT sex, sum(age) FROM labs GROUP BY sex ORDER BY sex").fetchall())
"""
    done = subprocess.run(
        [ENVIRONMENT / "bin" / "python", "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.splitlines() == ["[60, 50, 70]", "[('F', 90), ('M', 130)]"], done.stderr


def test_a_table_that_is_not_there_is_refused_with_the_names_that_are(platform):
    _here, project = platform
    with pytest.raises(Refused, match="patients"):
        project.read("../secrets")


def test_a_query_is_sent_exactly_in_the_closed_form(platform):
    here, project = platform
    query = (
        project.query("patients").where("age", ">=", 50).where("sex", "in", ("F",)).by("sex").by("age", edges=[0, 50, 110])
        .count().sum("age", low=0, high=110).mean("age", low=20, high=90).bounded(max_rows=2, max_groups=3)
    )  # fmt: skip
    query.quote(rho=0.01)
    assert here.asked[-1] == (
        "POST", "/lab/quotes",
        {"rho_micro": 10000, "query": {
            "dataset": "patients",
            "where": [{"column": "age", "op": ">=", "value": 50}, {"column": "sex", "op": "in", "value": ["F"]}],
            "by": ["sex", {"column": "age", "edges": [0, 50, 110]}],
            "measures": [{"kind": "count"}, {"kind": "sum", "column": "age", "low": 0, "high": 110},
                         {"kind": "mean", "column": "age", "low": 20, "high": 90}],
            "max_rows": 2, "max_groups": 3,
        }},
    )  # fmt: skip


def test_the_platforms_own_model_takes_what_the_lab_sends(platform):
    from hvelv.privacy.domain.questions import query_from

    _here, project = platform
    query = project.query("patients").where("sex", "!=", "F").histogram("age", [0, 50, 110])
    assert query_from(query.as_dict()).as_dict()["by"] == [{"column": "age", "edges": [0, 50, 110]}]


def test_every_step_leaves_the_query_before_it_as_it_was(platform):
    _here, project = platform
    first = project.query("patients").count()
    first.where("age", ">", 1).by("sex")
    assert first.as_dict()["where"] == first.as_dict()["by"] == []


def test_a_quote_tells_price_error_and_what_is_left(platform):
    _here, project = platform
    quote = project.query("patients").by("sex").count().quote(epsilon=0.75)
    assert isinstance(quote, Quote)
    assert (quote.rho, quote.epsilon, quote.error95) == (0.01, 0.75, {"count": 13.9})
    assert "rho 0,37" in quote._repr_html_()
    assert "± 13,90" in repr(quote)


def test_a_release_becomes_a_frame_with_its_errors(platform):
    _here, project = platform
    release = project.query("patients").by("sex").count().release(rho=0.01)
    assert isinstance(release, Release)
    frame = release.to_pandas()
    assert frame.to_dict("list") == {
        "sex": ["F", "M"],
        "age": ["0–50", "50–110"],
        "count": [412, 388],
        "count_error95": [13.9, 13.9],
    }
    assert "412 ± 13,90" in release._repr_html_()


def test_a_broken_connection_is_tried_again_with_the_same_key(platform):
    here, project = platform
    query = project.query("patients").count()
    here.break_next = 2
    query.release(rho=0.01)
    keys = [body["idempotency_key"] for _method, path, body in here.asked if path == "/lab/releases"]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    query.release(rho=0.01)
    assert here.asked[-1][2]["idempotency_key"] != keys[0]


def test_an_export_is_not_asked_for_twice_when_the_connection_breaks(platform):
    here, project = platform
    release = project.release("r-1")
    here.break_next = 1
    with pytest.raises(Refused, match="brutt"):
        project.export([release.table("T")], title="t")
    assert [path for _method, path, _body in here.asked].count("/lab/exports") == 1


def test_an_export_says_why_not_and_what_to_do(platform):
    here, project = platform
    release = project.release("r-1")
    export = project.export(
        [release.table("Tabell 1"), release.figure("Figur 1", "count", mark="line")], title="Første"
    )
    assert here.asked[-1][2] == {
        "title": "Første",
        "items": [
            {"kind": "table", "release": "r-1", "title": "Tabell 1"},
            {"kind": "figure", "release": "r-1", "title": "Figur 1", "measure": "count", "mark": "line"},
        ],
    }
    assert "Slå sammen grupper." in export._repr_html_()
    assert "avslått" in repr(export)
    assert export.status().state == "released"
    assert [each.id for each in project.exports] == ["x-1"]
    assert project.releases["id"].tolist() == ["r-1"]


def test_a_refusal_is_read_as_reason_and_remedy(platform):
    here, project = platform
    here.refuse = (
        409,
        {
            "code": "budget",
            "message": "Budsjettet rekker ikke: {left} igjen.",
            "remedy": "Be om mindre.",
            "params": {"left": 3},
        },
    )
    with pytest.raises(Refused) as caught:
        _ = project.title
    assert caught.value.reason == "Budsjettet rekker ikke: 3 igjen."
    assert caught.value.remedy == "Be om mindre."
    assert "Avslått" in caught.value._render_traceback_()[0]


def test_every_problem_of_a_query_is_told(platform):
    here, project = platform
    problems = [{"message": "Tallet er for lite.", "field": "max_rows", "row": None, "params": {}}]
    here.refuse = (
        422,
        {"code": "invalid", "message": "Noe må rettes.", "remedy": "", "params": {}, "problems": problems},
    )
    with pytest.raises(Refused, match="max_rows: Tallet er for lite"):
        _ = project.title


def test_an_answer_in_no_known_form_is_a_refusal_too(platform):
    here, project = platform
    here.refuse = (500, ["?"])  # type: ignore[assignment]
    with pytest.raises(Refused, match="500"):
        _ = project.title


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # httpcore drops the socket that did not connect
def test_without_a_platform_the_project_still_has_a_name(tmp_path):
    assert "uten forbindelse" in repr(Project(Door(tmp_path / "none", pause=0)))


@pytest.mark.parametrize(
    ("rho", "epsilon"), [(None, None), (0.1, 0.1), (0, None), (-1, None), (float("nan"), None), (None, float("inf"))]
)
def test_a_price_is_one_number_above_zero(rho, epsilon):
    with pytest.raises(Refused):
        micro(rho, epsilon, 1e-6)


def test_epsilon_is_turned_into_the_rho_that_gives_it():
    rho = rho_of(1.0, 1e-6)
    assert rho + 2 * (rho * 13.815510557964274) ** 0.5 == pytest.approx(1.0)


@pytest.mark.parametrize(("rho", "price"), [(0.02, 20_000), (0.0015, 1_500), (0.000_001, 1)])
def test_a_price_in_rho_is_sent_as_it_is(rho, price):
    assert micro(rho, None, 1e-6) == price


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.25, 0.5, 1.0, 2.0, 7.3])
def test_a_price_in_epsilon_is_rounded_down_to_one_that_the_platform_takes(epsilon):
    from hvelv.privacy.domain.query import rho_from

    price, exact = micro(None, epsilon, 1e-6), rho_of(epsilon, 1e-6) * 1e6

    assert rho_from(price) == price
    assert 0.9 * exact < price <= exact or price == 1


def test_an_unknown_operator_and_edges_of_two_columns_are_refused_at_once(platform):
    _here, project = platform
    with pytest.raises(Refused, match="=="):
        project.query("patients").where("age", "like", 1)
    with pytest.raises(Refused, match="edges"):
        project.query("patients").by("a", "b", edges=[0, 1])


def test_the_lab_needs_nothing_but_itself_and_seven_libraries():
    lab = Path(__file__).parents[2] / "enclave" / "lab"
    found = set()
    for path in lab.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= set(names) | ({str(node.module)} if isinstance(node, ast.ImportFrom) else set())
    others = {
        name
        for name in found
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("hvelv.enclave.lab")
    }
    assert {name.split(".")[0] for name in others} == {"httpx", "matplotlib", "pandas", "pyarrow"} | {
        "duckdb",
        "polars",
        "tqdm",
    }


def test_the_lab_imports_alone(tmp_path):
    package = tmp_path / "hvelv" / "enclave"
    package.mkdir(parents=True)
    (package / "lab").symlink_to(Path(__file__).parents[2] / "enclave" / "lab")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; sys.modules.pop('hvelv', None); import hvelv.enclave.lab as lab; print(lab.__file__, dir(lab.project))"
    script = f"import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in str(f).lower()]; {code}"
    out = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    assert re.search(r"'budget'.*'datasets'.*'export'.*'query'.*'read'", out.stdout)
