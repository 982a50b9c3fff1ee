"""The worker is killed (SIGKILL) at every step of provisioning: the next run makes the same bytes, and nothing is left over."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hvelv.privacy.adapters import spreading
from hvelv.privacy.domain.rooms import BUCKET
from hvelv.privacy.service.jobs import JobState
from hvelv.privacy.service.optouts import Asked
from hvelv.workflows import provision
from tests.builders_privacy import PROJECT
from tests.builders_provision import a_desk
from tests.killed_provision import PLACES

REPO = Path(__file__).parents[2]
IN_DATABASE = ("after the job is started", "within the publishing transaction", "after publishing")

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(spreading, "CHUNK_ROWS", 40)
    monkeypatch.setattr(spreading, "PART_ROWS", 40)


@pytest.fixture
def desk(database_url, tmp_path):
    desk = a_desk(database_url, tmp_path)
    yield desk
    desk.database.close()


START = """
import sys, types
package = types.ModuleType("tests")  # ours: a package of the environment is called so, too
package.__path__ = [sys.argv.pop(1)]
sys.modules["tests"] = package
from tests.killed_provision import serve
serve()
"""


@pytest.fixture(scope="module")
def server():
    """A process that has imported all there is to import, and splits off one for each job."""
    command = [sys.executable, "-c", START, str(REPO / "tests")]
    with subprocess.Popen(command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def run_alone(server, url, folder, place):
    """Run the job in a process of its own; returns how that ended: minus the signal that it died of."""
    print(json.dumps([url, str(folder), place]), file=server.stdin, flush=True)
    return int(server.stdout.readline())


def undisturbed(desk, folder):
    """Return the hashes of all parts, made at one go somewhere else."""
    permit = desk.office.permit
    folder.mkdir()
    wanted = provision.wanted(desk, permit, 1, provision.workplace(folder, PROJECT))
    seen = desk.privacy.optouts.look([Asked(d.dataset, d.holder) for d in permit.datasets], permit.purpose)
    for entry in permit.datasets:
        provision.fetched(desk, entry, wanted[0].source.parents[1])
    made = desk.privacy.extraction.prepare(PROJECT, wanted, seen, folder, told=lambda _done, _of: None)
    return {one.permitted.table: [part.sha256 for part in one.parts] for one in made}


def hashes(desk):
    return {e.table: [part.sha256 for part in e.parts] for e in desk.privacy.extracts.all(PROJECT)}


def actions(desk):
    with desk.database.reading() as session:
        return [row.action for row in desk.database.trail.rows(session)]


@pytest.mark.parametrize(
    ("database_url", "place"),
    [*(("sqlite", place) for place in PLACES), *(("postgresql", place) for place in IN_DATABASE)],
    indirect=["database_url"],
)
def test_killed_there_and_started_again_the_job_leaves_what_one_run_would(place, server, desk, database_url, tmp_path):
    desk.database.engine.dispose()

    assert run_alone(server, database_url, tmp_path, place) == -signal.SIGKILL, (tmp_path / "run.log").read_text()

    visible = hashes(desk)
    expected = undisturbed(desk, tmp_path / "elsewhere")
    assert visible in ({}, expected)  # nothing, or all of it

    provision.provision_project(desk, "job-1", tmp_path / "work")

    assert desk.jobs.job("job-1").state is JobState.DONE
    assert hashes(desk) == expected
    assert all(len(parts) > 2 for parts in expected.values())
    extracts = desk.privacy.extracts.in_use(PROJECT)
    names = sorted(part.name for e in extracts for part in e.parts)
    (manifest,) = [name for name in desk.objects.names(BUCKET) if name not in names]
    assert desk.objects.names(BUCKET) == sorted([*names, manifest])
    written = json.loads(desk.objects.get(BUCKET, manifest))["extracts"]
    assert {e["table"]: [p["sha256"] for p in e["parts"]] for e in written} == expected
    assert not (tmp_path / "work" / PROJECT).exists()
    assert not [path for path in (tmp_path / "reviews").rglob("*") if path.is_file()]
    assert actions(desk).count("extract.published") == len(extracts) == 2
    with desk.database.reading() as session:
        assert desk.database.trail.faults(session) == []


def test_a_run_that_is_not_killed_says_that_it_is_done(server, desk, database_url, tmp_path):
    """What the killed runs have to be compared with: the process of its own does end well where nobody kills it."""
    desk.database.engine.dispose()

    assert run_alone(server, database_url, tmp_path, "") == 0, (tmp_path / "run.log").read_text()
    assert desk.jobs.job("job-1").state is JobState.DONE
