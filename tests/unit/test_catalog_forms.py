"""In which form a variable leaves: declared with it, kept word for word, and absent where nothing was said."""

import pytest

from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.forms import OFFERS, documents_of, key_of
from hvelv.kernel.canonical import digest
from hvelv.kernel.errors import Invalid
from hvelv.privacy.domain.schema import Column
from hvelv.privacy.domain.transforms import fits, transforms_from
from hvelv.workflows.forms import Forms
from tests.builders_catalog import a_declaration_document


def a_document(**transforms):
    document = a_declaration_document()
    for variable in document["variables"]:
        if variable["name"] in transforms:
            variable["transforms"] = transforms[variable["name"]]
    return document


def test_a_declaration_from_before_there_were_steps_reads_and_keeps_its_hash():
    declaration = Declaration.read(a_declaration_document())

    document = declaration.as_dict()

    assert not declaration.review_before_release
    assert "review_before_release" not in document
    assert all("transforms" not in variable for variable in document["variables"])
    assert digest(document) == "aec41bea7d78505e1993b4f898e759435ff64392f1b8f7f31d856234e64fcc67"


def test_steps_and_the_wish_to_review_survive_the_round():
    steps = [{"kind": "bands", "edges": [18, 40]}, {"kind": "suppress", "persons": 5, "instead": "andre"}]
    document = a_document(age=steps, drawn=[{"kind": "year"}]) | {"review_before_release": True}

    declaration = Declaration.read(document)

    assert declaration.review_before_release
    assert declaration.as_dict()["review_before_release"] is True
    assert [step.as_dict() for step in declaration.variable("age").transforms] == steps
    assert Declaration.read(declaration.as_dict()) == declaration
    Forms().check(declaration.as_dict())


@pytest.mark.attack("DP21")
def test_the_population_is_in_the_declaration_and_its_hash_where_one_is_named():
    plain = Declaration.read(a_declaration_document())
    named = Declaration.read(a_declaration_document(population="blodgivere-2"))

    assert named.population == "blodgivere-2"
    assert Declaration.read(named.as_dict()) == named
    assert digest(named.as_dict()) != digest(plain.as_dict())
    assert plain.population is None
    assert "population" not in plain.as_dict()


@pytest.mark.parametrize(
    "name", ["", "Blod", "blod givere", "-blod", "blod-", "blåprøver", "b" * 65, 7, ["b"], "a/b", "..", True]
)
def test_a_population_has_a_name_like_an_id(name):
    with pytest.raises(Invalid) as refusal:
        Declaration.read(a_declaration_document(population=name))

    assert [p.field for p in refusal.value.problems] == ["population"]


@pytest.mark.parametrize(
    "steps",
    ["year", {"kind": "year"}, [1], [{}], [{"kind": 3}], [{"kind": "year"}] * 13, [{"kind": "x", "a": float("nan")}]],
)
def test_what_is_not_a_short_list_of_steps_is_refused_by_the_catalogue(steps):
    with pytest.raises(Invalid) as refusal:
        Declaration.read(a_document(drawn=steps))

    assert [p.field for p in refusal.value.problems] == ["variables.4.transforms"]


@pytest.mark.parametrize(
    ("name", "steps", "field"),
    [
        ("sex", [{"kind": "year"}], "sex"),
        ("age", [{"kind": "bands", "edges": [0, 200]}], "age"),
        ("age", [{"kind": "nonsense"}], "age.transforms.0"),
        ("age", [{"kind": "clip", "low": 1, "more": 2}], "age.transforms.0"),
        ("fnr", [{"kind": "hash"}], "fnr"),
        ("town", [{"kind": "keep"}], "town"),
    ],
)
def test_steps_that_do_not_fit_are_refused_by_the_custodian_with_the_variables_name(name, steps, field):
    with pytest.raises(Invalid) as refusal:
        Forms().check(Declaration.read(a_document(**{name: steps})).as_dict())

    assert [p.field for p in refusal.value.problems] == [field]


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.key)
def test_every_form_that_pages_offer_fits_the_variables_that_it_is_offered_for(offer):
    for kind in offer.types:
        bounds = {"low": 0, "high": 110} if kind in {"integer", "decimal"} else {}
        column = Column("v", kind, "attribute", **bounds)
        documents = documents_of(offer.key, bounds.get("low"), bounds.get("high"))

        assert fits(column, transforms_from(documents))
        assert key_of(documents, bounds.get("low"), bounds.get("high")) == offer.key


@pytest.mark.parametrize(
    ("low", "high", "edges"),
    [
        (0, 110, list(range(0, 101, 10))),
        (18, 67, [20, 30, 40, 50, 60]),
        (0, 10, [0]),
        (-5, 12.5, [0, 10]),
        (1, 9, None),
        (None, 9, None),
    ],
)
def test_bands_begin_at_whole_tens_within_the_bounds(low, high, edges):
    made = documents_of("bands10", low, high)

    assert made == (edges and [{"kind": "bands", "edges": edges}])


def test_a_form_of_ones_own_is_written_as_json():
    own = [{"kind": "clip", "high": 90}]

    assert documents_of(key_of(own, 0, 110), 0, 110) == own
    assert documents_of("nonsense", 0, 110) is None
    assert documents_of('{"kind": "year"}', None, None) is None
