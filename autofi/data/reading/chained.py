"""Several files as one table, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from autofi.data.reading.table import Table
from autofi.errors import DataError


class ChainedTable(Table):
    """The rows of several tables that have the same columns, in the order given."""

    def __init__(self, tables: Sequence[Table], *, name: str) -> None:
        first = tables[0]
        for table in tables[1:]:
            if table.columns != first.columns:
                odd = sorted(set(table.columns) ^ set(first.columns)) or ["their order"]
                raise DataError(
                    f"Files of one table have the same columns: {table.name} and {first.name} differ in "
                    f"{', '.join(odd)}; read them apart, or mend one."
                )
        super().__init__(name, first.columns)
        self._tables = tuple(tables)

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        for table in self._tables:
            yield from table.batches(columns)
