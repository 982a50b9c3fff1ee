"""Leading named pseudonyms back: by two who are not involved, a few, once, and told to one."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import custodian
from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible
from hvelv.kernel.ids import CountedIds
from hvelv.privacy.adapters.finding import StoreFinder, found_in
from hvelv.privacy.adapters.key_rows import SqlKeys
from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.adapters.store_reidentification import SqlCases
from hvelv.privacy.domain.reidentification import LIFECYCLE, MOST_REQUESTS, Action, Approver, Case, Reason, Side, State
from hvelv.privacy.service.keys import Keys
from hvelv.privacy.service.optouts import Objections
from hvelv.privacy.service.reidentification import Reidentification, Source
from tests.builders_keys import a_keyring
from tests.fakes import MemoryStore

NUMBERS = [f"0181{n:02d}{n:05d}" for n in range(40)]
STEWARD, ETHICS = Approver("stine", Side.STEWARD, "lab"), Approver("even", Side.ETHICS)
MEMBERS = frozenset({"kari", "ola"})
TEXT = "Et svar som bør følges opp raskt."
REGISTER = bytes(range(32))


class Facts:
    def __init__(self):
        self.members = set(MEMBERS)

    def people(self, _project):
        return frozenset(self.members)

    def is_member_now(self, project, person):
        return project == "p-one" and person in self.members

    def source(self, project, dataset):
        if (project, dataset) != ("p-one", "ds-labs"):
            raise NotFound("Datasettet er ikke med i tillatelsen.")
        return Source("lab", "vault", "labs.parquet", "person_number")


def nobody_changed(_asked, _purpose):
    return Objections((), "", "", b"", b"", {})


@pytest.fixture
def desk(database_url, tmp_path):
    """Return the service on a small vault, with the keys of project p-one."""
    clock = SetClock()
    database = custodian(database_url, clock=clock)
    database.create_all()
    store, keys = MemoryStore(), Keys(database, SqlKeys(), a_keyring(tmp_path), clock)
    pq.write_table(pa.table({"person_number": NUMBERS * 3, "value": list(range(120))}), tmp_path / "labs.parquet")
    store.put_file("vault", "labs.parquet", tmp_path / "labs.parquet")
    with database.transaction() as unit:
        keys.ensure_project(unit, "p-one", "office")
    made = Reidentification(
        database,
        SqlCases(),
        facts=Facts(),
        keys=keys,
        finder=StoreFinder(store, tmp_path / "finding", nobody_changed),
        clock=clock,
        ids=CountedIds(),
    )
    made.for_tests = (database, keys, clock, tmp_path)
    yield made
    database.close()


def pids(desk, *places):
    key = desk.for_tests[1].project("p-one").persons
    return [str(int(pid)) for pid in PersonCipher(key).blocks(pa.array([NUMBERS[p] for p in places]))[:, 0]]


def asked(desk, pseudonyms, person="kari", **changes):
    wanted = {"project": "p-one", "dataset": "ds-labs", "reason": "incidental_finding", "text": TEXT} | changes
    project, dataset = wanted.pop("project"), wanted.pop("dataset")
    return desk.request(person, project, dataset, pseudonyms=pseudonyms, **wanted)["id"]


def everything_told(desk):
    """Return all that stands in the audit trail, and in the table of requests."""
    database = desk.for_tests[0]
    with database.reading() as session:
        rows = [[r.action, r.actor, dict(r.detail)] for r in database.trail.rows(session)]
    return rows, json.dumps(rows) + json.dumps(desk.all())


def test_two_approve_and_the_steward_is_told_once(desk):
    case = asked(desk, [*pids(desk, 3, 7), "12345678901234567890"])
    assert desk.approve(STEWARD, case)["state"] == "requested"
    assert desk.approve(ETHICS, case)["state"] == "approved"

    found = dict(desk.execute(STEWARD, case))

    assert sorted(value for value in found.values() if value) == [NUMBERS[3], NUMBERS[7]]
    assert found[12345678901234567890] is None
    with pytest.raises(NotPossible):
        desk.execute(STEWARD, case)


@pytest.mark.attack("PS11")
def test_every_step_is_audited_by_counts_and_says_nobody(desk):
    wanted = pids(desk, 3)
    case = asked(desk, wanted)
    desk.approve(ETHICS, case)
    desk.approve(STEWARD, case)
    desk.execute(STEWARD, case)

    rows, told = everything_told(desk)
    assert [row[0] for row in rows if row[0].startswith("reid")] == [
        "reidentification.requested",
        "reidentification.approved",
        "reidentification.approved",
        "reidentification.executed",
    ]
    assert rows[-1][2] | {"found": 1, "pseudonyms": 1} == rows[-1][2]
    assert NUMBERS[3] not in told
    assert wanted[0] not in told
    with desk.for_tests[0].reading() as session:
        assert SqlCases().find(session, case).pseudonyms == ()
    assert not list((desk.for_tests[3] / "finding").iterdir())


@pytest.mark.attack("PS11")
@pytest.mark.parametrize("when", ["at the next start", "before the next search"])
def test_what_a_killed_search_left_on_disk_is_removed(desk, tmp_path, when):
    folder = tmp_path / "finding"
    (folder / "tmpkilled").mkdir(parents=True)
    (folder / "tmpkilled" / "source.parquet").write_bytes((tmp_path / "labs.parquet").read_bytes())
    (folder / "loose").write_text("x")
    finder = desk._finder

    if when == "at the next start":
        finder.tidy()
    else:
        keys = desk.for_tests[1].project("p-one")
        wanted = [int(pid) for pid in pids(desk, 3)]
        assert finder.find(desk._facts.source("p-one", "ds-labs"), wanted, keys, "ds-labs") == {wanted[0]: NUMBERS[3]}

    assert not list(folder.iterdir())


def test_a_start_leaves_a_search_alone_that_goes_on(desk, tmp_path):
    finder, seen = desk._finder, []

    class Store:
        def get_file(self, bucket, name, path):
            finder.tidy()  # another process of the custodian starts
            seen.append(path.parent.is_dir())
            finder.objects.get_file(bucket, name, path)

    keys = desk.for_tests[1].project("p-one")
    wanted = [int(pid) for pid in pids(desk, 3)]
    source = desk._facts.source("p-one", "ds-labs")

    assert replace(finder, objects=Store()).find(source, wanted, keys, "ds-labs") == {wanted[0]: NUMBERS[3]}
    assert seen == [True]


@pytest.mark.attack("PS11")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (STEWARD, STEWARD),
        (STEWARD, Approver("stine", Side.ETHICS)),
        (Approver("even", Side.STEWARD, "lab"), ETHICS),
        (STEWARD, Approver("kari", Side.ETHICS)),
        (STEWARD, Approver("ola", Side.ETHICS)),
        (Approver("ola", Side.STEWARD, "lab"), ETHICS),
        (Approver("stine", Side.STEWARD, "another"), ETHICS),
        (Approver("stine", Side.STEWARD), ETHICS),
    ],
)
def test_it_takes_two_of_two_kinds_who_are_not_involved(desk, first, second):
    case = asked(desk, pids(desk, 1))
    refusals = 0
    for by in (first, second):
        try:
            desk.approve(by, case)
        except (Denied, NotFound, NotPossible):
            refusals += 1

    assert refusals
    with pytest.raises((Denied, NotPossible)):
        desk.execute(STEWARD, case)


@pytest.mark.parametrize(
    "by",
    [ETHICS, replace(STEWARD, person="solveig"), replace(STEWARD, holder="x"), Approver("kari", Side.STEWARD, "lab")],
)
def test_nobody_but_the_steward_who_approved_is_told(desk, by):
    case = asked(desk, pids(desk, 1))
    desk.approve(ETHICS, case)
    desk.approve(STEWARD, case)

    with pytest.raises((Denied, NotFound)):
        desk.execute(by, case)
    assert desk.all()[0]["state"] == "approved"


def test_somebody_who_came_to_the_project_meanwhile_is_not_told(desk):
    case = asked(desk, pids(desk, 1))
    desk.approve(ETHICS, case)
    desk.approve(STEWARD, case)
    desk._facts.members.add("stine")

    with pytest.raises(Denied):
        desk.execute(STEWARD, case)


@pytest.mark.attack("PS11")
def test_a_project_asks_for_few_and_seldom(desk):
    one = pids(desk, 1)
    with pytest.raises(Invalid):
        asked(desk, [str(n) for n in range(21)])
    for _ in range(MOST_REQUESTS):
        asked(desk, one)
    with pytest.raises(NotPossible):
        asked(desk, one)
    desk.for_tests[2].advance(timedelta(days=31))
    asked(desk, one)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"pseudonyms": []}, "pseudonyms"),
        ({"pseudonyms": ["18446744073709551616"]}, "pseudonyms"),
        ({"pseudonyms": ["-1"]}, "pseudonyms"),
        ({"pseudonyms": ["1.5"]}, "pseudonyms"),
        ({"pseudonyms": ["²"]}, "pseudonyms"),
        ({"pseudonyms": ["x" * 5000]}, "pseudonyms"),
        ({"reason": "curiosity"}, "reason"),
        ({"text": " "}, "text"),
        ({"text": "gjelder 01819912345"}, "text"),
        ({"text": "født 01.81.99, ring"}, "text"),
        ({"text": "gjelder 018199 12345"}, "text"),
    ],
)
def test_what_is_asked_has_to_be_in_order_and_is_not_said_back(desk, changes, field):
    with pytest.raises(Invalid) as refusal:
        asked(desk, **({"pseudonyms": ["17"]} | changes))

    assert [p.field for p in refusal.value.problems] == [field]
    assert "12345" not in json.dumps(refusal.value.as_dict())


def test_only_a_member_asks_and_only_of_the_permits_datasets(desk):
    with pytest.raises(Denied):
        asked(desk, ["17"], person="stranger")
    with pytest.raises(Denied):
        asked(desk, ["17"], project="p-two")
    with pytest.raises(NotFound):
        asked(desk, ["17"], dataset="ds-other")
    assert desk.all() == []


def test_a_request_is_refused_or_withdrawn_and_then_over(desk):
    refused, withdrawn = asked(desk, pids(desk, 1)), asked(desk, pids(desk, 1))
    assert desk.refuse(ETHICS, refused)["state"] == "refused"
    with pytest.raises(NotFound):
        desk.withdraw("ola", withdrawn)
    assert desk.withdraw("kari", withdrawn)["state"] == "withdrawn"
    for case in (refused, withdrawn):
        with pytest.raises(NotPossible):
            desk.approve(STEWARD, case)
    with pytest.raises(NotFound):
        desk.approve(STEWARD, "rid-none")


def test_without_the_projects_key_nobody_is_found(desk):
    database, keys, _clock, _folder = desk.for_tests
    case = asked(desk, pids(desk, 1))
    desk.approve(ETHICS, case)
    desk.approve(STEWARD, case)
    with database.transaction() as unit:
        keys.destroy_project(unit, "p-one", "office")

    with pytest.raises(NotPossible):
        desk.execute(STEWARD, case)
    assert desk.all()[0]["state"] == "approved"


def test_a_number_that_was_changed_is_answered_as_it_is_now(tmp_path):
    """The source has old numbers; in the extract, the pseudonym is that of the number as it is now."""
    key, now = bytes(range(40, 72)), "41819800001"
    pq.write_table(pa.table({"person_number": NUMBERS[:5]}), tmp_path / "s.parquet")
    register = PersonCipher(REGISTER)
    pair = register.blocks(pa.array([NUMBERS[2]])).tobytes() + register.blocks(pa.array([now])).tobytes()
    seen = Objections((), "", "", REGISTER, pair, {})
    pid = [int(p) for p in PersonCipher(key).blocks(pa.array([now, NUMBERS[3]]))[:, 0]]

    assert found_in(tmp_path / "s.parquet", "person_number", pid, key, seen) == {pid[0]: now, pid[1]: NUMBERS[3]}
    assert found_in(tmp_path / "s.parquet", "person_number", [int(np.uint64(5))], key, seen) == {}


def test_what_is_over_stays_over():
    over = {state for state, actions in LIFECYCLE.items() if not actions}
    assert over == {State.EXECUTED, State.REFUSED, State.WITHDRAWN}
    case = Case("rid-1", "p", "d", "lab", Reason.DANGER, "x", (17,), 1, "kari", SetClock().now())
    assert "17" not in repr(replace(case, at=None, id="r"))
    assert all(Action.EXECUTE not in LIFECYCLE[state] for state in State if state is not State.APPROVED)
