"""Splits of a table into training, validation and test rows."""

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
#: Fractions of train, valid and test.
Fractions = tuple[float, float, float]
DEFAULT_FRACTIONS = (0.8, 0.1, 0.1)
# Without validation rows, a tenth of the training rows validates.
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
    """The method by which rows are assigned to parts."""

    RANDOM = "random"
    TIME = "time"
    GROUP = "group"
    COLUMN = "column"


@dataclass(frozen=True)
class SplitSpec:
    """A split of a table.

    Attributes:
        method: The method.
        column: The column that decides; None means the schema's column of that role. A random split has none.
        fractions: Shares of train, valid and test rows (of groups, in a split by group); test may be 0.
    """

    method: SplitMethod = SplitMethod.RANDOM
    column: str | None = None
    fractions: Fractions = DEFAULT_FRACTIONS

    def __post_init__(self) -> None:
        train, valid, test = self.fractions
        if not (train > 0 and valid > 0 and test >= 0 and abs(train + valid + test - 1) < 1e-6):
            raise ConfigError(
                f"The fractions of the split are {','.join(f'{part:g}' for part in self.fractions)}; they must be "
                "positive (only that of test may be 0) and add up to 1, such as 0.8,0.1,0.1."
            )

    @classmethod
    def parse(cls, text: str) -> SplitSpec:
        """Return the split that a text describes.

        The text is `random[:0.8,0.1,0.1]`, `time[:COL][:fractions]`, `group[:COL][:fractions]` or `column[:COL]`. Two
        fractions mean no test part.

        Raises:
            ConfigError: The text is any other.
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
            raise ConfigError(f"The random split '{text}' has a column, '{column}'; give fractions only.")
        if method == SplitMethod.COLUMN and tail:
            raise ConfigError(f"The split by column '{text}' has fractions, '{tail}'; leave them out.")
        return cls(SplitMethod(method), column or None, fractions)

    def __str__(self) -> str:
        parts = [self.method.value]
        if self.column is not None:
            parts.append(self.column)
        if self.method is not SplitMethod.COLUMN:
            parts.append(",".join(f"{fraction:g}" for fraction in self.fractions))
        return ":".join(parts)

    def resolve(self, schema: Schema) -> SplitSpec:
        """Return the split with its column named.

        Raises:
            ConfigError: The schema has no column of that role either.
        """
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
                f"No column is known for the split by {self.method}; write {self.method}:COLUMN."
            )
        return replace(self, column=column)


class Splitter(Protocol):
    """The assignment of a table's rows to parts, batch by batch, equal in every pass over the table."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `parts` needs."""
        ...

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        """Return 0 (train), 1 (valid) or 2 (test) per row; `first_row` is the number of rows before the batch."""
        ...


def check_split(spec: SplitSpec, table: Table | ColumnNames) -> None:
    """Raise DataError if the table lacks the column that the split names."""
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
    """Fit a resolved split to a table, for which the column that decides is read (the target, if it is random).

    Args:
        spec: The split, with its column named.
        table: The table.
        target: The target column.
        seed: Seed of the split.
        reading_of: Returns the reading of a column.

    Raises:
        DataError: The table lacks the column, or its values cannot be used.
    """
    if spec.method is SplitMethod.RANDOM:
        return RandomSplit.fit(table, target, fractions=spec.fractions, seed=seed, reading=reading_of(target))
    if spec.column is None:
        raise ValueError(f"the split '{spec}' names no column; resolve it with the schema first")
    check_split(spec, table)
    if spec.method is SplitMethod.TIME:
        return TimeSplit.fit(table, spec.column, fractions=spec.fractions, reading=reading_of(spec.column))
    if spec.method is SplitMethod.GROUP:
        return GroupSplit.fit(
            table, spec.column, fractions=spec.fractions, seed=seed, reading=reading_of(spec.column)
        )
    return ColumnSplit.fit(table, spec.column, target=target, seed=seed, reading=reading_of(target))


def shares_of(count: int, fractions: Fractions) -> list[int]:
    """Return `count` divided by the fractions, rounded by largest remainders.

    Every part with a fraction above 0 gets at least one; if there are too few, training comes before validation and
    validation before test.
    """
    exact = count * np.array(fractions) / sum(fractions)
    # By rounding, a product such as 10 * 0.1 may lie just below the whole number.
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
    """Parts by hashes: below `valid_from` train, from `test_from` on test, valid in between.

    A bound is None if nothing is in that part or a later one.
    """

    valid_from: int | None = None
    test_from: int | None = None

    @classmethod
    def of(cls, hashes: NDArray[np.uint64], fractions: Fractions) -> Cut:
        """Return the cut at which different hashes have the shares of `shares_of`; sorts the array partly."""
        train, valid, _ = shares_of(len(hashes), fractions)
        places = sorted({place for place in (train, train + valid) if place < len(hashes)})
        if places:
            hashes.partition(places)
        starts = [int(hashes[place]) if place < len(hashes) else None for place in (train, train + valid)]
        return cls(*starts)

    def parts(self, hashes: NDArray[np.uint64]) -> PartCodes:
        """Return a part per hash."""
        parts = np.zeros(len(hashes), dtype=np.int8)
        for start in (self.valid_from, self.test_from):
            if start is not None:
                parts += hashes >= np.uint64(start)
        return parts


@dataclass(frozen=True)
class ConstantSplit:
    """The splitter of a separate file, whose rows are all in one part."""

    part: int
    columns: tuple[str, ...] = ()

    def parts(self, batch: pa.RecordBatch, first_row: int) -> PartCodes:
        return np.full(batch.num_rows, self.part, dtype=np.int8)


@dataclass(frozen=True)
class RandomSplit:
    """The splitter by a hash of row number and seed, for clicks and others separately, so that both have their shares.

    Of three clicks, one is in the training, one in the validation and one in the test rows.
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
        """Fit the split to a table; the target is read once, and nine bytes per row are held.

        Args:
            table: The table.
            target: The target column.
            fractions: Shares of the parts.
            seed: Seed of the hashes.
            among: Mask of the rows that are divided; None is all.
            reading: Reading of the target.

        Raises:
            DataError: A value of the target is not a label.
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
        """Return the hashes of the rows of one class, computed in blocks so that only a hash per row is held."""

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
    """The splitter by a hash of group and seed, which keeps a group in one part; missing is one group."""

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
        """Fit the split to a table, so that each part has its share of groups; a hash per group is held.

        Raises:
            DataError: There are fewer groups than parts.
        """
        split = GroupSplit(column, seed, Cut(), table.name, reading)
        groups = np.empty(0, dtype=np.uint64)
        waiting: list[NDArray[np.uint64]] = []
        for first, batch in numbered_batches(table, (column,)):
            waiting.append(_distinct(split._hashes(batch, first)))
            # They are joined when they are as many as the known groups, so that each is sorted only a few times.
            if sum(map(len, waiting)) > len(groups):
                groups, waiting = _distinct(np.concatenate([groups, *waiting])), []
        groups = _distinct(np.concatenate([groups, *waiting]))
        needed = sum(fraction > 0 for fraction in fractions)
        if len(groups) < needed:
            have = f"{len(groups)} group{'s' * (len(groups) != 1)}"
            fewer = f"leave test rows out (group:{column}:0.8,0.2), " if len(groups) == 2 else ""
            raise DataError(
                f"Column '{column}' of {table.name} has {have}, and a split by group needs {needed}, one for each "
                f"part; {fewer}split at random (--split random), or name a column with more groups."
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
    """The splitter by time: the earliest rows train, the latest test; rows of one time stay together.

    Attributes:
        column: Column of times.
        valid_from: Time of the first validation row.
        test_from: Time of the first test row; infinite without a test part.
        table_name: Name of the table, for messages.
        reading: Reading of the column.
    """

    column: str
    valid_from: float
    test_from: float
    table_name: str = "the table"
    reading: Reading = AS_WRITTEN

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @classmethod
    def fit(
        cls, table: Table, column: str, *, fractions: Fractions, reading: Reading = AS_WRITTEN
    ) -> TimeSplit:
        """Fit the split to a table: times are cut where the shares of rows are nearest to the fractions.

        A float64 per row is held.

        Raises:
            DataError: There are fewer distinct times than parts.
        """
        read = TimeSplit(column, np.inf, np.inf, table.name, reading)
        every = [read._times(batch, first) for first, batch in numbered_batches(table, (column,))]
        times, counts = np.unique(np.concatenate([np.empty(0), *every]), return_counts=True)
        needed = 3 if fractions[2] > 0 else 2
        if len(times) < needed:
            raise DataError(
                f"Column '{column}' of {table.name} has {len(times)} different times, and a split by time needs at "
                f"least {needed}; choose another column or split at random."
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
                f"Column '{self.column}' has no time in row {rows[int(wrong.argmax())] + 1} of {self.table_name}, by "
                "which the table is split; fill it in or remove the row."
            )
        return times


@dataclass(frozen=True)
class ColumnSplit:
    """The splitter by a column of the texts train, valid (validation, val, dev) and test, in upper or lower case.

    Attributes:
        column: The column.
        drawn: Split that draws validation rows from training rows, if the column has no validation rows.
        table_name: Name of the table, for messages.
    """

    column: str
    drawn: RandomSplit | None = None
    table_name: str = "the table"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.drawn is None else (self.column, *self.drawn.columns)

    @classmethod
    def fit(
        cls, table: Table, column: str, *, target: str, seed: int, reading: Reading = AS_WRITTEN
    ) -> ColumnSplit:
        """Fit the split to a table: without validation rows, a tenth of the training rows validates.

        `reading` is that of the target.

        Raises:
            DataError: The column has other values, or no row trains.
        """
        split = ColumnSplit(column, None, table.name)
        parts = np.concatenate(
            [split.parts(batch, first) for first, batch in numbered_batches(table, (column,))]
        )
        if not (parts == TRAIN).any():
            raise DataError(
                f"The split column '{column}' of {table.name} has 'train' in no row; choose another column or split."
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
                f"The split column '{self.column}' has {shown(values[int(codes[position])])} in row "
                f"{rows[position] + 1} of {self.table_name}; write train, valid (validation, val, dev) or test."
            )
        if self.drawn is not None:
            parts = np.where(parts == TRAIN, self.drawn.parts(batch, first_row), parts)
        return parts


def numbered_batches(table: Table, columns: tuple[str, ...]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the batches of a table with the number of rows before each."""
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
            f"'{text}' in the split '{whole}' is not the fractions of train, valid and test; write such as "
            "0.8,0.1,0.1."
        ) from None
    return train, valid, test


def _distinct(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return each hash once, sorted; `np.unique` takes five times as long for so many different hashes."""
    ordered = np.sort(hashes)
    first = np.concatenate((np.ones(min(1, len(ordered)), dtype=bool), ordered[1:] != ordered[:-1]))
    distinct: NDArray[np.uint64] = ordered[first]
    return distinct


def _seed_hash(seed: int) -> np.uint64:
    return splitmix64(np.array([seed % (1 << 64)], dtype=np.uint64))[0]  # type: ignore[no-any-return]
