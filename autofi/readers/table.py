"""What every kind of table offers its readers."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

from autofi.errors import DataError, listed, nearest, short

#: Rows of a batch, and of one that is worth the fixed cost of every column and batch (a dictionary, a look-up).
BATCH_ROWS = 1 << 16
LARGE_BATCH_ROWS = 1 << 18
# Names with tabs and line ends are read: spreadsheets have them.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class ColumnNames:
    """What errors call a table, and its columns."""

    name: str
    columns: tuple[str, ...]


class Table(ABC):
    """Named columns over rows that can be streamed any number of times, in the same order each time.

    `name` is what errors call the table. `left_out` are columns that are no fields unless someone names them, as an
    index, each with the reason; `remarks` say how columns are read that are; `notes` what was guessed of the table.
    """

    left_out: Mapping[str, str] = MappingProxyType({})
    remarks: Mapping[str, str] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    #: Arrow's types by column, where the source has types.
    types: Mapping[str, pa.DataType] = MappingProxyType({})

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        """Raises DataError where a column is named twice, or by what is no text."""
        self.name = name
        self.columns = tuple(columns)
        check_distinct(self.columns, name)

    def batches(
        self, columns: Sequence[str] | None = None, *, most: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """The rows of `columns` (all unless given), in the order asked for, at most `most` at a time.

        Raises DataError for a column the table lacks, and where the source turns out to be damaged.
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
        """All rows of `columns`, in that order, in batches of any size that memory can bear."""


def check_distinct(columns: Sequence[str], name: str, *, way_out: str = "rename one") -> None:
    """Raises DataError where a column is named twice, or by what databases, runtimes and terminals cannot take."""
    for place, column in enumerate(columns, start=1):
        if _NO_TEXT.search(column):
            raise DataError(
                f"A column's name is text without control characters and halves of surrogate pairs: column {place} of "
                f"{name} is called {short(ascii(column))}; {way_out}."
            )
    for column, count in Counter(columns).items():
        if count > 1:
            places = listed([str(i + 1) for i, other in enumerate(columns) if other == column])
            raise DataError(
                f"A column has a name of its own: {name} names '{short(column)}' {count} times "
                f"(columns {places}); {way_out}."
            )


def no_rows(name: str) -> DataError:
    """The refusal of a table without rows."""
    return DataError(f"A table has at least one row: {name} has none; check how it was written.")
