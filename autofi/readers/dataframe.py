"""Tables from pandas, Polars and Arrow objects in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from autofi.errors import DataError
from autofi.readers.plain_types import to_plain_types
from autofi.readers.python_objects import ObjectColumn, object_column
from autofi.readers.table import LARGE_BATCH_ROWS, Table, check_distinct, no_rows

if TYPE_CHECKING:
    import pandas as pd


class FrameTable(Table):
    """A table in memory, which shares the memory of its source where the types allow."""

    def __init__(self, columns: Mapping[str, ObjectColumn], *, name: str) -> None:
        super().__init__(name, tuple(columns))
        arrays = [to_plain_types(column.array) for column in columns.values()]
        self._table = pa.table(arrays, names=list(columns))
        if self._table.num_rows == 0:
            raise no_rows(name)
        self.types = dict(zip(self.columns, self._table.schema.types, strict=True))
        self.left_out = {key: column.unread for key, column in columns.items() if column.unread is not None}
        self.remarks = {key: column.remark for key, column in columns.items() if column.remark is not None}

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        yield from self._table.select(list(columns)).to_batches(max_chunksize=LARGE_BATCH_ROWS)


def frame_table(source: Any) -> FrameTable | None:
    """Return the table of a pandas or Polars DataFrame, a LazyFrame or an Arrow table, or None for anything else.

    The index of a pandas DataFrame is left out, and names that are not text become text. Columns of objects are read
    by `object_column`.
    """
    if _is_pandas(source):
        table = FrameTable(_from_pandas(source), name="the DataFrame")
        table.notes = tuple(
            f"the index '{level}' of the DataFrame is left out; reset_index() makes it a column."
            for level in source.index.names
            if level is not None
        )
        return table
    if isinstance(source, pa.RecordBatch):
        return arrow_table(pa.Table.from_batches([source]), name="the record batch")
    if isinstance(source, pa.Table):
        return arrow_table(source, name="the Arrow table")
    if hasattr(source, "collect") and hasattr(source, "collect_schema"):  # a Polars LazyFrame
        source = source.collect()
    if hasattr(source, "__arrow_c_stream__"):
        name = f"the {type(source).__name__}"
        if type(source).__module__.partition(".")[0] == "polars" and hasattr(source, "get_columns"):
            return FrameTable(
                {column.name: _from_polars(column, name) for column in source.get_columns()}, name=name
            )
        try:
            return arrow_table(pa.table(source), name=name)
        except (pa.ArrowException, ValueError) as error:
            raise DataError(
                f"{name} cannot be converted to an Arrow table ({' '.join(str(error).split())}); convert it yourself."
            ) from None
    return None


def arrow_table(table: pa.Table, *, name: str) -> FrameTable:
    """Return the table of an Arrow table."""
    check_distinct(table.column_names, name)
    columns = zip(table.column_names, table.columns, strict=True)
    return FrameTable({column: ObjectColumn(array) for column, array in columns}, name=name)


def _is_pandas(source: Any) -> bool:
    # A user with a DataFrame has imported pandas. It need not be installed for other sources.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def _from_pandas(frame: pd.DataFrame) -> dict[str, ObjectColumn]:
    names = [str(name) for name in frame.columns]
    check_distinct(names, "the DataFrame")
    return {name: _from_series(frame.iloc[:, position]) for position, name in enumerate(names)}


def _from_series(series: pd.Series[Any]) -> ObjectColumn:
    import pandas as pd

    kind = series.dtype
    if isinstance(kind, pd.SparseDtype):
        series = pd.Series(series.to_numpy())
    elif isinstance(kind, pd.CategoricalDtype):
        return _from_codes(series.cat.codes.to_numpy(), pd.Series(kind.categories))
    elif isinstance(kind, (pd.PeriodDtype, pd.IntervalDtype)):
        codes, values = series.factorize()
        return _from_codes(codes, pd.Series(values, dtype=object))
    elif not pd.api.types.is_object_dtype(kind):
        try:
            return ObjectColumn(pa.array(series, from_pandas=True))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            series = series.astype(object)
    return object_column(series.to_list())


def _from_codes(codes: Any, values: pd.Series[Any]) -> ObjectColumn:
    """Return the column of codes of categories, of which -1 is missing."""
    if not len(values):
        return ObjectColumn(pa.nulls(len(codes)))
    found = _from_series(values)
    array = found.array.combine_chunks() if isinstance(found.array, pa.ChunkedArray) else found.array
    indices = pa.array(codes, pa.int32(), mask=codes < 0)
    if found.unread is not None:
        return ObjectColumn(array.take(indices), unread=found.unread)
    return ObjectColumn(pa.DictionaryArray.from_arrays(indices, to_plain_types(array)), remark=found.remark)


def _from_polars(series: Any, name: str) -> ObjectColumn:
    kind = str(series.dtype)
    if kind == "Object":  # Arrow would get memory addresses
        return object_column(series.to_list())
    try:
        if kind in ("Int128", "UInt128"):
            series = series.cast(str)
        return ObjectColumn(series.to_arrow())
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise DataError(
            f"{name} has a column '{series.name}' of type {kind}, which Arrow does not have "
            f"({' '.join(str(error).split())}); cast or drop it."
        ) from None
