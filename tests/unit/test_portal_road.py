"""The road from a selection to a project, walked by forms through the real services of catalogue, applications and permits."""

import re
from pathlib import Path

import pytest

from hvelv.catalog.adapters.store import SqlSelectionRows
from hvelv.catalog.service.publishing import Publishing
from hvelv.catalog.service.selections import Selections
from hvelv.enclave.service.unused import Unused
from hvelv.kernel.ids import CountedIds
from hvelv.kernel.settings import Settings
from hvelv.portal.app import create_app
from hvelv.portal.building import idle_limits
from hvelv.portal.sessions import Sessions
from hvelv.portal.sign_in import SignIn
from hvelv.portal.wiring import Wiring
from hvelv.requests.adapters.store_projects import SqlProjectRows
from hvelv.requests.service.register import Register
from tests.builders_accounts import NoAccounts
from tests.builders_portal import ORIGIN, StubDoor, StubRooms, StubVault, TestClient
from tests.builders_requests import a_house
from tests.builders_reviews import NoReviews

SUMMARY = "Vi vil vite hvordan fettlever henger sammen med alder og vekt, så flere kan få hjelp tidlig. " * 3


@pytest.fixture
def house(tmp_path):
    made = a_house(tmp_path)
    yield made
    made.close()


@pytest.fixture
def at(house):
    """Return a function from a person's name to their browser."""
    key = b"k" * 32
    rooms = StubRooms()
    sign_in = SignIn(Sessions(house.registry, house.clock, key), house.people, rooms)
    wiring = Wiring(
        settings=Settings(data_dir=Path("/nowhere")),
        session_key=key,
        registry=house.registry,
        sign_in=sign_in,
        people=house.people,
        catalogue=house.catalogue,
        selections=Selections(house.registry, SqlSelectionRows(), house.catalogue),
        publishing=Publishing(house.catalogue, StubVault(), CountedIds()),
        applications=house.applications,
        projects=house.projects,
        register=Register(house.registry, SqlProjectRows()),
        rooms=rooms,
        unused=Unused(house.registry, rooms, house.clock, idle_limits(Settings(data_dir=Path("/nowhere")))),
        custodian=StubDoor(frozenset({"ragnhild", "mona"})),
        reviews=NoReviews(),
        accounts=NoAccounts(),
    )
    app = create_app(wiring)

    def browser(person):
        client = TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN}, raise_server_exceptions=False)
        client.cookies.set("hvelv_session", sign_in.sessions.begin(person))
        return client

    return browser


def an_application_sent(at, **more):
    """Walk from the catalogue to a sent application, with `more` in the form; return its id."""
    lead = at("ragnhild")
    for dataset in ("d-liver", "d-population"):
        lead.post("/selection", data={"action": "add", "dataset": dataset, "variable": ["age", "weight"]})
    page = lead.post("/applications")
    application = re.search(r"app-\w+", str(page.url))[0]
    form = {
        "title": "Fettlever og alder",
        "purpose": "scientific_research",
        "legal_basis": "GDPR artikkel 9 nr. 2 bokstav j",
        "summary": SUMMARY,
        "members": "mona",
        "period_from": "2026-01-01",
        "period_to": "2027-12-31",
        "dataset": ["d-liver", "d-population"],
        "where.d-liver": "age >= 18",
    }
    for dataset in ("d-liver", "d-population"):
        form |= {f"columns.{dataset}": ["age", "weight"], f"rho.{dataset}": "0,5"}
    assert lead.post(f"/applications/{application}", data=form | more).status_code == 200
    answer = lead.post(f"/applications/{application}/submit")
    assert answer.status_code == 200, re.findall(r'<a class="ds-link" href="#[^>]*>([^<]*)', answer.text)
    assert "Søknaden er sendt." in answer.text
    return application


def test_from_a_selection_to_a_project(house, at):
    application = an_application_sent(at)
    for name in ("kari", "per", "siri"):
        page = at(name).get(f"/cases/{application}").text
        revision = re.search(r'name="revision" value="([0-9a-f]{64})"', page)[1]
        vote = {"revision": revision, "choice": "for", "reason": "Nyttig"}
        assert "Stemmen din er registrert." in at(name).post(f"/cases/{application}/vote", data=vote).text
    for name, dataset in (("stine", "d-liver"), ("pal", "d-population")):
        decision = {"revision": revision, "choice": "for", f"rho.{dataset}": "0,4", "conditions": "Ett vilkår"}
        assert "registrert" in at(name).post(f"/cases/{application}/decide", data=decision).text

    page = at("ragnhild").get(f"/applications/{application}").text
    project = re.search(r"/projects/(p-\w+)", page)[1]
    assert house.opened.allocations[project] == {"d-liver": 400_000, "d-population": 400_000}
    for name in ("ragnhild", "mona"):
        shown = at(name).get(f"/projects/{project}")
        assert shown.status_code == 200
        assert "Ett vilkår" in shown.text
        assert "Åpne JupyterLab" in shown.text
    assert at("fremmed").get(f"/projects/{project}").status_code == 404
    assert at("fremmed").post(f"/projects/{project}/session").status_code == 404
    assert SUMMARY.strip() in at("fremmed").get("/projects-register").text
    assert "Arbeidsrommet åpnes" in at("mona").post(f"/projects/{project}/session").text


def test_a_stranger_gets_the_same_answer_for_an_application_as_for_none(at):
    application = an_application_sent(at)
    stranger = at("fremmed")

    answers = [stranger.get(f"/applications/{name}") for name in (application, "app-none")]

    assert [a.status_code for a in answers] == [404, 404]
    assert len({re.sub(r'name="next" value="[^"]*"', "", a.text) for a in answers}) == 1


def test_what_someone_else_has_saved_is_not_written_over(at):
    lead = at("ragnhild")
    application = re.search(r"app-\w+", str(lead.post("/applications").url))[0]
    old = re.search(r'name="version" value="(\d+)"', lead.get(f"/applications/{application}").text)[1]
    lead.post(f"/applications/{application}", data={"version": old, "title": "Først"})

    answer = lead.post(f"/applications/{application}", data={"version": old, "title": "Sist"})

    assert answer.status_code == 409
    assert "Noen andre har endret søknaden" in answer.text
    assert 'value="Først"' in lead.get(f"/applications/{application}").text


def test_a_vote_on_a_revision_that_is_no_longer_the_newest_is_refused(at):
    application = an_application_sent(at)

    answer = at("kari").post(f"/cases/{application}/vote", data={"revision": "0" * 64, "choice": "for", "reason": "x"})

    assert answer.status_code == 409


def test_a_coarser_form_is_chosen_read_by_those_who_judge_and_stands_in_the_permit(house, at):
    application = an_application_sent(at, **{"form.d-liver.age": "bands10", "form.d-liver.weight": ""})
    note = "Tallet er gjort om til grupper, med grenser ved 0, 10, 20 … 100."
    for name, place in (("ragnhild", "applications"), ("kari", "cases"), ("stine", "cases")):
        page = at(name).get(f"/{place}/{application}").text
        assert f"<code>age</code>: {note}" in page
        assert "<code>weight</code>:" not in page
        assert "(ønsket av søkeren)" in page
    revision = re.search(r'name="revision" value="([0-9a-f]{64})"', page)[1]
    for name in ("kari", "per", "siri"):
        at(name).post(f"/cases/{application}/vote", data={"revision": revision, "choice": "for", "reason": "Nyttig"})
    for name, dataset in (("stine", "d-liver"), ("pal", "d-population")):
        at(name).post(
            f"/cases/{application}/decide", data={"revision": revision, "choice": "for", f"rho.{dataset}": "0,4"}
        )

    project = re.search(r"/projects/(p-\w+)", at("ragnhild").get(f"/applications/{application}").text)[1]

    assert f"<code>age</code>: {note}" in at("ragnhild").get(f"/projects/{project}").text
    permit = house.office.issued(project).permit
    assert {d.dataset: [name for name, _steps in d.transforms] for d in permit.datasets} == {
        "d-liver": ["age"],
        "d-population": [],
    }


def test_a_draft_keeps_its_forms_until_another_is_chosen_or_the_variable_goes(house, at):
    lead = at("ragnhild")
    lead.post("/selection", data={"action": "add", "dataset": "d-liver", "variable": ["age", "drawn"]})
    application = re.search(r"app-\w+", str(lead.post("/applications").url))[0]

    def saved(**fields):
        form = {"dataset": "d-liver", "columns.d-liver": ["age", "drawn"]} | fields
        page = lead.post(f"/applications/{application}", data=form)
        (wish,) = house.applications.view(house.people.find("ragnhild"), application).application.draft.wishes
        return page, {name: [step.kind for step in steps] for name, steps in wish.transforms}

    assert saved(**{"form.d-liver.age": "bands5", "form.d-liver.drawn": "year"})[1] == {
        "age": ["bands"],
        "drawn": ["year"],
    }
    page, kept = saved(**{"form.d-liver.age": "bands5"})
    assert kept == {"age": ["bands"], "drawn": ["year"]}
    assert re.search(r'name="form.d-liver.age"[^>]*>.*?value="bands5" selected', page.text)
    assert saved(**{"form.d-liver.drawn": ""})[1] == {"age": ["bands"]}
    assert saved(**{"columns.d-liver": ["drawn"]})[1] == {}
    page, kept = saved(**{"form.d-liver.age": "hash"})
    assert (page.status_code, kept) == (422, {})
    assert "Variabelen kan ikke utleveres i den formen." in page.text
