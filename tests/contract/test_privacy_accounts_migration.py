"""An installation's accounts and charges outlive the upgrade to accounts of populations, on both databases."""

import json

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from hvelv.kernel.clock import SetClock
from hvelv.kernel.database import custodian
from hvelv.kernel.ids import CountedIds
from hvelv.operation import tables
from hvelv.operation.migrate import differences, downgrade_one, upgrade_one
from hvelv.privacy.adapters.ledger import SqlLedger
from hvelv.privacy.domain.charging import PLATFORM, Line, Purchase
from hvelv.privacy.service.accounts import Accounts, Overdrawn
from tests.builders import an_event

AT = "2026-01-01T00:00:00.000000+00:00"
OLD = (
    "INSERT INTO privacy_account VALUES ('ds-1', 'Blodprøver', 1000000, 600000, :at)",
    "INSERT INTO privacy_account VALUES ('ds-2', 'Fødsler', 500000, 500000, :at)",
    "INSERT INTO privacy_allocation VALUES ('p-1', 'ds-1', 500000, 30000, :yes, :at)",
    "INSERT INTO privacy_allocation VALUES ('p-2', 'ds-1', 100000, 0, :no, :at)",
    "INSERT INTO privacy_allocation VALUES ('p-1', 'ds-2', 500000, 500000, :yes, :at)",
    (
        "INSERT INTO privacy_charge VALUES"
        " ('rel-1', 'p-1', 'ds-1', 'kari', 'key-1', 'q1', 'labs: count', 10000, 'released', :at, :answer)"
    ),
    (
        "INSERT INTO privacy_charge VALUES"
        " ('rel-2', 'p-1', 'ds-1', 'kari', 'key-2', 'q2', 'labs: sum', 20000, 'charged', :at, NULL)"
    ),
    (
        "INSERT INTO privacy_charge VALUES"
        " ('rel-3', 'p-1', 'ds-2', 'ola', 'key-3', 'q3', 'births: count', 500000, 'released', :at, :answer)"
    ),
    "INSERT INTO catalog_raw_version VALUES ('ds-1', 'h1', 'lab', 'o', 9, 5000, :at, 'stine', 'u1', '{}')",
    "INSERT INTO catalog_raw_version VALUES ('ds-1', 'h2', 'lab', 'o', 9, 8000000, :at, 'stine', 'u2', '{}')",
)


@pytest.fixture
def database(database_url):
    """A database of the version before, with rows in it."""
    tables.load()
    made = custodian(database_url, clock=SetClock())
    upgrade_one(made, "custodian", "custodian_0002")
    values = {"at": AT, "yes": True, "no": False, "answer": json.dumps({"id": "rel", "extract_hash": "e1"})}
    with made.transaction() as unit:
        for statement in OLD:
            bound = text(statement)
            unit.session.connection().execute(bound, {k: v for k, v in values.items() if f":{k}" in statement})
        unit.record(an_event())
    yield made
    made.close()


def books(database):
    return Accounts(database, SqlLedger(), SetClock(), CountedIds())


def a_purchase(project, dataset, rho_micro, **changes):
    return Purchase(project, "kari", "key-9", "q9", "e1", "s", (Line(dataset, rho_micro, **changes),))


def test_what_was_allotted_spent_and_answered_is_there_after_the_upgrade(database):
    upgrade_one(database, "custodian")
    accounts = books(database)

    one, two = accounts.account("ds-1"), accounts.account("ds-2")
    assert (one.population, one.holder, one.persons) == ("ds-1", "lab", 8_000_000)
    assert (one.cap, one.allotted, one.spent) == (1_000_000, 600_000 + 40_000, 30_000)
    assert (two.cap, two.allotted, two.spent, two.holder) == (500_000, 500_000, 500_000, "")
    assert [(a.allocated, a.spent, a.is_open) for a in accounts.allocations("p-1")] == [
        (500_000, 30_000, True), (500_000, 500_000, True)
    ]  # fmt: skip
    assert not accounts.allocation("p-2", "ds-1").is_open
    assert accounts.allocation(PLATFORM, "ds-1").allocated == 40_000
    assert accounts.allocation(PLATFORM, "ds-2").allocated == 0
    assert one.delta_cap == 10**15 // (10 * 8_000_000)
    held = accounts.allocations(population="ds-1")
    assert sum(a.delta_allocated for a in held) == one.delta_allotted <= one.delta_cap
    charges = {charge.id: charge for charge in accounts.charges("p-1")}
    assert {name: (c.purchase.lines, c.state) for name, c in charges.items()} == {
        "rel-1": ((Line("ds-1", 10_000),), "released"),
        "rel-2": ((Line("ds-1", 20_000),), "charged"),
        "rel-3": ((Line("ds-2", 500_000),), "released"),
    }
    assert charges["rel-1"].purchase.extract_hash == "e1"
    assert accounts.answered("p-1", "q1", "e1", 10_000).id == "rel-1"


def test_the_books_go_on_after_the_upgrade(database):
    upgrade_one(database, "custodian")
    accounts = books(database)

    with pytest.raises(Overdrawn):
        accounts.charge(a_purchase("p-1", "ds-2", 1))
    finished = accounts.finish(accounts.charges("p-1", charge_id="rel-2")[0], '{"id": "rel-2"}')
    made = accounts.charge(a_purchase("p-1", "ds-1", 470_000, delta_femto=1_000))

    assert finished == '{"id": "rel-2"}'
    assert accounts.charge(made.purchase) == made
    assert accounts.allocation("p-1", "ds-1").left == 0
    assert accounts.account("ds-1").spent == 500_000


def test_the_upgraded_tables_are_those_of_the_code_and_their_rules_hold(database):
    upgrade_one(database, "custodian")

    assert differences(database.engine, database) == []
    for statement in (
        "UPDATE privacy_allocation SET spent = allocated + 1",
        "UPDATE privacy_allocation SET delta_spent = delta_allocated + 1",
        "UPDATE privacy_population SET spent = allotted + 1",
        "UPDATE privacy_charge SET state = 'released' WHERE id = 'rel-2'",
        "UPDATE privacy_charge SET idempotency_key = 'key-1'",
        "UPDATE privacy_charge_line SET rho_micro = 0",
        "UPDATE privacy_charge_line SET dataset = 'ds-9'",
        "UPDATE privacy_allocation SET dataset = 'ds-9'",
    ):
        with pytest.raises(IntegrityError), database.transaction() as unit:
            unit.session.connection().execute(text(statement))
    with pytest.raises(DBAPIError), database.transaction() as unit:
        unit.session.connection().execute(text("DELETE FROM audit_event"))


def test_down_and_up_again_keeps_the_books(database):
    upgrade_one(database, "custodian")
    before = books(database).charges("p-1")
    downgrade_one(database, "custodian", "custodian_0002")
    with database.reading() as session:
        old = session.connection().execute(text("SELECT dataset, allotted FROM privacy_account ORDER BY 1")).all()
    upgrade_one(database, "custodian")

    assert [tuple(row) for row in old] == [("ds-1", 600_000), ("ds-2", 500_000)]
    assert books(database).charges("p-1") == before
    assert books(database).account("ds-1").allotted == 640_000


def test_going_back_stops_where_the_earlier_tables_cannot_hold_what_there_is(database):
    upgrade_one(database, "custodian")
    books(database).charge(a_purchase(PLATFORM, "ds-1", 1))

    with pytest.raises(RuntimeError, match="cannot go back"):
        downgrade_one(database, "custodian", "custodian_0002")

    assert "privacy_population" in inspect(database.engine).get_table_names()
    assert books(database).account("ds-1").spent == 30_001
