"""The books hold whatever comes at once, on SQLite and on PostgreSQL; charges are counted against answers."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible, Refusal, Unavailable
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.adapters.store_accounts import AllocationRow, ChargeLineRow, ChargeRow, PopulationRow
from hvelv.privacy.domain.charging import spent_on
from hvelv.privacy.service.accounts import KeyTaken, Overdrawn
from tests.builders_privacy import DATASET, PERSON, PROJECT, a_query, a_working_world, a_world

REQUESTS, ALLOWANCE, PRICE = 16, 10, 1_000


@pytest.fixture
def world(database_url, tmp_path):
    world = a_working_world(database_url, tmp_path, rho_micro=ALLOWANCE * PRICE)
    yield world
    world.database.close()


@pytest.fixture
def bare(database_url, tmp_path):
    """A custodian whose dataset has an account of 10,000 micro-rho, and nothing more."""
    world = a_world(database_url, tmp_path, cap=10_000)
    yield world
    world.database.close()


def spent(world):
    return world.desk.accounts.allocation(PROJECT, DATASET).spent


def new_noise(world, key, **query):
    """Ask the same question again, for another answer."""
    return world.desk.releases.release(PROJECT, PERSON, a_query(**query), PRICE, key, again=True)


def charges(world):
    return world.desk.accounts.charges(PROJECT)


def test_of_16_requests_at_once_on_an_allowance_for_10_exactly_10_are_answered(world):
    together = threading.Barrier(REQUESTS)

    def ask(number):
        together.wait()
        try:
            return new_noise(world, f"request-{number:04d}")
        except Overdrawn as refusal:
            return refusal

    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = list(pool.map(ask, range(REQUESTS)))

    released = [answer for answer in answers if isinstance(answer, dict)]
    assert len(released) == ALLOWANCE
    assert len({answer["id"] for answer in released}) == ALLOWANCE
    assert len(charges(world)) == ALLOWANCE
    assert spent_on(charges(world), DATASET) == spent(world) == ALLOWANCE * PRICE
    assert world.actions().count("release.charged") == ALLOWANCE
    assert world.actions().count("release.made") == ALLOWANCE
    with world.database.reading() as session:
        assert world.database.trail.faults(session) == []


PROCESS = """
import sys
from hvelv.kernel.clock import SystemClock
from hvelv.kernel.database import custodian
from hvelv.kernel.errors import Refusal
from hvelv.kernel.ids import RandomIds
from hvelv.privacy.adapters.ledger import SqlLedger
from hvelv.privacy.domain.charging import Line, Purchase
from hvelv.privacy.service.accounts import Accounts

url, project, dataset, name = sys.argv[1:]
accounts = Accounts(custodian(url), SqlLedger(), SystemClock(), RandomIds())
made = 0
for number in range(8):
    try:
        accounts.charge(Purchase(project, "kari", f"{name}-{number:08d}", "q", "x", "s", (Line(dataset, 1000),)))
        made += 1
    except Refusal:
        pass
print(made)
"""


def test_four_processes_together_cannot_charge_more_than_the_allowance(world, database_url):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, database_url, PROJECT, DATASET, f"process{number}"], stdout=subprocess.PIPE
        )
        for number in range(4)
    ]

    made = sum(int(process.communicate()[0]) for process in processes)

    assert made == ALLOWANCE
    assert spent_on(charges(world), DATASET) == spent(world) == ALLOWANCE * PRICE


def test_a_refusal_says_what_is_spent_asked_for_and_left(world):
    world.release("request-0001", 9_500)

    with pytest.raises(Overdrawn) as refusal:
        world.release("request-0002", 600, by=["test"])

    assert dict(refusal.value.params) == {"spent": 9_500, "asked": 600, "left": 500}
    assert len(charges(world)) == 1


@pytest.mark.attack("DP03")
def test_the_same_key_gives_the_stored_answer_and_one_charge(world):
    first = world.release("request-0001")

    again = [world.release("request-0001") for _ in range(3)]

    assert again == [first] * 3
    assert spent(world) == PRICE
    assert world.actions().count("release.made") == 1


@pytest.mark.attack("DP03")
def test_the_same_key_at_once_shows_one_answer_only(world):
    together = threading.Barrier(6)

    def ask(_):
        together.wait()
        return json.dumps(world.release("request-0001"))

    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(ask, range(6)))

    assert len(answers) == 1
    assert spent(world) == PRICE
    assert len(charges(world)) == 1


def test_the_same_key_for_another_question_is_refused(world):
    world.release("request-0001")

    with pytest.raises(KeyTaken):
        world.release("request-0001", by=["test"])
    with pytest.raises(KeyTaken):
        world.release("request-0001", rho_micro=PRICE + 100)

    assert spent(world) == PRICE


@pytest.mark.attack("DP02")
@pytest.mark.attack("DP24")
def test_a_stop_between_charge_and_noise_leaves_the_charge_and_no_answer(world, monkeypatch):
    def stop(*_):
        raise RuntimeError("01810112345")

    with monkeypatch.context() as broken:
        broken.setattr(OpenDPNoise, "draw", stop)
        with pytest.raises(Unavailable) as refusal:
            world.release("request-0001")

    assert "01810112345" not in json.dumps(refusal.value.as_dict())
    assert spent(world) == PRICE
    assert [charge.state for charge in charges(world)] == ["charged"]
    assert world.desk.releases.all(PROJECT, PERSON) == []

    answer = world.release("request-0001")  # the same key finishes what was paid for

    assert spent(world) == PRICE
    assert world.desk.releases.one(PROJECT, PERSON, answer["id"]) == answer


@pytest.mark.attack("DP02")
def test_the_charge_is_committed_before_the_data_are_opened(world, monkeypatch):
    seen = []
    engine = world.desk.releases._engine
    inner = engine.aggregator.totals

    class Watching:
        def totals(self, *asked):
            seen.append((spent(world), world.actions()[-1]))
            return inner(*asked)

    monkeypatch.setattr(world.desk.releases, "_engine", replace(engine, aggregator=Watching()))
    world.release("request-0001")

    assert seen == [(PRICE, "release.charged")]


@pytest.mark.attack("DP02")
def test_a_stop_between_noise_and_storing_shows_nothing_and_stores_nothing(world, monkeypatch):
    drawn = []
    inner = OpenDPNoise.draw

    def remember(self, dose, totals):
        drawn.append(inner(self, dose, totals))
        return drawn[-1]

    monkeypatch.setattr(OpenDPNoise, "draw", remember)
    with monkeypatch.context() as broken:
        broken.setattr(world.desk.releases._accounts, "finish", lambda *_: (_ for _ in ()).throw(OSError()))
        with pytest.raises(OSError):
            world.release("request-0001")

    answer = world.release("request-0001")

    assert len(drawn) == 2
    assert [row["values"]["count"] for row in answer["rows"]] == drawn[1]
    assert spent(world) == PRICE


@pytest.mark.attack("DP24")
def test_nothing_is_paid_back(world):
    world.release("request-0001")
    with world.database.transaction() as unit:
        world.desk.projects.close(unit, PROJECT)
        world.desk.projects.reopen(unit, PROJECT)
        world.desk.projects.open(unit, PROJECT, {DATASET: ALLOWANCE * PRICE}, "office")

    assert spent(world) == PRICE


def test_a_closed_project_spends_nothing(world):
    with world.database.transaction() as unit:
        world.desk.projects.close(unit, PROJECT)

    with pytest.raises(NotPossible, match="stengt"):
        world.release("request-0001")

    assert charges(world) == []


def test_what_is_refused_costs_nothing(world):
    world.permits.members.discard("ola")
    refused = [
        (Denied, {"person": "ola"}),
        (Invalid, {"by": ["age"]}),
        (Invalid, {"rho_micro": 0}),
        (Invalid, {"rho_micro": 1, "measures": [{"kind": "mean", "column": "age", "low": 0, "high": 110}]}),
        (NotFound, {"dataset": "another"}),
        (Invalid, {"key": "x"}),
    ]
    for kind, changes in refused:
        with pytest.raises(kind):
            world.release(**changes)

    assert charges(world) == []
    assert spent(world) == 0


def test_without_a_published_extract_nothing_is_charged(bare):
    bare.open_project(rho_micro=5_000)

    with pytest.raises(NotPossible, match="ikke klart"):
        bare.release()

    assert charges(bare) == []


@pytest.mark.attack("DP09")
def test_projects_together_cannot_have_more_than_the_dataset_has(bare):
    together = threading.Barrier(6)

    def open_one(number):
        together.wait()
        try:
            bare.open_project(f"p-{number}", 4_000)
        except Overdrawn as refusal:
            return refusal.params["left"]
        return None

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(open_one, range(6)))

    assert outcomes.count(None) == 2
    assert outcomes.count(1_000) == 4
    assert bare.desk.accounts.account(DATASET).allotted == 9_000  # a tenth is the platform's own


def test_a_dataset_keeps_its_account_through_all_its_versions(bare):
    with bare.database.transaction() as unit:
        bare.desk.accounts.open_account(unit, DATASET, "Laboratoriet", 99_000, "steward")

    assert bare.desk.accounts.account(DATASET).cap == 10_000
    assert bare.actions().count("account.opened") == 1


LINES_REFUSED = [
    *(("rho_micro", value) for value in (0, -1, 10**12 + 1)),
    *(("delta_femto", value) for value in (-1, 10**9 + 1)),
    *(("pure_micro", value) for value in (0, -1, 10**12 + 1)),
]


@pytest.mark.attack("DP06")
def test_the_database_itself_refuses_an_overdrawn_row_and_a_free_charge(world):
    def write(statement):
        with pytest.raises(IntegrityError), world.database.transaction() as unit:
            unit.session.connection().execute(statement)

    charge = {"id": "rel-x", "project": PROJECT, "person": PERSON, "idempotency_key": "k"}
    charge |= {"query_hash": "q", "extract_hash": "x", "summary": "s", "state": "charged", "at": "2026"}
    write(update(AllocationRow).values(spent=ALLOWANCE * PRICE + 1))
    write(update(AllocationRow).values(spent=-1))
    write(update(AllocationRow).values(allocated=-1))
    write(update(AllocationRow).values(delta_spent=AllocationRow.delta_allocated + 1))
    for changes in (
        {"allotted": PopulationRow.cap + 1}, {"spent": PopulationRow.allotted + 1}, {"cap": 0}, {"spent": -1},
        {"delta_spent": PopulationRow.delta_allotted + 1}, {"delta_allotted": PopulationRow.delta_cap + 1},
        {"delta_cap": 10**9 + 1}, {"persons": -1},
    ):  # fmt: skip
        write(update(PopulationRow).values(**changes))
    for column, value in LINES_REFUSED:
        line = {"charge": "rel-y", "dataset": DATASET, "rho_micro": 1, "delta_femto": 0} | {column: value}
        write(insert(ChargeLineRow).values(**line))
    write(insert(ChargeRow).values(**charge | {"state": "released"}))


def test_an_answer_holds_what_it_says(world):
    measures = [{"kind": "count"}, {"kind": "mean", "column": "age", "low": 0, "high": 110}]
    measures += [{"kind": "sum", "column": "value", "low": 0, "high": 50}]

    answer = world.release(measures=measures, by=["sex", {"column": "age", "edges": [0, 55, 110]}], max_groups=2)

    document = world.signer.verifier.check(type(world.signer.sign("x", {})).from_dict(answer["signature"]), "release")
    assert document == {name: value for name, value in answer.items() if name != "signature"}
    assert answer["keys"] == ["sex", "age"]
    assert [row["key"] for row in answer["rows"]] == [
        ["f", "[0, 55)"], ["f", "[55, 110]"], ["m", "[0, 55)"], ["m", "[55, 110]"]
    ]  # fmt: skip
    assert set(answer["rows"][0]["values"]) == {"count", "mean_age", "sum_value"}
    assert answer["quote"]["allowance"] == {"allocated": 10_000, "spent": 0, "left_after": 9_000}
    assert answer["extract_hash"] == world.desk.extracts.all(PROJECT)[0].sha256
    assert answer["epsilon"] > 0


def test_a_quote_is_free_and_opens_no_data(world, monkeypatch):
    monkeypatch.setattr(world.desk.extracts, "paths", lambda *_: pytest.fail("a quote opened the data"))

    quote = world.quote(20_000, measures=[{"kind": "count"}, {"kind": "mean", "column": "age", "low": 0, "high": 110}])

    assert quote["cells"] == 2
    assert quote["allowance"] == {"allocated": 10_000, "spent": 0, "left_after": -10_000}
    assert [measure["name"] for measure in quote["measures"]] == ["count", "mean_age"]
    assert quote["measures"][0]["error95"] > 0
    assert quote["warnings"]
    assert charges(world) == []


def test_another_project_cannot_see_the_answer(world):
    answer = world.release()

    with pytest.raises(NotFound):
        world.desk.releases.one("p-two", PERSON, answer["id"])
    world.permits.members.clear()
    with pytest.raises(Refusal):
        world.desk.releases.one(PROJECT, PERSON, answer["id"])


def test_a_project_is_shown_with_its_budget(world):
    world.release()
    with world.database.transaction() as unit:
        world.desk.jobs.queue(unit, "job-1", "provision", PROJECT)

    view = world.desk.projects.view(PROJECT)

    assert [(row["dataset"], row["allocated"], row["spent"]) for row in view["budget"]] == [(DATASET, 10_000, 1_000)]
    assert view["budget"][0]["epsilon_allocated"] > view["budget"][0]["epsilon_spent"] > 0
    assert view["releases"][0]["summary"] == "labs: count / sex"
    assert view["extracts"][0]["persons"] == 40
    assert view["job"]["state"] == "queued"
    assert a_query()["dataset"] == "labs"
