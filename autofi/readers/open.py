"""The choice of a reader for a source, by its Python type, its URL or its file ending."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from autofi.core.optional_dependencies import extras_named
from autofi.errors import DataError
from autofi.readers.arrow_ipc import IpcTable
from autofi.readers.concat import ChainedTable
from autofi.readers.csv import DelimitedTable
from autofi.readers.dataframe import frame_table
from autofi.readers.json_lines import JsonLinesTable, json_table
from autofi.readers.libsvm import LINE, LibsvmTable
from autofi.readers.parquet import ParquetTable, parquet_schema
from autofi.readers.table import ColumnNames, Table
from autofi.readers.urls import is_database_url

# A path, glob or database URL; a pandas or Polars frame; an Arrow table; or a Table, which is returned.
Source: TypeAlias = Any

_DELIMITED = (".csv", ".tsv", ".tab", ".data")
_PARQUET = (".parquet", ".pq")
_IPC = (".arrow", ".feather", ".ipc")
_JSON_LINES = (".jsonl", ".ndjson")
_JSON = (".json",)
_LIBSVM = (".libsvm", ".libfm", ".svm", ".svmlight")
_EITHER = (".txt",)
_COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
_KNOWN = (*_DELIMITED, *_EITHER, *_PARQUET, *_IPC, *_JSON_LINES, *_JSON, *_LIBSVM)


@dataclass(frozen=True)
class _TextOptions:
    """Options of delimited text, and the columns that it is expected to have."""

    header: bool | None = None
    delimiter: str | None = None
    names: tuple[str, ...] = ()

    def refuse(self) -> None:
        """Raise DataError if an option of delimited text is set, as the source is not delimited text."""
        for name, value in (("header", self.header), ("delimiter", self.delimiter)):
            if value is not None:
                raise DataError(f"{name}={value!r} is set, but the source is not CSV or TSV; leave it out.")


def open_table(
    source: Source,
    *,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    names: Sequence[str] = (),
) -> Table:
    """Return the table of a file, folder, glob, SQL query, or pandas, Polars or Arrow table.

    The ending of a file tells its format: `.csv .tsv .tab .data .txt` is delimited text (`.txt` may also hold libsvm
    lines, which the first line tells), `.parquet .pq` Parquet, `.arrow .feather .ipc` Arrow's IPC format,
    `.jsonl .ndjson` a JSON object per line, `.json` an array of them, `.libsvm .libfm .svm .svmlight` libsvm lines.
    Text may be compressed (`.gz .bz2 .zst .lz4`).

    Args:
        source: The path, glob or database URL, or the table in memory.
        query: The SQL query of a database URL.
        header: True if the first row of delimited text holds the names; None finds out.
        delimiter: The character between cells of delimited text, or `tab`; None finds out.
        names: Columns that the table is expected to have, by which a header is told.

    Raises:
        DataError: The source cannot be read, has no rows, or names a column twice.
    """
    options = _TextOptions(header, delimiter, tuple(names))
    if query is not None and not (isinstance(source, str) and is_database_url(source)):
        raise DataError(
            "A query is given, but the source is not a database URL; write sqlite:///clicks.db or "
            "postgresql+psycopg://..., or leave the query out."
        )
    if isinstance(source, Table):
        return source
    if isinstance(source, str) and is_database_url(source):
        if query is None:
            raise DataError(
                "The source is a database URL without a query; add query='SELECT * FROM ...' (--query)."
            )
        options.refuse()
        return _query_table(source, query)
    if isinstance(source, (str, os.PathLike)):
        return _open_path(Path(source).expanduser(), options)
    table = frame_table(source)
    if table is None:
        raise DataError(
            f"The source is a {type(source).__name__}, not a path, a database URL, or a pandas, Polars or Arrow "
            "table; convert it, as with pandas.DataFrame(...)."
        )
    options.refuse()
    return table


def is_delimited(source: Source) -> bool:
    """Return True if any file of the source has an ending of delimited text."""
    if not isinstance(source, (str, os.PathLike)) or is_database_url(str(source)):
        return False
    path = Path(source).expanduser()
    files = path.rglob("*") if path.is_dir() else map(Path, glob.glob(str(path), recursive=True))
    return _ending(path) in (*_DELIMITED, *_EITHER) or any(
        _ending(file) in (*_DELIMITED, *_EITHER) for file in files
    )


def column_names(
    source: str,
    *,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    names: Sequence[str] = (),
) -> ColumnNames | None:
    """Return the columns of a table on disk, or None if that takes long (SQL, libsvm, JSON, several files).

    This takes milliseconds and imports little. The options are those of `open_table`.

    Raises:
        DataError: As in `open_table`, for faults that are found this quickly.
    """
    if is_database_url(source):
        if query is None:
            open_table(source)
        with extras_named():
            from autofi.readers.sql import check_url
        check_url(source)
        return None
    path = Path(source).expanduser()
    if path.is_file() and _ending(path) in _PARQUET and query is None:
        return ColumnNames(str(path), tuple(parquet_schema(path).names))
    if path.is_dir() and query is None:
        return _folder_columns(path)
    if path.is_file() and (
        _ending(path) in (*_LIBSVM, *_JSON_LINES, *_JSON)
        or (_ending(path) in _EITHER and _has_libsvm_lines(path))
    ):
        return None
    if not path.exists() and glob.has_magic(str(path)) and glob.glob(str(path), recursive=True):
        return None
    table = open_table(source, query=query, header=header, delimiter=delimiter, names=names)
    return ColumnNames(table.name, table.columns)


def _folder_columns(path: Path) -> ColumnNames | None:
    """Return the columns of the first file and the partitions, or None unless all files are Parquet."""
    files = _table_files(path)
    if not all(_ending(file) in _PARQUET for file in files):
        return None
    folders = files[0].relative_to(path).parts[:-1]
    partitions = [key for key, equals, _ in (folder.partition("=") for folder in folders) if equals]
    return ColumnNames(str(path), tuple(dict.fromkeys((*parquet_schema(files[0]).names, *partitions))))


def _query_table(url: str, query: str) -> Table:
    # SQLAlchemy is part of the extra 'search'; files and frames are read without it.
    with extras_named():
        from autofi.readers.sql import SqlTable
    return SqlTable(url, query)


def _open_path(path: Path, options: _TextOptions) -> Table:
    if path.is_dir():
        return _open_folder(path, options)
    if path.exists():
        return _open_file(path, options)
    if glob.has_magic(str(path)):
        files = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        files = [file for file in files if file.is_file()]
        if not files:
            raise DataError(f"The glob '{path}' matches no file; correct it, and quote it in the shell.")
        return _open_files(files, options, name=str(path))
    raise _missing(path)


def _table_files(path: Path) -> list[Path]:
    """Return the files of a folder that is a table, in order."""
    inside = (file for file in path.rglob("*") if file.is_file())
    files = sorted(file for file in inside if not _hidden(file.relative_to(path)))
    files = [file for file in files if _ending(file) in _KNOWN]
    if not files:
        raise DataError(
            f"The folder {path} has no file ending in {', '.join(_KNOWN)}; name another folder, or a file."
        )
    return files


def _open_folder(path: Path, options: _TextOptions) -> Table:
    files = _table_files(path)
    if all(_ending(file) in _PARQUET for file in files):
        options.refuse()
        return ParquetTable(files, root=path, name=str(path), names=options.names)
    return _open_files(files, options, name=str(path))


def _open_files(files: list[Path], options: _TextOptions, *, name: str) -> Table:
    if all(_ending(file) in _PARQUET for file in files):
        options.refuse()
        return ParquetTable(files, name=name, names=options.names)
    first = _open_file(files[0], options)
    # The other files are expected to have the columns of the first.
    alike = replace(options, names=options.names or first.columns)
    tables = [first, *(_open_file(file, alike) for file in files[1:])]
    return ChainedTable(tables, name=name, names=options.names)


def _open_file(path: Path, options: _TextOptions) -> Table:
    ending = _ending(path)
    if ending in _DELIMITED or (ending in _EITHER and not _has_libsvm_lines(path)):
        return DelimitedTable(path, header=options.header, delimiter=options.delimiter, names=options.names)
    options.refuse()
    if ending in _PARQUET:
        return ParquetTable([path], name=str(path))
    if ending in _IPC:
        return IpcTable(path)
    if ending in _JSON_LINES:
        return JsonLinesTable(path)
    if ending in _JSON:
        return json_table(path)
    if ending in (*_LIBSVM, *_EITHER):
        return LibsvmTable(path)
    raise DataError(
        f"'{path}' ends in '{ending}', which tells no known format; rename it to one of {', '.join(_KNOWN)}."
    )


def _ending(path: Path) -> str:
    """Return the file's ending in lower case, without that of a compression."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in _COMPRESSED else suffix


def _hidden(relative: Path) -> bool:
    """Return True for names like those of the _SUCCESS and .crc files that Spark leaves beside its parts."""
    return any(part.startswith(("_", ".")) for part in relative.parts)


def _has_libsvm_lines(path: Path) -> bool:
    with pa.input_stream(str(path), compression="detect") as stream:
        text = stream.read(1 << 16).decode(errors="replace")
    first = next((line for line in text.splitlines() if line.split("#")[0].strip()), "")
    return ":" in first and LINE.fullmatch(first) is not None


def _missing(path: Path) -> DataError:
    folder = path.parent
    if not folder.is_dir():
        return DataError(f"There is no file '{path}', and no folder '{folder}'; check the path.")
    close = difflib.get_close_matches(path.name, [file.name for file in folder.iterdir()], n=1)
    hint = f"did you mean '{folder / close[0]}'?" if close else "check the path."
    return DataError(f"There is no file '{path}'; {hint}")
