"""The two HTTP doors, as the gateway and the portal use them."""

import asyncio
import io
import json

import httpx
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI

from hvelv.kernel.link import ACTOR
from hvelv.kernel.web import answer_refusals
from hvelv.privacy.pages import lab_api, optouts_api, projects_api
from hvelv.privacy.pages.documents import PROJECT as PROJECT_HEADER
from tests.builders_privacy import DATASET, PERSON, PROJECT, a_person_number, a_query, a_working_world

HEADERS = {ACTOR: PERSON, PROJECT_HEADER: PROJECT}


class Door:
    """A client that speaks to the app without a network."""

    def __init__(self, app):
        self.app = app

    def ask(self, method, path, *, headers=None, **kwargs):
        async def once():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://custodian", headers=HEADERS) as client:
                return await client.request(method, path, headers=headers, **kwargs)

        return asyncio.run(once())

    def get(self, path, **kwargs):
        return self.ask("GET", path, **kwargs)

    def post(self, path, **kwargs):
        return self.ask("POST", path, **kwargs)


@pytest.fixture
def door(tmp_path):
    world = a_working_world(f"sqlite:///{tmp_path}/test.sqlite", tmp_path)
    app = FastAPI()
    app.state.privacy = world.desk
    app.include_router(lab_api.router)
    app.include_router(projects_api.router)
    app.include_router(optouts_api.router)
    answer_refusals(app)
    yield Door(app)
    world.database.close()


def an_order(**changes):
    return {"query": a_query(), "rho_micro": 1_000, "idempotency_key": "request-0001"} | changes


def test_a_session_reads_its_data(door):
    listed = door.get("/lab/datasets/labs/parts").json()["parts"]

    answer = door.get(f"/lab/datasets/labs/parts/{listed[0]['sha256']}")

    assert answer.status_code == 200
    assert answer.headers["x-hvelv-sha256"] == listed[0]["sha256"]
    assert pq.read_table(io.BytesIO(answer.content)).column_names[0] == "pid"
    assert door.get(f"/lab/datasets/labs/parts/{'0' * 64}").status_code == 409


def test_a_quote_then_a_release_then_the_list(door):
    quote = door.post("/lab/quotes", json={"query": a_query(), "rho_micro": 1_000}).json()
    release = door.post("/lab/releases", json=an_order()).json()

    assert quote["measures"][0]["error95"] == release["rows"][0]["error95"]["count"]
    assert door.get(f"/lab/releases/{release['id']}").json() == release
    assert [row["id"] for row in door.get("/lab/releases").json()] == [release["id"]]
    assert door.post("/lab/releases", json=an_order()).json() == release


@pytest.mark.parametrize(
    "path", ["/lab/datasets/labs/parts", "/lab/datasets/labs/parts/0", "/lab/releases", "/lab/releases/rel-1"]
)
@pytest.mark.parametrize("missing", [{ACTOR: ""}, {PROJECT_HEADER: ""}, {ACTOR: "stranger"}])
def test_nobody_reads_without_a_permit(door, path, missing):
    assert door.get(path, headers=missing).status_code == 403


@pytest.mark.parametrize("path", ["/lab/quotes", "/lab/releases"])
@pytest.mark.parametrize("missing", [{ACTOR: ""}, {PROJECT_HEADER: ""}, {ACTOR: "stranger"}])
def test_nobody_asks_without_a_permit(door, path, missing):
    assert door.post(path, json=an_order(), headers=missing).status_code == 403


@pytest.mark.attack("DS02")
@pytest.mark.parametrize(
    "path", ["/lab/quotes", "/lab/releases", "/opt-outs/import", "/opt-outs/withdraw", "/canonical/import"]
)
@pytest.mark.parametrize("raw", [b"", b"[]", b"[" * 60_000, b'{"a":1,"a":2}', b'{"query":NaN}', b"\xff", b"{}"])
def test_hostile_bodies_are_answered_with_a_refusal(door, path, raw):
    answer = door.post(path, content=raw)

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"


@pytest.mark.attack("DS02")
def test_a_body_beyond_the_limit_is_not_read_to_its_end(door):
    assert door.post("/lab/quotes", content=b" " * (1 << 20)).status_code == 422


def test_an_overdrawn_release_says_what_is_left(door):
    answer = door.post("/lab/releases", json=an_order(rho_micro=11_000))

    assert answer.status_code == 409
    assert answer.json()["params"] == {"spent": 0, "asked": 11_000, "left": 10_000}


def test_the_portal_sees_budget_account_and_imports_objections(door):
    door.post("/lab/releases", json=an_order())

    view = door.get(f"/projects/{PROJECT}/privacy").json()
    account = door.get(f"/datasets/{DATASET}/account").json()
    rows = [{"person_number": a_person_number(1), "scope": "all", "since": "2026-01-01"}]

    assert view["budget"][0]["spent"] == 1_000
    assert (account["allotted"], account["cap"]) == (20_000, 100_000)  # a tenth is the platform's own
    assert door.post("/opt-outs/import", json={"rows": rows}).json() == {"added": 1, "known": 0}
    assert door.post("/opt-outs/import", content=json.dumps({"rows": "x"})).status_code == 422


def test_of_an_import_without_end_no_more_is_read_than_is_allowed(door, monkeypatch):
    monkeypatch.setattr(optouts_api, "LARGEST_JSON", 10_000)
    sent = []

    async def pieces():
        for _ in range(1_000):
            sent.append(1)
            yield b" " * 1_000

    assert door.post("/opt-outs/import", content=pieces()).status_code == 422
    assert len(sent) == 11


FILES = {
    "import": (f"person_number,scope,since\n{a_person_number(1)},all,2026-01-01\n", {"added": 1, "known": 0}),
    "withdraw": (
        f"person_number,scope,until\n{a_person_number(1)},all,2026-01-01\n",
        {"added": 1, "known": 0, "baseless": 1},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_objections_or_withdrawals_is_taken_in_as_it_streams(door, name):
    raw, expected = FILES[name]

    async def pieces():
        for start in range(0, len(raw), 9):
            yield raw[start : start + 9].encode()

    assert door.post(f"/opt-outs/{name}.csv", content=pieces()).json() == expected
    assert door.get("/opt-outs/count").json()["all"] == int(name == "import")


def test_changed_numbers_are_taken_in_and_counted(door):
    old, new = a_person_number(1), a_person_number(2)

    assert door.post("/canonical/import", json={"rows": [{"old": old, "new": new}]}).json() == {"added": 1, "known": 0}
    answer = door.post("/canonical/import.csv", content=f"old,new\n{new},{old}\n".encode())
    assert answer.status_code == 422
    assert [(p["field"], p["row"]) for p in answer.json()["problems"]] == [("new", 2)]
    assert old not in answer.text
    assert new not in answer.text
    assert door.get("/canonical/count").json() == {"pairs": 1}


@pytest.mark.parametrize("path", ["/opt-outs/import.csv", "/opt-outs/withdraw.csv", "/canonical/import.csv"])
def test_of_a_file_without_end_no_more_is_read_than_is_allowed(door, path, monkeypatch):
    monkeypatch.setattr(optouts_api, "LARGEST_CSV", 10_000)
    sent = []

    async def pieces():
        for _ in range(1_000):
            sent.append(1)
            yield b"\n" * 1_000

    assert door.post(path, content=pieces()).status_code == 422
    assert len(sent) == 11
