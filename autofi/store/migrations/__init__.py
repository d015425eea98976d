"""Migrations of our tables, and only ours, to the newest revision of `versions`."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect

from autofi.core.atomic_file import atomic_path
from autofi.errors import StoreError
from autofi.store.quick_read import VERSION_TABLE
from autofi.store.tables import PREFIX

FOLDER = Path(__file__).parent


def upgrade(engine: Engine) -> None:
    """Copy the tables, and then run the missing scripts; on SQLite and PostgreSQL, all of them or none.

    The caller keeps other processes out.

    Raises:
        StoreError: A newer AutoFI wrote the tables.
    """
    scripts = ScriptDirectory(str(FOLDER))
    with engine.connect() as connection:
        found = _revision(connection)
    if found == scripts.get_current_head():
        return
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(
            f"the studies were written by a newer AutoFI (tables at revision '{found}', "
            f"this one has '{scripts.get_current_head()}'); run pip install -U autofi."
        )
    if found is not None:
        _keep_copy(engine, found)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # Python's driver begins no transaction before CREATE TABLE, so a kill could leave half a schema.
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


def _keep_copy(engine: Engine, revision: str) -> None:
    """Copy the database before an upgrade: a file to another file beside it, a server's tables under other names.

    An existing copy is that of an upgrade that was not completed, and stays.
    """
    if engine.dialect.name == "sqlite":
        _copy_file(Path(str(engine.url.database)), revision)
        return
    found = inspect(engine)
    tables = found.get_table_names()
    with engine.begin() as connection:
        for name in tables:
            copy = f"before_upgrade_{revision}_{name}"
            if name.startswith(PREFIX) and copy not in tables:
                quote = engine.dialect.identifier_preparer.quote
                connection.exec_driver_sql(f"CREATE TABLE {quote(copy)} AS SELECT * FROM {quote(name)}")


def _copy_file(path: Path, revision: str) -> None:
    copy = path.with_name(f"{path.stem}-before-upgrade-{revision}{path.suffix}")
    if copy.exists():
        return
    # SQLite itself makes the copy, as a database in WAL mode is more than its main file.
    with (
        atomic_path(copy) as part,
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(part)) as target,
    ):
        source.backup(target)
