"""Raw rows for a model: the table is opened, and refused, alike whatever is done with its rows."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pyarrow as pa

from autofi.data.reading import Source, Table, open_table
from autofi.data.schema import Schema
from autofi.errors import DataError, nearest


def open_rows(
    source: Source,
    schema: Schema,
    *,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> Table:
    """The table, which has the column of every field; raises DataError where it has not."""
    table = open_table(source, query=query, header=header, delimiter=delimiter, names=schema.names)
    present = set(table.columns)
    for name in schema.names:
        if name not in present:
            raise DataError(
                f"Every field needs its column: '{name}' is missing in {table.name}; "
                f"{nearest(name, table.columns)}"
            )
    return table


def with_unread(batch: pa.RecordBatch, names: tuple[str, ...]) -> pa.RecordBatch:
    """All columns of the encoder: those that the model does not read may be missing."""
    present = set(batch.schema.names)
    columns = [batch.column(name) if name in present else pa.nulls(batch.num_rows) for name in names]
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def refuse_overwriting(source: Source, output: Path) -> None:
    """Raise DataError when writing the output would destroy a file of the source."""
    if not output.exists() or not isinstance(source, (str, os.PathLike)):
        return
    path = Path(source).expanduser()
    if path.is_dir():
        same = output.is_relative_to(path.resolve())
    else:
        files = [path] if path.exists() else [Path(match) for match in glob.glob(str(path), recursive=True)]
        same = any(file.samefile(output) for file in files)
    if same:
        raise DataError(f"The output is not one of the files read: '{output}' is; choose another name.")
