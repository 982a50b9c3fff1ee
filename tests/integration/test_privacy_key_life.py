"""The life of a project's keys on both databases: made, rotated, destroyed; and then nothing left on disk opens them."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import select, text

from hvelv.kernel.errors import NotFound, NotPossible, Unavailable
from hvelv.kernel.signing import BadSignature, Signed
from hvelv.privacy.adapters.kek import LocalKek
from hvelv.privacy.adapters.store import KeyRow
from hvelv.privacy.service.destructions import Certificate, verified
from hvelv.privacy.service.keys import context_of, group_of, project_key, project_names
from tests.builders_attacker import everything, leads_back, opened, written
from tests.builders_keys import KEK, OTHER, PROJECT, a_key_world, a_keyring, killed_at

pytestmark = pytest.mark.integration
PERSON = b"F1\0\0\x0001819912345"  # a person's block: which bytes stand before the number is no secret


@pytest.fixture
def world(database_url, tmp_path):
    world = a_key_world(database_url, tmp_path)
    world.open_project()
    yield world
    world.database.close()


def rows_of(world):
    """Return the wrapped keys as a backup of the database would hold them."""
    with world.database.reading() as session:
        return {row.name: row.wrapped for row in session.scalars(select(KeyRow))}


def put_back(world, rows):
    """Restore the table of keys from a backup that knows of no destruction."""
    with world.database.transaction() as unit:
        unit.session.execute(text("DELETE FROM privacy_key_destruction"))
        for name, wrapped in rows.items():
            unit.session.execute(
                text("UPDATE privacy_key SET wrapped = :wrapped, destroyed_at = NULL WHERE name = :name"),
                {"name": name, "wrapped": wrapped},
            )


def test_a_projects_three_keys_are_independent_and_the_same_every_time(world):
    keys = world.keys.project(PROJECT)
    world.open_project()
    world.open_project(OTHER)

    assert world.keys.project(PROJECT) == keys
    assert len({keys.persons, keys.dates, keys.codes, world.keys.project(OTHER).persons}) == 4
    assert {len(key) for key in (keys.persons, keys.dates, keys.codes)} == {32}
    assert all(key.hex() not in f"{keys!r} {keys}" for key in (keys.persons, keys.dates, keys.codes))
    assert world.actions().count("key.made") == 6


def test_a_key_moved_to_another_project_or_purpose_does_not_open(world):
    world.open_project(OTHER)
    rows = rows_of(world)
    for target, source in (
        (project_key(OTHER), project_key(PROJECT)),
        (f"{project_key(PROJECT)}:dates", f"{project_key(PROJECT)}:codes"),
    ):
        put_back(world, rows | {target: rows[source]})
        with pytest.raises(NotPossible):
            world.keys.opened(target)


def test_a_project_of_the_first_version_gets_what_it_lacks_and_rotation_brings_its_key_over(world):
    name, key = project_key("p-old"), bytes(range(50, 82))
    with world.database.transaction() as unit:
        old = LocalKek(KEK).wrap(key, context_of(name, 1))
        unit.session.add(KeyRow(name=name, version=1, wrapped=old.hex(), made_at="2025-01-01T00:00:00+00:00"))

    keys = world.keys.project("p-old")
    assert keys.persons == key
    assert len({*vars(keys).values()}) == 3
    assert world.keys.rotate("operator") == 1
    assert world.keys.project("p-old") == keys
    assert world.keys.rotate("operator") == 0
    assert KEK not in (world.folder / "secrets" / "kek").read_text()


def test_a_destroyed_project_of_the_first_version_gets_no_new_keys(world):
    name = project_key("p-old")
    with world.database.transaction() as unit:
        unit.session.add(KeyRow(name=name, version=1, wrapped="", made_at="2025-01-01T00:00:00+00:00"))

    with pytest.raises(NotPossible):
        world.keys.project("p-old")
    assert set(rows_of(world)) == {*project_names(PROJECT), name}


def test_a_key_is_not_opened_from_the_moment_its_end_is_decided(world):
    world.destroy(finish=False)

    with pytest.raises(NotPossible):
        world.keys.project(PROJECT)
    world.open_project()
    with pytest.raises(NotPossible):
        world.keys.project(PROJECT)
    assert "key.destroying" in world.actions()
    assert "key.destroyed" not in world.actions()


def test_a_decision_that_is_rolled_back_destroys_nothing(world):
    keys = world.keys.project(PROJECT)

    with pytest.raises(RuntimeError), world.database.transaction() as unit:
        world.keys.destroy_project(unit, PROJECT, "office")
        raise RuntimeError

    assert world.destructions.finish() == 0
    assert world.keys.project(PROJECT) == keys


def test_the_certificate_says_what_was_destroyed_where_by_whom_and_why(world):
    world.clock.advance(timedelta(days=3))
    world.destroy()

    (certificate,) = world.destructions.certificates(PROJECT)
    document = verified(certificate, world.signer.verifier)
    assert document["project"] == PROJECT
    assert document["by"] == "office"
    assert document["reason"] == "the retention is over"
    assert [key["name"] for key in document["keys"]] == sorted(project_names(PROJECT))
    assert {key["pseudonym_version"] for key in document["keys"]} == {1}
    assert [(place["kind"], place["reached"]) for place in document["places"]] == [
        ("database", True),
        ("keyring", True),
    ]
    assert document["destroyed_at"] == world.clock.now().isoformat()
    with world.database.reading() as session:
        last = list(world.database.trail.rows(session))[-1]
    assert (last.action, last.detail["certificate"]) == ("key.destroyed", certificate.hash)
    assert world.destructions.finish() == 0


def test_a_certificate_that_was_changed_or_is_of_another_project_is_not_believed(world):
    world.destroy()
    (certificate,) = world.destructions.certificates(PROJECT)
    signed = certificate.signed
    changed = Signed(signed.kind, signed.document | {"reason": "another"}, signed.signature, signed.key)
    of_bundle = world.signer.sign("certificate", {"export": "e-1"})

    for group, forged in (
        (project_key(PROJECT), changed),
        (project_key(OTHER), signed),
        (project_key(PROJECT), of_bundle),
    ):
        with pytest.raises(BadSignature):
            verified(Certificate(group, 1, forged, ""), world.signer.verifier)
    with pytest.raises(NotFound):
        world.destructions.certificates(OTHER)


def test_a_copy_that_comes_back_within_reach_is_rewritten_and_certified(database_url, tmp_path):
    away = tmp_path / "away"
    world = a_key_world(database_url, tmp_path, a_keyring(tmp_path, (away,)))
    world.open_project()
    world.destroy()
    assert [place["reached"] for place in _places(world, 0)] == [True, True, False]

    world.destructions.finish()
    assert len(world.destructions.certificates(PROJECT)) == 1
    away.mkdir()
    assert world.destructions.finish() == 1

    assert [place["reached"] for place in _places(world, 1)] == [True, True, True]
    assert world.destructions.finish() == 0
    world.database.close()


def test_a_keyring_that_somebody_restored_from_a_backup_loses_the_key_again(world):
    file = world.folder / "secrets" / "keyring"
    before, rows = file.read_bytes(), rows_of(world)
    world.destroy()
    file.write_bytes(before)

    with pytest.raises(NotPossible):
        world.keys.project(PROJECT)
    assert world.destructions.finish() == 1
    put_back(world, rows)
    with pytest.raises(NotPossible):
        world.keys.project(PROJECT)


def test_a_database_restored_from_a_backup_opens_nothing_that_was_destroyed(world):
    world.open_project(OTHER)
    rows, other = rows_of(world), world.keys.project(OTHER)
    world.destroy()

    put_back(world, rows)

    with pytest.raises(NotPossible):
        world.keys.project(PROJECT)
    assert world.keys.project(OTHER) == other


def test_backups_of_the_first_version_are_certified_as_open_until_their_key_is_replaced(world):
    name, key = project_key("p-old"), bytes(range(50, 82))
    with world.database.transaction() as unit:
        old = LocalKek(KEK).wrap(key, context_of(name, 1))
        unit.session.add(KeyRow(name=name, version=1, wrapped=old.hex(), made_at="2025-01-01T00:00:00+00:00"))
    world.destroy("p-old")
    assert [place["reached"] for place in _places(world, 0, "p-old")] == [True, True, False]

    world.keys.rotate("operator")
    world.destructions.finish()

    assert [place["reached"] for place in _places(world, 1, "p-old")] == [True, True, True]


@pytest.mark.parametrize("step", ["keyring written", "keyring kept", "keyring replaced", "keyring overwritten"])
def test_a_destruction_killed_on_its_way_is_finished_by_the_next_round(world, step):
    url = world.database.engine.url.render_as_string(hide_password=False)
    rows = rows_of(world)
    world.destroy(finish=False)
    world.database.engine.dispose()

    def work(reached):
        other = a_key_world(url, world.folder, a_keyring(world.folder, reached=reached))
        other.destructions.finish()

    assert killed_at(step, work)

    assert world.destructions.finish() == 1
    assert len(world.destructions.certificates(PROJECT)) == 1
    assert world.actions().count("key.destroyed") == 1
    put_back(world, rows)
    with pytest.raises(NotPossible):
        world.keys.project(PROJECT)


def test_a_custodian_that_is_away_leaves_the_destruction_for_the_next_round(world, monkeypatch):
    def away(_group):
        raise Unavailable("away")

    monkeypatch.setattr(world.custodian, "destroy", away)
    world.destroy()
    with pytest.raises(NotFound):
        world.destructions.certificates(PROJECT)
    monkeypatch.undo()

    assert world.destructions.finish() == 1


def test_while_somebody_reads_the_database_the_certificate_waits(tmp_path):
    world = a_key_world(f"sqlite:///{tmp_path}/test.sqlite", tmp_path)
    world.open_project()
    with world.database.reading() as session:
        session.execute(text("SELECT * FROM privacy_key")).all()
        world.destroy()
        with pytest.raises(NotFound):
            world.destructions.certificates(PROJECT)

    assert world.destructions.finish() == 1
    world.database.close()


def test_rotation_while_keys_are_used_loses_none(world):
    projects = [f"p-{number}" for number in range(5)]
    for project in projects:
        world.open_project(project)
    before = [world.keys.project(project) for project in projects]

    for _ in range(3):
        world.keys.rotate("operator")

    assert [world.keys.project(project) for project in projects] == before
    assert world.actions().count("keys.rotated") == 3


class Skipped:
    """Planted defects: a step of the destruction that is left out."""

    @staticmethod
    def nothing(_world, _patch):
        """Leave nothing out."""

    @staticmethod
    def keyring(world, patch):
        """The wrapping key is not destroyed."""
        patch.setattr(world.custodian, "destroy", lambda _group: ())

    @staticmethod
    def overwriting(_world, patch):
        """The keyring's old content is kept beside it."""
        patch.setattr("hvelv.privacy.adapters.durable.shred", lambda _path: None)

    @staticmethod
    def copies(world, patch):
        """A copy is forgotten."""
        patch.setattr(world.custodian, "_copies", ())


@pytest.mark.timeout(300)
def test_after_destruction_nothing_left_on_disk_leads_a_pseudonym_back(database_url, tmp_path, monkeypatch):
    _life_and_death(database_url, tmp_path, monkeypatch, "nothing")


@pytest.mark.parametrize("skipped", ["keyring", "overwriting", "copies"])
def test_the_same_search_finds_the_key_when_a_step_of_its_destruction_is_left_out(tmp_path, monkeypatch, skipped):
    _life_and_death(f"sqlite:///{tmp_path}/test.sqlite", tmp_path, monkeypatch, skipped)


def _life_and_death(database_url, tmp_path, monkeypatch, skipped):
    copies, store = tmp_path / "copies", tmp_path / "store"
    for folder in (copies, store):
        folder.mkdir()
    world = a_key_world(database_url, tmp_path, a_keyring(tmp_path, (copies,)))
    world.open_project(OTHER)
    world.open_project()
    ring = world.custodian._read().ring.keys
    keys, wrapping, others = world.keys.project(PROJECT), ring[project_key(PROJECT)][0], [ring[project_key(OTHER)][0]]
    pseudonym = Cipher(algorithms.AES(keys.persons), modes.ECB()).encryptor().update(PERSON)  # noqa: S305
    (store / "extract").write_bytes(pseudonym[:8] * 50)
    backup = rows_of(world)  # what a backup of the database, made while the project lived, has for ever
    (tmp_path / "backup.json").write_text(json.dumps(backup))
    held_open = world.database.engine.raw_connection()  # so that SQLite's log stays on disk

    getattr(Skipped, skipped)(world, monkeypatch)
    world.destroy()
    monkeypatch.undo()

    places = [tmp_path, *_files_of(world)]
    left = everything(*places).values()
    contexts = [context_of(name, 1) for name in project_names(PROJECT)]
    aads = [f"{group_of(project_key(PROJECT))}\n{context}".encode() for context in contexts]
    seals = [f"hvelv keyring {LocalKek(KEK).fingerprint.hex()}".encode()]
    ours = everything(tmp_path).values()  # with the backup, which holds every wrapped copy that there ever was
    got = opened(left, [*aads, *(context.encode() for context in contexts), *seals], ours)
    secret = {keys.persons, keys.dates, keys.codes, wrapping}
    found = any(written(key, [*got, *left]) for key in secret)
    held_open.close()
    world.database.close()
    assert leads_back([keys.persons], PERSON, pseudonym), "the last test below would see the key if it were there"
    assert any(written(other, got) for other in others), "the tools open what is still there: the other project's key"
    if skipped == "nothing":
        assert not found
        assert not leads_back(everything(tmp_path).values(), PERSON, pseudonym)
        for name in project_names(PROJECT):
            with pytest.raises(NotPossible):
                a_keyring(tmp_path).unwrap(group_of(name), bytes.fromhex(backup[name]), context_of(name, 1))
    else:
        assert found, "the test would not see a destruction that was not done"


def test_after_a_rotation_old_versions_of_the_keyring_are_dead_too(world):
    """Also one that nobody told the custodian of: only the old key-encryption key would open it."""
    kept = world.folder / "forgotten"
    shutil.copy(world.folder / "secrets" / "keyring", kept)
    wrapped = rows_of(world)[project_key(PROJECT)]
    world.destroy()
    world.keys.rotate("operator")
    shutil.copy(kept, world.folder / "secrets" / "keyring")

    with pytest.raises(NotPossible):
        a_keyring(world.folder).unwrap(
            project_key(PROJECT), bytes.fromhex(wrapped), context_of(project_key(PROJECT), 1)
        )


def test_the_database_forgets_the_wrapped_keys_themselves(tmp_path):
    world = a_key_world(f"sqlite:///{tmp_path}/test.sqlite", tmp_path)
    world.open_project()
    wrapped = [value.encode() for value in rows_of(world).values()]
    held_open = world.database.engine.raw_connection()
    world.destroy()

    left = b"".join(everything(*_files_of(world)).values())

    assert not [value for value in wrapped if value in left or value[-64:] in left]
    held_open.close()
    world.database.close()


def _places(world, number: int, project: str = PROJECT):
    return world.destructions.certificates(project)[number].signed.document["places"]


def _files_of(world) -> list[Path]:
    """Return where the database keeps its table of keys: SQLite's files, PostgreSQL's whole folder."""
    url = world.database.engine.url
    if url.get_backend_name() == "sqlite":
        return sorted(Path(url.database).parent.glob(Path(url.database).name + "*"))
    with world.database.engine.connect() as connection:
        folder = Path(connection.execute(text("SHOW data_directory")).scalar_one())
        relative = connection.execute(text("SELECT pg_relation_filepath('privacy_key')")).scalar_one()
        connection.execute(text("CHECKPOINT"))
    return [(folder / relative).parent, folder / "pg_wal"]
