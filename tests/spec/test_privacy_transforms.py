"""What each step makes of a variable, what it refuses, and in which order steps make sense."""

import json

import pytest

from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.permission import PermittedTable
from hvelv.privacy.domain.reference import EXAMPLES, render
from hvelv.privacy.domain.schema import NEVER_LEAVES, ROLES, Column, Schema
from hvelv.privacy.domain.transforms import (
    KINDS,
    NOTES,
    Drop,
    as_documents,
    combined,
    fits,
    transformed,
    transforms_from,
)

AGE = Column("v", "integer", "quasi_identifier", low=0, high=110, step=1, unit="år")
COUNT = Column("v", "integer", "attribute")
WEIGHT = Column("v", "decimal", "attribute", low=20, high=300, step=0.5, unit="kg")
LEVEL = Column("v", "decimal", "attribute")
DAY = Column("v", "date", "date")
TEXT = Column("v", "string", "sensitive")
SMOKES = Column("v", "boolean", "attribute")
ICD = Column(
    "v", "string", "sensitive", categories=("I21", "I21.0", "I21.1", "I50.0", "E10.1", "E10.9"),
    labels=tuple({"nb": nb} for nb in ("Hjerteinfarkt", "Fremre", "Nedre", "Svikt", "Diabetes", "Diabetes")),
)  # fmt: skip
MUNICIPALITY = Column("v", "integer", "quasi_identifier", categories=(301, 1103, 4601))
COUNTIES = {"kind": "coarsen", "codes": {"301": "Oslo", "1103": "Rogaland"}, "otherwise": "Andre"}

MADE = [
    (DAY, [{"kind": "year"}], {"type": "integer", "low": None, "high": None, "step": 1}),
    (DAY, [{"kind": "year"}, {"kind": "clip", "low": 1920, "high": 2020}], {"type": "integer", "low": 1920, "high": 2020}),
    (DAY, [{"kind": "year"}, {"kind": "bands", "edges": [1950]}], {"type": "string", "categories": ("<1950", "1950+")}),
    (DAY, [{"kind": "month"}], {"type": "date"}),
    (DAY, [{"kind": "shift", "days": 30}], {"type": "date"}),
    (DAY, [{"kind": "shift", "days": 365}, {"kind": "month"}], {"type": "date"}),
    (AGE, [{"kind": "bands", "edges": [0, 18, 40, 90]}], {"type": "string", "categories": ("0–17", "18–39", "40–89", "90+"), "low": None, "step": None}),
    (AGE, [{"kind": "bands", "edges": [18, 19, 40]}], {"categories": ("<18", "18", "19–39", "40+")}),
    (COUNT, [{"kind": "bands", "edges": [0, 5]}], {"categories": ("<0", "0–4", "5+")}),
    (WEIGHT, [{"kind": "bands", "edges": [20, 60.5, 90]}], {"categories": ("20–60", "60.5–89.5", "90+")}),
    (LEVEL, [{"kind": "bands", "edges": [0, 1.5, 3]}], {"categories": ("<0", "[0, 1.5)", "[1.5, 3)", "3+")}),
    (AGE, [{"kind": "clip", "high": 90}], {"type": "integer", "low": 0, "high": 90, "unit": "år"}),
    (AGE, [{"kind": "clip", "low": 18, "high": 200}], {"low": 18, "high": 110}),
    (COUNT, [{"kind": "clip", "low": 0}], {"low": 0, "high": None}),
    (AGE, [{"kind": "round", "step": 5}], {"low": 0, "high": 110, "step": 5}),
    (WEIGHT, [{"kind": "round", "step": 25}], {"low": 25, "high": 300, "step": 25}),
    (ICD, [{"kind": "truncate", "length": 3}], {"categories": ("I21", "I50", "E10"), "labels": ({"nb": "Hjerteinfarkt"}, {"nb": "Svikt"}, {"nb": "Diabetes"})}),
    (ICD, [{"kind": "truncate", "length": 1}], {"categories": ("I", "E"), "labels": ({}, {"nb": "Diabetes"})}),
    (TEXT, [{"kind": "truncate", "length": 3}], {"categories": None}),
    (MUNICIPALITY, [COUNTIES], {"type": "string", "categories": ("Oslo", "Rogaland", "Andre"), "labels": ({}, {}, {})}),
    (TEXT, [{"kind": "coarsen", "codes": {"a": "Y", "b": "X", "c": "Y"}, "otherwise": "X"}], {"categories": ("X", "Y")}),
    (ICD, [{"kind": "hash"}], {"type": "string", "categories": None, "labels": ()}),
    (MUNICIPALITY, [{"kind": "hash"}], {"type": "string", "categories": None}),
    (ICD, [{"kind": "truncate", "length": 1}, {"kind": "suppress", "persons": 5, "instead": "*"}], {"categories": ("I", "E", "*")}),
    (ICD, [{"kind": "suppress", "persons": 5, "instead": "I21"}], {"categories": ICD.categories}),
    (MUNICIPALITY, [{"kind": "suppress", "persons": 5, "instead": 9999}], {"categories": (301, 1103, 4601, 9999)}),
    (AGE, [{"kind": "suppress", "persons": 5, "instead": 999}], {"low": 0, "high": 999}),
    (TEXT, [{"kind": "suppress", "persons": 5, "instead": "*"}], {"categories": None}),
    (SMOKES, [{"kind": "keep"}], {"type": "boolean"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "documents", "expected"), MADE, ids=lambda value: json.dumps(value) if isinstance(value, list) else ""
)
def test_the_public_column_that_a_step_makes(column, documents, expected):
    made = transformed(column, transforms_from(documents))

    assert {name: getattr(made, name) for name in expected} == expected
    assert (made.name, made.role, made.transforms) == (column.name, column.role, ())


REFUSED = [
    (TEXT, [{"kind": "year"}]),
    (AGE, [{"kind": "month"}]),
    (TEXT, [{"kind": "shift", "days": 3}]),
    (DAY, [{"kind": "bands", "edges": [1]}]),
    (MUNICIPALITY, [{"kind": "bands", "edges": [1000]}]),
    (MUNICIPALITY, [{"kind": "clip", "low": 1000}]),
    (MUNICIPALITY, [{"kind": "round", "step": 100}]),
    (AGE, [{"kind": "bands", "edges": [18, 18]}]),
    (AGE, [{"kind": "bands", "edges": [40, 18]}]),
    (AGE, [{"kind": "bands", "edges": [0, 18.5]}]),
    (AGE, [{"kind": "bands", "edges": [-5, 18]}]),
    (AGE, [{"kind": "bands", "edges": [18, 111]}]),
    (AGE, [{"kind": "clip", "low": 111}]),
    (AGE, [{"kind": "clip", "low": 17.5}]),
    (AGE, [{"kind": "round", "step": 0.5}]),
    (WEIGHT, [{"kind": "round", "step": 0.7}]),
    (AGE, [{"kind": "truncate", "length": 1}]),
    (SMOKES, [{"kind": "hash"}]),
    (DAY, [{"kind": "hash"}]),
    (WEIGHT, [{"kind": "hash"}]),
    (MUNICIPALITY, [{"kind": "coarsen", "codes": {"0301": "Oslo"}, "otherwise": "-"}]),
    (MUNICIPALITY, [{"kind": "coarsen", "codes": {"Oslo": "Oslo"}, "otherwise": "-"}]),
    (SMOKES, [{"kind": "suppress", "persons": 5, "instead": "*"}]),
    (MUNICIPALITY, [{"kind": "suppress", "persons": 5, "instead": "*"}]),
    (TEXT, [{"kind": "suppress", "persons": 5, "instead": 9}]),
    # orders that make no sense
    (DAY, [{"kind": "year"}, {"kind": "month"}]),
    (DAY, [{"kind": "year"}, {"kind": "shift", "days": 3}]),
    (DAY, [{"kind": "month"}, {"kind": "shift", "days": 3}]),
    (DAY, [{"kind": "shift", "days": 3}, {"kind": "shift", "days": 3}]),
    (TEXT, [{"kind": "hash"}, {"kind": "hash"}]),
    (TEXT, [{"kind": "drop"}, {"kind": "hash"}]),
    (TEXT, [{"kind": "suppress", "persons": 5, "instead": "*"}, {"kind": "truncate", "length": 3}]),
]


@pytest.mark.parametrize(
    ("column", "documents"), REFUSED, ids=lambda value: json.dumps(value) if isinstance(value, list) else ""
)
def test_a_step_that_does_not_fit_is_refused_with_the_columns_name(column, documents):
    with pytest.raises(Invalid) as refusal:
        transformed(column, transforms_from(documents))

    assert [problem.field for problem in refusal.value.problems] == ["v"]
    assert not fits(column, transforms_from(documents))


MALFORMED = [
    ({"kind": "year"}, ""),
    ([{"kind": "shell"}], "0"),
    ([{}], "0"),
    ([{"kind": "year", "extra": 1}], "0"),
    ([{"kind": "shift", "days": 366}], "0.days"),
    ([{"kind": "shift", "days": 0}], "0.days"),
    ([{"kind": "shift", "days": True}], "0.days"),
    ([{"kind": "shift", "days": "30"}], "0.days"),
    ([{"kind": "keep"}, {"kind": "clip"}], "1"),
    ([{"kind": "clip", "low": 2, "high": 1}], "0"),
    ([{"kind": "truncate", "length": 0}], "0.length"),
    ([{"kind": "round", "step": 0}], "0.step"),
    ([{"kind": "round", "step": -1}], "0.step"),
    ([{"kind": "bands", "edges": []}], "0.edges"),
    ([{"kind": "bands", "edges": list(range(102))}], "0.edges"),
    ([{"kind": "suppress", "persons": 1, "instead": "*"}], "0.persons"),
    ([{"kind": "suppress", "persons": 5}], "0.instead"),
    ([{"kind": "suppress", "persons": 5, "instead": ""}], "0.instead"),
    ([{"kind": "coarsen", "codes": {}, "otherwise": "-"}], "0.codes"),
    ([{"kind": "coarsen", "codes": {"a": "b"}}], "0.otherwise"),
    ([{"kind": "coarsen", "codes": {"a": "b\n"}, "otherwise": "-"}], "0.codes.0.1"),
    ([{"kind": "keep"}] * 13, ""),
]


@pytest.mark.parametrize(("document", "field"), MALFORMED, ids=lambda value: str(value)[:60])
def test_what_is_no_step_is_refused_where_it_stands(document, field):
    with pytest.raises(Invalid) as refusal:
        transforms_from(document)

    assert field in {problem.field for problem in refusal.value.problems}


def test_a_refusal_never_repeats_what_was_sent():
    with pytest.raises(Invalid) as refusal:
        transforms_from([{"kind": "coarsen", "codes": {"01019912345": 4}, "otherwise": "-", "ola": 1}])

    assert "01019912345" not in json.dumps(refusal.value.as_dict(), default=str)
    assert "ola" not in json.dumps([p.field for p in refusal.value.problems])


def test_every_kind_has_a_note_and_a_line_on_the_reference_page():
    assert set(NOTES) == set(KINDS) == {example["kind"] for example in EXAMPLES}
    assert "| `truncate` | string |" in render()
    assert "| `suppress` | string, integer |" in render()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "documents", [[], [{"kind": "drop"}], [{"kind": "keep"}], [{"kind": "hash"}], [{"kind": "truncate", "length": 2}]]
)
def test_what_never_leaves_never_leaves_whatever_the_steps(role, documents):
    column, steps = Column("v", "string", role), transforms_from(documents)
    if role in NEVER_LEAVES and any(not isinstance(step, Drop) for step in steps):
        with pytest.raises(Invalid):
            transformed(column, steps)
        return

    made = transformed(column, steps)

    assert (made is None) == (role in NEVER_LEAVES or documents == [{"kind": "drop"}])


def test_steps_are_one_form_whatever_the_order_of_their_lists():
    one = transforms_from([{"kind": "coarsen", "codes": {"a": "x", "b": "y"}, "otherwise": "-"}])
    two = transforms_from([{"otherwise": "-", "codes": {"b": "y", "a": "x"}, "kind": "coarsen"}])

    assert one == two
    assert hash(one) == hash(two)
    assert json.dumps(as_documents(one)) == json.dumps(as_documents(two))
    assert transformed(TEXT, one) == transformed(TEXT, two)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((), []),
        (([{"kind": "month"}], [{"kind": "year"}]), [{"kind": "month"}, {"kind": "year"}]),
        (
            ([{"kind": "suppress", "persons": 5, "instead": "*"}], [{"kind": "truncate", "length": 3}]),
            [{"kind": "truncate", "length": 3}, {"kind": "suppress", "persons": 5, "instead": "*"}],
        ),
        (
            (
                [{"kind": "suppress", "persons": 10, "instead": "*"}],
                [{"kind": "suppress", "persons": 5, "instead": "-"}],
            ),
            [{"kind": "suppress", "persons": 10, "instead": "-"}],
        ),
        (([{"kind": "suppress", "persons": 5, "instead": "*"}], [{"kind": "drop"}]), [{"kind": "drop"}]),
        (([{"kind": "drop"}], [{"kind": "hash"}]), [{"kind": "drop"}]),
    ],
)
def test_the_steps_of_steward_permit_and_go_ahead_are_one_row(groups, expected):
    assert as_documents(combined(*map(transforms_from, groups))) == expected


TABLE = {
    "table": "t",
    "variables": [
        {"name": "fnr", "type": "string", "role": "person_id"},
        {"name": "born", "type": "date", "role": "date", "transforms": [{"kind": "month"}]},
        {"name": "age", "type": "integer", "role": "quasi_identifier", "low": 0, "high": 110},
        {"name": "secret", "type": "string", "role": "attribute", "transforms": [{"kind": "drop"}]},
        {"name": "note", "type": "string", "role": "free_text"},
    ],
}


def test_an_extracts_schema_is_the_declared_one_after_all_steps():
    schema = Schema.from_declaration(TABLE)
    names = ("fnr", "born", "age", "secret", "note")

    made = schema.extracted(names, {"born": transforms_from([{"kind": "year"}])})

    assert [(column.name, column.type) for column in made.columns] == [("born", "integer"), ("age", "integer")]
    assert [column.name for column in schema.permitted(names).columns] == ["born", "age", "secret"]
    assert schema.extracted(("age",), {}).columns == (schema.find("age"),)


def test_steps_on_what_is_not_asked_for_are_refused():
    with pytest.raises(Invalid):
        Schema.from_declaration(TABLE).extracted(("age",), {"born": transforms_from([{"kind": "year"}])})


def test_a_stored_declaration_with_steps_that_are_none_gives_no_schema():
    variables = [TABLE["variables"][0], TABLE["variables"][2] | {"transforms": [{"kind": "bands", "edges": ["x"]}]}]

    with pytest.raises(Invalid) as refusal:
        Schema.from_declaration(TABLE | {"variables": variables})

    assert "age.transforms.0.edges.0" in {problem.field for problem in refusal.value.problems}


def test_a_permitted_table_tells_its_own_steps_by_column():
    steps = transforms_from([{"kind": "year"}])

    assert PermittedTable("d", "t", "v", ("born",), (), (("born", steps),)).extra == {"born": steps}
