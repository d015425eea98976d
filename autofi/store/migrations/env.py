"""The environment of Alembic's commands: our metadata, our version table, the caller's connection."""

from __future__ import annotations

from alembic import context

from autofi.store.quick_read import VERSION_TABLE
from autofi.store.tables import PREFIX, Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    # Optuna's tables are in the same database and must be left alone.
    include_name=lambda name, kind, parents: kind != "table" or (name or "").startswith(PREFIX),
    # Alembic assumes that SQLite cannot undo CREATE TABLE; inside an explicit BEGIN it can.
    transactional_ddl=True if connection.dialect.name == "sqlite" else None,
)
with context.begin_transaction():
    context.run_migrations()
