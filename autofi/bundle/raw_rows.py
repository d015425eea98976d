"""Raw rows for a model: the table is opened, and refused, alike whatever is done with its rows."""

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
    """Return the table, which has the column of every field; raises DataError where it has not."""
    table = open_table(source, query=query, header=header, delimiter=delimiter, names=schema.names)
    check_fields(table, schema)
    return table


def check_fields(table: Table | ColumnNames, schema: Schema) -> None:
    """Raise DataError unless the table has the column of every field."""
    present = set(table.columns)
    for name in schema.names:
        if name not in present:
            raise DataError(
                f"Every field needs its column: '{name}' is missing in {table.name}; "
                f"{nearest(name, table.columns)}"
            )


def open_labelled(
    source: Source,
    schema: Schema,
    *,
    weight: str | None = None,
    query: str | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> Table:
    """The same of a table that carries the target, and the column of weights where one is named."""
    table = open_rows(source, schema, query=query, header=header, delimiter=delimiter)
    check_labelled(table, schema, weight=weight)
    return table


def check_labelled(table: Table | ColumnNames, schema: Schema, *, weight: str | None = None) -> None:
    """Raise DataError unless the table carries the target, and the column of weights where one is named."""
    if schema.target not in table.columns:
        raise DataError(
            f"Evaluating compares with the target: {table.name} has no column '{schema.target}'; "
            f"{nearest(schema.target, table.columns)}"
        )
    if weight is not None and weight not in table.columns:
        raise DataError(
            f"{table.name} has no column '{weight}', by which the study weighed rows: add it, or count every row "
            f"once (--unweighted, unweighted=True); {nearest(weight, table.columns)}"
        )


def check_weighted(weights: NDArray[np.float32], clicked: NDArray[np.bool_], column: str, name: str) -> None:
    """Raise DataError unless rows of either class have weight; where a class has no rows the figures say so."""
    for label in (True, False):
        rows = clicked == label
        if rows.any() and not weights[rows].any():
            raise DataError(
                f"The rows of each class weigh more than nothing: column '{column}' of {name} is 0 in all "
                f"{int(rows.sum())} rows {'with' if label else 'without'} a click; correct it, or count every row once "
                "(--unweighted, unweighted=True)."
            )


def with_unread(batch: pa.RecordBatch, names: tuple[str, ...]) -> pa.RecordBatch:
    """Return all columns of the encoder: those that the model does not read may be missing."""
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
