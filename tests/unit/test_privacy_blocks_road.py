"""Work on blocks of persons, from quote to release: charged like any other question, or refused before it is."""

import dataclasses
import json

import pytest

from hvelv.kernel.errors import Unavailable
from hvelv.privacy.adapters.blocks import SamplingAggregator
from hvelv.privacy.service.sampling import WhereWallsAre
from tests.builders_blocks import HereRunner
from tests.builders_privacy import PERSON, PROJECT, a_working_world

TEXT = "def estimate(frame):\n    return [frame['age'].mean()]\n"
QUESTION = {
    "kind": "blocks", "dataset": "labs", "work": {"kind": "code", "columns": ["age"], "text": TEXT},
    "numbers": [{"low": 0, "high": 110}], "blocks": 50, "max_rows": 3,
}  # fmt: skip


@pytest.fixture
def world(tmp_path):
    return a_working_world(f"sqlite:///{tmp_path}/custodian.sqlite3", tmp_path)


def with_walls(world, runner):
    releases = world.desk.releases
    engine = releases._engine
    sampling = SamplingAggregator(engine.aggregator, runner)
    releases._engine = dataclasses.replace(engine, aggregator=sampling, able=WhereWallsAre(runner))
    return releases


@pytest.mark.attack("DP18")
@pytest.mark.parametrize("runner", [None, HereRunner(possible=False)])
def test_without_walls_the_question_is_refused_before_anything_is_charged(world, runner):
    releases = with_walls(world, runner)
    for ask in (
        lambda: releases.quote(PROJECT, PERSON, QUESTION, 1_000),
        lambda: releases.release(PROJECT, PERSON, QUESTION, 1_000, "key-00000001"),
    ):
        with pytest.raises(Unavailable) as refusal:
            ask()
        assert refusal.value.code == "no-walls"
    assert world.desk.accounts.charges(PROJECT) == []


def test_a_release_is_charged_once_and_signed_with_its_proof(world):
    releases = with_walls(world, HereRunner())
    quote = releases.quote(PROJECT, PERSON, QUESTION, 1_000)
    first = releases.release(PROJECT, PERSON, QUESTION, 1_000, "key-00000001")
    again = releases.release(PROJECT, PERSON, QUESTION, 1_000, "key-00000001")
    assert first == again
    assert [dose["rho_micro"] for dose in first["proof"]] == [950, 50]
    assert [row["key"] for row in first["rows"]] == [["y1"]]
    assert quote["bounds"] == {"max_rows": 3, "blocks": 50}
    assert len(world.desk.accounts.charges(PROJECT)) == 1


@pytest.mark.attack("DP20")
def test_the_code_stands_in_the_question_alone_and_in_no_audit_row(world):
    releases = with_walls(world, HereRunner())
    found = releases.release(PROJECT, PERSON, QUESTION, 1_000, "key-00000001")
    assert found["query"]["work"]["text"] == TEXT
    rest = {name: value for name, value in found.items() if name not in {"query", "signature"}}
    assert "frame" not in json.dumps(rest)
    with world.database.reading() as session:
        assert not [row for row in world.database.trail.rows(session) if "frame" in str(row)]


@pytest.mark.attack("DP14")
def test_a_runner_that_breaks_is_told_in_the_words_of_any_fault_after_the_charge(world):
    class Broken(HereRunner):
        def run(self, task, blocks):
            raise OSError("kari 01019012345")

    releases = with_walls(world, Broken())
    with pytest.raises(Unavailable) as refusal:
        releases.release(PROJECT, PERSON, QUESTION, 1_000, "key-00000001")
    assert refusal.value.code == "after-charge"
    assert "kari" not in str(refusal.value)
