"""What Alembic runs: on the engine and tables that hvelv.operation.migrate hands over."""

from alembic import context
from sqlalchemy import text

config = context.config
engine = config.attributes["engine"]
metadata = config.attributes["metadata"]
LOCK = 0x4D49_4752  # PostgreSQL advisory lock: one migration at a time

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()
    connection.commit()
