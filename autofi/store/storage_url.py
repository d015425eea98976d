"""The place of the studies: the URL of their database, and the folder of its artifacts.

The order is `--storage`, then the environment variable AUTOFI_STORAGE, then `studies/autofi.db` under the
working folder.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from autofi.errors import MissingDependencyError, StoreError, nearest

STORAGE_VARIABLE = "AUTOFI_STORAGE"
DEFAULT_FILE = Path("studies") / "autofi.db"
DATABASE_SUFFIXES = (".db", ".sqlite", ".sqlite3")

# Optuna's storage supports synchronous drivers only.
_DRIVERS: dict[str, tuple[str, ...]] = {
    "sqlite": ("pysqlite",),
    "postgresql": ("psycopg", "psycopg2"),
    "mysql": ("pymysql", "mysqldb", "mysqlconnector"),
    "mariadb": ("pymysql", "mysqldb", "mysqlconnector"),
}
#: Optuna's storages that hold only trials.
_TRIALS_ONLY = ("journal", "grpc", "redis")
_PACKAGES = {"mysqldb": "MySQLdb", "mysqlconnector": "mysql.connector", "pysqlite": "sqlite3"}
_SECRET_PARAMETERS = frozenset({"password", "passwd", "sslpassword"})


@dataclass(frozen=True)
class StorageURL:
    """A checked SQLAlchemy URL; `str()` and `repr()` mask its password, `.url` does not."""

    url: str = field(repr=False)

    @property
    def backend(self) -> str:
        """`sqlite`, `postgresql`, `mysql` or `mariadb`."""
        return make_url(self.url).get_backend_name()

    @property
    def file(self) -> Path | None:
        """Absolute path of the SQLite file; None for a server."""
        parsed = make_url(self.url)
        if parsed.get_backend_name() != "sqlite" or parsed.database is None:
            return None
        return Path(parsed.database)

    @property
    def passwords(self) -> tuple[str, ...]:
        """All secrets in the URL, which must not appear in messages."""
        parsed = make_url(self.url)
        hidden = [str(parsed.password)] if parsed.password else []
        for name, value in parsed.query.items():
            if name.lower() in _SECRET_PARAMETERS:
                hidden.extend([value] if isinstance(value, str) else value)
        return tuple(hidden)

    def __str__(self) -> str:
        return mask_password(self)

    def __repr__(self) -> str:
        return f"StorageURL({mask_password(self)!r})"


def resolve_storage(storage: str | None) -> StorageURL:
    """Return the database that `storage` names: a URL, or the path of a `.db` file; None asks the environment.

    Raises:
        StoreError: The text is not a database URL that AutoFI supports.
        MissingDependencyError: The driver is not installed.
    """
    place = "--storage"
    if storage is None:
        storage, place = os.environ.get(STORAGE_VARIABLE) or None, STORAGE_VARIABLE
    if storage is None:
        return _sqlite(DEFAULT_FILE)
    storage = storage.strip()
    if "://" not in storage:
        if not storage.lower().endswith(DATABASE_SUFFIXES):
            raise StoreError(
                f"{place} '{storage}' is neither a database URL nor a path ending in "
                f"{', '.join(DATABASE_SUFFIXES)}; write for example {DEFAULT_FILE.as_posix()} "
                f"or postgresql+psycopg://user@host/database."
            )
        return _sqlite(Path(storage))
    try:
        parsed = make_url(storage)
    except (ArgumentError, ValueError) as error:
        # SQLAlchemy repeats the URL in its message, and the password with it.
        raise StoreError(
            f"{place} is not a database URL (scheme '{storage.split('://')[0]}'); write "
            f"dialect+driver://user:password@host:port/database, special characters of the password as %XX."
        ) from error
    return _checked(parsed, place)


def _checked(parsed: URL, place: str) -> StorageURL:
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    backend, _, driver = parsed.drivername.partition("+")
    if backend in _TRIALS_ONLY:
        raise StoreError(
            f"{place}: Optuna's {backend} storage holds only trials, and a study is more than that; name a SQL "
            "database, for many workers postgresql+psycopg://user@host/database."
        )
    if backend not in _DRIVERS:
        raise StoreError(f"{place}: studies cannot be stored in '{backend}'; {nearest(backend, _DRIVERS)}")
    if backend == "sqlite":
        if driver not in ("", "pysqlite"):
            raise StoreError(
                f"{place}: the SQLite driver '{driver}' is not synchronous; write sqlite:///path.db"
            )
        return _sqlite_url(parsed, place)
    known = _DRIVERS[backend]
    if not driver:
        # SQLAlchemy would use mysqlclient, which has no wheel and must be compiled.
        raise StoreError(
            f"{place}: {backend}:// does not name its driver; write {backend}+pymysql://"
            f"{mask_password(parsed).partition('://')[2]} (pip install 'autofi[mysql]')."
        )
    if driver not in known:
        raise StoreError(f"{place}: no synchronous driver '{driver}' for {backend}; {nearest(driver, known)}")
    if not _is_installed(_PACKAGES.get(driver, driver)):
        extra = "postgres" if backend == "postgresql" else "mysql"
        raise MissingDependencyError(
            f"{place}: the package '{driver}', which {backend}+{driver}:// needs, is not installed; "
            f"pip install 'autofi[{extra}]'."
        )
    if not parsed.database:
        raise StoreError(f"{place}: '{mask_password(parsed)}' names no database; add /NAME at its end.")
    return StorageURL(parsed.render_as_string(hide_password=False))


def _sqlite_url(parsed: URL, place: str) -> StorageURL:
    database = parsed.database
    if not database or database == ":memory:":
        raise StoreError(
            f"{place}: a SQLite database in memory cannot keep studies; write sqlite:///path/studies.db"
        )
    if database.startswith("file:"):
        raise StoreError(f"{place}: SQLite's file: form is not supported; write sqlite:///path/studies.db")
    return _sqlite(Path(database), query=parsed)


def _sqlite(path: Path, *, query: URL | None = None) -> StorageURL:
    # The path is absolute, so that a later change of the working folder does not move the studies.
    absolute = Path(os.path.abspath(path.expanduser()))
    url = URL.create("sqlite", database=absolute.as_posix(), query=query.query if query is not None else {})
    return StorageURL(url.render_as_string(hide_password=False))


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def mask_password(url: str | URL | StorageURL) -> str:
    """Return the URL for printing, with every password in it replaced by ***."""
    parsed = make_url(url.url if isinstance(url, StorageURL) else url)
    secret = {name: "***" for name in parsed.query if name.lower() in _SECRET_PARAMETERS}
    masked = parsed.update_query_dict(secret).render_as_string(hide_password=True)
    return masked.replace("%2A%2A%2A", "***")


def artifact_root(url: StorageURL) -> Path:
    """Return the folder that holds a folder of artifacts per study: that of the SQLite file, else `./studies`."""
    return url.file.parent if url.file is not None else Path.cwd() / DEFAULT_FILE.parent
