"""A project's variables in the notebook are those of its extract: after the steps, with what the steps were."""

from types import SimpleNamespace
from typing import Any

from hvelv.enclave.lab.room import Dataset
from hvelv.enclave.service.lab_project import LabProject
from hvelv.kernel.clock import SetClock
from hvelv.privacy.domain.transforms import Transform, transforms_from
from hvelv.requests.domain.permit import Permit, PermittedDataset
from tests.builders_catalog import a_declaration, a_declaration_document
from tests.builders_requests import NOON

BANDS = transforms_from([{"kind": "bands", "edges": [18, 40, 67]}])
DROP = transforms_from([{"kind": "drop"}])


def a_view(extract: Any = None) -> dict[str, Any]:
    """Return what a member's notebook is told of the one table of a project that gets ages in bands and no weights."""
    variables = a_declaration_document()["variables"]
    variables[4] = variables[4] | {"transforms": [{"kind": "year"}]}
    declaration = a_declaration(variables=variables)
    entry = PermittedDataset(
        "d-liver", "h-lab", "liver", "1", ("age", "sex", "drawn", "weight"), transforms=(("age", BANDS),)
    )
    permit = Permit(
        "t", 1, "p-1", "T", "x", "x", "x", "a", "r", "kari", (), (entry,), (), NOON.date(), NOON.date(), NOON, 1, 0, ()
    )  # fmt: skip
    office = SimpleNamespace(grant=lambda *_: None, active_permit=lambda *_: permit)
    privacy = SimpleNamespace(
        extracts=SimpleNamespace(in_use=lambda _project: [extract] if extract else []),
        projects=SimpleNamespace(budget=lambda _project: []),
    )
    versions = SimpleNamespace(find=lambda *_: SimpleNamespace(declaration=declaration))
    view = LabProject(office, privacy, versions, SetClock(NOON)).view("kari", "p-1")  # type: ignore[arg-type]
    table: dict[str, Any] = view["datasets"][0]
    return table


def an_extract(**steps: tuple[Transform, ...]) -> SimpleNamespace:
    return SimpleNamespace(table="liver", permit_version=1, rows=5, persons=4, sha256="s", steps=steps)


def test_variables_are_described_as_they_leave_with_notes() -> None:
    age, weight, sex, drawn = a_view()["variables"]

    assert (age["type"], age["low"], age["high"]) == ("string", None, None)
    assert [c["code"] for c in age["categories"]] == ["<18", "18–39", "40–66", "67+"]
    assert age["notes"] == ["Tallet er gjort om til grupper, med grenser ved 18, 40, 67."]
    assert (drawn["type"], drawn["notes"]) == ("integer", ["Bare årstallet utleveres."])
    assert (weight["high"], weight["step"], weight["notes"]) == (300, 0.1, [])
    assert sex["categories"] == [
        {"code": "F", "label": {"nb": "F", "en": ""}},
        {"code": "M", "label": {"nb": "M", "en": ""}},
    ]


def test_a_variable_whose_rare_codes_are_gone_says_that_no_query_may_use_it() -> None:
    rare = transforms_from([{"kind": "suppress", "persons": 5, "instead": "F"}])

    found = {v["name"]: v for v in a_view(an_extract(sex=rare))["variables"]}

    assert {name: v["in_queries"] for name, v in found.items()} == {
        "age": True, "weight": True, "sex": False, "drawn": True,
    }  # fmt: skip
    assert "kan ikke brukes i spørringer" in found["sex"]["notes"][0]


def test_what_the_steward_decided_at_the_last_is_seen_once_the_extract_is_there() -> None:
    names = [v["name"] for v in a_view(an_extract(age=BANDS, weight=DROP))["variables"]]

    assert names == ["age", "sex", "drawn"]


def test_the_notebook_shows_the_form() -> None:
    shown = repr(Dataset(a_view()))

    assert "Bare årstallet utleveres." in shown
