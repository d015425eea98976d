"""The database's own clock, which all workers of a study read, however wrong the clocks of their machines are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import FunctionElement

from autofi.store.tables import UtcDateTime


class DatabaseNow(FunctionElement[datetime]):
    """The time in UTC as an SQL expression, at the statement, not at the start of its transaction.

    A file of SQLite has no clock; there it is the clock of the machine that reads it.
    """

    type = UtcDateTime()
    inherit_cache = True


@compiles(DatabaseNow, "sqlite")
def _sqlite(element: DatabaseNow, compiler: Any, **given: Any) -> str:
    # Six digits of a second, as SQLAlchemy writes them, so that all texts have one length and sort.
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(DatabaseNow, "postgresql")
def _postgresql(element: DatabaseNow, compiler: Any, **given: Any) -> str:
    return "(clock_timestamp() AT TIME ZONE 'UTC')"


@compiles(DatabaseNow, "mysql", "mariadb")
def _mysql(element: DatabaseNow, compiler: Any, **given: Any) -> str:
    return "UTC_TIMESTAMP(6)"


def read_clock(session: Session) -> datetime:
    """Return the time of the database's clock."""
    return session.execute(select(DatabaseNow())).scalar_one()
