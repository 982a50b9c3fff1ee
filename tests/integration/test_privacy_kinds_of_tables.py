"""Distributions, contingency tables and unknown keys, all the way from a permit to a signed answer and the books."""

import pytest

from hvelv.privacy.domain.methods import open_keys
from hvelv.privacy.service.accounts import Overdrawn
from tests.builders_privacy import DATASET, PERSON, PROJECT, TABLE, a_query, a_working_world

PRICE = 1_000
AGES = {"dataset": TABLE, "kind": "open", "by": ["age"]}
QUESTIONS = {
    "distribution": {"dataset": TABLE, "kind": "distribution", "column": "value", "by": ["sex"], "bins": 20},
    "contingency": {"dataset": TABLE, "kind": "contingency", "by": ["sex", "test"]},
    "synthetic": {"dataset": TABLE, "kind": "synthetic", "by": ["sex", "test", "smoker"]},
    "open": AGES,
    "spreads": a_query(measures=[{"kind": "persons"}, {"kind": "std", "column": "value", "low": 0, "high": 50}]),
    "laplace": a_query(noise="laplace"),
}


@pytest.fixture
def world(database_url, tmp_path):
    world = a_working_world(database_url, tmp_path)
    yield world
    world.database.close()


def release(world, question, key="key-00000001"):
    return world.desk.releases.release(PROJECT, PERSON, question, PRICE, key)


def purchase(world):
    (charge,) = world.desk.accounts.charges(PROJECT)
    return charge.purchase


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_kind_is_quoted_measured_signed_and_paid(world, name):
    question = QUESTIONS[name]
    quote = world.desk.releases.quote(PROJECT, PERSON, question, PRICE)

    answer = release(world, question)

    assert answer["quote"]["measures"] == quote["measures"]
    assert answer["signature"]
    assert sum(dose["rho_micro"] for dose in answer["proof"]) <= PRICE
    assert purchase(world).rho_micro == PRICE
    assert release(world, question, "key-00000002")["id"] == answer["id"]  # the same question costs nothing


@pytest.mark.attack("DP06")
def test_unknown_keys_are_charged_delta_and_laplace_noise_a_pure_epsilon(world):
    answer = release(world, AGES)

    assert answer["delta_femto"] == purchase(world).delta_femto == open_keys.DELTA_FEMTO
    assert answer["proof"][0]["threshold"] == answer["quote"]["measures"][0]["threshold"]
    assert world.desk.accounts.allocation(PROJECT, DATASET).delta_spent == open_keys.DELTA_FEMTO
    assert answer["pure_micro"] is None


def test_laplace_noise_has_a_pure_epsilon_in_the_books(world):
    answer = release(world, QUESTIONS["laplace"])

    assert answer["pure_micro"] == purchase(world).pure_micro == 44_722  # the root of 2 * 0.001, rounded up
    assert answer["delta_femto"] == 0


@pytest.mark.attack("DP06")
def test_an_answer_for_which_there_is_no_delta_left_is_refused(world, monkeypatch):
    monkeypatch.setattr(open_keys, "DELTA_FEMTO", 6 * 10**7)
    release(world, AGES)

    with pytest.raises(Overdrawn):
        release(world, AGES | {"most": 10}, "key-00000002")

    assert world.desk.accounts.allocation(PROJECT, DATASET).delta_spent == 6 * 10**7
