"""SQL by HTTP: the same questions, the same hashes, the same refusals as JSON."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from hvelv.kernel.link import ACTOR
from hvelv.kernel.web import answer_refusals
from hvelv.privacy.pages import lab_api
from hvelv.privacy.pages.documents import PROJECT as PROJECT_HEADER
from tests.builders_privacy import PERSON, PROJECT, a_query, a_working_world

HEADERS = {ACTOR: PERSON, PROJECT_HEADER: PROJECT}
SQL = "SELECT /*+ max_rows(2) */ sex, COUNT(*) FROM labs GROUP BY sex"  # what `a_query` asks


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    folder = tmp_path_factory.mktemp("door")
    world = a_working_world(f"sqlite:///{folder}/test.sqlite", folder)
    app = FastAPI()
    app.state.privacy = world.desk
    app.include_router(lab_api.router)
    answer_refusals(app)

    def ask(path, *, headers=HEADERS, **body):
        async def once():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://custodian", headers=headers) as client:
                return await client.post(path, json=body)

        return asyncio.run(once())

    yield ask
    world.database.close()


def release(post, key, **body):
    return post("/lab/releases", rho_micro=1_000, idempotency_key=key, **body).json()


def test_sql_and_json_are_one_question_with_one_answer(post):
    by_sql, by_json = post("/lab/questions", sql=SQL).json(), post("/lab/questions", query=a_query()).json()
    assert by_sql == by_json

    quoted = post("/lab/quotes", sql=SQL, rho_micro=1_000).json()
    assert quoted["measures"] == post("/lab/quotes", query=a_query(), rho_micro=1_000).json()["measures"]

    first, second = release(post, "request-0001", sql=SQL), release(post, "request-0002", query=a_query())
    assert first == second
    assert first["query_hash"] == by_sql["query_hash"]


def test_new_noise_is_asked_for_in_so_many_words_and_paid_for(post):
    sql = SQL.replace("GROUP", "WHERE age > 20 GROUP")
    first = release(post, "request-0003", sql=sql)
    assert release(post, "request-0004", sql=sql)["id"] == first["id"]
    assert release(post, "request-0005", sql=sql, again=False)["id"] == first["id"]

    second = release(post, "request-0006", sql=sql, again=True)

    assert second["id"] != first["id"]
    assert second["quote"]["allowance"]["spent"] == first["quote"]["allowance"]["spent"] + 1_000
    assert post(
        "/lab/releases", sql=SQL, rho_micro=1_000, idempotency_key="request-0007", again="yes"
    ).status_code == 422  # fmt: skip


def test_the_lowest_of_a_date_is_the_first_one(post):
    sql = "SELECT COUNT(*) FROM (SELECT pid, MIN(day) AS a, MAX(day) AS b, MIN(age) AS c FROM labs GROUP BY pid) p"
    columns = post("/lab/questions", sql=sql).json()["query"]["of"]["columns"]
    assert post("/lab/questions", sql=sql).json()["names"] == {"x1": "a", "x2": "b", "x3": "c"}
    assert [(each["kind"], each["name"]) for each in columns] == [("first", "x1"), ("last", "x2"), ("min", "x3")]


@pytest.mark.attack("DP18")
@pytest.mark.parametrize("path", ["/lab/questions", "/lab/quotes", "/lab/releases"])
@pytest.mark.parametrize("sql", [SQL + " UNION " + SQL, "SELECT f(x) FROM labs", "(" * 30_000, "", None, {"a": 1}])
def test_sql_that_is_not_read_is_refused_as_any_question(post, path, sql):
    answer = post(path, sql=sql, rho_micro=1_000, idempotency_key="request-0001")

    assert answer.status_code == 422
    assert answer.json()["problems"][0]["field"] == "sql"


def test_a_session_sends_sql_or_json_and_not_both(post):
    assert post("/lab/quotes", sql=SQL, query=a_query(), rho_micro=1_000).status_code == 422


@pytest.mark.parametrize("headers", [{ACTOR: "stranger", PROJECT_HEADER: PROJECT}, {ACTOR: PERSON}])
@pytest.mark.parametrize("body", [{"sql": SQL}, {"query": a_query()}, {"sql": "("}])
def test_nobody_asks_in_sql_without_a_permit(post, headers, body):
    assert post("/lab/questions", headers=headers, **body).status_code == 403


def test_what_the_model_refuses_is_refused_the_same_way_in_both(post):
    def problems(**asked):
        return post("/lab/quotes", rho_micro=1_000, **asked).json()["problems"]

    by_json = problems(query=a_query(where=[{"column": "name", "op": "==", "value": "x"}], max_groups=21))
    by_sql = problems(
        sql="SELECT /*+ max_rows(2) max_groups(21) */ sex, COUNT(*) FROM labs WHERE name = 'x' GROUP BY sex"
    )
    assert by_sql == by_json
    assert by_json
