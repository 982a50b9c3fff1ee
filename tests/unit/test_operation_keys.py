"""`hvelv keys`, against an installation that does not run."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hvelv.kernel.clock import SystemClock
from hvelv.kernel.database import custodian, registry
from hvelv.kernel.errors import Unavailable
from hvelv.kernel.settings import Settings
from hvelv.operation.cli import app
from hvelv.operation.secrets import ensure_secrets
from hvelv.privacy.adapters.custodians import key_custodian
from hvelv.privacy.adapters.key_rows import SqlKeys
from hvelv.privacy.service.keys import Keys


@pytest.fixture
def home():
    """Return a folder whose name is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="hv-k-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def keys(home, monkeypatch):
    """Return the keys of an installation with one project."""
    monkeypatch.setenv("HVELV_DATA_DIR", str(home / "d"))
    monkeypatch.setenv("HVELV_SEPARATE_USERS", "false")
    monkeypatch.setenv("HVELV_KEY_COPIES", json.dumps([str(home / "away")]))
    settings = Settings()
    for folder in (settings.run_dir, settings.domain_dir("portal"), settings.domain_dir("custodian")):
        folder.mkdir(parents=True)
    ensure_secrets(settings)
    registry(settings.registry_url).create_all()
    database = custodian(settings.custodian_url)
    database.create_all()
    made = Keys(database, SqlKeys(), key_custodian(settings, SystemClock(), database), SystemClock())
    with database.transaction() as unit:
        made.ensure_project(unit, "p-one", "office")
    yield made
    database.close()


def run(*words):
    done = CliRunner().invoke(app, ["keys", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_names_keys_and_shows_none(keys):
    shown = run("list")

    assert [line.split()[0] for line in shown.splitlines()] == [
        "project:p-one",
        "project:p-one:codes",
        "project:p-one:dates",
    ]
    for key in vars(keys.project("p-one")).values():
        assert key.hex() not in shown


def test_rotation_by_command_is_seen_by_a_process_that_runs(keys, home):
    before = keys.project("p-one"), (home / "d/custodian/secrets/kek").read_text()

    shown = run("rotate")

    assert keys.project("p-one") == before[0]
    assert (home / "d/custodian/secrets/kek").read_text() not in {before[1], shown}
    assert before[1].strip() not in shown


def test_a_certificate_is_printed_and_verified_and_says_which_copy_was_not_reached(keys, home):
    with keys._database.transaction() as unit:
        keys.destroy_project(unit, "p-one", "office", "closed")

    assert run("finish") == "1 certificates made\n"
    shown = run("certificate", "p-one", "--verify")
    document = json.loads(shown[: shown.rindex("certificate 1: ok")])["document"]
    assert [place["reached"] for place in document["places"]] == [True, True, False]
    (home / "away").mkdir()
    assert run("finish") == "1 certificates made\n"
    assert "certificate 2: ok" in run("certificate", "p-one", "--verify")
    assert "destroyed" in run("list")


def test_a_lost_keyring_is_refused_while_the_database_has_keys_and_comes_back_by_copying_the_file(keys, home):
    file, before = home / "d/custodian/secrets/keyring", keys.project("p-one")
    shutil.copy2(file, home / "kept")
    file.unlink()

    assert CliRunner().invoke(app, ["keys", "rotate"]).exit_code != 0
    with pytest.raises(Unavailable), keys._database.transaction() as unit:
        keys.ensure_project(unit, "p-two", "office")
    assert not file.exists()

    shutil.copy2(home / "kept", file)
    assert keys.project("p-one") == before
    run("rotate")


def test_there_is_no_certificate_of_what_lives(keys):
    assert CliRunner().invoke(app, ["keys", "certificate", "p-one"]).exit_code != 0
