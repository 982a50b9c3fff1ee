"""In which form variables leave, on pages: the steward says the least coarse, the applicant narrows, everyone reads it."""

import json
import re

import pytest

from hvelv.portal.i18n import LANGUAGES
from hvelv.portal.notes import notes
from hvelv.privacy.domain.transforms import KINDS, transforms_from
from tests.builders_portal import a_declaration, a_portal

ONE_OF_EACH = [
    {"kind": "keep"},
    {"kind": "drop"},
    {"kind": "year"},
    {"kind": "month"},
    {"kind": "shift", "days": 30},
    {"kind": "bands", "edges": [18, 40]},
    {"kind": "clip", "low": 1900, "high": 2020},
    {"kind": "clip", "high": 90},
    {"kind": "clip", "low": 18},
    {"kind": "truncate", "length": 3},
    {"kind": "suppress", "persons": 5, "instead": "andre"},
    {"kind": "coarsen", "codes": {"a": "b"}, "otherwise": "c"},
    {"kind": "hash"},
    {"kind": "round", "step": 0.5},
]


@pytest.fixture
def portal(tmp_path):
    return a_portal(tmp_path)


def test_every_step_has_a_note_in_both_languages_with_nothing_left_to_fill_in():
    assert {document["kind"] for document in ONE_OF_EACH} == set(KINDS)
    for lang in LANGUAGES.values():
        said = notes(lang, ONE_OF_EACH)
        assert len(set(said)) == len(said)
        assert not any("{" in sentence for sentence in said)
        assert said == notes(lang, [transforms_from([document])[0] for document in ONE_OF_EACH])
    assert "Tall utenfor 1900 til 2020 er satt til grensen." in notes(LANGUAGES["nb"], ONE_OF_EACH)
    assert "Numbers above 90 are set to the bound." in notes(LANGUAGES["en"], ONE_OF_EACH)


def declared(**steps):
    document = a_declaration("new_table")
    for variable in document["variables"]:
        if variable["name"] in steps:
            variable["transforms"] = steps[variable["name"]]
    return document


def uploaded(browser):
    """Upload a file; return the address at which it is declared."""
    file = ("x.csv", b"person,age\n1,2\n", "text/csv")
    answer = browser.post("/publish/uploads", files={"file": file}, follow_redirects=False)
    return re.match(r"/publish/uploads/[\w-]+", answer.headers["location"])[0]


def fields_of(page):
    """Return what a browser would send of the form for declaring."""
    start = page.index("novalidate")
    form = page[start : page.index("</form>", start)]
    fields = dict(re.findall(r'<input class="ds-input"(?: data-size="sm")? name="([^"]*)" value="([^"]*)"', form))
    fields |= dict(re.findall(r'name="([^"]*)" value="([^"]*)"(?: inputmode="\w+")?[^>]*autocomplete', form))
    fields |= dict(re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>([^<]*)</textarea>', form))
    fields |= dict(re.findall(r'type="checkbox"[^>]*name="([^"]*)" value="(on)"[^>]*checked', form))
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        fields[name] = chosen[1].replace("&#34;", '"') if chosen else re.search(r'value="([^"]*)"', options)[1]
    return fields


def document_in(page):
    text = re.search(r'name="declaration"[^>]*>(.*?)</textarea>', page, re.DOTALL)[1]
    return json.loads(text.replace("&#34;", '"').replace("&amp;", "&"))


def test_the_steward_chooses_a_form_for_a_variable_and_asks_to_look_first(portal):
    stine = portal.browser("stine")
    here = uploaded(stine)
    page = stine.post(here, data={"declaration": json.dumps(declared()), "action": "check"}).text

    sent = fields_of(page) | {"form.1": "bands10", "review_before_release": "on", "action": "check"}
    page = stine.post(here, data=sent).text

    document = document_in(page)
    assert document["review_before_release"] is True
    assert document["variables"][1]["transforms"] == [{"kind": "bands", "edges": [20, 30, 40, 50, 60, 70, 80, 90, 100]}]
    assert all("transforms" not in v for i, v in enumerate(document["variables"]) if i != 1)
    assert re.search(r'value="bands10" selected', page)
    assert re.search(r'name="review_before_release" value="on" checked', page)


def test_a_population_is_written_in_the_form_and_kept(portal):
    stine = portal.browser("stine")
    here = uploaded(stine)
    page = stine.post(here, data={"declaration": json.dumps(declared()), "action": "check"}).text

    page = stine.post(here, data=fields_of(page) | {"population": "blodgivere", "action": "check"}).text
    again = stine.post(here, data=fields_of(page) | {"action": "check"}).text
    wrong = stine.post(here, data=fields_of(page) | {"population": "Blod Givere", "action": "check"})

    assert document_in(again)["population"] == "blodgivere"
    assert "Befolkningens navn har små bokstaver" in wrong.text


def test_steps_of_ones_own_written_as_json_survive_the_form(portal):
    stine = portal.browser("stine")
    here = uploaded(stine)
    own = [{"kind": "clip", "high": 90}]
    sent = {"declaration": json.dumps(declared(age=own)), "action": "check"}
    page = stine.post(here, data=sent).text

    page = stine.post(here, data=fields_of(page) | {"action": "check"}).text

    assert document_in(page)["variables"][1]["transforms"] == own
    assert "Egne trinn (fra JSON)" in page


def test_groups_without_bounds_are_told_and_not_guessed(portal):
    stine = portal.browser("stine")
    here = uploaded(stine)
    page = stine.post(here, data={"declaration": json.dumps(declared()), "action": "check"}).text

    answer = stine.post(here, data=fields_of(page) | {"form.1": "bands10", "low.1": "", "high.1": ""})

    assert answer.status_code == 422
    assert "trenger at minste og største verdi er oppgitt" in answer.text


def published(portal, **steps):
    """Publish a table whose variables have steps; return the dataset's id."""
    stine = portal.browser("stine")
    here = uploaded(stine)
    document = declared(**steps) | {"review_before_release": True}
    sent = {"declaration": json.dumps(document), "action": "publish"}
    answer = stine.post(here, data=sent, follow_redirects=False)
    return answer.headers["location"].rsplit("/", 1)[1]


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        (
            "nb",
            [
                "Tallet er gjort om til grupper, med grenser ved 18, 40, 67.",
                "Utleveres ikke.",
                "Datainnehaveren ser på uttrekket",
            ],
        ),
        (
            "en",
            [
                "The number is made into groups, with edges at 18, 40, 67.",
                "Does not leave.",
                "The data holder looks at the extract",
            ],
        ),
    ],
)
def test_the_dataset_page_says_how_each_variable_leaves(portal, lang, expected):
    dataset = published(portal, age=[{"kind": "bands", "edges": [18, 40, 67]}])
    browser = portal.browser("ola")
    browser.cookies.set("lang", lang)

    page = browser.get(f"/datasets/{dataset}").text

    assert all(sentence in page for sentence in expected)
