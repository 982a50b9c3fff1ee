"""In which form data are asked for and permitted: judged by the office, narrower than the steward's, never wider."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hvelv.kernel.errors import Denied, Invalid
from hvelv.privacy.domain.transforms import transforms_from
from hvelv.requests.domain.completeness import missing
from hvelv.requests.domain.draft import Draft, Filter, Wish
from hvelv.requests.domain.evidence import Evidence, grant_of
from hvelv.requests.domain.forms import chosen, offered, schema_of, steps_of
from hvelv.requests.domain.permit import Permit
from hvelv.requests.domain.review import Choice
from hvelv.requests.domain.revision import Revision
from hvelv.workflows.desk import permitted_table
from tests.builders_catalog import a_dataset, a_declaration, a_declaration_document
from tests.builders_requests import (
    COMMITTEE,
    LAB_STEWARD,
    LEAD,
    NOON,
    SIGNER,
    House,
    a_decision,
    a_draft,
    a_house,
    a_wish,
    an_application,
    by_id,
)

BANDS = (("age", transforms_from([{"kind": "bands", "edges": [18, 40, 67]}])),)
YEAR = (("drawn", transforms_from([{"kind": "year"}])),)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = a_house(tmp_path)
    yield made
    made.close()


def declared(**steps: Any) -> dict[str, Any]:
    """Return the variables of the usual declaration, some with steps."""
    variables = a_declaration_document()["variables"]
    return {"variables": [v | ({"transforms": steps[v["name"]]} if v["name"] in steps else {}) for v in variables]}


def evidence(**wish: Any) -> Evidence:
    application = an_application([(p, Choice.FOR) for p in COMMITTEE], wishes=(a_wish(**wish),))
    application = application.decided(a_decision(application, LAB_STEWARD))
    return Evidence.of(application, frozenset(p.id for p in COMMITTEE), application.revision, None)


def issued(house: House, sent: Evidence) -> Permit:
    document = json.loads(json.dumps(sent.as_dict()))
    signed = house.office.issue("portal", document, grant_of(Evidence.from_dict(document)))
    return Permit.verified(signed, SIGNER.verifier)


def test_a_revision_from_before_there_were_steps_has_the_hash_that_was_voted_on() -> None:
    wish = Wish("d-1", "h-1", "liver", "abc", ("age", "sex"), (Filter("age", ">=", 18),), 5)
    draft = Draft(title="T", members=("per",), wishes=(wish,))

    revision = Revision("a-1", 1, "kari", draft, datetime(2026, 1, 1, tzinfo=UTC))

    assert revision.hash == "47691cc8a6f9991b9755d2bf699fe6235236da2307e2952dc63b5788c2fc52b6"


def test_answers_with_steps_survive_the_round_in_one_form_whatever_the_order() -> None:
    draft = a_draft(wishes=(a_wish(columns=("age", "drawn"), transforms=(*YEAR, *BANDS)),))

    read = Draft.from_dict(json.loads(json.dumps(draft.as_dict())))

    assert read.as_dict() == draft.as_dict()
    assert read.wishes[0].transforms == (*BANDS, *YEAR)
    assert read.wishes[0].steps("drawn") == YEAR[0][1]
    assert read.wishes[0].steps("sex") == ()


def test_a_permit_without_steps_is_the_document_that_it_was(house: House) -> None:
    permit = issued(house, evidence())

    assert set(permit.as_dict()["datasets"][0]) == {
        "dataset", "holder", "table", "version", "columns", "where", "rho_micro",
    }  # fmt: skip
    assert (permit.datasets[0].transforms, permit.datasets[0].go_ahead) == ((), False)


def test_the_permit_says_in_which_form_and_privacy_is_told(house: House) -> None:
    permit = issued(house, evidence(columns=("age", "drawn"), transforms=(*BANDS, *YEAR)))

    entry = permit.datasets[0]

    assert entry.transforms == (*BANDS, *YEAR)
    assert permitted_table(entry).extra == dict((*BANDS, *YEAR))
    assert Permit.from_document(json.loads(json.dumps(permit.as_dict()))) == permit


@pytest.mark.parametrize(
    ("columns", "transforms"),
    [
        (("age", "sex"), [("sex", [{"kind": "year"}])]),
        (("age",), [("drawn", [{"kind": "year"}])]),
        (("age",), [("nothing", [{"kind": "keep"}])]),
        (("age",), [("age", [{"kind": "bands", "edges": [0, 500]}])]),
        (("age",), [("fnr", [{"kind": "hash"}])]),
    ],
)
def test_the_office_refuses_steps_that_do_not_fit_though_all_have_said_yes(
    house: House, columns: tuple[str, ...], transforms: Any
) -> None:
    steps = tuple((name, transforms_from(documents)) for name, documents in transforms)

    with pytest.raises(Denied) as refusal:
        issued(house, evidence(columns=columns, transforms=steps))

    assert refusal.value.code == "grant-columns"
    assert house.opened.jobs == []


def test_the_office_refuses_a_variable_that_the_steward_hands_out_in_no_form(house: House) -> None:
    house.versions.changes = declared(weight=[{"kind": "drop"}])

    with pytest.raises(Denied) as refusal:
        issued(house, evidence(columns=("age", "weight")))

    assert refusal.value.code == "grant-columns"


def test_steps_must_be_possible_after_the_stewards_own(house: House) -> None:
    house.versions.changes = declared(age=[{"kind": "bands", "edges": [18, 67]}])

    with pytest.raises(Denied):
        issued(house, evidence(columns=("age",), transforms=BANDS))


@pytest.mark.parametrize("review", [False, True])
def test_whether_the_steward_looks_first_is_said_by_the_vault_alone(house: House, *, review: bool) -> None:
    house.versions.changes = {"review_before_release": review}
    document = evidence().as_dict()
    document["answers"]["wishes"][0]["go_ahead"] = not review

    read = Evidence.from_dict(document)
    signed = house.office.issue("portal", document, grant_of(read))

    assert Permit.verified(signed, SIGNER.verifier).datasets[0].go_ahead is review


@pytest.mark.parametrize("claimed", [False, True])
def test_a_grant_that_says_it_for_itself_is_refused(house: House, *, claimed: bool) -> None:
    house.versions.changes = {"review_before_release": True}
    sound = evidence()
    grant = grant_of(sound)
    grant["datasets"][0]["go_ahead"] = claimed

    with pytest.raises(Denied) as refusal:
        house.office.issue("portal", sound.as_dict(), grant)

    assert refusal.value.code == "other-grant"


def test_malformed_steps_in_the_evidence_are_refused(house: House) -> None:
    document = evidence().as_dict()
    document["answers"]["wishes"][0]["transforms"] = {"age": [{"kind": "shell"}]}

    with pytest.raises(Invalid):
        house.office.issue("portal", document, {})


def test_a_form_that_does_not_fit_is_told_before_the_application_is_sent() -> None:
    draft = a_draft(wishes=(a_wish(transforms=YEAR),))

    found = missing(draft, lead=LEAD.id, datasets={"d-liver": a_dataset()}, people=by_id(), today=NOON.date())

    assert [p.field for p in found] == ["wishes.d-liver.columns"]


def test_each_variable_is_offered_the_forms_that_fit_it() -> None:
    found = {name: [offer.key for offer in offers] for name, offers in offered(a_declaration()).items()}

    assert found == {
        "fnr": [],
        "age": ["bands5", "bands10"],
        "weight": ["bands5", "bands10"],
        "sex": [],
        "drawn": ["month", "year"],
        "town": [],
    }


def test_what_is_offered_comes_after_what_the_steward_declared() -> None:
    steps = {
        "drawn": [{"kind": "month"}], "weight": [{"kind": "drop"}], "sex": [{"kind": "hash"}],
        "age": [{"kind": "clip", "low": 20, "high": 60}],
    }  # fmt: skip
    declaration = a_declaration(**declared(**steps))

    found = {name: [offer.key for offer in offers] for name, offers in offered(declaration).items()}

    assert found["drawn"] == ["year"]
    assert found["weight"] == []
    age = schema_of(declaration).find("age")
    assert steps_of("bands10", age) == transforms_from([{"kind": "bands", "edges": [20, 30, 40, 50]}])
    assert chosen(steps_of("bands10", age), age) == "bands10"


def test_only_forms_that_are_offered_can_be_asked_for_by_name() -> None:
    schema = schema_of(a_declaration())

    assert steps_of("drop", schema.find("age")) is None
    assert steps_of("hash", schema.find("sex")) is None
    assert steps_of('[{"kind":"keep"}]', schema.find("age")) is None
    assert steps_of("year", schema.find("age")) is None
    assert steps_of("", schema.find("age")) == ()
