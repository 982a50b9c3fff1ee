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
from hvelv.enclave.domain.exports import ExportState
from hvelv.enclave.domain.tables import as_csv
from hvelv.enclave.service.exports import BUCKET, Exports
from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import custodian
from hvelv.kernel.errors import Denied, NotPossible, Refusal, Unavailable
from hvelv.kernel.ids import CountedIds, PersonId, ProjectId
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
    table = list(csv.DictReader(io.TextIOWrapper(archive.open("tables/01-personer-etter-kjonn.csv"), "utf-8")))
    assert [(row["sex"], row["count"]) for row in table] == [("m", "101"), ("f", "97")]
    certificate = Signed.from_dict(json.loads(archive.read("certificate.json")))
    statement = desk.writer.signer.verifier.check(certificate, "certificate")
    assert statement["rho_micro"] == 1000
    for file in statement["files"]:
        assert hashlib.sha256(archive.read(file["name"])).hexdigest() == file["sha256"]
    assert actions(desk) == ["export.asked", "export.released", "bundle.link_made", "bundle.fetched"]


def test_the_same_request_gives_the_same_bytes(desk):
    first = desk.ask(KARI, ROOM, "En", [an_item()])
    again, _files = desk.writer.write(first, PERMIT, [(_artifact(), a_release())], NOON)
    twice, _files = desk.writer.write(first, PERMIT, [(_artifact(), a_release())], NOON)

    assert again == twice


def _artifact():
    from hvelv.enclave.domain.gate import Offer, artifact

    return artifact(Offer(an_item(), evidence()))


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
