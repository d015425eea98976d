"""The database of studies: its engine, Optuna's tables and ours, and every failure as one line."""

from __future__ import annotations

import functools
import os
import random
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from autofi.errors import StoreError
from autofi.store import migrations
from autofi.store.quick_read import VERSION_TABLE
from autofi.store.storage_url import StorageURL

BUSY_SECONDS = 60
#: Seconds that a server may be away before work that needs it gives up.
PATIENCE_SECONDS = 120
CONNECT_SECONDS = 10
_ATTEMPTS = 8
# Arbitrary constants that no other program locks.
_LOCK_NUMBER = 0x6175746F6669
_LOCK_NAME = "autofi_schema"
# Messages of a database while another process creates the tables or switches to WAL.
_RACES = ("already exists", "is locked", "duplicate key", "duplicate entry", "unique constraint")


# Messages of drivers about a server that is not there, shuts down or has just started.
_AWAY = (
    "connection refused",
    "connection failed",
    "connection is lost",
    "connection is closed",
    "closed the connection",
    "connection timeout",
    "consuming input failed",
    "server closed",
    "shutting down",
    "starting up",
    "could not connect",
    "can't connect",
    "lost connection",
    "gone away",
    "terminating connection",
    "timeout expired",
    "no such file or directory",
)
# Errors that may pass: a transaction that gave way to another one, and a full disk, on which a user may make room.
_PASSING = ("deadlock", "disk is full")

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class HasDatabase(Protocol):
    """An object with methods that may be `patient`."""

    @property
    def _database(self) -> Database: ...


Owner = TypeVar("Owner", bound=HasDatabase)


def patient(
    method: Callable[Concatenate[Owner, Arguments], Result],
) -> Callable[Concatenate[Owner, Arguments], Result]:
    """Decorate a method so that it is repeated while the server of `self._database` is away; it may run twice."""

    def waiting(self: Owner, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return self._database.patiently(lambda: method(self, *args, **kwargs))

    functools.update_wrapper(waiting, method)
    return waiting


class Database:
    """An open database, whose connections Optuna (`optuna`) and our tables (`engine`) share.

    Args:
        url: The database.
        looking: True if nothing will be written; on SQLite, reading then neither waits for writers nor blocks them.
    """

    def __init__(self, url: StorageURL, *, looking: bool = False) -> None:
        """Open the database; create its folder, file and tables if they are missing.

        Raises:
            StoreError: The database cannot be opened.
        """
        self.url = url
        self._looking = looking
        self.optuna = self._open()
        self.engine: Engine = self.optuna.engine
        self._finalizer = weakref.finalize(self, _dispose, self.optuna, os.getpid())

    def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._finalizer()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a transaction over our tables, which is committed at the end.

        Raises:
            StoreError: The database cannot be used.
        """
        with self.errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of the database in the block into a StoreError of one line without the password."""
        try:
            yield
        except (SQLAlchemyError, StorageInternalError, OSError) as error:
            raise StoreError(_explain(self.url, error)) from error

    def patiently(self, work: Callable[[], Result]) -> Result:
        """Return `work()`, repeated for up to PATIENCE_SECONDS while the database is away."""
        began, wait = time.monotonic(), 0.1
        while True:
            try:
                return work()
            except StoreError as error:
                if not _is_away(error.__cause__) or time.monotonic() - began >= PATIENCE_SECONDS:
                    raise
            time.sleep(random.uniform(0.5, 1.0) * wait)
            wait = min(2 * wait, 5.0)

    def _open(self) -> RDBStorage:
        with self.errors():
            if self.url.file is not None:
                self.url.file.parent.mkdir(parents=True, exist_ok=True)
            began = time.monotonic()
            for attempt in range(_ATTEMPTS):
                try:
                    return _prepare(self.url, looking=self._looking)
                except (SQLAlchemyError, StorageInternalError) as error:
                    waited = time.monotonic() - began
                    if attempt == _ATTEMPTS - 1 or waited >= BUSY_SECONDS or not _is_race(error):
                        raise
                    time.sleep(random.uniform(0.5, 1.0) * 0.05 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def _prepare(url: StorageURL, *, looking: bool) -> RDBStorage:
    arguments = _engine_arguments(url)
    # Optuna runs str.format over the URL, so braces in a path or password are escaped.
    literal = url.url.replace("{", "{{").replace("}", "}}")
    probe = create_engine(url.url, poolclass=NullPool, connect_args=arguments["connect_args"])
    with probe.connect() as connection, _alone(connection):
        if url.backend == "sqlite" and connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
            # The mode is stored in the file, so it is set once. A dashboard can then read while a search writes.
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        if connection.dialect.name not in ("sqlite", "postgresql"):
            _check_characters(connection, url)
        # Optuna's own check would raise without closing the connections.
        storage = RDBStorage(literal, engine_kwargs=arguments, skip_compatibility_check=True)
        try:
            _check_optuna(storage, url)
            migrations.upgrade(storage.engine)
            if url.backend == "sqlite" and not looking:
                _write_at_once(storage.engine)
        except BaseException:
            storage.engine.dispose()
            raise
    return storage


def _write_at_once(engine: Engine) -> None:
    """Begin every transaction of SQLite with its lock.

    A transaction that reads first, as those of Optuna, would fail at once if another process writes in between, however
    long it may wait for locks.
    """

    @event.listens_for(engine, "connect")
    def by_hand(connection: Any, record: object) -> None:
        # By default Python's driver begins transactions by itself.
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    # Connections that are already open do not have these settings.
    engine.dispose()


def _check_characters(connection: Connection, url: StorageURL) -> None:
    """Raise StoreError if a new database of MySQL cannot store every name and path."""
    found = connection.exec_driver_sql("SELECT @@character_set_database").scalar()
    if found != "utf8mb4" and not inspect(connection).has_table(VERSION_TABLE):
        name = make_url(url.url).database
        raise StoreError(
            f"the database {url} has the character set '{found}', and studies need utf8mb4; run ALTER DATABASE "
            f"`{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin."
        )


def _check_optuna(storage: RDBStorage, url: StorageURL) -> None:
    found, known = storage.get_current_version(), storage.get_head_version()
    if found == known:
        return
    if found in storage.get_all_versions():
        way_out = f"optuna storage upgrade --storage {url}"
    else:
        way_out = "pip install -U optuna"
    raise StoreError(
        f"the studies in {url} were written by another version of Optuna (tables at revision '{found}', this one "
        f"has '{known}'); run {way_out}."
    )


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Lock the schema, so that two processes do not both create the tables; on SQLite, one tries again instead."""
    match connection.dialect.name:
        case "sqlite":
            yield
        case "postgresql":
            # The lock is the transaction's, as a connection pooler may give the session to another client.
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
            yield
            connection.commit()
        case _:
            connection.execute(text("SELECT GET_LOCK(:name, 60)"), {"name": _LOCK_NAME})
            yield
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK_NAME})


def _engine_arguments(url: StorageURL) -> dict[str, Any]:
    if url.backend == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}}
    # A search outlives idle connections, and a wrong host must not hang for minutes.
    arguments: dict[str, Any] = {"connect_args": {"connect_timeout": CONNECT_SECONDS}, "pool_recycle": 60}
    if url.backend != "postgresql":
        # This is PostgreSQL's default. With MySQL's own, a transaction does not see later writes of others, and locks
        # the gaps between rows, where others want to write.
        arguments["isolation_level"] = "READ COMMITTED"
    return arguments


def _is_away(error: BaseException | None) -> bool:
    """Return True if the server could not be reached, broke off or had a deadlock, so that a second try may work."""
    if isinstance(error, StorageInternalError):
        error = error.__cause__
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    text = str(error).lower()
    return any(sign in text for sign in (*_AWAY, *_PASSING))


def _is_race(error: Exception) -> bool:
    text = f"{error} {error.__cause__}".lower()
    return any(sign in text for sign in _RACES)


def _explain(url: StorageURL, error: Exception) -> str:
    cause: BaseException = error
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        cause = error.__cause__
    cause = getattr(cause, "orig", None) or cause
    reason = _one_line(str(cause))
    for password in url.passwords:
        reason = reason.replace(password, "***")
    if url.backend != "sqlite":
        way_out = "check that the server runs, and host, port, user and database (--storage URL)"
    elif "is locked" in reason:
        way_out = f"another program has been writing to it for {BUSY_SECONDS} s, so let it finish, or stop it"
    elif "not a database" in reason:
        way_out = "the file is something else, so name another one with --storage PATH.db"
    else:
        way_out = "make its folder writable, free disk space, or name another file with --storage PATH.db"
    return f"the studies in {url} cannot be used: {reason}; {way_out}."


def _one_line(text: str) -> str:
    line = " ".join(text.split()).rstrip(".;")
    return line if len(line) <= 400 else f"{line[:397]}..."


def _dispose(storage: RDBStorage, pid: int) -> None:
    # A forked child shares its parent's sockets, and closing them would end the parent's session.
    if os.getpid() == pid:
        storage.remove_session()
        storage.engine.dispose()
