"""Which rows train, which validate and which test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.data.cross_codes import splitmix64
from autofi.data.label_columns import hash_values, located, read_labels
from autofi.data.schema import Schema
from autofi.errors import ConfigError, DataError, nearest, shown
from autofi.readers import ColumnNames, Table
from autofi.values.arrow_values import as_times, canonical_strings
from autofi.values.value_types import AS_WRITTEN, Reading

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)
#: Fractions of parts, in their order.
Fractions = tuple[float, float, float]
DEFAULT_FRACTIONS = (0.8, 0.1, 0.1)
# Where a split gives no validation rows, a tenth of the training rows.
VALID_FROM_TRAIN: Fractions = (0.9, 0.1, 0.0)
_HASHES_AT_ONCE = 1 << 18

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
    fractions: Fractions = DEFAULT_FRACTIONS
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
        if method == SplitMethod.COLUMN and not (colon and _looks_like_fractions(tail)):
            column, tail = rest, ""
        elif not colon:
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


def check_split(spec: SplitSpec, table: Table | ColumnNames) -> None:
    """Raise DataError where the table lacks the column that the split names."""
    if spec.column is not None and spec.column not in table.columns:
        raise DataError(
            f"The split needs column '{spec.column}', which {table.name} does not have: "
            f"{nearest(spec.column, table.columns)}"
        )


def make_splitter(
    spec: SplitSpec,
    table: Table,
    *,
    target: str,
    seed: int,
    reading_of: Callable[[str], Reading] = lambda column: AS_WRITTEN,
) -> Splitter:
    """Fit a resolved split to a table, which reads the one column that decides: at random that of the target.

    `reading_of` says how a column's values are read. Raises DataError for a column that the table lacks or whose values
    cannot be used.
    """
    if spec.method is SplitMethod.RANDOM:
        return RandomSplit.fit(table, target, fractions=spec.fractions, seed=seed, reading=reading_of(target))
    if spec.column is None:
        raise ValueError(f"the split '{spec}' names no column: resolve it with the schema first")
    check_split(spec, table)
    if spec.method is SplitMethod.TIME:
        return TimeSplit.fit(table, spec.column, fractions=spec.fractions, reading=reading_of(spec.column))
    if spec.method is SplitMethod.GROUP:
        return GroupSplit.fit(
            table, spec.column, fractions=spec.fractions, seed=seed, reading=reading_of(spec.column)
        )
    return ColumnSplit.fit(table, spec.column, target=target, seed=seed, reading=reading_of(target))


def shares_of(count: int, fractions: Fractions) -> list[int]:
    """`count` things divided by the fractions, rounded by largest remainders.

    Every part with a fraction above 0 gets at least one; where there are too few, training comes before validation
    and validation before test.
    """
    exact = count * np.array(fractions) / sum(fractions)
    # A product such as 10 * 0.1 may lie a rounding below the whole number.
    shares = np.floor(exact + 1e-9).astype(np.int64)
    by_remainder = np.argsort(shares - exact, kind="stable")
    shares[by_remainder[: count - shares.sum()]] += 1
    least = np.zeros(len(shares), dtype=np.int64)
    least[np.flatnonzero(np.array(fractions) > 0)[:count]] = 1
    shares = np.maximum(shares, least)
    while shares.sum() > count:
        shares[(shares - least).argmax()] -= 1
    found: list[int] = shares.tolist()
    return found


@dataclass(frozen=True)
class Cut:
    """Parts of things by their hashes: below `valid_from` train, from `test_from` on test.

    None where no thing is in that part or a later one.
    """

    valid_from: int | None = None
    test_from: int | None = None

    @classmethod
    def of(cls, hashes: NDArray[np.uint64], fractions: Fractions) -> Cut:
        """Where shares of different hashes are those of `shares_of`; sorts the array in part."""
        train, valid, _ = shares_of(len(hashes), fractions)
        places = sorted({place for place in (train, train + valid) if place < len(hashes)})
        if places:
            hashes.partition(places)
        starts = [int(hashes[place]) if place < len(hashes) else None for place in (train, train + valid)]
        return cls(*starts)

    def parts(self, hashes: NDArray[np.uint64]) -> PartCodes:
        """A part per hash."""
        parts = np.zeros(len(hashes), dtype=np.int8)
        for start in (self.valid_from, self.test_from):
            if start is not None:
                parts += hashes >= np.uint64(start)
        return parts


@dataclass(frozen=True)
class ConstantSplit:
    """Every row in one part: a separate file."""

    part: int
    columns: tuple[str, ...] = ()

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        return np.full(batch.num_rows, self.part, dtype=np.int8)


@dataclass(frozen=True)
class RandomSplit:
    """Each row by a hash of its number and the seed, clicks and others apart, so that both have the shares asked for.

    Three clicks are one in training, one in validation and one in test rows.
    """

    target: str
    seed: int
    others: Cut
    clicks: Cut
    table_name: str = "the table"
    reading: Reading = AS_WRITTEN

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.target,)

    @classmethod
    def fit(
        cls,
        table: Table,
        target: str,
        *,
        fractions: Fractions,
        seed: int,
        among: NDArray[np.bool_] | None = None,
        reading: Reading = AS_WRITTEN,
    ) -> RandomSplit:
        """Reads the target once and holds nine bytes per row; only rows `among` those are shared out, all unless given.

        Raises DataError for a value that is no label.
        """
        split = RandomSplit(target, seed, Cut(), Cut(), table.name, reading)
        clicked = np.concatenate(
            [split._clicked(batch, first) for first, batch in numbered_batches(table, (target,))]
        )
        others, clicks = (
            Cut.of(split._hashes_of(clicked, label, among), fractions) for label in (False, True)
        )
        return replace(split, others=others, clicks=clicks)

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        hashes = self._hashes(np.arange(first_row, first_row + batch.num_rows, dtype=np.uint64))
        clicked = self._clicked(batch, first_row)
        return np.where(clicked, self.clicks.parts(hashes), self.others.parts(hashes))

    def _clicked(self, batch: pa.RecordBatch, first_row: int) -> NDArray[np.bool_]:
        with located(self.table_name, self.target, range(first_row, first_row + batch.num_rows)):
            return np.asarray(read_labels(batch.column(self.target), self.reading) > 0)

    def _hashes(self, rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return splitmix64(rows + _seed_hash(self.seed))

    def _hashes_of(
        self, clicked: NDArray[np.bool_], label: bool, among: NDArray[np.bool_] | None
    ) -> NDArray[np.uint64]:
        """Of the rows of one class, some at a time: a hash per row is all that is held."""

        def chosen(start: int) -> NDArray[np.bool_]:
            block = slice(start, start + _HASHES_AT_ONCE)
            alike = clicked[block] if label else ~clicked[block]
            return alike if among is None else alike & among[block]

        starts = range(0, len(clicked), _HASHES_AT_ONCE)
        hashes = np.empty(sum(int(np.count_nonzero(chosen(start))) for start in starts), dtype=np.uint64)
        filled = 0
        for start in starts:
            rows = np.flatnonzero(chosen(start)).astype(np.uint64) + np.uint64(start)
            hashes[filled : filled + len(rows)] = self._hashes(rows)
            filled += len(rows)
        return hashes


@dataclass(frozen=True)
class GroupSplit:
    """Each group by a hash of its value and the seed, so that it is in one part; missing is one group."""

    column: str
    seed: int
    cut: Cut
    table_name: str = "the table"
    reading: Reading = AS_WRITTEN

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @classmethod
    def fit(
        cls,
        table: Table,
        column: str,
        *,
        fractions: Fractions,
        seed: int,
        reading: Reading = AS_WRITTEN,
    ) -> GroupSplit:
        """Gives each part its share of groups, at least one; holds a hash per group.

        Raises DataError where there are fewer groups than parts.
        """
        split = GroupSplit(column, seed, Cut(), table.name, reading)
        groups = np.empty(0, dtype=np.uint64)
        waiting: list[NDArray[np.uint64]] = []
        for first, batch in numbered_batches(table, (column,)):
            waiting.append(_distinct(split._hashes(batch, first)))
            # Joined when they are as many: a group is then sorted a few times, however many batches there are.
            if sum(map(len, waiting)) > len(groups):
                groups, waiting = _distinct(np.concatenate([groups, *waiting])), []
        groups = _distinct(np.concatenate([groups, *waiting]))
        needed = sum(fraction > 0 for fraction in fractions)
        if len(groups) < needed:
            have = f"{len(groups)} group{'s' * (len(groups) != 1)}"
            fewer = f"do without test rows (group:{column}:0.8,0.2), " if len(groups) == 2 else ""
            raise DataError(
                f"Column '{column}' of {table.name} has {have}, and a split by group needs {needed}, one for each "
                f"part: {fewer}split at random (--split random), or name a column with more groups."
            )
        return replace(split, cut=Cut.of(groups, fractions))

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        return self.cut.parts(self._hashes(batch, first_row))

    def _hashes(self, batch: pa.RecordBatch, first_row: int) -> NDArray[np.uint64]:
        with located(self.table_name, self.column, range(first_row, first_row + batch.num_rows)):
            hashes = hash_values(batch.column(self.column), self.reading, seed=self.seed % (1 << 64))
        return splitmix64(hashes)


@dataclass(frozen=True)
class TimeSplit:
    """The earliest rows train, the latest test; rows of one time stay together."""

    column: str
    valid_from: float
    test_from: float
    """The times of the first validation and of the first test row; infinite without a test part."""
    table_name: str = "the table"
    reading: Reading = AS_WRITTEN

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @classmethod
    def fit(
        cls, table: Table, column: str, *, fractions: Fractions, reading: Reading = AS_WRITTEN
    ) -> TimeSplit:
        """Cut the column's distinct times where the shares of rows come nearest to the fractions.

        Holds one float64 per row. Raises DataError when there are fewer distinct times than parts.
        """
        read = TimeSplit(column, np.inf, np.inf, table.name, reading)
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
            times = as_times(batch.column(self.column), self.reading)
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
    drawn: RandomSplit | None = None
    """Which training rows validate, where the column has no validation rows."""
    table_name: str = "the table"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.drawn is None else (self.column, *self.drawn.columns)

    @classmethod
    def fit(
        cls, table: Table, column: str, *, target: str, seed: int, reading: Reading = AS_WRITTEN
    ) -> ColumnSplit:
        """See which parts there are: without validation rows, a tenth of the training rows validates.

        `reading` is that of the target.         Raises DataError for other values, and when no row trains.
        """
        split = ColumnSplit(column, None, table.name)
        parts = np.concatenate(
            [split.parts(batch, first) for first, batch in numbered_batches(table, (column,))]
        )
        if not (parts == TRAIN).any():
            raise DataError(
                f"A split column must hold 'train': column '{column}' of {table.name} has it in no row; "
                "choose another column or split."
            )
        if (parts == VALID).any():
            return split
        drawn = RandomSplit.fit(
            table,
            target,
            fractions=VALID_FROM_TRAIN,
            seed=seed,
            among=parts == TRAIN,
            reading=reading,
        )
        return replace(split, drawn=drawn)

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
                f"has {shown(values[int(codes[position])])} in row {rows[position] + 1} of {self.table_name}."
            )
        if self.drawn is not None:
            parts = np.where(parts == TRAIN, self.drawn.parts(batch, first_row), parts)
        return parts


def numbered_batches(table: Table, columns: tuple[str, ...]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The batches of a table with the number of rows before each."""
    first_row = 0
    for batch in table.batches(columns):
        yield first_row, batch
        first_row += batch.num_rows


def _looks_like_fractions(text: str) -> bool:
    return re.fullmatch(r"[\d.eE+\- ]+(,[\d.eE+\- ]+)+", text) is not None


def _fractions(text: str, whole: str) -> Fractions:
    try:
        numbers = [float(part) for part in text.split(",")]
        train, valid, test = [*numbers, 0.0] if len(numbers) == 2 else numbers
    except ValueError:
        raise ConfigError(
            f"A split has the fractions of train, valid and test: found '{text}' in '{whole}'; "
            "write for example 0.8,0.1,0.1."
        ) from None
    return train, valid, test


def _distinct(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each hash once, sorted; `np.unique` takes five times as long for so many that differ."""
    ordered = np.sort(hashes)
    first = np.concatenate((np.ones(min(1, len(ordered)), dtype=bool), ordered[1:] != ordered[:-1]))
    distinct: NDArray[np.uint64] = ordered[first]
    return distinct


def _seed_hash(seed: int) -> np.uint64:
    return splitmix64(np.array([seed % (1 << 64)], dtype=np.uint64))[0]  # type: ignore[no-any-return]
