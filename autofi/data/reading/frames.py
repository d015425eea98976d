"""pandas, Polars and Arrow tables from Python as a table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from autofi.data.reading.table import LARGE_BATCH_ROWS, Table, check_distinct, no_rows
from autofi.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


class FrameTable(Table):
    """A table already in memory; it shares the memory of its source where the types allow."""

    def __init__(self, table: pa.Table, *, name: str) -> None:
        super().__init__(name, table.column_names)
        if table.num_rows == 0:
            raise no_rows(name)
        self._table = table.cast(pa.schema([field.with_type(_plain(field.type)) for field in table.schema]))

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        yield from self._table.select(list(columns)).to_batches(max_chunksize=LARGE_BATCH_ROWS)


def frame_table(source: Any) -> FrameTable | None:
    """The table of a pandas or Polars DataFrame or LazyFrame or an Arrow table, or None if it is none.

    The index of a pandas DataFrame is left out; names that are not text become text.
    """
    if _is_pandas(source):
        return FrameTable(_from_pandas(source), name="the DataFrame")
    if isinstance(source, pa.RecordBatch):
        return FrameTable(pa.Table.from_batches([source]), name="the record batch")
    if isinstance(source, pa.Table):
        return FrameTable(source, name="the Arrow table")
    if hasattr(source, "collect") and hasattr(source, "collect_schema"):  # a Polars LazyFrame
        source = source.collect()
    if hasattr(source, "__arrow_c_stream__"):
        return FrameTable(pa.table(source), name=f"the {type(source).__name__}")
    return None


def _is_pandas(source: Any) -> bool:
    # Whoever has a DataFrame has imported pandas: for another source it is not imported, and need not be there.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(source, pandas.DataFrame)


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    names = [str(name) for name in frame.columns]
    check_distinct(names, "the DataFrame")
    columns = []
    for position, name in enumerate(names):
        try:
            columns.append(pa.array(frame.iloc[:, position], from_pandas=True))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"A column's values have one type: column '{name}' of the DataFrame mixes some ({reason}); "
                f"convert it, as with frame['{name}'].astype(str)."
            ) from None
    return pa.table(columns, names=names)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without views, in which Polars gives its texts: Arrow cannot take rows of those."""
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_large_list(kind):
        return pa.large_list(_plain(kind.value_type))
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind
