"""What one streaming pass learns about every column of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from autofi.data.columns import Column, UnreadableValueError, as_numbers, canonical_strings, is_list, is_text
from autofi.data.entries import FirstUses
from autofi.data.reading import Table
from autofi.data.schema import FieldKind

MOST_DISTINCT = 1_000_000
_FIRST_VALUES = 64
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class ColumnSummary:
    """One column as it was found and as it is used.

    `distinct` counts canonical texts without missing ones, up to `capped`, which says that there are more.
    `role` is "field", "target", "weight", "time", "split" or "ignored" (a group column has the role "field",
    or "group" if it is ignored); `note` says in words why a column is ignored or looks odd, or is None.
    `kind` is what the values look like, or what the user said.
    """

    name: str
    type: str
    kind: FieldKind
    distinct: int
    capped: bool
    missing_share: float
    reads_as_number: bool
    example: str | None
    role: str = "field"
    note: str | None = None


class ColumnProfile:
    """Counts over one column's batches; keeps at most about twice `most_distinct` values."""

    def __init__(self, name: str, kind: pa.DataType, *, most_distinct: int = MOST_DISTINCT) -> None:
        self.name = name
        self.type = kind
        self.rows = 0
        self.missing = 0
        self.example: str | None = None
        self.capped = False
        self.unreadable: UnreadableValueError | None = None
        self.numeric = True  # every value so far parses as a number
        self.fractional = False
        self.nan = False  # the text "nan", which reads as a missing number but is not a missing text
        self.lowest, self.highest = np.inf, -np.inf
        self._most_distinct = most_distinct
        self._uses = FirstUses()
        self._known: pa.Array = pa.array([], pa.string())
        self._pending: list[pa.Array] = []
        self._pending_size = 0

    def add(self, column: pa.Array) -> None:
        if self.unreadable is not None:
            return
        if pa.types.is_null(self.type):
            self.type = column.type
        try:
            # Distinct values first: far fewer texts to write.
            quick = not is_list(column.type) and not pa.types.is_nested(column.type)
            texts = canonical_strings(self._distinct(column) if quick else column)
        except UnreadableValueError as error:
            self.unreadable = error
            return
        except pa.ArrowNotImplementedError:  # a type without unique
            texts = canonical_strings(column)
        self.rows += len(column)
        self.missing += _count_missing(column) if quick else texts.null_count
        distinct = quick and (is_text(column.type) or pa.types.is_integer(column.type))
        values = pc.drop_null(texts if distinct else pc.unique(texts))
        if not len(values):
            return
        if self.example is None:
            self.example = values[0].as_py()
        if self.numeric:
            self._add_numbers(column, values)
        if not self.capped:
            self._add_distinct(values)

    def _distinct(self, column: pa.Array) -> pa.Array:
        """The distinct values, but for some that came in batches before."""
        return self._uses.new(column) if pa.types.is_dictionary(column.type) else pc.unique(column)

    def _add_numbers(self, column: pa.Array, values: pa.StringArray) -> None:
        if is_list(column.type) or pa.types.is_boolean(column.type):
            self.numeric = False
            return
        try:
            read = pc.unique(column) if self.is_time else values
            # Where a column is no numbers, its first values mostly say so, and at a fraction of the cost.
            as_numbers(read[:_FIRST_VALUES])
            numbers = as_numbers(read)
        except UnreadableValueError:
            self.numeric = False
            return
        self.nan = self.nan or bool(np.isnan(numbers).any())
        numbers = numbers[~np.isnan(numbers)]
        if not len(numbers):
            return
        self.lowest = min(self.lowest, float(numbers.min()))
        self.highest = max(self.highest, float(numbers.max()))
        self.fractional = self.fractional or bool((np.floor(numbers) != numbers).any())

    def _add_distinct(self, values: pa.StringArray) -> None:
        self._pending.append(values)
        self._pending_size += len(values)
        if self._pending_size > max(len(self._known), 1 << 16):
            self._merge()
            self.capped = len(self._known) > self._most_distinct

    def _merge(self) -> None:
        """Only when as much is pending as known, so that merging n values costs O(n) in all."""
        self._known = pa.chunked_array([self._known, *self._pending], pa.string()).unique()
        self._pending, self._pending_size = [], 0

    @property
    def values(self) -> pa.StringArray:
        """The distinct canonical texts, in order of appearance (not all when `capped`)."""
        if self._pending:
            self._merge()
            self.capped = self.capped or len(self._known) > self._most_distinct
        return self._known

    @property
    def is_time(self) -> bool:
        """Whether the type is one of Arrow's times or dates (not text that looks like one)."""
        return bool(pa.types.is_temporal(self.type))

    @property
    def has_numbers(self) -> bool:
        return self.lowest <= self.highest

    @property
    def finite(self) -> bool:
        """Whether there are numbers, none of them infinite."""
        return bool(np.isfinite(self.lowest) and np.isfinite(self.highest))

    @property
    def kind(self) -> FieldKind:
        """Lists are multi-valued, times and numbers with fractions numeric, all else categorical."""
        if is_list(self.type):
            return FieldKind.MULTI_VALUED
        if self.numeric and self.has_numbers and (self.fractional or self.is_time):
            return FieldKind.NUMERIC
        return FieldKind.CATEGORICAL

    def summary(self) -> ColumnSummary:
        distinct = len(self.values)
        return ColumnSummary(
            name=self.name,
            type=type_name(self.type),
            kind=self.kind,
            distinct=min(distinct, self._most_distinct),
            capped=self.capped,
            missing_share=self.missing / self.rows if self.rows else 0.0,
            reads_as_number=self.numeric and self.finite,
            example=self.example,
        )


def profile(table: Table, *, most_distinct: int = MOST_DISTINCT) -> tuple[ColumnProfile, ...]:
    """One pass over the table."""
    profiles: tuple[ColumnProfile, ...] = ()
    for batch in table.batches():
        if not profiles:
            profiles = tuple(
                ColumnProfile(field.name, field.type, most_distinct=most_distinct) for field in batch.schema
            )
        for column_profile, column in zip(profiles, batch.columns, strict=True):
            column_profile.add(column)
    return profiles


def summarize(table: Table, *, most_distinct: int = MOST_DISTINCT) -> tuple[ColumnSummary, ...]:
    """What each column looks like, in the table's order; one pass, all columns have the role "field"."""
    return tuple(column.summary() for column in profile(table, most_distinct=most_distinct))


def first_wrong(table: Table, column: str, wrong: Callable[[Column], Mask]) -> tuple[int, Any]:
    """The number, from 1, and the value of the first row that `wrong`, a mask over a batch, is true for.

    A row for which `wrong` raises UnreadableValueError counts, too. Costs a pass, so for error messages only.
    """
    before = 0
    for batch in table.batches([column]):
        array = batch.column(0)
        try:
            mask = wrong(array)
        except UnreadableValueError as error:
            return before + error.position + 1, error.value
        if mask.any():
            position = int(mask.argmax())
            return before + position + 1, array[position].as_py()
        before += batch.num_rows
    raise ValueError(f"no row of column {column} is wrong: the table changed between two passes")


def type_name(kind: pa.DataType) -> str:
    """A short word for an Arrow type, the same for its variants of one meaning."""
    if pa.types.is_dictionary(kind):
        return type_name(kind.value_type)
    if is_list(kind):
        return f"list of {type_name(kind.value_type)}"
    if pa.types.is_null(kind):
        return "empty"
    return "text" if is_text(kind) else str(kind)


def _count_missing(column: pa.Array) -> int:
    """Nulls, NaN and empty texts, without writing numbers as text."""
    if pa.types.is_dictionary(column.type):
        empty = canonical_strings(column.dictionary).is_null()
        if not pc.any(empty).as_py():
            return int(column.null_count)
        codes = pc.fill_null(pc.take(empty, column.indices), True)
        return int(pc.sum(codes).as_py() or 0)
    missing = column.null_count
    if pa.types.is_floating(column.type):
        missing += int(np.isnan(pc.drop_null(column).to_numpy(zero_copy_only=False)).sum())
    elif is_text(column.type):
        missing = canonical_strings(column).null_count
    return int(missing)
