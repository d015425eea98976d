"""Tables from SQL queries."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from autofi.errors import DataError, MissingDependencyError
from autofi.readers.table import BATCH_ROWS, Table, check_distinct, no_rows


def check_url(url: str) -> None:
    """Check a database URL without connecting to the database.

    Raises:
        DataError: The URL names no database.
        MissingDependencyError: The driver of the database is not installed.
    """
    engine, _ = _engine(url)
    engine.dispose()


class SqlTable(Table):
    """The rows of a query, which runs once, when the table is built, and streams with a server-side cursor.

    A database need not return the rows in the same order twice (PostgreSQL joins a running scan), so they are kept in a
    temporary file as long as the table lives. Types follow the values. A column may change its type between batches, as
    from integer to float; reading through `autofi.values.arrow_values` makes them equal.

    Raises:
        DataError: The URL or the query does not work.
        MissingDependencyError: The driver of the database is not installed.
    """

    def __init__(self, url: str, query: str) -> None:
        engine, name = _engine(url)
        folder = Path(tempfile.mkdtemp(prefix="autofi-sql-"))
        self._finalizer = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        spool = _Spool(folder)
        try:
            # `no_parameters` keeps the driver from interpreting % and : in the user's query.
            options = {"stream_results": True, "max_row_buffer": BATCH_ROWS, "no_parameters": True}
            with engine.connect().execution_options(**options) as connection:
                result = connection.exec_driver_sql(query)
                if not result.returns_rows:
                    raise DataError(f"The query on {name} returns no rows; write a SELECT.")
                columns = [str(column) for column in result.keys()]  # noqa: SIM118 (not a mapping)
                check_distinct(columns, f"the query on {name}", way_out="rename one with AS")
                for rows in result.partitions(BATCH_ROWS):
                    spool.write(columns, rows)
        except SQLAlchemyError as error:
            raise _refusal(name, error) from None
        finally:
            spool.close()
            engine.dispose()
        super().__init__(f"the query on {name}", columns)
        if not spool.files:
            raise no_rows(self.name)
        self._files = spool.files

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        for path in self._files:
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
                for batch in reader:
                    yield batch.select(list(columns))


class _Spool:
    """Arrow files in a folder; a new one wherever the types of the columns change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None
        self._schema: pa.Schema | None = None
        self.files: list[Path] = []

    def write(self, columns: Sequence[str], rows: Sequence[Any]) -> None:
        before = self._schema.types if self._schema is not None else [None] * len(columns)
        arrays = [_array(values, kind) for values, kind in zip(zip(*rows, strict=True), before, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, names=list(columns))
        if self._writer is None or batch.schema != self._schema:
            self.close()
            path = self._folder / f"{len(self.files)}.arrow"
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_stream(str(path), batch.schema, options=options)
            self._schema = batch.schema
            self.files.append(path)
        self._writer.write_batch(batch)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _array(values: Sequence[Any], kind: pa.DataType | None) -> pa.Array:
    """Return the values with the type `kind` of earlier rows if it fits, else with their own type, else as text."""
    for wanted in (kind, None):
        if wanted is None or not pa.types.is_null(wanted):
            try:
                array = pa.array(values, type=wanted)
            except (pa.ArrowException, TypeError, ValueError, OverflowError):
                continue
            if not isinstance(array, pa.ExtensionArray) and not pa.types.is_nested(array.type):
                return array
            if pa.types.is_list(array.type):
                return array
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _engine(url: str) -> tuple[sa.Engine, str]:
    try:
        parsed = sa.make_url(url)
        name = parsed.render_as_string(hide_password=True)
        _check_sqlite_file(parsed, name)
        return sa.create_engine(parsed, poolclass=sa.NullPool), name
    except NoSuchModuleError:
        dialect = url.split("://")[0]
        raise DataError(
            f"'{dialect}' is not a dialect of database URLs; write sqlite:///, postgresql+psycopg:// or "
            "mysql+pymysql://."
        ) from None
    except SQLAlchemyError as error:
        raise DataError(
            f"The database URL cannot be read ({_one_line(error)}); write dialect://user:password@host/name."
        ) from None
    except ModuleNotFoundError as error:
        way_out = "pip install 'autofi[postgres]' or 'autofi[mysql]'"
        if error.name == "MySQLdb":
            way_out = "pip install 'autofi[mysql]' and write mysql+pymysql://"
        raise MissingDependencyError(
            f"The driver {error.name}, which {name} needs, is not installed: {way_out}."
        ) from None


def _check_sqlite_file(url: sa.URL, name: str) -> None:
    """Raise DataError if the file does not exist: SQLite would create an empty one."""
    path = url.database
    if url.get_backend_name() != "sqlite" or path in (None, "", ":memory:") or str(path).startswith("file:"):
        return
    if not Path(str(path)).is_file():
        raise DataError(f"There is no database {name}; note that a path after sqlite:/// is relative.")


def _refusal(name: str, error: SQLAlchemyError) -> DataError:
    cause = getattr(error, "orig", None) or error
    return DataError(f"The query on {name} failed: {_one_line(cause)}.")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
