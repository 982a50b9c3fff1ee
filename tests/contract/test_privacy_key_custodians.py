"""Whoever holds the keys that wrap keys keeps the same promises: a sealed file, and a transit engine over HTTP."""

import base64
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest

from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import custodian as custodian_database
from hvelv.kernel.errors import Denied, NotPossible, Refusal, Unavailable
from hvelv.kernel.settings import Settings
from hvelv.privacy.adapters.custodians import key_custodian
from hvelv.privacy.adapters.keyring import LocalKeyring
from hvelv.privacy.adapters.transit import Transit
from tests.builders_keys import KEK, PROJECT, a_key_world, a_keyring
from tests.transit_server import TOKEN, transit_server

pytestmark = pytest.mark.integration
ONE, TWO = "project:p-one", "project:p-two"
KEY = secrets.token_bytes(32)


@pytest.fixture
def engine():
    with transit_server() as running:
        yield running


@pytest.fixture(params=["keyring", "transit"])
def custodian(request, tmp_path):
    """Return a way to come to the custodian anew, as another process does."""
    if request.param == "keyring":
        return lambda: a_keyring(tmp_path)
    _engine, address = request.getfixturevalue("engine")
    (tmp_path / "token").write_text(TOKEN + "\n")
    return lambda: Transit(address, "transit", tmp_path / "token")


def refused(work):
    """Return the refusal, in which nothing secret may stand."""
    with pytest.raises(Refusal) as caught:
        work()
    error, told = caught.value, ""
    while error is not None:
        told += f"{error!r} {error} {vars(error)}"
        error = None if error.__suppress_context__ else error.__context__
    for secret in (TOKEN, KEY.hex(), base64.b64encode(KEY).decode(), repr(KEY)[2:-1]):
        assert secret not in told
    return caught.value


def test_what_was_wrapped_is_opened_by_another_process_too(custodian):
    wrapped = custodian().wrap(ONE, KEY, "persons 1")

    assert custodian().unwrap(ONE, wrapped, "persons 1") == KEY
    assert KEY not in wrapped
    assert base64.b64encode(KEY) not in wrapped
    assert custodian().wrap(ONE, KEY, "persons 1") != wrapped
    assert custodian().living() == {ONE}


@pytest.mark.parametrize(("group", "context"), [(ONE, "persons 2"), (ONE, ""), (TWO, "persons 1")])
def test_it_opens_in_its_own_place_alone(custodian, group, context):
    keeper = custodian()
    wrapped = keeper.wrap(ONE, KEY, "persons 1")
    keeper.wrap(TWO, KEY, "persons 1")

    assert isinstance(refused(lambda: keeper.unwrap(group, wrapped, context)), NotPossible)


@pytest.mark.parametrize(
    "change", [lambda w: w[:-3] + b"AAA", lambda w: w[:20], lambda _w: b"", lambda _w: b"\xff" * 70]
)
def test_changed_bytes_are_refused(custodian, change):
    keeper = custodian()
    wrapped = keeper.wrap(ONE, KEY, "x")

    assert isinstance(refused(lambda: keeper.unwrap(ONE, change(wrapped), "x")), NotPossible)


def test_a_group_that_has_no_key_opens_nothing_and_none_is_made_by_trying(custodian):
    keeper = custodian()
    wrapped = keeper.wrap(ONE, KEY, "x")

    assert isinstance(refused(lambda: keeper.unwrap(TWO, wrapped, "x")), NotPossible)
    assert keeper.living() == {ONE}


def test_after_a_rotation_old_and_new_open_and_nothing_stays_outdated(custodian):
    keeper = custodian()
    before = keeper.wrap(ONE, KEY, "x")

    keeper.begin_rotation()
    if keeper.is_outdated(ONE, before):
        after = keeper.wrap(ONE, keeper.unwrap(ONE, before, "x"), "x")
        assert not keeper.is_outdated(ONE, after)
        assert custodian().unwrap(ONE, after, "x") == KEY
    keeper.finish_rotation()

    assert custodian().unwrap(ONE, before, "x") == KEY


def test_a_destroyed_key_is_gone_for_every_copy_and_other_projects_do_not_notice(custodian):
    keeper = custodian()
    wrapped, other = keeper.wrap(ONE, KEY, "x"), keeper.wrap(TWO, KEY, "x")

    places = keeper.destroy(ONE)

    assert places
    assert all(place.reached for place in places)
    for any_ in (keeper, custodian()):
        assert isinstance(refused(lambda any_=any_: any_.unwrap(ONE, wrapped, "x")), NotPossible)
        assert any_.unwrap(TWO, other, "x") == KEY
        assert any_.living() == {TWO}
    assert all(place.reached for place in keeper.destroy(ONE))


def test_out_of_reach_is_unavailable_and_destroys_nothing(tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    with transit_server() as (_engine, address):
        pass
    away = Transit(address, "transit", tmp_path / "token")
    lost = a_keyring(tmp_path)
    (tmp_path / "secrets" / "kek").unlink()

    for keeper in (away, lost):
        for work in (
            lambda keeper=keeper: keeper.wrap(ONE, KEY, "x"),
            lambda keeper=keeper: keeper.destroy(ONE),
            lambda keeper=keeper: keeper.living(),
            lambda keeper=keeper: keeper.begin_rotation(),
        ):
            assert isinstance(refused(work), Unavailable)


def test_a_token_that_is_not_accepted_is_said_to_be_and_not_shown(engine, tmp_path):
    running, address = engine
    (tmp_path / "token").write_text("s.another")
    keeper = Transit(address, "transit", tmp_path / "token")

    for work in (lambda: keeper.wrap(ONE, KEY, "x"), lambda: keeper.unwrap(ONE, b"vault:v1:AAAA", "x"), keeper.living):
        assert isinstance(refused(work), Denied)
    assert not running.keys
    (tmp_path / "token").write_text(TOKEN)  # a token is renewed while we run
    assert keeper.unwrap(ONE, keeper.wrap(ONE, KEY, "x"), "x") == KEY
    (tmp_path / "token").unlink()
    assert isinstance(refused(keeper.living), Unavailable)


def test_no_secret_and_no_projects_name_is_in_an_address(engine, tmp_path):
    running, address = engine
    (tmp_path / "token").write_text(TOKEN)
    keeper = Transit(address, "transit", tmp_path / "token")
    keeper.unwrap(ONE, keeper.wrap(ONE, KEY, "x"), "x")
    keeper.destroy(ONE)

    asked = " ".join(path for _method, path in running.asked)
    assert TOKEN not in asked
    assert all(part.isalnum() or part.startswith("hvelv-") for part in asked.replace(" ", "/").split("/") if part)


def test_the_settings_choose_and_show_no_token():
    home = Path(tempfile.mkdtemp(prefix="hv-k-"))  # short enough for sockets
    folder = home / "custodian" / "secrets"
    folder.mkdir(parents=True)
    (folder / "kek").write_text(KEK)
    (folder / "vault_token").write_text(TOKEN)
    there = Settings(data_dir=home, vault_address="https://127.0.0.1:1")

    database = custodian_database("sqlite://")

    assert isinstance(key_custodian(Settings(data_dir=home), SetClock(), database), LocalKeyring)
    assert isinstance(key_custodian(there, SetClock(), database), Transit)
    assert TOKEN not in f"{there!r} {there.model_dump()}"
    shutil.rmtree(home)


def test_the_life_of_a_projects_keys_is_the_same_on_both(custodian, tmp_path):
    world = a_key_world(f"sqlite:///{tmp_path}/test.sqlite", tmp_path, custodian())
    world.open_project()
    keys = world.keys.project(PROJECT)
    assert world.keys.rotate("operator") in {0, 3}
    assert world.keys.project(PROJECT) == keys

    world.destroy()

    assert len(world.destructions.certificates(PROJECT)) == 1
    with pytest.raises(NotPossible):
        world.keys.project(PROJECT)
    world.database.close()
