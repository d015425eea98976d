"""Which rows train, which validate and which test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.data.cells import splitmix64
from autofi.data.columns import as_times, canonical_strings
from autofi.data.reading import Table
from autofi.data.roles import hash_values, located
from autofi.data.schema import Schema
from autofi.errors import ConfigError, DataError, nearest

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)
DEFAULT_FRACTIONS = (0.8, 0.1, 0.1)
# Where a split gives no validation rows, this share of the training rows.
VALID_SHARE = 0.1

_PART_OF_TEXT = {
    "train": TRAIN,
    "valid": VALID,
    "validation": VALID,
    "val": VALID,
    "dev": VALID,
    "test": TEST,
}

PartCodes = NDArray[np.int8]


class SplitMethod(StrEnum):
    """How rows are told apart."""

    RANDOM = "random"
    TIME = "time"
    GROUP = "group"
    COLUMN = "column"


@dataclass(frozen=True)
class SplitSpec:
    """How a table is split; `column` None means the schema's column of that role, for all but random."""

    method: SplitMethod = SplitMethod.RANDOM
    column: str | None = None
    fractions: tuple[float, float, float] = DEFAULT_FRACTIONS
    """Shares of train, valid and test rows (of groups, in a split by group); test may be 0."""

    def __post_init__(self) -> None:
        train, valid, test = self.fractions
        if not (train > 0 and valid > 0 and test >= 0 and abs(train + valid + test - 1) < 1e-6):
            raise ConfigError(
                f"The fractions of a split are positive and add up to 1 (only that of test may be 0): found "
                f"{','.join(f'{part:g}' for part in self.fractions)}; write for example 0.8,0.1,0.1."
            )

    @classmethod
    def parse(cls, text: str) -> SplitSpec:
        """Read `random[:0.8,0.1,0.1]`, `time[:COL][:fractions]`, `group[:COL][:fractions]` or `column[:COL]`.

        Two fractions mean no test part. Raises ConfigError.
        """
        method, _, rest = text.partition(":")
        if method not in list(SplitMethod):
            raise ConfigError(f"No split is named '{method}': {nearest(method, list(SplitMethod))}")
        column, colon, tail = rest.rpartition(":")
        if not colon:
            column, tail = ("", rest) if _looks_like_fractions(rest) else (rest, "")
        elif not _looks_like_fractions(tail):
            column, tail = rest, ""
        fractions = _fractions(tail, text) if tail else DEFAULT_FRACTIONS
        if method == SplitMethod.RANDOM and column:
            raise ConfigError(f"A random split takes fractions only: found '{column}' in '{text}'.")
        if method == SplitMethod.COLUMN and tail:
            raise ConfigError(f"A split by column takes no fractions: found '{tail}' in '{text}'.")
        return cls(SplitMethod(method), column or None, fractions)

    def __str__(self) -> str:
        parts = [self.method.value]
        if self.column is not None:
            parts.append(self.column)
        if self.method is not SplitMethod.COLUMN:
            parts.append(",".join(f"{fraction:g}" for fraction in self.fractions))
        return ":".join(parts)

    def resolve(self, schema: Schema) -> SplitSpec:
        """The same split with its column named; raises ConfigError where the schema has none either."""
        if self.method is SplitMethod.RANDOM or self.column is not None:
            return self
        roles = {
            SplitMethod.TIME: schema.time,
            SplitMethod.GROUP: schema.group,
            SplitMethod.COLUMN: schema.split,
        }
        column = roles[self.method]
        if column is None:
            raise ConfigError(
                f"A split by {self.method} needs a column and none is known: write {self.method}:COLUMN."
            )
        return replace(self, column=column)


class Splitter(Protocol):
    """Assigns the rows of a table to parts, batch by batch and alike in every reading of the table."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `parts` needs."""
        ...

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        """0 train, 1 valid, 2 test per row; `first_row` counts the table's rows before the batch."""
        ...


def make_splitter(spec: SplitSpec, table: Table, *, seed: int) -> Splitter:
    """Fit a resolved split to a table; a split by time or by column reads that one column once.

    Raises DataError for a column that the table lacks or whose values cannot be used.
    """
    if spec.method is SplitMethod.RANDOM:
        return RandomSplit(spec.fractions, seed)
    if spec.column is None:
        raise ValueError(f"the split '{spec}' names no column: resolve it with the schema first")
    if spec.column not in table.columns:
        raise DataError(
            f"The split needs column '{spec.column}', which {table.name} does not have: "
            f"{nearest(spec.column, table.columns)}"
        )
    if spec.method is SplitMethod.TIME:
        return TimeSplit.fit(table, spec.column, fractions=spec.fractions)
    if spec.method is SplitMethod.GROUP:
        return GroupSplit(spec.column, spec.fractions, seed, table.name)
    return ColumnSplit.fit(table, spec.column, seed=seed)


@dataclass(frozen=True)
class ConstantSplit:
    """Every row in one part: a separate file."""

    part: int
    columns: tuple[str, ...] = ()

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        return np.full(batch.num_rows, self.part, dtype=np.int8)


@dataclass(frozen=True)
class RandomSplit:
    """Each row by a hash of its number and the seed; the shares are met as closely as chance lets them."""

    fractions: tuple[float, float, float]
    seed: int
    columns: tuple[str, ...] = ()

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        rows = np.arange(first_row, first_row + batch.num_rows, dtype=np.uint64)
        return _parts_of_hashes(splitmix64(rows + _seed_hash(self.seed)), self.fractions)


@dataclass(frozen=True)
class GroupSplit:
    """Each group by a hash of its value and the seed, so that it is in one part; missing is one group."""

    column: str
    fractions: tuple[float, float, float]
    seed: int
    table_name: str = "the table"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        rows = range(first_row, first_row + batch.num_rows)
        with located(self.table_name, self.column, rows):
            hashes = hash_values(batch.column(self.column), seed=self.seed % (1 << 64))
        return _parts_of_hashes(splitmix64(hashes), self.fractions)


@dataclass(frozen=True)
class TimeSplit:
    """The earliest rows train, the latest test; rows of one time stay together."""

    column: str
    valid_from: float
    test_from: float
    """The times of the first validation and of the first test row; infinite without a test part."""
    table_name: str = "the table"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @classmethod
    def fit(cls, table: Table, column: str, *, fractions: tuple[float, float, float]) -> TimeSplit:
        """Cut the column's distinct times where the shares of rows come nearest to the fractions.

        Holds one float64 per row. Raises DataError when there are fewer distinct times than parts.
        """
        read = TimeSplit(column, np.inf, np.inf, table.name)
        every = [read._times(batch, first) for first, batch in numbered_batches(table, (column,))]
        times, counts = np.unique(np.concatenate([np.empty(0), *every]), return_counts=True)
        needed = 3 if fractions[2] > 0 else 2
        if len(times) < needed:
            raise DataError(
                f"A split by time needs at least {needed} different times: column '{column}' of {table.name} "
                f"has {len(times)}; choose another column or split at random."
            )
        before = np.concatenate(([0.0], np.cumsum(counts)[:-1] / counts.sum()))
        last_start = len(times) - (needed - 1)
        valid = 1 + int(np.abs(before[1 : last_start + 1] - fractions[0]).argmin())
        if needed == 2:
            return replace(read, valid_from=float(times[valid]))
        test = valid + 1 + int(np.abs(before[valid + 1 :] - (fractions[0] + fractions[1])).argmin())
        return replace(read, valid_from=float(times[valid]), test_from=float(times[test]))

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        times = self._times(batch, first_row)
        return (times >= self.valid_from).astype(np.int8) + (times >= self.test_from)

    def _times(self, batch: pa.RecordBatch, first_row: int) -> NDArray[np.float64]:
        rows = range(first_row, first_row + batch.num_rows)
        with located(self.table_name, self.column, rows):
            times = as_times(batch.column(self.column))
        wrong = ~np.isfinite(times)
        if wrong.any():
            raise DataError(
                f"A split by time needs a time in every row: column '{self.column}' has none in row "
                f"{rows[int(wrong.argmax())] + 1} of {self.table_name}; fill it in or remove the row."
            )
        return times


@dataclass(frozen=True)
class ColumnSplit:
    """Each row by the text of a column: train, valid (validation, val, dev) or test, in any case."""

    column: str
    seed: int
    has_valid: bool = True
    table_name: str = "the table"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @classmethod
    def fit(cls, table: Table, column: str, *, seed: int) -> ColumnSplit:
        """See which parts there are: without validation rows, a tenth of the training rows validates.

        Raises DataError for other values, and when no row trains.
        """
        split = ColumnSplit(column, seed, True, table.name)
        found = np.zeros(3, dtype=bool)
        for first, batch in numbered_batches(table, (column,)):
            found[np.unique(split.parts(batch, first))] = True
        if not found[TRAIN]:
            raise DataError(
                f"A split column must hold 'train': column '{column}' of {table.name} has it in no row; "
                "choose another column or split."
            )
        return replace(split, has_valid=bool(found[VALID]))

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        rows = range(first_row, first_row + batch.num_rows)
        with located(self.table_name, self.column, rows):
            encoded = canonical_strings(batch.column(self.column)).dictionary_encode(null_encoding="encode")
        values = encoded.dictionary.to_pylist()
        of_value = np.array(
            [_PART_OF_TEXT.get((value or "").strip().lower(), -1) for value in values], np.int8
        )
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        parts = of_value[codes] if len(codes) else np.empty(0, dtype=np.int8)
        if (parts < 0).any():
            position = int((parts < 0).argmax())
            raise DataError(
                f"A split column holds train, valid (validation, val, dev) or test: column '{self.column}' "
                f"has {values[int(codes[position])]!r} in row {rows[position] + 1} of {self.table_name}."
            )
        if not self.has_valid:
            drawn = RandomSplit((1 - VALID_SHARE, VALID_SHARE, 0.0), self.seed).parts(batch, first_row)
            parts = np.where(parts == TRAIN, drawn, parts)
        return parts


def numbered_batches(table: Table, columns: tuple[str, ...]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The batches of a table with the number of rows before each."""
    first_row = 0
    for batch in table.batches(columns):
        yield first_row, batch
        first_row += batch.num_rows


def _looks_like_fractions(text: str) -> bool:
    return re.fullmatch(r"[\d.eE+\- ]+(,[\d.eE+\- ]+)+", text) is not None


def _fractions(text: str, whole: str) -> tuple[float, float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
        train, valid, test = [*numbers, 0.0] if len(numbers) == 2 else numbers
    except ValueError:
        raise ConfigError(
            f"A split has the fractions of train, valid and test: found '{text}' in '{whole}'; "
            "write for example 0.8,0.1,0.1."
        ) from None
    return train, valid, test


def _seed_hash(seed: int) -> np.uint64:
    return splitmix64(np.array([seed % (1 << 64)], dtype=np.uint64))[0]  # type: ignore[no-any-return]


def _parts_of_hashes(hashes: NDArray[np.uint64], fractions: tuple[float, float, float]) -> PartCodes:
    shares = (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
    test_from = fractions[0] + fractions[1] if fractions[2] > 0 else np.inf
    return (shares >= fractions[0]).astype(np.int8) + (shares >= test_from)
