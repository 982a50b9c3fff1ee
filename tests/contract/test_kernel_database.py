"""How the databases are opened: what is committed is on disk, what is erased is overwritten."""

import pytest
from sqlalchemy import text

from hvelv.kernel.database import connect


@pytest.fixture
def engine(database_url):
    engine = connect(database_url)
    yield engine
    engine.dispose()


def test_a_commit_is_on_disk_whatever_the_servers_default(database_url):
    engine = connect(database_url)
    setting, expected = (
        ("PRAGMA synchronous", 2) if engine.dialect.name == "sqlite" else ("SHOW synchronous_commit", "on")
    )
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'ALTER DATABASE "{engine.url.database}" SET synchronous_commit=off'))
        engine.dispose()
    with engine.connect() as connection:
        assert connection.execute(text(setting)).scalar() == expected
    engine.dispose()


def test_options_in_the_url_are_kept(database_url):
    if not database_url.startswith("postgresql"):
        database_url, setting, expected = f"{database_url}?timeout=7", "PRAGMA secure_delete", 1
    else:
        database_url, setting, expected = (
            f"{database_url}&options=-c%20statement_timeout%3D7s",
            "SHOW statement_timeout",
            "7s",
        )
    engine = connect(database_url)
    with engine.connect() as connection:
        assert connection.execute(text(setting)).scalar() == expected
    engine.dispose()


def test_erased_bytes_are_overwritten_in_the_file_of_sqlite(tmp_path):
    path = tmp_path / "erased.sqlite"
    engine = connect(f"sqlite:///{path}")
    secret = "b4d5ec7e" * 8
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE key (name TEXT, wrapped TEXT)"))
        connection.execute(text("INSERT INTO key VALUES ('k', :secret), ('other', 'x')"), {"secret": secret})
    with engine.begin() as connection:
        connection.execute(text("UPDATE key SET wrapped = '' WHERE name = 'k'"))
    with engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()

    assert secret.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
