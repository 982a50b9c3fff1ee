"""The audit trail: every acknowledged change has one row, and a changed row is seen."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from hvelv.kernel.audit import LONGEST_TEXT, AuditEvent
from hvelv.kernel.database import custodian
from tests.builders import an_event


@pytest.fixture
def database(database_url):
    made = custodian(database_url)
    made.create_all()
    yield made
    made.close()


def rows(database):
    with database.reading() as session:
        return list(database.trail.rows(session))


def faults(database):
    with database.reading() as session:
        return database.trail.faults(session)


def disarm(unit):
    """Take the triggers away, as an owner of the database can."""
    connection = unit.session.connection()
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.execute(text(f"DROP TRIGGER audit_event_no_{verb}"))
    else:
        connection.execute(text("ALTER TABLE audit_event DISABLE TRIGGER ALL"))


def test_events_are_chained_in_the_order_they_were_recorded(database):
    with database.transaction() as unit:
        unit.record(an_event(action="first"))
        unit.record(an_event(action="second"))

    assert [row.action for row in rows(database)] == ["first", "second"]
    assert faults(database) == []


def test_a_change_that_fails_leaves_no_row(database):
    with pytest.raises(RuntimeError), database.transaction() as unit:
        unit.record(an_event())
        raise RuntimeError

    assert rows(database) == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_event SET body = '{}' WHERE seq = 1", "DELETE FROM audit_event WHERE seq = 1"],
)
def test_the_database_refuses_to_change_or_delete_a_row(database, statement):
    with database.transaction() as unit:
        unit.record(an_event())

    with pytest.raises(DBAPIError), database.transaction() as unit:
        unit.session.connection().execute(text(statement))
    assert faults(database) == []


def test_replacing_a_row_is_refused_too(database):
    with database.transaction() as unit:
        unit.record(an_event())

    with pytest.raises(DBAPIError), database.transaction() as unit:
        connection = unit.session.connection()
        if connection.dialect.name == "sqlite":
            statement = "INSERT OR REPLACE INTO audit_event SELECT seq, prev, '{}', hash FROM audit_event"
        else:
            statement = "TRUNCATE audit_event"
        connection.execute(text(statement))
    assert faults(database) == []


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit_event SET body = '{}' WHERE seq = 2", "row number 2 was changed"),
        ("DELETE FROM audit_event WHERE seq = 2", "rows are missing before number 3"),
        ("UPDATE audit_event SET hash = 'x' WHERE seq = 3", "row number 3 was changed"),
    ],
)
def test_a_row_changed_behind_the_triggers_is_found(database, statement, says):
    with database.transaction() as unit:
        for _number in range(3):
            unit.record(an_event())
    with database.transaction() as unit:
        disarm(unit)
        unit.session.connection().execute(text(statement))

    assert any(says in fault for fault in faults(database))


@pytest.mark.attack("AU08")
def test_writers_at_the_same_time_do_not_fork_the_chain(database):
    def write(writer):
        for number in range(10):
            with database.transaction() as unit:
                unit.record(an_event(actor=f"writer-{writer}", detail={"number": number}))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(rows(database)) == 60
    assert faults(database) == []


@pytest.mark.attack("AU12")
def test_texts_are_cut_and_odd_characters_do_no_harm(database):
    with database.transaction() as unit:
        unit.record(an_event(actor="x" * 10_000, detail={"note": "line\nbreak \ud800 \x00"}))

    (row,) = rows(database)
    assert len(row.actor) == LONGEST_TEXT + 1
    assert "\n" in row.detail["note"]
    assert faults(database) == []


def test_an_event_is_plain_data():
    assert AuditEvent("kari", "did", "thing") == AuditEvent("kari", "did", "thing", {})
