"""The keyring on disk: replaced whole or not at all, rotated, swept, and read again when another process wrote it."""

import base64
import os
import stat

import pytest

from hvelv.kernel.errors import NotPossible, Unavailable
from hvelv.privacy.adapters import durable
from hvelv.privacy.adapters.kek import LocalKek
from tests.builders_keys import KEK, a_folder, a_keyring, killed_at

KEY = bytes(range(100, 132))
STEPS_OF_ROTATION = [
    *(f"next {step}" for step in ("written", "replaced")),
    *(f"keyring {step}" for step in ("written", "kept", "replaced", "overwritten")),
    "copied",
    *(f"kek {step}" for step in ("kept", "replaced", "overwritten")),
]
STEPS_OF_A_CHANGE = [f"keyring {step}" for step in ("written", "kept", "replaced", "overwritten")]


def rotated(keyring):
    keyring.begin_rotation()
    keyring.finish_rotation()


def left_over(folder):
    """Return the files that belong to nothing."""
    return {path.name for path in folder.iterdir()} - {"kek", "keyring", "keyring.lock"}


@pytest.mark.parametrize("step", STEPS_OF_ROTATION)
def test_a_rotation_killed_at_any_step_loses_no_key_and_is_finished_by_the_next(tmp_path, step):
    copy = tmp_path / "copy"
    copy.mkdir()
    wrapped = a_keyring(tmp_path, (copy,)).wrap("project:p-one", KEY, "x")
    before = a_keyring(tmp_path).state()

    assert killed_at(step, lambda reached: rotated(a_keyring(tmp_path, (copy,), reached=reached)))

    again = a_keyring(tmp_path, (copy,))
    assert again.unwrap("project:p-one", wrapped, "x") == KEY
    more = again.wrap("project:p-two", KEY, "y")
    assert again.unwrap("project:p-two", more, "y") == KEY
    rotated(again)
    assert again.state() != before
    assert a_keyring(tmp_path).unwrap("project:p-one", wrapped, "x") == KEY
    assert (copy / "keyring").read_bytes() == (tmp_path / "secrets" / "keyring").read_bytes()
    assert not left_over(tmp_path / "secrets")
    assert {path.name for path in copy.iterdir()} == {"keyring"}


@pytest.mark.parametrize("step", STEPS_OF_A_CHANGE)
def test_a_destruction_killed_at_any_step_is_done_or_not_and_leaves_nothing_when_asked_again(tmp_path, step):
    first = a_keyring(tmp_path)
    wrapped, other = first.wrap("project:p-one", KEY, "x"), first.wrap("project:p-two", KEY, "y")

    assert killed_at(step, lambda reached: a_keyring(tmp_path, reached=reached).destroy("project:p-one"))

    again = a_keyring(tmp_path)
    assert again.unwrap("project:p-two", other, "y") == KEY
    again.destroy("project:p-one")
    with pytest.raises(NotPossible):
        again.unwrap("project:p-one", wrapped, "x")
    assert again.unwrap("project:p-two", other, "y") == KEY
    assert not left_over(tmp_path / "secrets")


def test_what_a_file_held_is_overwritten_where_it_lay(tmp_path):
    path, beside = tmp_path / "keyring", tmp_path / "watched"
    durable.replace(path, b"the old content")
    os.link(path, beside)  # the same place on disk, under a name that stays

    durable.replace(path, b"the new content")

    assert beside.read_bytes() == bytes(len(b"the old content"))
    assert path.read_bytes() == b"the new content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_present_content_is_not_overwritten_when_it_was_killed_before_the_new_came(tmp_path):
    path = tmp_path / "keyring"
    durable.replace(path, b"content")

    assert killed_at("kept", lambda reached: durable.replace(path, b"more", reached))
    durable.sweep(path)

    assert path.read_bytes() == b"content"
    assert [found.name for found in tmp_path.iterdir()] == ["keyring"]


def test_a_running_process_sees_what_another_one_changed(tmp_path):
    running, command = a_keyring(tmp_path), a_keyring(tmp_path)
    wrapped = running.wrap("project:p-one", KEY, "x")
    other = running.wrap("project:p-two", KEY, "x")

    rotated(command)
    assert running.state() == command.state()
    assert running.unwrap("project:p-one", wrapped, "x") == KEY
    command.destroy("project:p-one")
    with pytest.raises(NotPossible):
        running.unwrap("project:p-one", wrapped, "x")
    assert running.unwrap("project:p-two", other, "x") == KEY


def test_the_old_key_encryption_key_opens_nothing_that_is_left(tmp_path):
    keyring = a_keyring(tmp_path)
    keyring.wrap("project:p-one", KEY, "x")

    rotated(keyring)

    assert (tmp_path / "secrets" / "kek").read_text().strip() != KEK
    (tmp_path / "secrets" / "kek").write_text(KEK)
    with pytest.raises(NotPossible) as refusal:
        a_keyring(tmp_path).wrap("project:p-two", KEY, "x")
    assert refusal.value.code == "other-kek"


def test_every_copy_is_rewritten_and_one_that_cannot_be_reached_is_said_to_be(tmp_path):
    here, away = tmp_path / "here", tmp_path / "away"
    here.mkdir()
    keyring = a_keyring(tmp_path, (here, away))
    keyring.wrap("project:p-one", KEY, "x")
    made = (here / "keyring").read_bytes()

    places = keyring.destroy("project:p-one")

    assert [(place.kind, place.reached) for place in places] == [("keyring", True), ("copy", True), ("copy", False)]
    assert (here / "keyring").read_bytes() not in {made, b""}
    away.mkdir()
    assert all(place.reached for place in keyring.destroy("project:p-one"))
    assert (away / "keyring").read_bytes() == (here / "keyring").read_bytes()


def test_a_wrapping_key_that_was_destroyed_is_never_made_again(tmp_path):
    keyring = a_keyring(tmp_path)
    keyring.destroy("project:p-one")

    with pytest.raises(NotPossible):
        keyring.wrap("project:p-one", KEY, "x")
    assert keyring.living() == frozenset()


def test_a_key_that_the_first_version_wrapped_opens_and_is_brought_over(tmp_path):
    keyring = a_keyring(tmp_path)
    old = LocalKek(KEK).wrap(KEY, "x")

    assert keyring.unwrap("project:p-one", old, "x") == KEY
    assert keyring.is_outdated("project:p-one", old)
    assert keyring.in_use(keyring.wrapped_directly(old))
    new = keyring.wrap("project:p-one", KEY, "x")
    assert not keyring.is_outdated("project:p-one", new)
    with pytest.raises(NotPossible):
        keyring.unwrap("project:p-one", old, "y")
    keyring.destroy("project:p-one")
    with pytest.raises(NotPossible):
        keyring.unwrap("project:p-one", old, "x")


@pytest.mark.parametrize("cut", [0, 3, 20, -1])
def test_a_damaged_keyring_is_refused_and_never_begun_anew(tmp_path, cut):
    a_keyring(tmp_path).wrap("project:p-one", KEY, "x")
    file = tmp_path / "secrets" / "keyring"
    file.write_bytes(file.read_bytes()[:cut])

    with pytest.raises(NotPossible):
        a_keyring(tmp_path).wrap("project:p-two", KEY, "x")


def test_a_keyring_that_cannot_be_written_refuses_and_changes_nothing(tmp_path, monkeypatch):
    keyring = a_keyring(tmp_path)
    wrapped = keyring.wrap("project:p-one", KEY, "x")

    def full(*_args):
        raise OSError(28, "no space")

    monkeypatch.setattr(durable, "write", full)
    with pytest.raises(Unavailable):
        keyring.wrap("project:p-two", KEY, "x")
    monkeypatch.undo()
    assert keyring.unwrap("project:p-one", wrapped, "x") == KEY


def test_the_file_says_nobodys_name_and_no_key(tmp_path):
    keyring = a_keyring(tmp_path)
    keyring.wrap("project:p-one", KEY, "x")

    data = (a_folder(tmp_path) / "keyring").read_bytes()

    assert b"p-one" not in data
    assert base64.b64encode(KEY) not in data
    assert KEK not in repr(vars(keyring))


def with_copies(folder, *names):
    """Return folders for copies, made."""
    for name in names:
        (folder / name).mkdir()
    return tuple(folder / name for name in names)


def changes_of(keyring):
    """Return everything that writes."""
    return (
        lambda: keyring.wrap("project:p-new", KEY, "x"),
        lambda: keyring.destroy("project:p-new"),
        keyring.begin_rotation,
        keyring.finish_rotation,
    )


def refused(work, code):
    with pytest.raises(Unavailable) as refusal:
        work()
    assert refusal.value.code == code
    assert refusal.value.remedy
    return refusal.value


def test_a_lost_keyring_is_not_begun_anew_over_its_copies_and_comes_back_from_the_newest(tmp_path):
    older, newer = with_copies(tmp_path, "older", "newer")
    keyring = a_keyring(tmp_path, (older, newer))
    keyring.wrap("project:p-one", KEY, "x")
    before = (older / "keyring").read_bytes()
    wrapped = keyring.wrap("project:p-two", KEY, "x")
    (older / "keyring").write_bytes(before)
    held = (newer / "keyring").read_bytes()
    file = tmp_path / "secrets" / "keyring"
    file.unlink()

    for again in (keyring, a_keyring(tmp_path, (older, newer))):
        for work in (*changes_of(again), again.living):
            assert refused(work, "keyring-lost").params == {"copy": str(newer / "keyring")}
    assert not file.exists()
    assert ((older / "keyring").read_bytes(), (newer / "keyring").read_bytes()) == (before, held)

    file.write_bytes(held)
    assert keyring.unwrap("project:p-two", wrapped, "x") == KEY
    keyring.wrap("project:p-three", KEY, "x")
    assert (older / "keyring").read_bytes() == (newer / "keyring").read_bytes() == file.read_bytes()


def test_a_lost_keyring_is_not_begun_anew_while_a_damaged_copy_is_there(tmp_path):
    (copy,) = with_copies(tmp_path, "copy")
    (copy / "keyring").write_bytes(b"damaged")

    refused(lambda: a_keyring(tmp_path, (copy,)).wrap("project:p-one", KEY, "x"), "keyring-lost")
    assert (copy / "keyring").read_bytes() == b"damaged"


def test_a_lost_keyring_without_copies_is_not_begun_anew_while_something_is_wrapped(tmp_path):
    in_need = [False]
    keyring = a_keyring(tmp_path, (tmp_path / "away",), in_need=lambda: in_need[0])
    keyring.wrap("project:p-one", KEY, "x")
    in_need[0] = True
    keyring.wrap("project:p-two", KEY, "x")
    (tmp_path / "secrets" / "keyring").unlink()

    for work in changes_of(keyring):
        refused(work, "keyring-lost")
    assert not left_over(tmp_path / "secrets")


def test_an_older_keyring_does_not_replace_its_newer_copies(tmp_path):
    (copy,) = with_copies(tmp_path, "copy")
    keyring, file = a_keyring(tmp_path, (copy,)), tmp_path / "secrets" / "keyring"
    keyring.wrap("project:p-one", KEY, "x")
    older = file.read_bytes()
    wrapped = keyring.wrap("project:p-two", KEY, "x")
    held = (copy / "keyring").read_bytes()
    file.write_bytes(older)

    for work in changes_of(keyring):
        assert refused(work, "keyring-behind").params == {"copy": str(copy / "keyring")}
    assert (copy / "keyring").read_bytes() == held
    assert file.read_bytes() == older

    file.write_bytes(held)
    keyring.wrap("project:p-three", KEY, "x")
    assert keyring.unwrap("project:p-two", wrapped, "x") == KEY


@pytest.mark.parametrize("same_name", [True, False])
def test_a_keyring_begun_anew_without_its_copy_never_replaces_what_lives_there(tmp_path, same_name):
    """However often it was changed since, so that the copy's number is the lower one."""
    (copy,) = with_copies(tmp_path, "copy")
    a_keyring(tmp_path, (copy,)).wrap("project:p-one", KEY, "x")
    held = (copy / "keyring").read_bytes()
    (tmp_path / "secrets" / "keyring").unlink()
    alone = a_keyring(tmp_path)
    for name in ("p-one" if same_name else "p-two", "p-three", "p-four"):
        alone.wrap(f"project:{name}", KEY, "x")

    for work in changes_of(a_keyring(tmp_path, (copy,))):
        refused(work, "keyring-behind")
    assert (copy / "keyring").read_bytes() == held


def test_an_older_keyring_with_its_own_key_does_not_replace_a_copy_from_after_the_rotation(tmp_path):
    (copy,) = with_copies(tmp_path, "copy")
    keyring, secrets = a_keyring(tmp_path, (copy,)), tmp_path / "secrets"
    keyring.wrap("project:p-one", KEY, "x")
    pair = {name: (secrets / name).read_bytes() for name in ("kek", "keyring")}
    rotated(keyring)
    held = (copy / "keyring").read_bytes()
    for name, data in pair.items():
        (secrets / name).write_bytes(data)

    for work in changes_of(a_keyring(tmp_path, (copy,))):
        refused(work, "keyring-copy-unknown")
    assert (copy / "keyring").read_bytes() == held


def test_copies_that_are_behind_are_still_brought_up_whatever_happened_since(tmp_path):
    (copy,) = with_copies(tmp_path, "copy")
    away = tmp_path / "away"
    keyring = a_keyring(tmp_path, (copy,))
    keyring.wrap("project:p-one", KEY, "x")
    copy.rename(away)
    keyring.destroy("project:p-one")
    rotated(keyring)
    rotated(keyring)
    away.rename(copy)

    assert all(place.reached for place in keyring.destroy("project:p-one"))
    assert (copy / "keyring").read_bytes() == (tmp_path / "secrets" / "keyring").read_bytes()


def test_a_newer_copy_that_comes_within_reach_in_the_middle_is_not_replaced(tmp_path):
    (copy,) = with_copies(tmp_path, "copy")
    away, file = tmp_path / "away", tmp_path / "secrets" / "keyring"
    first = a_keyring(tmp_path, (copy,))
    first.wrap("project:p-one", KEY, "x")
    older = file.read_bytes()
    first.wrap("project:p-two", KEY, "x")
    held = (copy / "keyring").read_bytes()
    copy.rename(away)
    file.write_bytes(older)

    def mounted(step):
        if step == "keyring written":
            away.rename(copy)

    places = a_keyring(tmp_path, (copy,), reached=mounted).destroy("project:p-one")

    assert [place.reached for place in places] == [True, False]
    assert (copy / "keyring").read_bytes() == held
