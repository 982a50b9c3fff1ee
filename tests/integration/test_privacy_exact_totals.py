"""The exact totals behind an answer are nowhere afterwards: not in the database, the trail, the logs, the disk or the answer."""

import gc
import json
import logging
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from hvelv.kernel.errors import Unavailable
from hvelv.privacy.adapters.aggregate import totals
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.questions import KINDS, method_for, query_from
from tests.builders_privacy import EXTRACT_SCHEMA, PERSON, PROJECT, TABLE, a_query, a_working_world, some_rows

SUM = {"measures": [{"kind": "sum", "column": "value", "low": 0, "high": 50}], "by": [], "max_rows": 100}
LINEAR = {"kind": "linear", "dataset": TABLE, "outcome": {"column": "value", "low": 0, "high": 50}, "terms": ["age"]}


@pytest.fixture
def world(database_url, tmp_path):
    world = a_working_world(database_url, tmp_path)
    world.provision(rows=some_rows(400, each=5))
    yield world
    world.database.close()


def exact(world, document):
    """Return the exact totals of the first look, as texts that are long enough to be told from others."""
    extract = world.desk.extracts.all(PROJECT)[0]
    method = method_for(query_from(document), {TABLE: EXTRACT_SCHEMA})
    step = next(method.work(method.doses(1_000)))
    found = totals({TABLE: world.desk.extracts.paths(extract)}, method.framed, step.ask)
    numbers = {abs(number) for vector in found for number in vector if abs(number) > 99_999}
    return {str(number) for number in numbers} | {str(number / 10) for number in numbers}


def everything(world, caplog):
    """Return all that is kept: every table's rows, the logs, and every file that is no extract."""
    with world.database.reading() as session:
        names = inspect(session.get_bind()).get_table_names()
        rows = [str(list(session.execute(text(f'SELECT * FROM "{name}"')))) for name in names]  # noqa: S608 - names of ours
    files = [
        path for path in Path(world.folder).rglob("*") if path.is_file() and path.suffix not in {".parquet", ".db"}
    ]
    written = [
        path.read_bytes().decode("latin-1") for path in files if "-wal" not in path.name and "-shm" not in path.name
    ]
    return "\n".join([*rows, caplog.text, *written])


@pytest.mark.attack("DP20")
@pytest.mark.parametrize("document", [a_query(**SUM), LINEAR])
def test_an_exact_total_is_nowhere_after_its_answer(world, caplog, document):
    caplog.set_level(logging.DEBUG)
    canaries = exact(world, document)
    assert canaries

    answer = world.desk.releases.release(PROJECT, PERSON, document, 1_000, "key-0001")
    gc.collect()

    kept = everything(world, caplog) + json.dumps(answer)
    assert answer["id"] in kept  # the search finds what is there
    assert not [canary for canary in canaries if canary in kept]


@pytest.mark.attack("DP20")
def test_an_exact_total_is_in_no_log_of_a_release_that_stops(world, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    canaries = exact(world, a_query(**SUM))

    def stops(_self, _dose, vector):
        raise ValueError(f"cannot draw for {vector}")

    monkeypatch.setattr(OpenDPNoise, "draw", stops)
    with pytest.raises(Unavailable) as refusal:
        world.desk.releases.release(PROJECT, PERSON, a_query(**SUM), 1_000, "key-0001")

    kept = everything(world, caplog) + str(refusal.value.as_dict())
    assert "ValueError" in kept
    assert not [canary for canary in canaries if canary in kept]


@pytest.mark.attack("DP26")
def test_no_question_can_ask_for_a_sample_and_none_pays_less_for_one():
    """Amplification by subsampling is credited nowhere: no form has a share or a seed, and prices follow from bounds alone."""
    named = {name for kind in KINDS.values() for name in kind.model.model_fields}

    assert not [name for name in named if "sampl" in name or "seed" in name or "fraction" in name]
    for price in (1_000, 50_000):
        method = method_for(query_from(a_query(**SUM)), {TABLE: EXTRACT_SCHEMA})
        assert sum(dose.rho_micro for dose in method.doses(price)) == price
