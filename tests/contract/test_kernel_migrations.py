"""Migrations make the very tables that the code's rows ask for, on both databases, up and down and up again."""

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from hvelv.kernel.database import custodian, registry
from hvelv.operation import tables
from hvelv.operation.migrate import differences, downgrade_one, upgrade_one
from tests.builders import an_event

KINDS = {"registry": registry, "custodian": custodian}


@pytest.fixture(params=KINDS)
def line(request):
    return request.param


@pytest.fixture
def database(database_url, line):
    tables.load()
    made = KINDS[line](database_url)
    yield made
    made.close()


def test_the_newest_version_has_exactly_the_tables_of_the_code(database, line):
    upgrade_one(database, line)

    assert differences(database.engine, database) == []


@pytest.mark.attack("BK09")
def test_down_and_up_again_is_possible_and_the_audit_trail_is_append_only_after_it(database, line):
    upgrade_one(database, line)
    downgrade_one(database, line, "base")
    left = set(inspect(database.engine).get_table_names())
    upgrade_one(database, line)
    upgrade_one(database, line)

    assert left == {"alembic_version"}
    with database.transaction() as unit:
        unit.record(an_event())
    with pytest.raises(DBAPIError), database.transaction() as unit:
        unit.session.connection().execute(text("DELETE FROM audit_event"))
