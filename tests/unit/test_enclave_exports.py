"""The export desk with a real database and a store in memory."""

import csv
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta

import pytest

from hvelv.enclave.adapters.bundle import ZipBundle
from hvelv.enclave.adapters.export_store import ExportTable
from hvelv.enclave.domain.exports import Artifact, ArtifactKind, ExportState
from hvelv.enclave.domain.tables import as_csv
from hvelv.enclave.service.exports import BUCKET, Exports
from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import custodian
from hvelv.kernel.errors import Denied, NotPossible, Refusal, Unavailable
from hvelv.kernel.ids import CountedIds, PersonId, ProjectId, ReleaseId
from hvelv.kernel.signing import Signed, Signer
from tests.builders import NOON, a_release, an_item, evidence
from tests.fakes import MemoryStore

KARI, OLA, ROOM = PersonId("kari"), PersonId("ola"), ProjectId("p-0001")
PERMIT = {"id": "permit-1", "version": 1, "title": "Leversykdom"}


class Members:
    def __init__(self, *people):
        self.people = set(people)

    def require(self, person, project):
        if person not in self.people:
            raise Denied("Nei.")
        return PERMIT


class Held:
    def __init__(self):
        self.releases = {"rel-0001": evidence()}

    def evidence(self, project, release):
        return self.releases.get(release)


@pytest.fixture
def desk(tmp_path):
    database = custodian(f"sqlite:///{tmp_path}/c.sqlite", clock=SetClock(NOON))
    database.create_all()
    yield Exports(
        database, ExportTable(), MemoryStore(), Held(), Members(KARI), ZipBundle(Signer.generate()), SetClock(NOON),
        CountedIds(), timedelta(minutes=5),
    )  # fmt: skip
    database.close()


def actions(desk):
    with desk.database.reading() as session:
        assert desk.database.trail.faults(session) == []
        return [row.action for row in desk.database.trail.rows(session)]


def test_a_released_bundle_holds_the_numbers_of_the_release(desk):
    done = desk.ask(KARI, ROOM, "Første utlevering", [an_item()])

    token, _until = desk.link(KARI, done.id)
    request, data = desk.fetch(KARI, token)

    assert done.state is ExportState.RELEASED
    assert hashlib.sha256(data).hexdigest() == request.sha256 == done.sha256
    archive = zipfile.ZipFile(io.BytesIO(data))
    table = list(
        csv.DictReader(io.TextIOWrapper(archive.open("tables/01-population-count-mean-age-by-sex.csv"), "utf-8"))
    )
    assert [(row["sex"], row["count"]) for row in table] == [("m", "101"), ("f", "97")]
    certificate = Signed.from_dict(json.loads(archive.read("certificate.json")))
    statement = desk.writer.signer.verifier.check(certificate, "certificate")
    assert statement["rho_micro"] == 1000
    for file in statement["files"]:
        assert hashlib.sha256(archive.read(file["name"])).hexdigest() == file["sha256"]
    assert actions(desk) == ["export.asked", "export.released", "bundle.link_made", "bundle.fetched"]


SECRET = "zqxjkvbw 01410112345 hgfdpmyt"


@pytest.mark.attack("EX13")
@pytest.mark.attack("EX28")
def test_no_word_of_the_researchers_leaves_in_a_bundle_or_on_a_page_outside(desk):
    refused = desk.ask(KARI, ROOM, SECRET, [])
    done = desk.ask(KARI, ROOM, SECRET, [an_item(title=SECRET), an_item(kind="figure", measure="count", title=SECRET)])
    token, _until = desk.link(KARI, done.id)
    _request, data = desk.fetch(KARI, token)

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        everything = b"".join(archive.read(name) + name.encode() for name in archive.namelist())
    outside = json.dumps([refused.as_dict(), done.as_dict()])
    assert done.state is ExportState.RELEASED
    for word in SECRET.split():
        assert word.encode() not in everything
        assert word not in outside
    assert refused.inside()["title"] == SECRET


@pytest.mark.parametrize("item", [{"kind": []}, {"kind": {"a": []}}, [], None, 7, {"kind": "table", "release": "\0"}])
def test_whatever_is_offered_gets_an_answer_and_can_be_kept(desk, item):
    done = desk.ask(KARI, ROOM, "x\0y", [item])

    assert done.state is ExportState.REFUSED
    assert desk.of_project(ROOM) == [done]


def test_a_request_that_the_gate_stumbles_on_is_refused_and_keeps_nobody_waiting(desk):
    class Away(MemoryStore):
        def put(self, bucket, name, data):
            raise Unavailable("borte")

    class Stumbling:
        def write(self, request, permit, artifacts, at):
            raise TypeError("odd")

    for number in range(2):
        with pytest.raises(Unavailable):
            replace(desk, objects=Away()).ask(KARI, ROOM, f"{number}", [an_item()])

    assert replace(desk, writer=Stumbling()).resume() == 2
    assert [r.state for r in desk.of_project(ROOM)] == [ExportState.REFUSED] * 2
    assert {f.rule for r in desk.of_project(ROOM) for f in r.findings} == {"G00-fault"}


def test_the_same_request_gives_the_same_bytes(desk):
    first = desk.ask(KARI, ROOM, "En", [an_item()])
    again, _files = desk.writer.write(first, PERMIT, [(_artifact(), a_release())], NOON)
    twice, _files = desk.writer.write(first, PERMIT, [(_artifact(), a_release())], NOON)

    assert again == twice


def _artifact():
    return Artifact(ArtifactKind.TABLE, ReleaseId("rel-0001"))


def test_a_refused_request_makes_no_bundle_and_says_why(desk):
    done = desk.ask(KARI, ROOM, "En", [{"kind": "file", "path": "rows.csv"}])

    assert done.state is ExportState.REFUSED
    assert [finding.rule for finding in done.findings] == ["G01-kind"]
    assert desk.objects.objects == {}
    with pytest.raises(Denied):
        desk.link(KARI, done.id)


def test_a_person_outside_the_project_can_neither_ask_nor_fetch(desk):
    done = desk.ask(KARI, ROOM, "En", [an_item()])
    token, _until = desk.link(KARI, done.id)

    for attempt in (
        lambda: desk.ask(OLA, ROOM, "En", [an_item()]),
        lambda: desk.link(OLA, done.id),
        lambda: desk.fetch(OLA, token),
    ):
        with pytest.raises(Denied):
            attempt()


@pytest.mark.attack("S307")
def test_a_link_dies_after_its_time_and_with_the_right(desk):
    done = desk.ask(KARI, ROOM, "En", [an_item()])
    token, _until = desk.link(KARI, done.id)

    late = replace(desk, clock=SetClock(NOON + timedelta(minutes=5)))
    with pytest.raises(Denied):
        late.fetch(KARI, token)
    desk.rights.people.clear()
    with pytest.raises(Denied):
        desk.fetch(KARI, token)


@pytest.mark.attack("WF05")
def test_bytes_that_were_changed_in_the_store_are_not_handed_out(desk):
    done = desk.ask(KARI, ROOM, "En", [an_item()])
    token, _until = desk.link(KARI, done.id)
    (key,) = desk.objects.objects
    desk.objects.objects[key] += b"x"

    with pytest.raises(Refusal, match="ikke den som ble kontrollert"):
        desk.fetch(KARI, token)
    assert "bundle.fetched" not in actions(desk)


def test_a_check_that_a_crash_cut_short_is_finished_once(desk):
    class Broken(MemoryStore):
        def put(self, bucket, name, data):
            raise Unavailable("borte")

    with pytest.raises(Unavailable):
        replace(desk, objects=Broken()).ask(KARI, ROOM, "En", [an_item()])
    (waiting,) = desk.of_project(ROOM)
    assert waiting.state is ExportState.CHECKING

    assert desk.resume() == 1
    (done,) = desk.of_project(ROOM)
    assert done.state is ExportState.RELEASED
    assert [name[0] for name in desk.objects.objects] == [BUCKET]
    with pytest.raises(NotPossible):
        desk.check(waiting)
    assert actions(desk).count("export.released") == 1


@pytest.mark.attack("EX18")
def test_no_cell_is_taken_for_a_formula():
    data = as_csv(["=cmd"], [["=1+1"], ["@x"], ["-2"], [-2], ["\tx"]]).decode()

    assert data.splitlines() == ["'=cmd", "'=1+1", "'@x", "'-2", "-2", "'\tx"]
