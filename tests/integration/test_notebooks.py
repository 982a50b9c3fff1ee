"""The worked examples run, on the demo's registers and within its budget, and show what they say."""

import json
import re

import pytest

from tests.builders_notebooks import NOTEBOOKS, RHO, a_demo, run

EXAMPLES = sorted(path.name for path in NOTEBOOKS.glob("0[2-9]-*.ipynb"))
LEFT_BY_THE_FIRST = {"population": 40_000, "laboratory": 0, "diagnoses": 20_000}  # what 01 costs the same project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with a_demo(
        tmp_path_factory.mktemp("demo"), rho={table: rho - LEFT_BY_THE_FIRST[table] for table, rho in RHO.items()}
    ) as demo:
        yield demo


def cells_of(name):
    notebook = json.loads((NOTEBOOKS / name).read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_worked_example_quotes_releases_and_draws(project, monkeypatch, name):
    monkeypatch.setattr("hvelv.enclave.lab.project", project)
    shown = [value for value in run(cells_of(name), {"__name__": "__main__"}, name=name) if value is not None]

    kinds = {type(value).__name__ for value in shown}
    assert {"DataFrame", "Picture"} <= kinds
    for value in shown:
        page = getattr(value, "_repr_html_", lambda: "")() or repr(value)
        assert isinstance(value, dict) or not re.search(r"\bx[1-9]\b", re.sub(r"base64,[^\"]*", "", page))
        if type(value).__name__ == "Picture":
            assert value._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_worked_example_is_kept_without_its_outputs(name):
    notebook = json.loads((NOTEBOOKS / name).read_text())
    assert not [cell for cell in notebook["cells"] if cell.get("outputs") or cell.get("execution_count")]


def test_run_again_the_examples_cost_nothing(project, monkeypatch):
    monkeypatch.setattr("hvelv.enclave.lab.project", project)
    list(run(cells_of(EXAMPLES[0]), {"__name__": "__main__"}))
    left = {table: project.budget.left(table) for table in RHO}
    list(run(cells_of(EXAMPLES[0]), {"__name__": "__main__"}))
    assert {table: project.budget.left(table) for table in RHO} == left
