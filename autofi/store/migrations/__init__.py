"""Brings our tables, and only ours, to the newest revision of `versions`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from autofi.errors import StoreError
from autofi.store.tables import VERSION_TABLE

FOLDER = Path(__file__).parent


def upgrade(engine: Engine) -> None:
    """Run the missing scripts, on SQLite and PostgreSQL all of them or none.

    The caller keeps other processes out. Raises StoreError when a newer AutoFI wrote the tables.
    """
    scripts = ScriptDirectory(str(FOLDER))
    with engine.connect() as connection:
        found = _revision(connection)
    if found == scripts.get_current_head():
        return
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"the studies were written by a newer AutoFI (tables at revision '{found}', "
            f"this one knows '{scripts.get_current_head()}'); pip install -U autofi."
        )
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # Python's driver begins no transaction before CREATE TABLE: a kill would leave half a schema.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        # Alembic expands % in its options.
        config = Config()
        config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()
