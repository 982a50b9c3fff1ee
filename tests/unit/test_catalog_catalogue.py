"""Declaring, publishing, finding and picking, on the portal's side."""

import time
from pathlib import Path
from typing import Any

import pytest

from hvelv.catalog.adapters.search_index import TantivyIndex
from hvelv.catalog.adapters.store import SqlCatalogueRows, SqlSelectionRows
from hvelv.catalog.domain.declaration import Declaration
from hvelv.catalog.domain.words import is_name
from hvelv.catalog.service.catalogue import Catalogue
from hvelv.catalog.service.publishing import Checked, Preview, Published, Publishing, Uploaded
from hvelv.catalog.service.selections import Selections
from hvelv.kernel.database import registry
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible
from hvelv.kernel.ids import CountedIds
from hvelv.kernel.people import Role
from tests.builders_catalog import a_declaration, a_declaration_document, a_holder, a_version, variable
from tests.builders_requests import LAB_STEWARD, LEAD, NOON, POP_STEWARD, a_person


class Door:
    """A custodian that takes anything."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str]] = []
        self.holders: set[str] = set()

    def upload(self, actor: str, upload: str, filename: str, content: Any) -> Uploaded:
        return Uploaded(upload, len(b"".join(content)), "0" * 64)

    def check(self, actor: str, upload: str, declaration: Any) -> Checked:
        return Checked((), (), Preview(), 1, 1)

    def publish(
        self, actor: str, upload: str, dataset: str, declaration: Any, rho_micro: int | None, *, holder: str
    ) -> Published:
        self.published.append((upload, dataset))
        self.holders.add(holder)
        return Published("a" * 64, 10, 9, NOON)

    def discard(self, actor: str, upload: str) -> None:
        pass


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    database = registry(f"sqlite:///{tmp_path}/registry.sqlite")
    database.create_all()
    made = Catalogue(database, SqlCatalogueRows(), TantivyIndex)
    made.add_holder("test", a_holder("h-lab"))
    made.add_holder("test", a_holder("h-pop"))
    return made


@pytest.fixture
def full(catalogue: Catalogue) -> Catalogue:
    catalogue.register(LAB_STEWARD, a_version("d-liver"))
    variables = [
        variable("fnr", "person_id"),
        variable("leversykdom", title={"nb": "Leversykdom ved inklusjon", "en": "Liver disease at inclusion"}),
        variable("blodtrykk", kind="integer", title={"nb": "Systolisk blodtrykk", "en": "Blood pressure"}),
    ]
    about = {"title": {"nb": "Befolkning", "en": "Population"}, "description": {"nb": "Personer", "en": "Persons"}}
    catalogue.register(POP_STEWARD, a_version("d-pop", table="population", keywords=[], variables=variables, **about))
    return catalogue


@pytest.mark.parametrize(
    ("query", "dataset", "names"),
    [
        ("leversykdom", "d-pop", ["leversykdom"]),
        ("lever", "d-pop", ["leversykdom"]),
        ("sykdom", "d-pop", ["leversykdom"]),
        ("sykdommer", "d-pop", ["leversykdom"]),
        ("trykk", "d-pop", ["blodtrykk"]),
        ("BLOOD", "d-pop", ["blodtrykk"]),
        ("pressures", "d-pop", ["blodtrykk"]),
        ("lever", "d-liver", []),
        ("fettlever", "d-liver", []),
        ("weight lever", "d-liver", ["weight"]),
    ],
)
def test_a_word_finds_variables_and_the_datasets_they_are_in(
    query: str, dataset: str, names: list[str], full: Catalogue
) -> None:
    hits = {hit.dataset.id: [v.name for v in hit.variables] for hit in full.search(query).hits}
    assert hits[dataset] == names


def test_facets_count_over_all_holders_whichever_is_chosen(full: Catalogue) -> None:
    found = full.search("lever", holder="h-pop")
    assert [(f.holder.id, f.count) for f in found.facets] == [("h-lab", 1), ("h-pop", 1)]
    assert ([h.dataset.id for h in found.hits], found.total) == (["d-pop"], 1)
    assert full.search("").total == 2
    assert full.search("finnesikke").hits == ()


@pytest.mark.parametrize(
    "query", ['"', "a* OR *", "own:[a TO z]", "\\", "(((", "\0", "lever AND", "�" * 500, "a " * 5000, "-"]
)
def test_no_query_is_a_command_or_an_error(query: str, full: Catalogue) -> None:
    assert full.search(query).query == query


def test_a_new_version_is_found_at_once_also_by_another_process(full: Catalogue) -> None:
    other = Catalogue(full._database, SqlCatalogueRows(), TantivyIndex)
    assert len(other.get("d-liver").versions) == 1
    full.register(LAB_STEWARD, a_version("d-liver", "2", keywords=["nyord"]))
    assert other.get("d-liver").current.content_hash == "2" * 64
    assert [h.dataset.id for h in other.search("nyord").hits] == ["d-liver"]


def test_registering_twice_is_once_and_a_taken_name_is_refused(full: Catalogue) -> None:
    full.register(LAB_STEWARD, a_version("d-liver"))
    with full._database.reading() as session:
        actions = [row.action for row in full._database.trail.rows(session)]
    assert actions.count("dataset.published") == 2
    with pytest.raises(NotPossible):
        full.register(POP_STEWARD, a_version("d-other"))


@pytest.mark.parametrize("person", [POP_STEWARD, LEAD, a_person("ute", Role.STEWARD, holder="h-lab", active=False)])
def test_only_the_holders_own_stewards_publish(person: Any, full: Catalogue) -> None:
    with pytest.raises(Denied):
        full.register(person, a_version("d-liver", "3"))
    with pytest.raises(Denied):
        Publishing(full, Door(), CountedIds()).publish(person, "u-1", a_declaration_document(), dataset="d-liver")


def test_publishing_enters_the_catalogue_and_can_be_repeated(catalogue: Catalogue) -> None:
    door = Door()
    publishing = Publishing(catalogue, door, CountedIds())
    upload = publishing.upload(LAB_STEWARD, "fil.csv", iter([b"abc"]))
    one = publishing.publish(LAB_STEWARD, upload.id, a_declaration_document())
    assert publishing.publish(LAB_STEWARD, upload.id, a_declaration_document()) == one
    assert (one.id, one.holder.id, len(one.versions)) == ("d-0001", "h-lab", 1)
    assert door.holders == {"h-lab"}
    with pytest.raises(Invalid) as taken:
        publishing.publish(LAB_STEWARD, "u-9999", a_declaration_document())
    assert [p.field for p in taken.value.problems] == ["table"]
    assert door.published == [("u-0001", "d-0001")] * 2


def test_a_selection_keeps_what_is_picked_and_never_an_identity(full: Catalogue) -> None:
    selections = Selections(full._database, SqlSelectionRows(), full)
    selections.add(LEAD, "d-liver", "weight", "age")
    selections.add(LEAD, "d-liver", "age")
    assert [[v.name for v in s.variables] for s in selections.of(LEAD)] == [["age", "weight"]]
    with pytest.raises(NotPossible):
        selections.add(LEAD, "d-liver", "fnr")
    with pytest.raises(NotFound):
        selections.add(LEAD, "d-liver", "ukjent")
    with pytest.raises(Denied):
        selections.add(LAB_STEWARD, "d-liver", "age")
    selections.remove(LEAD, "d-liver", "age")
    assert selections.count(LEAD) == 1
    selections.clear(LEAD)
    assert selections.of(LEAD) == ()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no title": ({"title": {"nb": " "}}, "title.nb"),
    "a table name with space": ({"table": "min tabell"}, "table"),
    "an unknown field": ({"owner": "me"}, ""),
    "an unknown encoding": ({"format": {"encoding": "utf-16"}}, "format.encoding"),
    "decimal mark as delimiter": ({"format": {"delimiter": ",", "decimal": ","}}, "format.decimal"),
    "no variables": ({"variables": []}, "variables"),
    "variables that are none": ({"variables": "alle"}, "variables"),
    "no person": ({"variables": [variable("age")]}, "variables"),
    "two persons": ({"variables": [variable("a", "person_id"), variable("b", "person_id")]}, "variables"),
    "a person id as number": ({"variables": [variable("a", "person_id", "integer")]}, "variables.0.type"),
    "the same name twice": ({"variables": [variable("a", "person_id"), variable("a")]}, "variables.1.name"),
    "an unknown role": ({"variables": [variable("a", "boss")]}, "variables.0.role"),
    "bounds on text": ({"variables": [variable("a", "person_id"), variable("b", low=1)]}, "variables.1.low"),
    "bounds upside down": ({"variables": [variable("b", kind="integer", low=2, high=1)]}, "variables.0.low"),
    "a bound that is no number": ({"variables": [variable("b", kind="integer", low="1")]}, "variables.0.low"),
    "infinite": ({"variables": [variable("b", kind="decimal", high=float("inf"))]}, "variables.0.high"),
    "no step at all": ({"variables": [variable("b", kind="decimal", step=0)]}, "variables.0.step"),
    "half steps of integers": ({"variables": [variable("b", kind="integer", step=0.5)]}, "variables.0.step"),
    "a code twice": (
        {"variables": [variable("b", categories=[{"code": "x", "label": {}}] * 2)]},
        "variables.0.categories.1.code",
    ),
    "a code of another type": (
        {"variables": [variable("b", kind="integer", categories=[{"code": "x", "label": {}}])]},
        "variables.0.categories.0.code",
    ),
    "codes of dates": (
        {"variables": [variable("b", kind="date", categories=[{"code": "x"}])]},
        "variables.0.categories",
    ),
    "not yes or no": ({"person_unique": "ja"}, "person_unique"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_declaration_is_told_of_by_field(name: str) -> None:
    changes, field = WRONG[name]
    with pytest.raises(Invalid) as refused:
        a_declaration(**changes)
    assert field in [p.field for p in refused.value.problems]


@pytest.mark.parametrize(
    "document", [[], "x", None, 5, {"variables": {}}, {"title": []}, {"format": 3, "keywords": {}}]
)
def test_what_is_no_declaration_is_refused_and_never_an_error(document: Any) -> None:
    with pytest.raises(Invalid):
        Declaration.read(document)


def test_a_declaration_survives_its_own_json() -> None:
    declaration = a_declaration()
    assert Declaration.read(declaration.as_dict()) == declaration
    assert declaration.variable("age").step == 1


@pytest.mark.attack("DS03")
@pytest.mark.parametrize("text", ["a" * 100_000, "a_" * 50_000, " " * 100_000, "_" * 100_000 + "!"])
def test_no_text_makes_a_pattern_slow(text: str) -> None:
    from hvelv.catalog.adapters.waiting_room import UPLOAD
    from hvelv.catalog.domain.analysis import words

    began = time.perf_counter()
    is_name(text)
    words(text)
    UPLOAD.fullmatch("u-" + text)
    assert time.perf_counter() - began < 0.05
