"""The rows give back what was put in, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from hvelv.catalog.adapters.store import SqlCatalogueRows, SqlSelectionRows
from hvelv.catalog.adapters.store_vault import SqlVersionRows
from hvelv.catalog.service.vault import RawVersion
from hvelv.kernel.database import Database, custodian, registry
from hvelv.requests.adapters.store import SqlApplicationRows
from hvelv.requests.domain.lifecycle import Action, State
from hvelv.requests.domain.review import Conflict
from tests.builders_catalog import a_holder, a_version
from tests.builders_requests import KARI, LAB_STEWARD, NOON, PER, a_decision, a_vote, an_application

pytestmark = pytest.mark.integration


@pytest.fixture
def ours(database_url: str) -> Iterator[Database]:
    made = registry(database_url)
    made.create_all()
    yield made
    made.close()


@pytest.fixture
def theirs(database_url: str) -> Iterator[Database]:
    made = custodian(database_url)
    made.create_all()
    yield made
    made.close()


def a_reviewed_application() -> object:
    application = an_application(submitted=False, title="Æøå 🧪 «tittel»")
    application = application.submitted("ragnhild", NOON + timedelta(microseconds=17))
    application = application.voted(a_vote(application, KARI))
    application = application.decided(replace(a_decision(application, LAB_STEWARD), conditions=("Slett", "Meld fra")))
    return application.with_conflict(Conflict(PER.id, "venn", NOON))


def test_an_application_comes_back_as_it_was(ours: Database) -> None:
    rows = SqlApplicationRows()
    new = an_application(submitted=False)
    with ours.transaction() as transaction:
        rows.add(transaction.session, new)
    full = a_reviewed_application()
    with ours.transaction() as transaction:
        assert rows.save(transaction.session, new, full)
    with ours.reading() as session:
        back = rows.get(session, new.id)
        assert back == replace(full, version=1)
        assert rows.all(session) == (back,)
        assert rows.get(session, "app-none") is None
    with ours.transaction() as transaction:
        assert not rows.save(transaction.session, new, full.moved(Action.WITHDRAW, "x", NOON))
    with ours.reading() as session:
        assert rows.get(session, new.id).state is State.IN_REVIEW


def test_the_catalogue_comes_back_as_it_was(ours: Database) -> None:
    rows, picks = SqlCatalogueRows(), SqlSelectionRows()
    with ours.transaction() as transaction:
        session = transaction.session
        assert rows.add_holder(session, a_holder())
        assert not rows.add_holder(session, a_holder())
        assert rows.add_version(session, "h-lab", a_version())
        assert rows.add_version(session, "h-lab", a_version())
        assert rows.add_version(session, "h-lab", a_version(mark="2"))
        assert not rows.add_version(session, "h-lab", a_version("d-other"))
        for name in ("age", "age", "weight"):
            picks.pick(session, "r", "d-liver", name)
        picks.drop(session, "r", "d-liver", "age")
    with ours.reading() as session:
        (dataset,) = rows.datasets(session)
        assert dataset.versions == (a_version(), a_version(mark="2"))
        assert rows.counter(session) == 4
        assert picks.picked(session, "r") == (("d-liver", "weight"),)


def test_a_raw_version_comes_back_as_it_was_and_is_entered_once(theirs: Database) -> None:
    rows = SqlVersionRows()
    version = a_version()
    raw = RawVersion(
        version.dataset,
        "h-lab",
        "a" * 64,
        "d/a/table.parquet",
        5 << 40,
        3,
        NOON,
        "stine",
        "u-0001",
        version.declaration,
    )
    with theirs.transaction() as transaction:
        assert rows.add(transaction.session, raw)
        assert not rows.add(transaction.session, raw)
        assert not rows.add(transaction.session, replace(raw, content_hash="b" * 64))
    with theirs.reading() as session:
        assert rows.find(session, "d-liver", "a" * 64) == raw
        assert rows.of_upload(session, "u-0001") == raw
        assert rows.holders(session, "d-liver") == {"h-lab"}
        assert rows.holders(session, "d-other") == frozenset()
        assert rows.find(session, "d-liver", "b" * 64) is None
