"""The custodian is killed (SIGKILL) in the middle of a release: the charge stands, nothing unpaid is ever shown."""

import os
import signal

import pytest

from hvelv.privacy.adapters.aggregate import StreamingAggregator
from hvelv.privacy.adapters.ledger import SqlLedger
from hvelv.privacy.adapters.noise import OpenDPNoise
from tests.builders_privacy import DATASET, PROJECT, a_working_world

PLACES = {
    "before the charge": (SqlLedger, "add_charge", 0),
    "between charge and reading": (StreamingAggregator, "totals", 1_000),
    "between charge and noise": (OpenDPNoise, "draw", 1_000),
    "between noise and storing": (SqlLedger, "finish", 1_000),
}


@pytest.fixture
def world(database_url, tmp_path):
    world = a_working_world(database_url, tmp_path)
    yield world
    world.database.close()


def killed_in(world, owner, method):
    """Make a release in another process that dies when it comes to `method`; returns the signal it died of."""
    world.database.engine.dispose()
    child = os.fork()
    if child == 0:
        signal.alarm(100)
        try:
            setattr(owner, method, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
            world.release("request-0001")
        finally:
            os._exit(1)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.mark.attack("DP02")
@pytest.mark.parametrize("place", PLACES)
def test_a_killed_release_is_charged_at_most_once_and_finished_by_its_own_key(world, place):
    owner, method, charged = PLACES[place]

    assert killed_in(world, owner, method) == signal.SIGKILL

    assert world.desk.accounts.allocation(PROJECT, DATASET).spent == charged
    charges = world.desk.accounts.charges(PROJECT)
    assert sum(charge.purchase.rho_micro for charge in charges) == charged
    assert all(charge.release is None for charge in charges)
    assert world.actions().count("release.charged") == len(charges)

    answer = world.release("request-0001")

    assert world.desk.accounts.allocation(PROJECT, DATASET).spent == 1_000
    assert world.release("request-0001") == answer
    with world.database.reading() as session:
        assert world.database.trail.faults(session) == []
