"""The whole road, with every process real: the demo on PostgreSQL and on SQLite, what it leaves, and what faults do to it."""

import csv
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import text

from hvelv.enclave.domain.tables import cells, columns
from hvelv.kernel.signing import Signed, Verifier
from hvelv.operation import running
from hvelv.operation.processes import BY_NAME

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
CUSTODIANS_OWN = ("custodian", "store")
KILLED = ("custodian", "worker", "gateway", "portal", "store", "prefect", "hub")
PATIENCE = 180


def stored_releases(road):
    with road.custodian.reading() as session:
        query = "SELECT id, rho_micro, release FROM privacy_charge JOIN privacy_charge_line ON charge = id"
        rows = session.connection().execute(text(query))
        return {row.id: (row.rho_micro, json.loads(row.release)) for row in rows if row.release}


def opened(bundle):
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def kinds(bundle):
    """Return what is in a bundle, whatever order the gate put it in."""
    return sorted(re.sub(r"/\d\d-", "/", name) for name in opened(bundle))


def test_the_bundle_opens_and_its_numbers_are_those_of_the_stored_releases(road):
    files = opened(road.bundle)
    certificate = Signed.from_dict(json.loads(files["certificate.json"]))
    statement = Verifier.load(road.settings.public_key).check(certificate, "certificate")
    releases = stored_releases(road)

    tables = [file for file in statement["files"] if file["name"].endswith(".csv")]
    assert len(tables) == 3
    assert any(name.endswith(".svg") for name in files)
    for file in tables:
        _cost, release = releases[file["release"]]
        table = list(csv.reader(io.StringIO(files[file["name"]].decode())))
        assert table[0] == columns(release)
        assert table[1:] == [["" if cell is None else str(cell) for cell in row] for row in cells(release)]
    for file in statement["files"]:
        assert hashlib.sha256(files[file["name"]]).hexdigest() == file["sha256"]
    assert statement["rho_micro"] == sum(releases[entry["id"]][0] for entry in statement["releases"])


def test_what_was_fetched_is_what_was_checked(road):
    with road.custodian.reading() as session:
        rows = session.connection().execute(text("SELECT sha256 FROM enclave_export WHERE state = 'released'"))
        hashes = {row.sha256 for row in rows}

    assert hashlib.sha256(road.bundle.read_bytes()).hexdigest() in hashes


def test_the_numbers_are_near_the_truth_and_not_it(road):
    releases = [release for _cost, release in stored_releases(road).values() if release["keys"] == ["sex", "died"]]
    counts = {tuple(row["key"]): row["values"]["count"] for row in releases[0]["rows"]}

    assert sum(counts.values()) == pytest.approx(17_549, abs=300)
    assert set(counts) == {("M", 0), ("M", 1), ("F", 0), ("F", 1)}


def test_the_demo_leaves_one_extract_that_nobody_gets_before_its_steward_has_seen_it(road):
    project = road.notes.waiting
    with road.custodian.reading() as session:
        connection = session.connection()
        reviews = connection.execute(
            text("SELECT table_name, state FROM privacy_review WHERE project = :p"), {"p": project}
        ).all()
        extracts = connection.execute(text("SELECT project FROM privacy_extracted")).scalars().all()

    assert [tuple(row) for row in reviews] == [("transplants", "waiting")]
    assert road.notes.project in extracts
    assert project not in extracts
    assert f"/extracts/{project}/transplants" in road.told


@pytest.mark.attack("SE04")
def test_no_person_number_is_in_any_log_or_in_the_bundle(road):
    numbers = Path(road.settings.root / "operation/demo-data/population.csv").read_text().splitlines()[1:400]
    wanted = [line.split(",")[0].encode() for line in numbers]
    logs = b"".join(path.read_bytes() for path in (road.settings.root / "logs").glob("*") if path.is_file())
    everything = logs + b"".join(opened(road.bundle).values())

    assert len(logs) > 1000
    assert [number for number in wanted if number in everything] == []


@pytest.mark.attack("SE01")
def test_no_secret_is_in_any_log_or_on_any_command_line(road):
    secrets = [
        path.read_bytes().strip()
        for path in road.settings.root.glob("*/secrets/*")
        if path.is_file() and path.suffix not in {".pem", ".json"} and len(path.read_bytes().strip()) >= 20
    ]
    secrets += [person[kind].encode() for person in road.notes.people.values() for kind in ("password", "totp")]
    logs = b"".join(path.read_bytes() for path in (road.settings.root / "logs").glob("*") if path.is_file())
    lines = b"".join(
        p.read_bytes() for pid in road.installation.marked() if (p := Path(f"/proc/{pid}/cmdline")).exists()
    )

    assert len(secrets) > 15
    assert [secret for secret in secrets if secret in logs + lines] == []


def inside_pid(road, name):
    """Return the process itself, within its walls: its own user runs it, unlike the one that put up the walls."""
    for pid in road.installation.marked():
        line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"hvelv.operation.run" in line and name.encode() in line and Path(f"/proc/{pid}").stat().st_uid != 0:
            return pid
    return pytest.fail(f"no process {name} of its own user")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give each domain its own view")
def test_the_portal_and_the_gateway_cannot_see_the_custodians_files(road):
    """Looked at from inside the processes' own mount namespaces, as their users and even as root."""
    for name in ("portal", "gateway"):
        pid = inside_pid(road, name)
        for folder in CUSTODIANS_OWN:
            path = road.settings.root / folder
            assert any(path.iterdir())
            seen = subprocess.run(
                ["nsenter", "-t", str(pid), "-m", "--", "ls", "-A", str(path)], capture_output=True, check=False
            )
            assert seen.stdout == b""
    assert any((road.settings.root / "portal").iterdir())


def wait_until_all_answer(road):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        seen = road.installation.hvelv("status")
        if seen.returncode == 0:
            return
    pytest.fail(f"not all came back: {seen.stdout}")


def verified(road):
    return road.installation.hvelv("audit", "verify")


@pytest.mark.attack("BK01")
def test_after_every_process_was_killed_all_comes_back_and_nothing_acknowledged_is_lost(road):
    before = stored_releases(road)
    states = {state.name: state.pid for state in running.Supervisor(road.settings).states()}
    assert set(states) == set(KILLED) == set(BY_NAME)
    for name in KILLED:
        os.kill(states[name], signal.SIGKILL)
    wait_until_all_answer(road)

    second = road.walk()

    after = stored_releases(road)
    assert after == before  # nothing is lost, and the same questions are answered from the store
    assert second != road.bundle
    assert kinds(second) == kinds(road.bundle)
    assert verified(road).returncode == 0


def test_what_was_released_was_paid_for_and_no_account_is_overdrawn(road):
    with road.custodian.reading() as session:
        connection = session.connection()
        spent = {
            row[0]: int(row[1])
            for row in connection.execute(text("SELECT dataset, SUM(spent) FROM privacy_allocation GROUP BY dataset"))
        }
        query = "SELECT dataset, SUM(rho_micro) FROM privacy_charge_line GROUP BY dataset"
        charged = {row[0]: int(row[1]) for row in connection.execute(text(query))}
        over = connection.execute(text("SELECT count(*) FROM privacy_allocation WHERE spent > allocated")).scalar_one()

    assert charged.items() <= spent.items()
    assert sum(spent.values()) == sum(charged.values()) > 0
    assert over == 0


@pytest.mark.parametrize("which", ["registry", "custodian"])
def test_one_row_changed_by_hand_makes_verification_fail(road, which):
    assert verified(road).returncode == 0
    database = {"registry": road.registry, "custodian": road.custodian}[which]

    def change(old, new):
        with database.engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text("DROP TRIGGER IF EXISTS audit_event_no_UPDATE"))
            else:
                connection.execute(text("ALTER TABLE audit_event DISABLE TRIGGER ALL"))
            statement = text("UPDATE audit_event SET body = replace(body, :old, :new) WHERE seq = 3")
            connection.execute(statement, {"old": old, "new": new})

    change('"action":"', '"action":"x')
    try:
        seen = verified(road)
        assert seen.returncode == 1
        assert "3" in seen.stdout + seen.stderr
    finally:
        change('"action":"x', '"action":"')
    assert verified(road).returncode == 0
