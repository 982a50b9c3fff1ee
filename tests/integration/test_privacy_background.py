"""Releases that nobody waits for: taken back until their work begins, paid for once, finished by whoever comes next."""

import pytest

from hvelv.kernel.errors import Denied, Invalid, NotFound, NotPossible
from hvelv.privacy.adapters.aggregate import StreamingAggregator
from hvelv.privacy.domain.wishes import MOVES, WishState
from hvelv.privacy.service.background import MOST_WAITING
from hvelv.privacy.service.jobs import JobState
from tests.builders_privacy import DATASET, PERSON, PROJECT, a_query, a_working_world


@pytest.fixture
def world(database_url, tmp_path):
    world = a_working_world(database_url, tmp_path)
    yield world
    world.database.close()


def wished(world, key="key-0001", *, rho=1_000, person=PERSON, **changes):
    return world.desk.background.wish(PROJECT, person, a_query(**changes), rho, key)


def look(world, wish, project=PROJECT, person=PERSON):
    return world.desk.background.one(project, person, wish["id"])


def work(world, wish, told=None):
    job = world.desk.jobs.job(wish["id"])
    world.desk.background.work(job, told or (lambda _step, _of, _message: None))


def spent(world):
    return world.desk.accounts.allocation(PROJECT, DATASET).spent


def test_a_wish_is_on_the_list_and_costs_nothing_until_its_work_begins(world):
    wish = wished(world)

    assert wish["state"] == "waiting"
    assert spent(world) == 0
    job = world.desk.jobs.job(wish["id"])
    assert (job.kind, job.state) == ("release", JobState.QUEUED)
    assert world.desk.jobs.newest(PROJECT) is None or world.desk.jobs.newest(PROJECT).kind != "release"


def test_the_worker_makes_the_release_and_people_see_how_far_it_is(world):
    wish, steps = wished(world), []

    work(world, wish, lambda step, of, message: steps.append((step, of, message)))

    done = look(world, wish)
    assert done["state"] == "done"
    assert world.desk.releases.one(PROJECT, PERSON, done["release"])["rho_micro"] == 1_000
    assert spent(world) == 1_000
    assert steps
    assert all(0 <= step < of for step, of, _message in steps)


def test_the_same_key_is_one_wish_and_one_charge(world):
    first, second = wished(world), wished(world)

    assert first["id"] == second["id"]
    work(world, first)
    work(world, first)
    assert spent(world) == 1_000
    assert world.actions().count("release.charged") == 1


@pytest.mark.attack("DP24")
def test_a_wish_is_taken_back_until_its_work_begins_and_not_after(world, monkeypatch):
    one, two = wished(world), wished(world, "key-0002")

    assert world.desk.background.cancel(PROJECT, PERSON, one["id"])["state"] == "cancelled"
    work(world, one)
    assert spent(world) == 0

    def seen_in_the_middle(self, *asked):
        with pytest.raises(NotPossible):
            world.desk.background.cancel(PROJECT, PERSON, two["id"])
        return measured(self, *asked)

    measured = StreamingAggregator.totals
    monkeypatch.setattr(StreamingAggregator, "totals", seen_in_the_middle)
    work(world, two)
    assert look(world, two)["state"] == "done"
    assert spent(world) == 1_000
    with pytest.raises(NotPossible):
        world.desk.background.cancel(PROJECT, PERSON, two["id"])


@pytest.mark.attack("DP02")
def test_a_worker_that_died_after_the_charge_is_followed_by_one_that_finishes_it(world, monkeypatch):
    wish = wished(world)

    class Killed(BaseException):
        """What nothing catches."""

    def dies(*_asked):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(StreamingAggregator, "totals", dies)
        with pytest.raises(Killed):
            work(world, wish)
    assert look(world, wish)["state"] == "working"
    assert spent(world) == 1_000

    work(world, wish)

    assert look(world, wish)["state"] == "done"
    assert spent(world) == 1_000


def test_what_does_not_fit_is_refused_at_once_and_what_no_longer_does_is_told(world):
    with pytest.raises(Invalid):
        wished(world, by=["name"])
    with pytest.raises(Denied):
        wished(world, person="stranger")
    wish = wished(world, rho=9_000)
    world.release("key-00000009", 5_000)

    work(world, wish)

    told = look(world, wish)
    assert told["state"] == "failed"
    assert "mikro-rho" in told["message"]
    assert spent(world) == 5_000


def test_a_wish_of_another_project_is_not_there(world):
    wish = wished(world)

    with pytest.raises(NotFound):
        look(world, wish, project="p-two")
    with pytest.raises(NotFound):
        world.desk.background.cancel("p-two", PERSON, wish["id"])


def test_a_wish_whose_job_was_given_up_is_told_as_failed(world):
    wish = wished(world)
    world.desk.jobs.started(wish["id"], 1)
    world.desk.jobs.failed(wish["id"], "Arbeidet stanset gang på gang.")

    assert look(world, wish)["state"] == "failed"


def test_a_project_has_so_many_wishes_and_no_more(world):
    for number in range(MOST_WAITING):
        wished(world, f"key-{number:04d}", max_rows=1 + number)

    with pytest.raises(NotPossible):
        wished(world, "key-9999")


def test_every_end_is_an_end():
    ends = {state for state, onward in MOVES.items() if not onward}

    assert ends == {WishState.DONE, WishState.FAILED, WishState.CANCELLED}
