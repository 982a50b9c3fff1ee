"""When an answer is given: at the ends of slots that double, whatever happened in between."""

import pytest

from hvelv.kernel.errors import Unavailable
from hvelv.privacy.service.releases import Pace
from tests.builders_privacy import PERSON, PROJECT, a_query, a_working_world


class Watch:
    """A clock that is moved by hand and by sleeping."""

    def __init__(self):
        self.at, self.slept = 100.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.at += seconds


@pytest.mark.attack("DP15")
@pytest.mark.parametrize(
    ("taken", "answered"), [(0.0, 0.5), (0.3, 0.5), (0.5, 0.5), (0.51, 1.0), (0.99, 1.0), (3.7, 4.0), (63.0, 64.0)]
)
def test_an_answer_is_given_at_the_end_of_a_slot(taken, answered):
    watch = Watch()
    pace = Pace(0.5, lambda: watch.at, watch.sleep)
    begun = pace.begun()
    watch.at += taken

    pace.wait(begun)

    assert watch.at - begun == pytest.approx(answered)


def test_without_slots_nobody_waits():
    watch = Watch()

    Pace(0.0, lambda: watch.at, watch.sleep).wait(watch.at)

    assert watch.slept == []


class Slow:
    """An aggregator that takes a second, and then answers or does not."""

    def __init__(self, watch, *, fails):
        self.watch, self.fails = watch, fails

    def totals(self, _sources, _framed, _ask):
        self.watch.at += 0.7
        if self.fails:
            raise ZeroDivisionError
        return [[1, 2]]


@pytest.mark.attack("DP14")
@pytest.mark.attack("DP15")
@pytest.mark.parametrize("fails", [True, False])
def test_a_release_that_fails_takes_as_long_as_one_that_does_not(tmp_path, fails):
    watch = Watch()
    world = a_working_world(f"sqlite:///{tmp_path}/c.db", tmp_path)
    engine = world.desk.releases._engine
    object.__setattr__(engine, "aggregator", Slow(watch, fails=fails))
    object.__setattr__(engine, "pace", Pace(0.5, lambda: watch.at, watch.sleep))

    try:
        world.desk.releases.release(PROJECT, PERSON, a_query(), 1_000, "key-0001")
    except Unavailable:
        assert fails

    world.database.close()
    assert watch.at == pytest.approx(101.0)
