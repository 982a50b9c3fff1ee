"""Workspaces saved, restored elsewhere and removed: everything comes back to whom it belonged, or nothing happens."""

import json
import os
import socket
import stat

import pytest
from typer.testing import CliRunner

from hvelv.enclave.adapters import disks
from hvelv.enclave.adapters.rooms import make_folders
from hvelv.enclave.adapters.spawner import layout_of
from hvelv.enclave.adapters.uids import UidTable
from hvelv.enclave.domain.sessions import SessionLimits, SessionName
from hvelv.kernel.settings import Settings
from hvelv.operation import workspaces
from hvelv.operation.cli import app
from hvelv.operation.migrate import databases
from hvelv.operation.trouble import Trouble
from tests.builders_operation import short_folder

PROJECT = "p-aaaaaaaaaa"
ROOT = os.geteuid() == 0


def an_installation(folder, first_uid=200_000):
    settings = Settings(data_dir=folder, session_uid_base=first_uid)
    (settings.run_dir / "gateway-control").mkdir(parents=True)
    for domain in ("portal", "custodian", "hub"):
        settings.domain_dir(domain).mkdir(parents=True)
    for database in databases(settings).values():
        database.create_all()
        database.close()
    return settings


def with_room(settings, person, project=PROJECT):
    table = UidTable(settings.domain_dir("hub") / "session-uids.json", settings.session_uid_base)
    name = SessionName(person, project)
    layout = layout_of(settings, name)
    uid, group = (table.uid_of(name), table.group_of(project)) if ROOT else (None, None)
    make_folders(layout, uid, group)
    return layout


def closed(layout):
    layout.announcement.unlink()


@pytest.fixture
def settings():
    with short_folder() as path:
        yield an_installation(path)


@pytest.fixture
def elsewhere():
    with short_folder() as path:
        yield an_installation(path, 300_000)


@pytest.fixture
def archives(tmp_path):
    folder = tmp_path / "archives"
    folder.mkdir()
    return folder


def filled(settings):
    """Two people's workspaces and what they share, rooms closed."""
    layouts = {person: with_room(settings, person) for person in ("ola", "kari")}
    for person, layout in layouts.items():
        script = layout.workspace / "run.sh"
        script.write_text(f"of {person}")
        script.chmod(0o750)
        (layout.workspace / "link").symlink_to("run.sh")
        shared = layout.shared / f"{person}.md"
        shared.write_text(person)
        if ROOT:
            owner = layout.workspace.stat().st_uid
            for path in (script, layout.workspace / "link"):
                os.chown(path, owner, owner, follow_symlinks=False)
            os.chown(shared, owner, layout.shared.stat().st_gid)
        closed(layout)
    return layouts


def audited(settings):
    registry = databases(settings)["registry"]
    with registry.reading() as session:
        return [(row.action, row.subject) for row in registry.trail.rows(session)]


def test_what_was_saved_is_restored_elsewhere_to_those_it_belongs_to(settings, elsewhere, archives):
    filled(settings)
    archive, _sha256 = workspaces.save(settings, PROJECT, archives)
    with_other_numbers = UidTable(elsewhere.domain_dir("hub") / "session-uids.json", 300_000)
    with_other_numbers.uid_of(SessionName("per", PROJECT))

    assert workspaces.restore(elsewhere, archive) == PROJECT

    for person in ("ola", "kari"):
        layout = layout_of(elsewhere, SessionName(person, PROJECT))
        script = layout.workspace / "run.sh"
        assert script.read_text() == f"of {person}"
        assert stat.S_IMODE(script.stat().st_mode) == 0o750
        assert (layout.workspace / "link").readlink().name == "run.sh"
        assert (layout.shared / f"{person}.md").read_text() == person
        if ROOT:
            own = with_other_numbers.uid_of(SessionName(person, PROJECT))
            group = with_other_numbers.group_of(PROJECT)
            assert {(p.lstat().st_uid, p.lstat().st_gid) for p in (layout.workspace, script)} == {(own, own)}
            assert (layout.workspace / "link").lstat().st_uid == own
            assert ((layout.shared / f"{person}.md").stat().st_uid, layout.shared.stat().st_gid) == (own, group)
            assert stat.S_IMODE(layout.workspace.stat().st_mode) == 0o700
    assert audited(settings) == [("workspaces.saved", PROJECT)]
    assert audited(elsewhere) == [("workspaces.restored", PROJECT)]


def test_an_archive_is_for_its_owner_alone_and_names_no_file_of_anybody(settings, archives):
    filled(settings)
    archive, sha256 = workspaces.save(settings, PROJECT, archives)
    about = archive.with_suffix(".json")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (archive, about)} == {0o600}
    assert sorted(archives.iterdir()) == [about, archive]
    known = json.loads(about.read_text())
    assert known["sha256"] == sha256
    assert set(known) == {"project", "saved", "sha256", "persons", "group"}


def test_an_archive_that_has_changed_is_not_restored(settings, elsewhere, archives):
    filled(settings)
    archive, _sha256 = workspaces.save(settings, PROJECT, archives)
    with archive.open("r+b") as file:
        file.seek(600)
        file.write(b"x")
    with pytest.raises(Trouble, match="changed"):
        workspaces.restore(elsewhere, archive)
    assert workspaces.listed(elsewhere) == []


def test_an_archive_without_its_description_is_none(settings, archives):
    filled(settings)
    archive, _sha256 = workspaces.save(settings, PROJECT, archives)
    archive.with_suffix(".json").unlink()
    with pytest.raises(Trouble, match="no archive"):
        workspaces.restore(settings, archive, replace=True)


def test_nothing_is_overwritten_unless_it_is_asked_for_and_then_it_is_kept_aside(settings, archives):
    layout = filled(settings)["ola"]
    archive, _sha256 = workspaces.save(settings, PROJECT, archives)
    (layout.workspace / "run.sh").write_text("newer")
    with pytest.raises(Trouble, match="already"):
        workspaces.restore(settings, archive)
    assert (layout.workspace / "run.sh").read_text() == "newer"

    workspaces.restore(settings, archive, replace=True)

    assert (layout.workspace / "run.sh").read_text() == "of ola"
    aside = [path for path in layout.workspaces.iterdir() if path.name.startswith(f".replaced-{PROJECT}-")]
    assert [(path / "ola" / "run.sh").read_text() for path in aside] == ["newer"]


def test_a_project_with_an_open_room_is_neither_restored_nor_removed(settings, archives):
    filled(settings)
    archive, _sha256 = workspaces.save(settings, PROJECT, archives)
    with_room(settings, "ola")
    assert [kept.open for kept in workspaces.listed(settings)] == [1]
    with pytest.raises(Trouble, match="open"):
        workspaces.restore(settings, archive, replace=True)
    with pytest.raises(Trouble, match="open"):
        workspaces.remove(settings, PROJECT)
    assert (layout_of(settings, SessionName("kari", PROJECT)).workspace / "run.sh").exists()


def test_a_save_that_fails_leaves_the_one_before_it(settings, archives, monkeypatch):
    layout = filled(settings)["ola"]
    archive, sha256 = workspaces.save(settings, PROJECT, archives)
    (layout.workspace / "run.sh").write_text("newer")
    monkeypatch.setenv("PATH", str(archives))  # no tar
    with pytest.raises(Trouble, match="tar"):
        workspaces.save(settings, PROJECT, archives)
    monkeypatch.undo()
    assert sorted(path.suffix for path in archives.iterdir()) == [".json", ".tar"]
    assert json.loads(archive.with_suffix(".json").read_text())["sha256"] == sha256
    workspaces.restore(settings, archive, replace=True)
    assert (layout.workspace / "run.sh").read_text() == "of ola"


def test_sockets_and_pipes_are_left_behind(settings, elsewhere, archives):
    layout = filled(settings)["ola"]
    os.mkfifo(layout.workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(layout.workspace / "s"))
        archive, _sha256 = workspaces.save(settings, PROJECT, archives)
    workspaces.restore(elsewhere, archive)
    there = layout_of(elsewhere, SessionName("ola", PROJECT)).workspace
    assert sorted(path.name for path in there.iterdir() if not path.is_dir()) == ["link", "run.sh"]


def test_what_is_removed_is_gone_also_what_was_set_aside(settings, archives):
    layout = filled(settings)["ola"]
    archive, _sha256 = workspaces.save(settings, PROJECT, archives)
    workspaces.restore(settings, archive, replace=True)
    workspaces.remove(settings, PROJECT)
    assert list(layout.workspaces.iterdir()) == []
    assert [action for action, _subject in audited(settings)][-1] == "workspaces.removed"
    with pytest.raises(Trouble, match="No project"):
        workspaces.remove(settings, PROJECT)


@pytest.mark.skipif(bool(disks.missing()), reason="workspaces are plain folders without root and loop devices")
def test_what_lies_on_a_disk_of_its_own_is_saved_and_restored_all_the_same(settings, elsewhere, archives):
    limits, name = SessionLimits(1 << 30, 1, 100, disk=64 << 20, kept_files=1000), SessionName("ola", PROJECT)
    layout, there = layout_of(settings, name), layout_of(elsewhere, name)
    assert disks.attach(layout, limits)
    with_room(settings, "ola")
    (layout.workspace / "a.txt").write_text("mine")
    (layout.shared / "b.txt").write_text("ours")
    closed(layout)
    disks.detach(layout)
    archive, _sha256 = workspaces.save(settings, PROJECT, archives)

    workspaces.restore(elsewhere, archive)

    assert disks.attach(there, limits)
    try:
        texts = ((there.workspace / "a.txt").read_text(), (there.shared / "b.txt").read_text())
    finally:
        disks.detach(there)
    assert texts == ("mine", "ours")
    workspaces.remove(elsewhere, PROJECT)
    assert list(there.workspaces.iterdir()) == []


def test_by_command(settings, archives, monkeypatch):
    filled(settings)
    monkeypatch.setenv("HVELV_DATA_DIR", str(settings.root))
    run = CliRunner().invoke
    assert f"{PROJECT}     2 persons" in run(app, ["workspaces", "list"]).output
    saved = run(app, ["workspaces", "save", str(archives)])
    assert saved.exit_code == 0, saved.output
    assert "sha256" in saved.output
    refused = run(app, ["workspaces", "remove", PROJECT])
    assert isinstance(refused.exception, Trouble)
    assert run(app, ["workspaces", "remove", PROJECT, "--yes"]).exit_code == 0
    restored = run(app, ["workspaces", "restore", str(archives / f"{PROJECT}.tar")])
    assert restored.output == f"{PROJECT}: restored.\n"
