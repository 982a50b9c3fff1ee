"""Bringing both databases to this version's tables. One Alembic environment, one line of versions for each database."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from hvelv.kernel.database import Database, custodian, registry
from hvelv.kernel.settings import Settings
from hvelv.operation import tables

FOLDER = Path(__file__).parent / "migrations"


def _config(database: Database, line: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(FOLDER / line))
    config.set_main_option("path_separator", "os")
    config.attributes["engine"] = database.engine
    config.attributes["metadata"] = database.metadata
    return config


def databases(settings: Settings) -> dict[str, Database]:
    """Return both databases by the name of their line of versions."""
    tables.load()
    return {"registry": registry(settings.registry_url), "custodian": custodian(settings.custodian_url)}


def upgrade_one(database: Database, line: str, revision: str = "head") -> None:
    """Bring one database to `revision`. Does nothing where it is already there; waits for another who is at it."""
    command.upgrade(_config(database, line), revision)


def downgrade_one(database: Database, line: str, revision: str) -> None:
    """Take one database back to `revision`."""
    command.downgrade(_config(database, line), revision)


def upgrade(settings: Settings) -> None:
    """Bring both databases to the newest version."""
    for line, database in databases(settings).items():
        if database.engine.url.get_backend_name() == "sqlite" and (path := database.engine.url.database):
            Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        upgrade_one(database, line)
        database.close()


def revise(settings: Settings, line: str, message: str) -> None:
    """Write a new version of `line` from the difference between its tables and the rows in the code."""
    command.revision(_config(databases(settings)[line], line), message, autogenerate=True)


def differences(engine: Engine, database: Database) -> list[object]:
    """Return what the rows in the code have that the database does not, or the other way."""
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), database.metadata))
