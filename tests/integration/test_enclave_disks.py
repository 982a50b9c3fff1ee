"""Disks of workspaces: what is in them stays, and no more fits than was said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hvelv.enclave.adapters import disks
from hvelv.enclave.domain.sessions import SessionLayout, SessionLimits, SessionName

pytestmark = pytest.mark.integration
SIZE, FILES = 32 << 20, 1200
LIMITS = SessionLimits(1 << 30, 1.0, 100, disk=SIZE, kept_files=FILES)


@pytest.fixture
def layout(tmp_path) -> Iterator[SessionLayout]:
    if lacking := disks.works():
        pytest.skip(f"workspaces have no disks here: {lacking}")
    yield SessionLayout(tmp_path / "run", tmp_path / "ws", SessionName("kari", "p-aaaaaaaaaa"))
    disks.detach_all(tmp_path / "ws")


def filled(place: Path) -> int:
    """Write until nothing more fits, and return how much did."""
    with (place / "fill").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(b"x" * (1 << 20)):
            pass
    return (place / "fill").stat().st_size


@pytest.mark.attack("SB13")
def test_no_more_fits_than_was_said_and_it_is_there_the_next_time(layout):
    assert disks.attach(layout, LIMITS)
    assert list(layout.workspace.iterdir()) == []
    written = filled(layout.workspace)
    assert SIZE // 2 < written < SIZE
    disks.detach(layout)
    assert list(layout.workspace.iterdir()) == []
    assert disks.attach(layout, LIMITS)
    assert (layout.workspace / "fill").stat().st_size == written
    assert layout.disk.stat().st_mode & 0o777 == 0o600


def test_what_an_earlier_version_kept_in_a_folder_is_taken_along(layout):
    (layout.workspace / "a folder").mkdir(parents=True)
    (layout.workspace / "a folder" / "notat.txt").write_text("hei")
    assert disks.attach(layout, LIMITS)
    assert (layout.workspace / "a folder" / "notat.txt").read_text() == "hei"
    disks.detach(layout)
    assert list(layout.workspace.iterdir()) == []


def test_a_larger_limit_makes_the_disk_larger_and_keeps_what_is_in_it(layout):
    disks.attach(layout, LIMITS)
    (layout.workspace / "notat.txt").write_text("hei")
    disks.detach(layout)
    disks.attach(layout, SessionLimits(1 << 30, 1.0, 100, disk=2 * SIZE, kept_files=FILES))
    assert (layout.workspace / "notat.txt").read_text() == "hei"
    assert filled(layout.workspace) > SIZE


def test_a_disk_that_cannot_be_read_opens_no_session(layout):
    layout.disk.parent.mkdir(parents=True)
    layout.disk.write_bytes(bytes(SIZE))
    with pytest.raises(disks.DiskError, match="no session"):
        disks.attach(layout, LIMITS)


def test_an_unfinished_disk_is_not_taken_for_one(layout):
    layout.disk.parent.mkdir(parents=True)
    layout.disk.with_suffix(".part").write_bytes(b"half")
    assert disks.attach(layout, LIMITS)


def test_a_workspace_that_is_too_large_for_a_disk_stays_a_folder(layout):
    layout.workspace.mkdir(parents=True)
    (layout.workspace / "large").write_bytes(b"x" * (SIZE + 1))
    assert not disks.attach(layout, LIMITS)
    assert (layout.workspace / "large").stat().st_size == SIZE + 1


def test_what_members_share_is_on_a_disk_too_that_stays_while_one_of_them_is_in(layout):
    assert disks.attach(layout, LIMITS)
    assert SIZE // 2 < filled(layout.shared) < SIZE
    disks.detach(layout, shared=False)
    assert (layout.shared / "fill").exists()
    assert not layout.workspace.is_mount()


def test_all_of_a_projects_workspaces_are_seen_in_use_or_not(layout):
    other = SessionLayout(layout.run_dir, layout.workspaces, SessionName("ola", "p-aaaaaaaaaa"))
    plain = layout.workspace.parent / "siri"
    plain.mkdir(parents=True)
    for place in (layout, other):
        disks.attach(place, LIMITS)
        (place.workspace / "notat.txt").write_text(place.name.person)
    (plain / "notat.txt").write_text("siri")
    disks.detach(other)
    with disks.view(layout.workspace.parent) as seen:
        found = {path.parent.name: path.read_text() for path in seen.glob("*/notat.txt")}
        assert (seen / ".felles").is_dir()
    assert found == {"kari": "kari", "ola": "ola", "siri": "siri"}
    assert not seen.exists()
    assert layout.workspace.is_mount()
