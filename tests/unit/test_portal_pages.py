"""The pages as people meet them: in both languages, in every colour, with and without mistakes, without JavaScript."""

import itertools
import json
import re

import pytest

from hvelv.enclave.service.rooms import RoomState
from hvelv.portal.shell import Flash
from hvelv.requests.domain.lifecycle import State
from hvelv.requests.domain.permit import PermitState
from tests.builders_portal import ORIGIN, PRIVACY, a_declaration, a_portal

PAGES = [
    (None, "/"),
    ("ola", "/"),
    ("kari", "/"),
    ("ola", "/catalogue"),
    ("ola", "/catalogue?q=prøve&holder=lab"),
    ("ola", "/datasets/ds-0001"),
    ("stine", "/datasets/ds-0001"),
    ("ola", "/selection"),
    ("stine", "/publish"),
    ("stine", "/publish/new"),
    ("stine", "/publish/uploads/up-1?c=person:string:person_id:&c=age:integer:attribute:null&file=x.csv"),
    ("stine", "/extracts"),
    ("stine", "/extracts/p-0001/lab_values"),
    ("ola", "/applications"),
    ("ola", "/applications/new"),
    ("ola", "/applications/app-0001"),
    ("ola", "/applications/app-0001/answers"),
    ("ola", "/applications/app-0002"),
    ("kari", "/cases"),
    ("kari", "/cases/app-0002"),
    ("stine", "/cases/app-0002"),
    ("ola", "/projects"),
    ("ola", "/projects/p-0001"),
    ("stine", "/projects/p-0001"),
    ("ola", "/projects/p-0001/progress"),
    ("ola", "/projects/p-0001/session"),
    (None, "/projects-register"),
    ("rita", "/audit"),
    ("rita", "/sessions"),
    ("anna", "/sessions"),
]


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    return a_portal(tmp_path_factory.mktemp("portal"))


@pytest.fixture
def portal(tmp_path):
    return a_portal(tmp_path)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["nb", "en"])
@pytest.mark.parametrize(("person", "path"), PAGES)
def test_every_page_is_shown_in_each_language_and_colour(standing, person, path, lang, scheme):
    browser = standing.browser(person) if person else standing.visitor()
    browser.cookies.set("lang", lang)
    browser.cookies.set("scheme", scheme)

    page = browser.get(path)

    assert page.status_code == 200
    assert f'<html lang="{lang}" data-color-scheme="{scheme}">' in page.text
    assert len(re.findall(r"<h1[ >]", page.text)) == 1
    ids = re.findall(r'\sid="([^"]*)"', page.text)
    assert sorted(ids) == sorted(set(ids))
    assert not re.search(r'\sstyle="|<style|\son\w+="|<script(?! src=)', page.text)
    targets = set(re.findall(r'\sfor="([^"]*)"', page.text))
    assert targets <= set(ids)
    described = {i for group in re.findall(r'aria-describedby="([^"]*)"', page.text) for i in group.split()}
    assert described <= set(ids)


@pytest.mark.parametrize(("person", "path"), PAGES)
def test_every_link_and_form_leads_to_a_page_that_exists(standing, person, path):
    browser = standing.browser(person) if person else standing.visitor()
    page = browser.get(path)

    for address in set(re.findall(r'href="(/[^"#]*)', page.text)):
        if not address.endswith("/download"):
            assert browser.get(address.replace("&amp;", "&")).status_code in {200, 303}, address


@pytest.mark.attack("PZ10")
def test_what_people_write_is_shown_and_never_run(portal):
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}'
    browser = portal.browser("ola")
    fields = {
        "title": evil,
        "summary": evil,
        "legal_basis": evil,
        "members": "per",
        "dataset": "ds-0001",
        "where.ds-0001": evil,
    }
    browser.post("/applications/app-0001", data=fields)

    for path in ("/applications", "/applications/app-0001", "/applications/app-0001/answers", f"/catalogue?q={evil}"):
        text = browser.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "49" not in re.findall(r"onerror=alert\(1\)&gt;(.{0,3})", text)


@pytest.mark.attack("PZ10")
def test_what_a_steward_writes_is_shown_and_never_run(portal):
    evil = '"><script>alert(1)</script>'
    portal.vault.files["up-9"] = b"ok"
    fields = {
        "title_nb": evil,
        "table": evil,
        "keywords": evil,
        "rho": evil,
        "file": evil,
        "name.0": evil,
        "categories.0": evil,
    }

    for sent in (fields, {"declaration": evil}, {"declaration": json.dumps({"title": {"nb": evil}})}):
        page = portal.browser("stine").post("/publish/uploads/up-9", data=sent | {"action": "check"})
        assert page.status_code == 422
        assert "alert(1)" in page.text
        assert "<script>alert" not in page.text


def test_a_refusal_says_what_happened_and_what_to_do_in_the_readers_language(portal):
    browser = portal.browser("ola")
    browser.cookies.set("lang", "en")

    page = browser.get("/audit")

    assert page.status_code == 403
    assert "This page is for other roles than the ones you have." in page.text
    assert "Traceback" not in page.text


def test_a_fault_nobody_foresaw_shows_no_code(portal, monkeypatch):
    monkeypatch.setattr(portal.wiring.catalogue, "search", lambda *_a, **_k: 1 / 0)

    page = portal.browser("ola").get("/catalogue")

    assert page.status_code == 500
    assert "Noe gikk galt hos oss" in page.text
    assert not re.search(r"ZeroDivision|Traceback|\.py", page.text)
    assert page.headers["cache-control"] == "no-store"


def test_htmx_gets_the_part_it_asks_for_and_sign_in_when_signed_out(portal):
    part = portal.browser("ola").get(
        "/projects/p-0001/progress", headers={"HX-Request": "true", "HX-Request-Type": "partial"}
    )
    assert "<html" not in part.text
    assert 'id="progress"' in part.text

    gone = portal.visitor().get("/projects/p-0001/progress", headers={"HX-Request": "true"})
    assert gone.headers["hx-redirect"].startswith("/sign-in")


def test_a_message_is_shown_once_and_only_if_it_is_ours(portal):
    browser = portal.browser("ola")
    browser.post("/selection", data={"dataset": "ds-0001", "variable": "age"})

    assert "Variabler i utvalget: 3" in browser.get("/selection").text
    assert "Variabler i utvalget: 3" not in browser.get("/selection").text
    assert Flash(b"k" * 32).open(Flash(b"another").seal("x", {})) is None


# The road, by plain forms


def test_a_selection_is_set_added_to_and_emptied(portal):
    browser = portal.browser("ola")

    browser.post(
        "/selection", data={"action": "set", "dataset": "ds-0001", "variable": ["age"], "next": "https://evil.example"}
    )
    browser.post("/selection", data={"action": "add", "dataset": "ds-0002", "variable": ["sex", "value"]})
    assert browser.get("/selection").text.count("checked>") == 3
    refused = browser.post("/selection", data={"action": "set", "dataset": "ds-0001", "variable": ["person"]})
    assert refused.status_code == 409
    assert browser.get("/selection").text.count("checked>") == 3
    browser.post("/selection", data={"action": "clear"})
    assert "Utvalget er tomt" in browser.get("/selection").text


def test_a_variable_that_identifies_people_cannot_be_picked(portal):
    assert (
        portal.browser("ola").post("/selection", data={"dataset": "ds-0001", "variable": "person"}).status_code == 409
    )


def test_a_draft_keeps_what_is_right_and_says_what_is_not(portal):
    browser = portal.browser("ola")
    form = {
        "title": "Ny tittel",
        "dataset": "ds-0001",
        "columns.ds-0001": ["age", "sex"],
        "rho.ds-0001": "mye",
        "where.ds-0001": "age over 18",
        "period_from": "snart",
    }

    page = browser.post("/applications/app-0001", data=form)

    assert page.status_code == 422
    assert "Ny tittel" in page.text
    assert 'value="mye"' in page.text
    assert "linje 1" in page.text
    assert 'aria-invalid="true"' in page.text
    draft = portal.applications.kept["app-0001"].draft
    assert (draft.title, draft.period_from) == ("Ny tittel", "snart")
    assert draft.wishes[0].columns == ("age", "sex")
    assert draft.wishes[0].rho_micro == 100_000


def test_conditions_are_read_as_the_variables_types_have_them(portal):
    browser = portal.browser("ola")
    where = "age >= 18\nsex in 1, 2\nvalue < 4.5"

    browser.post("/applications/app-0001", data={"dataset": "ds-0001", "where.ds-0001": where, "rho.ds-0001": "0,25"})

    wish = portal.applications.kept["app-0001"].draft.wishes[0]
    assert [f.as_dict() for f in wish.where] == [
        {"column": "age", "op": ">=", "value": 18},
        {"column": "sex", "op": "in", "value": [1, 2]},
        {"column": "value", "op": "<", "value": 4.5},
    ]
    assert wish.rho_micro == 250_000


@pytest.mark.attack("PZ03")
def test_fields_that_are_not_the_applicants_are_ignored(portal):
    stolen = {
        "title": "x",
        "state": "approved",
        "lead": "eva",
        "id": "app-0002",
        "holder": "pop",
        "wishes": "[]",
        "granted": "1",
    }

    portal.browser("ola").post("/applications/app-0001", data=stolen)

    kept = portal.applications.kept["app-0001"]
    assert (kept.state, kept.lead, len(kept.draft.wishes)) == (State.DRAFT, "ola", 1)


def test_an_incomplete_application_is_not_sent(portal):
    page = portal.browser("ola").post("/applications/app-0001/submit", data={"version": "0"})

    assert page.status_code == 422
    assert "Prosjektet mangler tittel." in page.text
    assert portal.applications.kept["app-0001"].state is State.DRAFT


def test_from_application_to_decision_by_forms_alone(portal):
    ola, kari, stine = portal.browser("ola"), portal.browser("kari"), portal.browser("stine")
    revision = re.search(r'name="revision" value="(\w+)"', kari.get("/cases/app-0002").text)[1]

    assert kari.post("/cases/app-0002/vote", data={"revision": revision, "reason": "?"}).status_code == 422
    assert (
        kari.post("/cases/app-0002/vote", data={"revision": revision, "choice": "for", "reason": "Nyttig"}).status_code
        == 303
    )
    decision = {"revision": revision, "choice": "for", "rho.ds-0001": "0.4", "conditions": "Ett\nTo", "reason": ""}
    assert stine.post("/cases/app-0002/decide", data=decision).status_code == 303

    kept = portal.applications.kept["app-0002"]
    assert [v.choice for v in kept.votes] == ["for"]
    assert kept.decisions[0].granted == (("ds-0001", 400_000),)
    assert kept.decisions[0].conditions == ("Ett", "To")
    assert "Nyttig" in kari.get("/cases/app-0002").text
    assert "1 av minst 3" in ola.get("/applications/app-0002").text


def test_a_case_is_given_back_with_a_reason_and_sent_again(portal):
    ola, kari = portal.browser("ola"), portal.browser("kari")

    assert kari.post("/cases/app-0003/return", data={"reason": " "}).status_code == 422
    assert kari.post("/cases/app-0003/return", data={"reason": "Forklar utvalget"}).status_code == 303
    assert "Forklar utvalget" in ola.get("/applications/app-0003").text
    assert ola.post("/applications/app-0003", data={"action": "revise"}).status_code == 303
    assert portal.applications.kept["app-0003"].state is State.DRAFT


def test_who_declares_a_conflict_is_shown_no_ballot(portal):
    kari = portal.browser("kari")
    kari.post("/cases/app-0002/conflict", data={"reason": "Søskenbarn"})

    page = kari.get("/cases/app-0002").text

    assert "inhabil" in page
    assert "Avgi stemme" not in page


def test_an_upload_is_streamed_declared_checked_and_published(portal):
    stine = portal.browser("stine")
    rows = "person,age,sex,value\n" + "".join(f"0182190{i:04d},{20 + i % 50},1,3.4\n" for i in range(5000))

    answer = stine.post("/publish/uploads", files={"file": ("../../prøver.csv", rows.encode(), "text/csv")})

    assert answer.status_code == 303
    address = answer.headers["location"]
    upload = re.match(r"/publish/uploads/([\w-]+)", address)[1]
    assert portal.vault.files[upload] == rows.encode()
    form = stine.get(address).text
    assert 'name="name.1" value="age"' in form
    assert "0182190" not in form + address
    assert re.search(r'name="role.0".*?value="person_id" selected', form, re.DOTALL)
    declared = {"declaration": json.dumps(a_declaration("new_table")), "action": "check"}
    checked = stine.post(f"/publish/uploads/{upload}", data=declared)
    assert "•••" in checked.text
    published = stine.post(f"/publish/uploads/{upload}", data=declared | {"action": "publish", "rho": "1,5"})
    assert published.headers["location"].startswith("/datasets/")


def test_the_declaration_form_says_the_same_as_its_json(portal):
    stine = portal.browser("stine")
    portal.vault.files["up-9"] = b"ok"
    text = json.dumps(a_declaration("by_form"))
    page = stine.post("/publish/uploads/up-9", data={"declaration": text, "action": "check"}).text
    fields = dict(re.findall(r'<input[^>]* name="([\w.]+)" value="([^"]*)"', page.split("<details")[0]))
    boxes = {"person_unique", "review_before_release"}  # not ticked, so a browser does not send them
    fields = {k: v for k, v in fields.items() if not k.startswith("nullable") and k not in boxes}
    for name, body in re.findall(r'<textarea[^>]* name="([\w.]+)"[^>]*>([^<]*)</textarea>', page.split("<details")[0]):
        fields[name] = body
    for name, options in re.findall(r'<select[^>]* name="([\w.]+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        fields[name] = (re.findall(r'value="([^"]*)" selected', options) or [""])[0]
    fields["nullable.3"] = "on"

    again = stine.post("/publish/uploads/up-9", data=fields | {"action": "check"}).text

    shown = re.search(r'name="declaration"[^>]*>(.*?)</textarea>', again, re.DOTALL)[1].replace("&#34;", '"')
    assert json.loads(shown)["variables"] == a_declaration("by_form")["variables"]
    assert json.loads(shown) == a_declaration("by_form")


@pytest.mark.parametrize(
    ("declaration", "said"), [("{", "linje 1"), ("[]", "JSON-objekt"), ("{}", "Teksten på bokmål mangler")]
)
def test_a_declaration_that_cannot_be_read_says_where(portal, declaration, said):
    portal.vault.files["up-9"] = b"ok"

    page = portal.browser("stine").post("/publish/uploads/up-9", data={"declaration": declaration})

    assert page.status_code == 422
    assert said in page.text


def test_a_file_with_mistakes_is_shown_line_and_column(portal):
    portal.vault.files["up-9"] = b"wrong"
    sent = {"declaration": json.dumps(a_declaration("t")), "action": "publish"}

    page = portal.browser("stine").post("/publish/uploads/up-9", data=sent)

    assert page.status_code == 422
    assert re.search(r"<code>age</code>\s*\(linje 3\)", page.text)


@pytest.mark.parametrize("sent", [{"data": {"file": "x"}}, {"files": {"other": ("a.csv", b"x")}}, {"content": b"--x"}])
def test_an_upload_without_a_file_says_so(portal, sent):
    answer = portal.browser("stine").post("/publish/uploads", **sent)

    assert answer.status_code == 422
    assert "Velg en fil" in answer.text
    assert portal.vault.files == {}


def test_a_room_is_opened_shown_and_closed(portal):
    ola = portal.browser("ola")

    assert ola.post("/projects/p-0001/session").headers["location"] == "/projects/p-0001/session"
    assert "Arbeidsrommet åpnes" in ola.get("/projects/p-0001/session").text
    portal.rooms.states["ola", "p-0001"] = RoomState.OPEN
    assert ola.get("/projects/p-0001/session").headers["location"] == "/projects/p-0001/lab"
    assert (
        ola.get("/projects/p-0001/session", headers={"HX-Request": "true"}).headers["hx-redirect"]
        == "/projects/p-0001/lab"
    )
    ola.post("/projects/p-0001/session/stop")
    assert ola.get("/projects/p-0001/lab").status_code == 303


def test_a_bundle_is_fetched_as_a_file_by_its_owner_alone(portal):
    ola = portal.browser("ola")

    link = ola.get("/exports/exp-0001/download").headers["location"]
    answer = ola.get(link)

    assert answer.headers["content-disposition"] == 'attachment; filename="hvelv-exp-0001.zip"'
    assert answer.content.startswith(b"PK")
    assert portal.browser("eva").get(link).status_code == 403


def test_a_project_that_waits_for_its_steward_says_so_with_no_bar_that_stands_still(portal, monkeypatch):
    waits = {"state": "queued", "step": 1, "steps": 4, "message": "Venter på at datainnehaveren skal se på uttrekket."}
    answered = portal.door.call
    monkeypatch.setattr(
        portal.door,
        "call",
        lambda method, path, **more: (
            PRIVACY | {"job": waits, "extracts": []} if path.endswith("/privacy") else answered(method, path, **more)
        ),
    )

    part = portal.browser("ola").get("/projects/p-0001/progress").text.split('id="progress"')[1]

    assert waits["message"] in part
    assert ">Venter</span>" in part
    assert "Trinn 1 av 4" not in part
    assert "<svg" not in part


def test_a_project_is_told_in_which_form_its_extract_came(portal, monkeypatch):
    steps = {"age": [{"kind": "bands", "edges": [40, 60]}]}
    made = PRIVACY["extracts"][0] | {"steps": steps}
    answered = portal.door.call
    monkeypatch.setattr(
        portal.door,
        "call",
        lambda method, path, **more: (
            PRIVACY | {"extracts": [made]} if path.endswith("/privacy") else answered(method, path, **more)
        ),
    )

    page = portal.browser("ola").get("/projects/p-0001").text

    assert "<code>age</code>: Tallet er gjort om til grupper, med grenser ved 40, 60." in page


def test_a_custodian_that_is_silent_leaves_the_project_page_standing(portal, monkeypatch):
    from hvelv.kernel.errors import Unavailable

    def silent(*_args, **_more):
        raise Unavailable("En del av plattformen svarer ikke. Ingenting er gjort.")

    monkeypatch.setattr(portal.door, "call", silent)

    page = portal.browser("ola").get("/projects/p-0001")

    assert page.status_code == 200
    assert "svarer ikke" in page.text


def test_a_project_is_stopped_and_ended_by_those_who_may_and_told_what_it_means(portal):
    stine, ola = portal.browser("stine"), portal.browser("ola")
    at = "/projects/p-0001/state"

    page = stine.get("/projects/p-0001").text
    assert 'value="suspend"' in page
    assert 'value="revoke"' in page
    assert "Dette kan ikke gjøres om" in page
    assert 'value="close"' not in page
    assert 'value="close"' in ola.get("/projects/p-0001").text
    assert "/state" not in portal.browser("per").get("/projects/p-0001").text

    assert ola.post(at, data={"action": "suspend", "reason": "x"}).status_code == 403
    for wrong in ({"action": "expire", "reason": "x"}, {"reason": "x"}, {"action": "suspend", "reason": " "}):
        answer = stine.post(at, data=wrong)
        assert answer.status_code == 422
        assert "Dette må rettes" in answer.text
    assert portal.projects.kept["p-0001"].state is PermitState.ACTIVE

    assert stine.post(at, data={"action": "suspend", "reason": "hendelse"}).headers["location"] == "/projects/p-0001"
    page = stine.get("/projects/p-0001").text
    assert "Prosjektet er stanset." in page
    assert 'value="resume"' in page
    stine.post(at, data={"action": "revoke", "reason": "brudd"})
    assert portal.projects.kept["p-0001"].state is PermitState.REVOKED
    assert stine.post(at, data={"action": "resume", "reason": "x"}).status_code == 409


LANDMARK = re.compile(r'<(?:section|nav|aside|[a-z]+ [^>]*role="region")[^>]*?aria-label(?:ledby)?="([^"]*)"')


@pytest.mark.parametrize(("person", "path"), PAGES)
def test_no_two_landmarks_have_one_name_and_headings_keep_their_role(standing, person, path):
    page = standing.browser(person).get(path).text if person else standing.visitor().get(path).text

    names = LANDMARK.findall(page)
    assert sorted(names) == sorted(set(names))
    assert re.findall(r"<h[1-6][^>]*role=", page) == []
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_state_of_an_extract_is_said_in_words(standing):
    page = standing.browser("ola").get("/projects/p-0001").text

    assert ">Klart<" in page
    assert ">published<" not in page


def test_both_chains_are_verified_for_the_auditor(portal):
    rita = portal.browser("rita")

    assert "henger sammen" in rita.post("/audit/verify").text
    with portal.wiring.registry.engine.connect() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_event_no_update")
        connection.exec_driver_sql(
            "UPDATE audit_event SET body = replace(body, 'person.signed_in', 'person.signed_up') WHERE seq = (SELECT max(seq) FROM audit_event)"
        )
        connection.commit()
    assert "ikke hel" in rita.post("/audit/verify").text


def test_static_files_are_served_and_nothing_beside_them(portal):
    assert portal.visitor().get("/static/app.css").status_code == 200
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/vendor/../../templates/base.html"):
        assert portal.visitor().get(path).status_code == 404
    assert portal.visitor().get("/openapi.json").status_code == 404
    assert portal.visitor().get("/docs", headers={"Origin": ORIGIN}).status_code == 404
