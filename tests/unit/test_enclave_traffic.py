"""What sessions pass: counted by day, an hour that is unusual, a rate in the long run, and rows without content."""

import asyncio
import json
import subprocess

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from hvelv.enclave.adapters.passing import Passing
from hvelv.enclave.domain.kernel_messages import LARGEST_HEAD, LARGEST_TEXT, V1, Heads, heads, instead, written
from hvelv.enclave.domain.traffic import HOUR, Account, Bucket, TrafficLimits, Window
from hvelv.enclave.pages import traffic_api
from hvelv.enclave.service.traffic import Passed, TrafficBook
from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import custodian
from hvelv.kernel.link import ACTOR
from hvelv.kernel.web import answer_refusals
from tests.builders import NOON
from tests.builders_enclave import ENVIRONMENT, need

MONDAY, TUESDAY = "2026-11-02", "2026-11-03"
DOCUMENT = {"header": {"msg_id": "a", "msg_type": "stream"}, "parent_header": {"msg_id": "b"}, "metadata": {}, "content": {}}  # fmt: skip


def an_account(most: int = 100) -> Account:
    return Account(Window(most))


def test_an_hour_becomes_unusual_once_and_the_next_begins_anew():
    account = an_account(100)
    assert not account.saw("kernel", 100, day=MONDAY, now=0)
    assert account.saw("kernel", 1, day=MONDAY, now=1)
    assert not account.saw("kernel", 500, day=MONDAY, now=2)
    assert account.window.over(HOUR - 1)
    assert not account.window.over(HOUR)
    assert account.saw("kernel", 101, day=MONDAY, now=HOUR)
    assert account.told(MONDAY)["alarms"] == 2


def test_jupyterlabs_own_programs_are_counted_and_alarm_nobody():
    account = an_account(100)
    assert not account.saw("static", 10_000, day=MONDAY, now=0)
    assert account.told(MONDAY)["viewed"] == {"static": 10_000}


def test_what_is_told_is_forgotten_and_what_came_meanwhile_is_not():
    account = an_account(10)
    account.saw("kernel", 20, day=MONDAY, now=0)
    account.came(3, day=MONDAY)
    told = account.told(MONDAY)
    account.saw("kernel", 5, day=MONDAY, now=1)
    account.saw("api/contents", 7, day=TUESDAY, now=1)
    account.forget(told)
    assert account.days() == [MONDAY, TUESDAY]
    assert account.told(MONDAY) == {"day": MONDAY, "viewed": {"kernel": 5}, "sent": 0, "held_back": 0, "alarms": 0}
    for day in (MONDAY, TUESDAY):
        account.forget(account.told(day))
    assert account.days() == []


def test_a_bucket_lets_a_burst_through_and_then_only_the_rate():
    bucket = Bucket(rate=10, burst=100)
    assert bucket.take(100, now=0) == 0
    assert bucket.take(20, now=0) == 2
    assert bucket.take(10, now=3) == 0
    bucket.slow_down(5)
    assert bucket.take(5, now=3) == 1
    assert bucket.take(5, now=1000) == 0


@pytest.mark.parametrize("protocol", [V1, None])
def test_a_message_is_read_in_the_form_it_was_written_in(protocol):
    found = heads(written("iopub", DOCUMENT, protocol), protocol)
    assert found == Heads("iopub", DOCUMENT["header"], DOCUMENT["parent_header"])


READ = """
import json, sys
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
channel, parts = deserialize_msg_from_ws_v1(sys.stdin.buffer.read())
print(json.dumps([channel, *(json.loads(bytes(part)) for part in parts)]))
"""


def test_the_form_is_that_of_jupyters_own_server():
    need((ENVIRONMENT / "bin" / "python").exists(), "the sessions' environment")
    said = written("shell", DOCUMENT, V1)
    read = subprocess.run([ENVIRONMENT / "bin" / "python", "-c", READ], input=said, capture_output=True, check=True)
    names = ("header", "parent_header", "metadata", "content")
    assert json.loads(read.stdout) == ["shell", *(DOCUMENT[name] for name in names)]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff" * 200, (6).to_bytes(8, "little"), (7).to_bytes(8, "little") + b"\xff" * 400, "[]", "{", "[" * 100_000,
        '{"channel": "iopub", "header": 3}', " " * (LARGEST_TEXT + 1),
        written("iopub", DOCUMENT | {"header": {"x": "y" * LARGEST_HEAD}}, V1),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_nothing(data):
    assert heads(data, V1) is None


@pytest.mark.parametrize(
    ("channel", "kind", "shown"), [("iopub", "stream", "stream"), ("shell", "complete_reply", "complete_reply")]
)
def test_in_place_of_a_message_comes_a_sentence_or_an_answer_that_ends_the_waiting(channel, kind, shown):
    of = Heads(channel, {"msg_type": kind}, {"msg_id": "asked"})
    found = heads(said := instead(of, "For stort.", identity="1", at="2026", protocol=V1), V1)
    assert (found.channel, found.header["msg_type"], found.parent) == (channel, shown, {"msg_id": "asked"})
    assert b"For stort." in said


def test_a_websocket_waits_for_its_rate_and_for_the_slow_one_in_an_unusual_hour(monkeypatch):
    waited, alarms = [], []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr("hvelv.enclave.adapters.passing.asyncio.sleep", sleep)
    monkeypatch.setattr("hvelv.enclave.adapters.passing.time.monotonic", lambda: 0.0)
    limits = TrafficLimits(message=100, rate=10, burst=100, hour=200, slow=1)
    account = an_account(limits.hour)
    passing = Passing(account, limits, of_kernel=True, alarmed=lambda: alarms.append(1), active=lambda: None)
    for _message in range(3):
        assert asyncio.run(passing.to_browser(b"x" * 100)) == b"x" * 100
    assert waited == [10, 200]
    assert alarms == [1]


@pytest.fixture
def book(tmp_path):
    database = custodian(f"sqlite:///{tmp_path / 'c.sqlite'}", clock=SetClock(NOON))
    database.create_all()
    yield TrafficBook(database, SetClock(NOON))
    database.close()


def test_rows_say_how_much_and_are_summed_by_person_and_project(book):
    day = NOON.date().isoformat()
    for viewed, alarms in (({"kernel": 10, "static": 99}, 0), ({"api/contents": 5}, 1)):
        book.write(Passed("kari", "p-a", day, viewed, 2, 1, alarms, ended=False))
    book.write(Passed("kari", "p-a", "2001-01-01", {"kernel": 1000}, 2, 0, 1, ended=False))
    book.write(Passed("ola", "p-a", day, {"kernel": 1}, 0, 0, 0, ended=True))
    found = book.today()
    kari = found["kari", "p-a"]
    assert (kari.viewed, kari.sent, kari.held_back, len(kari.alarms)) == (15, 4, 2, 1)
    assert found["ola", "p-a"].viewed == 1
    with book.database.reading() as session:
        assert book.database.trail.faults(session) == []
        rows = list(book.database.trail.rows(session))
    assert {row.action for row in rows} == {"session.passed", "session.unusual_volume"}


def test_the_gateway_tells_at_one_door_and_the_portal_asks_at_the_other(book):
    app = FastAPI()
    app.state.traffic = book
    for router in (traffic_api.enclave_router, traffic_api.portal_router):
        app.include_router(router)
    answer_refusals(app)
    client = TestClient(app, headers={ACTOR: "kari"})
    told = {"day": NOON.date().isoformat(), "viewed": {"kernel": 7}, "sent": 1, "held_back": 0, "alarms": 0, "ended": True}  # fmt: skip
    assert client.post("/traffic/kari/p-a", json=told).status_code == 204
    for wrong in (told | {"path": "x.csv"}, told | {"viewed": {"x.csv": 7}}, told | {"sent": -1}):
        assert client.post("/traffic/kari/p-a", json=wrong).status_code == 422
    assert client.get("/traffic/today").json() == [
        {"person": "kari", "project": "p-a", "viewed": 7, "sent": 1, "held_back": 0, "alarms": []}
    ]
