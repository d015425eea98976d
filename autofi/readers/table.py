"""The base class of tables."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from autofi.errors import DataError, listed, nearest, short

#: Rows of a batch, and of a large one where every batch and column has a fixed cost (a dictionary, a look-up).
BATCH_ROWS = 1 << 16
LARGE_BATCH_ROWS = 1 << 18
# Tabs and line ends are allowed in names, as spreadsheets have them.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class ColumnNames:
    """The columns of a table, and its name in messages."""

    name: str
    columns: tuple[str, ...]


class Table(ABC):
    """Named columns of rows that can be streamed any number of times, in the same order each time.

    Attributes:
        name: Name of the table in messages.
        columns: Names of the columns.
        left_out: Columns that are not fields unless the user names them, such as an index, each with the reason.
        remarks: Remarks about an unusual reading of columns.
        notes: Remarks about guesses, such as that of a header.
        types: Arrow's types by column, if the source has types.
    """

    left_out: Mapping[str, str] = MappingProxyType({})
    remarks: Mapping[str, str] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    types: Mapping[str, pa.DataType] = MappingProxyType({})

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        """Set name and columns.

        Raises:
            DataError: A name comes twice, or is not printable text.
        """
        self.name = name
        self.columns = tuple(columns)
        check_distinct(self.columns, name)

    def batches(
        self, columns: Sequence[str] | None = None, *, most: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of `columns` (all by default), in the order of `columns`, at most `most` at a time.

        Raises:
            DataError: The table lacks a column, or the source is damaged.
        """
        wanted = self.columns if columns is None else tuple(columns)
        check_distinct(wanted, self.name)
        known = set(self.columns)
        for column in wanted:
            if column not in known:
                raise DataError(f"{self.name} has no column '{column}': {nearest(column, self.columns)}")
        return self._slices(wanted, most)

    def _slices(self, columns: tuple[str, ...], most: int) -> Iterator[pa.RecordBatch]:
        for batch in self._read(columns):
            for start in range(0, batch.num_rows, most):
                yield batch.slice(start, most)

    @abstractmethod
    def _read(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """Yield all rows of `columns`, in that order, in batches of any size that fits in memory."""


def check_distinct(columns: Sequence[str], name: str, *, way_out: str = "rename one") -> None:
    """Check the names of a table's columns.

    Raises:
        DataError: A name comes twice, or has characters that databases, runtimes and terminals cannot handle.
    """
    for place, column in enumerate(columns, start=1):
        if _NO_TEXT.search(column):
            raise DataError(
                f"Column {place} of {name} is called {short(ascii(column))}, with a control character or half of a "
                f"surrogate pair; {way_out}."
            )
    for column, count in Counter(columns).items():
        if count > 1:
            places = listed([str(i + 1) for i, other in enumerate(columns) if other == column])
            raise DataError(
                f"{name} names the column '{short(column)}' {count} times (columns {places}); {way_out}."
            )


def no_rows(name: str) -> DataError:
    """Return the error for a table without rows."""
    return DataError(f"{name} has no rows; check how it was written.")
