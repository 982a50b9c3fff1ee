"""Extracts made on a Dask cluster have the bytes of those made here, and its refusals say as little."""

import logging

import pytest

from hvelv.kernel.errors import Unavailable
from hvelv.privacy.adapters.aggregate import totals
from hvelv.privacy.adapters.cluster import Cluster, DaskMapper
from hvelv.privacy.adapters.extraction import ParquetExtractor
from hvelv.privacy.adapters.parted import PartedAggregator
from hvelv.privacy.domain.identifiers import BadIdentifiers
from hvelv.privacy.domain.transforms import SuppressRare
from tests.builders_privacy import TABLE, a_person_number, a_plan, a_source, an_extract_file, an_order, some_rows

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def mapper():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=logging.CRITICAL
    ) as cluster:
        yield DaskMapper(Cluster(cluster.scheduler_address))


def made(order, mapper=None):
    order.folder.mkdir()
    return [part.path.read_bytes() for part in ParquetExtractor(mapper).extract(order, lambda _done, _of: None)]


def test_the_bytes_are_those_that_are_made_here(mapper, tmp_path):
    source = a_source(tmp_path / "source.parquet", some_rows(300), groups=50)
    extra = {"test": (SuppressRare(kind="suppress", persons=80, instead=99),)}

    here = made(an_order(source, tmp_path / "here", extra=extra))
    there = made(an_order(source, tmp_path / "there", extra=extra), mapper)

    assert there == here


def test_a_bad_number_is_refused_in_the_same_words(mapper, tmp_path):
    rows = some_rows(3)
    rows[1]["person_number"] = a_person_number(1)[:-1] + "x"

    with pytest.raises(BadIdentifiers) as refusal:
        made(an_order(a_source(tmp_path / "source.parquet", rows), tmp_path / "work"), mapper)

    assert rows[1]["person_number"] not in str(refusal.value.as_dict())


def test_a_cluster_that_is_not_there_is_a_refusal_to_try_again(tmp_path, monkeypatch):
    monkeypatch.setattr("hvelv.privacy.adapters.cluster.SECONDS", "1s")
    order = an_order(a_source(tmp_path / "source.parquet", some_rows(3)), tmp_path / "work")

    with pytest.raises(Unavailable):
        made(order, DaskMapper(Cluster("tcp://127.0.0.1:9")))


@pytest.mark.parametrize(
    "address",
    ["tcp://10.0.0.1:8786", "tcp://cluster:8786", "tls://cluster:8786", "http://127.0.0.1:1", "tcp://127.0.0.1", ""],
)
def test_a_way_over_the_network_without_encryption_is_refused(address):
    with pytest.raises(ValueError, match="Dask scheduler"):
        Cluster(address)


def test_a_way_over_the_network_with_certificates_is_let_through():
    assert Cluster("tls://cluster:8786", "ca.pem", "own.pem", "own.key").address


def parts_of(folder, persons):
    """Write an extract in three parts, one of them empty."""
    ordered = sorted(persons)
    folder.mkdir(exist_ok=True)
    cut = ordered[: len(ordered) // 3], ordered[len(ordered) // 3 :], []
    rows = [[{"pid": pid} | row for pid in some for row in persons[pid]] for some in cut]
    return [an_extract_file(folder / f"{number}.parquet", some) for number, some in enumerate(rows)]


PEOPLE = {
    pid: [{"sex": "fm"[pid % 2], "age": 20 + pid % 70, "value": pid % 500 / 10, "test": 10 * (1 + pid % 3)}] * (pid % 4)
    for pid in range(1, 90)
}
ASKED = [{"kind": "count"}, {"kind": "mean", "column": "value", "low": 0, "high": 50}]


def test_parts_added_up_on_a_cluster_are_to_the_unit_what_one_pass_finds(mapper, tmp_path):
    paths = parts_of(tmp_path / "parts", PEOPLE)
    asked = a_plan(by=["sex", "test"], measures=ASKED, max_rows=2, max_groups=2)

    there = PartedAggregator(mapper).totals({TABLE: paths}, asked.framed, asked.ask)

    assert there == totals({TABLE: paths}, asked.framed, asked.ask)
    assert sum(there[0]) > 50


def test_parts_that_share_a_person_are_refused_on_a_cluster_too(mapper, tmp_path):
    one, two, _empty = parts_of(tmp_path / "parts", PEOPLE)
    asked = a_plan(by=[], measures=ASKED)

    with pytest.raises(Unavailable) as refusal:
        PartedAggregator(mapper).totals({TABLE: [two, one]}, asked.framed, asked.ask)

    assert refusal.value.code == "order"
