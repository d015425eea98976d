"""Reading of a storage by plain SQL, without Optuna, Alembic or mapped classes: they take seconds to import."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, NullPool, column, create_engine, select, table
from sqlalchemy.exc import SQLAlchemyError

from autofi.store.storage_url import StorageURL

# Optuna owns `alembic_version`.
VERSION_TABLE = "autofi_alembic_version"
#: The revisions of our tables and of Optuna's that this version reads by its own queries.
REVISION, OPTUNA_REVISION = "0002", "v3.2.0.a"

Result = TypeVar("Result")


def quick_read(url: StorageURL, read: Callable[[Connection], Result]) -> Result | None:
    """Return the result of `read`, or None if the storage is missing or cannot be read.

    A fault of the storage is reported when it is opened.
    """
    if url.file is not None and not url.file.exists():
        return None
    engine = create_engine(url.url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return read(connection)
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def has_known_tables(connection: Connection) -> bool:
    """Return True if the tables are those of this version, which need no upgrade and no other Optuna."""
    found = tuple(
        connection.scalar(select(column("version_num")).select_from(table(name)))
        for name in (VERSION_TABLE, "alembic_version")
    )
    return found == (REVISION, OPTUNA_REVISION)
