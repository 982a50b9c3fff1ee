"""The same question asked again is answered from the store, for nothing, unless new noise is asked for."""

import pytest

from tests.builders_privacy import DATASET, PERSON, PROJECT, a_query, a_working_world, some_rows


@pytest.fixture
def world(database_url, tmp_path):
    world = a_working_world(database_url, tmp_path)
    yield world
    world.database.close()


def asked(world, key, *, rho=1_000, person=PERSON, again=False, **changes):
    return world.desk.releases.release(PROJECT, person, a_query(**changes), rho, key, again=again)


def spent(world):
    return world.desk.accounts.allocation(PROJECT, DATASET).spent


@pytest.mark.attack("DP03")
def test_the_same_question_gets_the_same_answer_and_costs_nothing_more(world):
    first = asked(world, "key-0001")

    assert asked(world, "key-0002") == first
    assert asked(world, "key-0003", person="ola") == first  # a colleague has no budget of their own to average with
    assert spent(world) == 1_000


def test_new_noise_is_paid_for(world):
    first = asked(world, "key-0001")

    second = asked(world, "key-0002", again=True)

    assert second["id"] != first["id"]
    assert spent(world) == 2_000


def test_a_better_answer_is_paid_for_and_then_serves_those_who_ask_for_less(world):
    asked(world, "key-0001")
    better = asked(world, "key-0002", rho=5_000)

    assert asked(world, "key-0003") == better
    assert spent(world) == 6_000


@pytest.mark.parametrize(
    "changes", [{"max_rows": 1}, {"by": []}, {"where": [{"column": "age", "op": ">", "value": 30}]}]
)
def test_another_question_is_paid_for(world, changes):
    asked(world, "key-0001")
    asked(world, "key-0002", **changes)

    assert spent(world) == 2_000


@pytest.mark.attack("DP21")
def test_a_new_extract_is_asked_anew_and_paid_for_from_the_same_account(world):
    first = asked(world, "key-0001")
    world.provision(rows=some_rows(30, seed=2))

    second = asked(world, "key-0002")

    assert second["extract_hash"] != first["extract_hash"]
    assert spent(world) == 2_000


def test_a_key_keeps_its_own_answer_also_when_a_better_one_is_there(world):
    first = asked(world, "key-0001")
    asked(world, "key-0002", rho=5_000)

    assert asked(world, "key-0001") == first
    assert spent(world) == 6_000
