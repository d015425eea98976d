"""Several tables as one, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from autofi.readers.table import Table
from autofi.readers.unify_schemas import Part, cast_batch, common_columns, common_types


class ChainedTable(Table):
    """The rows of several tables in the order given; columns are matched by name.

    Args:
        tables: The tables.
        name: The name of the whole, for messages.
        names: The columns that will be read; empty means all.

    Raises:
        DataError: A table lacks a column of another, or their types mean different things (see `common_types`).
    """

    def __init__(self, tables: Sequence[Table], *, name: str, names: Sequence[str] = ()) -> None:
        parts = [Part(table.name, table.columns, table.types) for table in tables]
        columns = common_columns(parts, names)
        super().__init__(name, columns)
        self._tables = tuple(tables)
        self._types = common_types(parts, columns, names)
        self.types = dict(tables[0].types) | self._types
        for table in reversed(tables):
            self.left_out = {**self.left_out, **table.left_out}
            self.remarks = {**self.remarks, **table.remarks}
        self.notes = tuple(note for table in tables[:1] for note in table.notes)

    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        for table in self._tables:
            for batch in table.batches(columns):
                yield cast_batch(batch, self._types)
