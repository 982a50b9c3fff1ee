"""How rooms end, and who gets credentials while they have not: on both databases."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI

from hvelv.kernel.errors import Denied, NotPossible, Unavailable
from hvelv.kernel.web import answer_refusals
from hvelv.privacy.adapters.store_rooms import SqlRooms
from hvelv.privacy.adapters.traces import DiskTraces
from hvelv.privacy.domain.permission import Permission
from hvelv.privacy.domain.rooms import BUCKET, SEALED, generation_prefix, manifest_name, part_name
from hvelv.privacy.pages import lab_api
from hvelv.privacy.service.credentials import Pass, RoomCredentials
from hvelv.privacy.service.rooms import SWEPT_FOR, Rooms
from tests.builders_catalog import Caller
from tests.builders_keys import OTHER, PROJECT, a_key_world
from tests.fakes import MemoryStore

HASH = "0123456789abcdef" * 4
PART = part_name(PROJECT, 1, 0, "visits", number=0, sha256=HASH)
MANIFEST = manifest_name(PROJECT, 1, 0)
THEIRS = part_name(OTHER, 1, 0, "visits", number=0, sha256="f" * 64)
SECRETS = ("ACCESS", "SECRET", "TOKEN")


class House:
    """A custodian with two projects' rooms, copies on its disk, and work under way."""

    def __init__(self, url: str, folder: Path) -> None:
        self.world = a_key_world(url, folder)
        self.store, self.clock = MemoryStore(), self.world.clock
        self.cache, self.work = folder / "cache", folder / "work"
        for project in (PROJECT, OTHER):
            self.world.open_project(project)
            (self.work / project / "boot").mkdir(parents=True)
            (self.work / project / "boot" / "half.parquet").write_bytes(b"half")
        self.cache.mkdir()
        for name in (PART, MANIFEST, THEIRS):
            self.store.put(BUCKET, name, b"rows")
        for sha256 in (HASH, "f" * 64):
            (self.cache / f"{sha256}.parquet").write_bytes(b"rows")
            (self.cache / f".{sha256}.0a1b").write_bytes(b"ro")
        traces = DiskTraces((self.cache, self.work, folder / "never-made"))
        self.rooms = Rooms(
            self.world.database, SqlRooms(), store=self.store, traces=traces, keys=self.world.keys, clock=self.clock
        )

    def end(self, days: int = 0) -> None:
        with self.world.database.transaction() as unit:
            self.rooms.end(unit, PROJECT, days, "office")

    def on_disk(self) -> list[str]:
        found = (path.relative_to(self.cache.parent).as_posix() for f in (self.cache, self.work) for path in f.rglob("*") if path.is_file())  # fmt: skip
        return sorted(found)

    def key_is_there(self) -> bool:
        try:
            self.world.keys.project(PROJECT)
        except NotPossible:
            return False
        return True


@pytest.fixture
def house(database_url, tmp_path):
    house = House(database_url, tmp_path)
    yield house
    house.world.database.close()


THEIR_FILES = sorted([f"cache/{'f' * 64}.parquet", f"cache/.{'f' * 64}.0a1b", f"work/{OTHER}/boot/half.parquet"])


def test_a_room_whose_permit_runs_is_left_alone(house):
    before = dict(house.store.objects), house.on_disk()

    assert house.rooms.look_after() == 0

    assert (dict(house.store.objects), house.on_disk()) == before
    assert house.rooms.ended(PROJECT) is None


def test_without_retention_key_objects_and_copies_are_gone_after_one_round(house):
    house.end(0)
    assert not house.key_is_there()  # with the permit's end itself

    assert house.rooms.look_after() == 1

    assert set(house.store.objects) == {(BUCKET, THEIRS)}
    assert house.on_disk() == THEIR_FILES
    ended = house.rooms.ended(PROJECT)
    assert ended.sealed
    assert ended.emptied
    assert house.world.actions()[-1] == "room.emptied"
    assert house.world.destructions.finish() == 1
    assert len(house.world.destructions.certificates(PROJECT)) == 1


def test_during_retention_the_room_is_sealed_and_the_key_kept(house):
    house.end(30)

    house.rooms.look_after()

    assert house.store.names(BUCKET) == [THEIRS]
    assert house.store.names(SEALED) == sorted([PART, MANIFEST])
    assert house.on_disk() == THEIR_FILES
    assert house.key_is_there()
    house.clock.advance(timedelta(days=29, hours=23))
    house.rooms.look_after()
    assert house.key_is_there()
    assert house.rooms.ended(PROJECT).emptied is None


def test_a_sealed_room_is_not_looked_at_again_for_all_the_years_of_its_retention(house):
    house.end(3650)
    house.rooms.look_after()
    house.clock.advance(SWEPT_FOR + timedelta(hours=1))
    house.rooms._store = Stopping(0, house.store.objects)  # which answers nothing

    assert house.rooms.look_after() == 0


def test_when_retention_is_over_key_and_sealed_objects_are_destroyed_and_certified(house):
    house.end(30)
    house.rooms.look_after()
    house.clock.advance(timedelta(days=30))

    house.rooms.look_after()

    assert house.store.names(SEALED) == []
    assert not house.key_is_there()
    assert house.world.destructions.finish() == 1
    assert house.rooms.ended(PROJECT).emptied is not None
    assert house.rooms.look_after() == 0
    assert house.world.keys.project(OTHER)


def test_each_thing_that_is_done_is_written_down_once(house):
    house.end(1)
    for _round in range(3):
        house.rooms.look_after()
    house.clock.advance(timedelta(days=1))
    for _round in range(3):
        house.rooms.look_after()

    told = [action for action in house.world.actions() if action.startswith("room.")]
    assert told == ["room.ended", "room.sealed", "room.emptied"]


def test_what_a_run_puts_there_after_the_end_is_taken_by_the_next_round(house):
    house.end(0)
    house.rooms.look_after()
    house.store.put(BUCKET, PART, b"late")
    (house.work / PROJECT).mkdir()
    (house.work / PROJECT / "late").write_bytes(b"late")

    house.clock.advance(SWEPT_FOR / 2)
    assert house.rooms.look_after() == 1

    assert house.store.names(BUCKET) == [THEIRS]
    assert house.on_disk() == THEIR_FILES
    house.clock.advance(SWEPT_FOR)
    assert house.rooms.look_after() == 0


class Stopping(MemoryStore):
    """A store that gives out after some calls, as a killed process does."""

    def __init__(self, calls: int, objects: dict) -> None:
        self.objects, self.left = objects, calls

    def _counted(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def names(self, bucket, prefix=""):
        self._counted()
        return super().names(bucket, prefix)

    def put(self, bucket, name, data):
        self._counted()
        super().put(bucket, name, data)

    def delete(self, bucket, name):
        self._counted()
        super().delete(bucket, name)


@pytest.mark.parametrize("days", [0, 5])
@pytest.mark.parametrize("calls", range(9))
def test_killed_anywhere_it_is_finished_by_the_next_round(house, calls, days):
    house.end(days)
    whole = house.store
    house.rooms._store = Stopping(calls, whole.objects)
    try:
        house.rooms.look_after()
    except KeyboardInterrupt:
        house.rooms._store = whole
        assert house.store.names(BUCKET, f"{PROJECT}/") or house.store.names(SEALED) or days == 0 or calls < 3

    house.rooms._store = whole
    house.rooms.look_after()

    assert house.store.names(BUCKET) == [THEIRS]
    assert house.store.names(SEALED) == (sorted([PART, MANIFEST]) if days else [])
    assert house.on_disk() == THEIR_FILES
    assert house.rooms.ended(PROJECT).sealed


def test_one_room_that_cannot_be_sealed_does_not_hold_up_the_others(house):
    with house.world.database.transaction() as unit:
        house.rooms.end(unit, OTHER, 0, "office")
    house.end(0)
    whole, failing = house.store, MemoryStore()
    failing.objects = whole.objects
    names = failing.names

    def away(bucket, prefix=""):
        if prefix.startswith(PROJECT):
            raise Unavailable("Lageret svarer ikke. Ingenting er gjort.")
        return names(bucket, prefix)

    failing.names = away
    house.rooms._store = failing

    assert house.rooms.look_after() == 1

    assert whole.names(BUCKET) == sorted([PART, MANIFEST])
    house.rooms._store = whole
    house.rooms.look_after()
    assert whole.names(BUCKET) == []


def test_a_permit_that_is_rolled_back_does_not_end_its_room(house):
    with pytest.raises(RuntimeError), house.world.database.transaction() as unit:
        house.rooms.end(unit, PROJECT, 0, "office")
        raise RuntimeError

    assert house.rooms.look_after() == 0
    assert house.key_is_there()
    assert (BUCKET, PART) in house.store.objects


class Permits:
    def __init__(self, *members: str) -> None:
        self.members = set(members)

    def permission(self, project, person):
        if person not in self.members:
            raise Denied("Du har ikke adgang til dette prosjektet nå.")
        return Permission(project, person, 3, ())


class Maker:
    def __init__(self, clock, seconds: float) -> None:
        self.clock, self.seconds, self.asked = clock, seconds, []

    def reading(self, project, generation):
        self.asked.append(project)
        return Pass(generation, self.clock.now() + timedelta(seconds=self.seconds), *SECRETS)


def office(house, permits, seconds=50.0):
    maker = Maker(house.clock, seconds)
    return RoomCredentials(house.world.database, permits, maker, house.clock, published=published), maker


def published(permission):
    return generation_prefix(permission.project, permission.permit_version, 7)


def rows(house):
    with house.world.database.reading() as session:
        return [row for row in house.world.database.trail.rows(session) if row.action == "room.credentials"]


def test_a_member_gets_credentials_and_the_audit_trail_says_so_without_them(house):
    credentials, _maker = office(house, Permits("kari"))

    made = credentials.issue(PROJECT, "kari")

    assert made.as_dict() == {
        "bucket": "rooms",
        "prefix": generation_prefix(PROJECT, 3, 7),
        "expires": (house.clock.now() + timedelta(seconds=50)).isoformat(),
        "access_key": "ACCESS",
        "secret_key": "SECRET",
        "session_token": "TOKEN",
    }
    (row,) = rows(house)
    assert (row.actor, row.subject) == ("kari", PROJECT)
    assert not any(secret in str(row.detail) or secret in repr(made) for secret in SECRETS)


@pytest.mark.attack("S306")
def test_once_the_permit_ends_or_the_member_is_removed_there_are_no_new_ones_and_the_old_live_a_minute_at_most(house):
    permits = Permits("kari")
    credentials, maker = office(house, permits)
    last = credentials.issue(PROJECT, "kari")
    permits.members.clear()

    with pytest.raises(Denied):
        credentials.issue(PROJECT, "kari")

    assert last.expires <= house.clock.now() + timedelta(seconds=60)
    assert len(maker.asked) == 1
    assert len(rows(house)) == 1


@pytest.mark.attack("S307")
@pytest.mark.parametrize("seconds", [61, 900, 604_800])
def test_a_store_whose_credentials_live_longer_than_a_minute_hands_out_none(house, seconds):
    credentials, _maker = office(house, Permits("kari"), seconds)

    with pytest.raises(Unavailable):
        credentials.issue(PROJECT, "kari")
    assert rows(house) == []


def test_a_store_that_makes_none_is_answered_with_what_to_do(house):
    credentials = RoomCredentials(house.world.database, Permits("kari"), None, house.clock, published=published)

    with pytest.raises(NotPossible) as refused:
        credentials.issue(PROJECT, "kari")
    assert "HVELV_STORE_ROLE" in refused.value.remedy
    with pytest.raises(Denied):
        credentials.issue(PROJECT, "ola")


def test_the_enclaves_door_hands_them_to_whom_the_gateway_vouches_for_and_lets_nothing_keep_them(house):
    credentials, _maker = office(house, Permits("kari"))
    app = FastAPI()
    app.state.privacy = SimpleNamespace(credentials=credentials)
    app.include_router(lab_api.router)
    answer_refusals(app)

    def ask(person, project, method="POST"):
        headers = {"x-hvelv-project": project} if project else {}
        body = {"project": OTHER, "person": "kari"}
        return Caller(app, person)(method, "/lab/credentials", headers=headers, json=body)

    given = ask("kari", PROJECT)
    assert given.json()["prefix"] == generation_prefix(PROJECT, 3, 7)
    assert given.headers["cache-control"] == "no-store"
    assert [ask("ola", PROJECT).status_code, ask("kari", "").status_code] == [403, 403]
    assert ask("kari", PROJECT, "GET").status_code == 405
    assert len(rows(house)) == 1
