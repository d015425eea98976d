"""Raw rows for a model: opening the table and checking its columns, the same for every use of the rows."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.data.schema import Schema
from autofi.errors import DataError, nearest
from autofi.readers import ColumnNames, Source, Table, open_table


def open_rows(
    source: Source,
    schema: Schema,
    *,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> Table:
    """Return the table.

    Raises:
        DataError: The column of a field is missing.
    """
    table = open_table(source, query=query, header=header, delimiter=delimiter, names=schema.names)
    check_fields(table, schema)
    return table


def check_fields(table: Table | ColumnNames, schema: Schema) -> None:
    """Raise DataError unless the table has the column of every field."""
    present = set(table.columns)
    for name in schema.names:
        if name not in present:
            raise DataError(f"The column '{name}' is missing in {table.name}; {nearest(name, table.columns)}")


def open_labelled(
    source: Source,
    schema: Schema,
    *,
    weight: str | None = None,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> Table:
    """Return a table that carries the target, and the column of weights where one is named.

    Raises:
        DataError: The column of a field, the target or the weights are missing.
    """
    table = open_rows(source, schema, query=query, header=header, delimiter=delimiter)
    check_labelled(table, schema, weight=weight)
    return table


def check_labelled(table: Table | ColumnNames, schema: Schema, *, weight: str | None = None) -> None:
    """Raise DataError unless the table carries the target, and the column of weights where one is named."""
    if schema.target not in table.columns:
        raise DataError(
            f"{table.name} has no column '{schema.target}', the target that evaluation needs; "
            f"{nearest(schema.target, table.columns)}"
        )
    if weight is not None and weight not in table.columns:
        raise DataError(
            f"{table.name} has no column '{weight}', the weights of the study; add it, or count every row once "
            f"(--unweighted, unweighted=True); {nearest(weight, table.columns)}"
        )


def check_weighted(weights: NDArray[np.float32], clicked: NDArray[np.bool_], column: str, name: str) -> None:
    """Raise DataError where all rows of a class have the weight 0; a class without rows is no error here."""
    for label in (True, False):
        rows = clicked == label
        if rows.any() and not weights[rows].any():
            raise DataError(
                f"The weights in column '{column}' of {name} are 0 in all {int(rows.sum())} rows "
                f"{'with' if label else 'without'} a click; correct them, or count every row once (--unweighted, "
                "unweighted=True)."
            )


def with_unread(batch: pa.RecordBatch, names: tuple[str, ...]) -> pa.RecordBatch:
    """Return the rows with all columns of the encoder; a missing column, which the model does not read, is null."""
    present = set(batch.schema.names)
    columns = [batch.column(name) if name in present else pa.nulls(batch.num_rows) for name in names]
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def refuse_overwriting(source: Source, output: Path) -> None:
    """Raise DataError where writing the output would destroy a file of the source."""
    if not output.exists() or not isinstance(source, (str, os.PathLike)):
        return
    path = Path(source).expanduser()
    if path.is_dir():
        same = output.is_relative_to(path.resolve())
    else:
        files = [path] if path.exists() else [Path(match) for match in glob.glob(str(path), recursive=True)]
        same = any(file.samefile(output) for file in files)
    if same:
        raise DataError(f"The output '{output}' is one of the files to be read; choose another name.")
