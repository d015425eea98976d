"""What one streaming pass learns about every column of a table."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from autofi.data.dictionary_batches import FirstUses
from autofi.data.schema import FieldKind
from autofi.readers import Table
from autofi.values.arrow_values import (
    LIST_SEPARATOR,
    Column,
    UnreadableValueError,
    as_numbers,
    as_tokens,
    canonical_strings,
    is_list,
    is_number,
    is_text,
)
from autofi.values.text_values import (
    decimal_mark,
    has_groups,
    is_boolean_text,
    is_mark,
    looks_grouped,
    parse_numbers,
    parser,
    trimmed,
    zero_padded,
)
from autofi.values.value_types import Reading, ValueType

MOST_DISTINCT = 1_000_000
AMBIGUOUS = "text, as 1,234 may be 1234 or 1.234: see --decimal"
_OTHER_TYPES = (ValueType.TIME, ValueType.DURATION)
_FIRST_VALUES = 64
#: Texts that are looked at for a few words among numbers, and the share of words that still looks like a mistake.
_FEW_TEXTS = 10_000
_ODD_SHARE = 0.1
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class ColumnSummary:
    """One column as it was found and as it is used.

    `distinct` counts values without missing ones, up to `capped`, which says that there are more. `values` is the
    type that all of them have. `missing_marks` counts the texts that are taken for missing values, by text.
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
    values: ValueType = ValueType.TEXT
    missing_marks: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclass
class _Candidate:
    """A type that every value seen so far has, with the range of its numbers; `alive` until one has not."""

    reading: Reading
    alive: bool = True
    fractional: bool = False
    lowest: float = np.inf
    highest: float = -np.inf

    def add(self, values: pa.Array) -> None:
        """Learn from distinct values, none missing or null."""
        if not self.alive:
            return
        if is_text(values.type):
            # Where a column is of another type, its first values mostly say so, and at a fraction of the cost.
            self.alive = _spells(values[:_FIRST_VALUES], self.reading) and _spells(values, self.reading)
        else:
            self.alive = self.reading.values is _type_of(values.type)
        if not self.alive:
            return
        numbers = as_numbers(values, self.reading)
        numbers = numbers[~np.isnan(numbers)]
        if len(numbers):
            self.lowest = min(self.lowest, float(numbers.min()))
            self.highest = max(self.highest, float(numbers.max()))
            self.fractional = self.fractional or bool((np.floor(numbers) != numbers).any())

    @property
    def finite(self) -> bool:
        """Whether there are numbers, none of them infinite."""
        return bool(np.isfinite(self.lowest) and np.isfinite(self.highest))


class ColumnProfile:
    """Counts over one column's batches; keeps at most about twice `most_distinct` values.

    Every batch narrows down which types of value the column may have; `reading` is the verdict on all of them.
    """

    def __init__(
        self,
        name: str,
        kind: pa.DataType,
        *,
        most_distinct: int = MOST_DISTINCT,
        separator: str | None = None,
        missing: Sequence[str] = (),
        decimal: str | None = None,
    ) -> None:
        """`separator` divides the texts of a column of several values; `missing` are marks of missing values besides
        the usual ones; `decimal` is the decimal mark of its texts where that is known."""
        self.name = name
        self.type = kind
        self.rows = 0
        self.example: str | None = None
        self.capped = False
        self.unreadable: UnreadableValueError | None = None
        self._separator = separator
        self._missing = tuple(missing)
        self._decimal = decimal
        self._nulls = 0
        self._marks: Counter[str] = Counter()
        self._number = _Candidate(Reading(ValueType.NUMBER, decimal, self._missing))
        self._others = [_Candidate(Reading(values, None, self._missing)) for values in _OTHER_TYPES]
        self._padded = False  # a whole number with leading zeros
        self._booleans = False
        self._found = False  # a value that is not missing
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
        self.rows += len(column)
        try:
            if is_list(column.type) or self._separator is not None:
                lists = as_tokens(column, self._separator)
                self._nulls += lists.null_count
                self._add_values(pc.unique(pc.list_flatten(lists)))
                self._add_distinct(pc.drop_null(pc.unique(pc.binary_join(lists, LIST_SEPARATOR))))
            else:
                self._nulls += _count_missing(column)
                if is_text(value_type(column)):
                    self._count_marks(column)
                self._add_distinct(self._add_values(self._distinct(column)))
        except UnreadableValueError as error:
            self.unreadable = error

    def _distinct(self, column: pa.Array) -> pa.Array:
        """The distinct values, but for some that came in batches before."""
        try:
            return self._uses.new(column) if pa.types.is_dictionary(column.type) else pc.unique(column)
        except pa.ArrowNotImplementedError:  # a type without unique
            return column

    def _add_values(self, values: pa.Array) -> pa.StringArray:
        """Learn from distinct values; returns their texts."""
        texts = pc.drop_null(canonical_strings(values))
        values = texts if is_text(values.type) else pc.drop_null(values)
        if is_text(values.type):
            values = pc.filter(values, pa.array(~is_mark(values, self._number.reading)))
        if not len(values):
            return texts
        self._found = True
        if self.example is None:
            self.example = canonical_strings(values[:1])[0].as_py()
        self._number.add(values)
        for candidate in self._others:
            candidate.add(values)
        if self._number.alive:
            text = is_text(values.type)
            self._padded = self._padded or (text and zero_padded(values))
            words = is_boolean_text(values).any() if text else pa.types.is_boolean(values.type)
            self._booleans = self._booleans or bool(words)
        return texts

    def _count_marks(self, column: pa.Array) -> None:
        """Count the texts of a batch that would be missing in a column of numbers, those that are empty aside."""
        if not self._missing and not any(one.alive for one in (self._number, *self._others)):
            return
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        texts = canonical_strings(encoded.dictionary)
        marks = np.flatnonzero(is_mark(texts, self._number.reading))
        if len(marks):
            entries = pc.drop_null(encoded.indices).to_numpy(zero_copy_only=False)
            rows = np.bincount(entries, minlength=len(texts))
            self._marks.update({texts[int(mark)].as_py(): int(rows[mark]) for mark in marks if rows[mark]})

    def _add_distinct(self, values: pa.StringArray) -> None:
        if self.capped:
            return
        self._pending.append(values)
        self._pending_size += len(values)
        if self._pending_size > max(len(self._known), 1 << 16):
            self._merge()
            self.capped = len(self._known) > self._most_distinct

    def _merge(self) -> None:
        """Only when as much is pending as known, so that merging n values costs O(n) in all."""
        self._known = pa.chunked_array([self._known, *self._pending], pa.string()).unique()
        self._pending, self._pending_size = [], 0

    def _texts(self) -> pa.StringArray:
        """The distinct texts as they are written, in order of appearance (not all when `capped`)."""
        if self._pending:
            self._merge()
            self.capped = self.capped or len(self._known) > self._most_distinct
        return self._known

    @cached_property
    def _verdict(self) -> tuple[ValueType, _Candidate, str | None]:
        """The type of the values, the numbers they are read as, and what there is to remark of that.

        Only once all batches are there.
        """
        number = self._number
        if not self._found:
            return ValueType.TEXT, _Candidate(number.reading, alive=False), None
        if number.alive and self._booleans:
            if number.lowest < 0 or number.highest > 1:
                return (
                    ValueType.TEXT,
                    dataclasses.replace(number, alive=False),
                    "text, as words stand among numbers",
                )
            return ValueType.INTEGER, number, "true is 1, false is 0"
        if number.alive:
            return _number_type(number, padded=self._padded), number, None
        for candidate in self._others:
            if candidate.alive and candidate.reading.values is not None:
                return candidate.reading.values, candidate, None
        if self.lists or not is_text(self.type):
            return ValueType.TEXT, number, None
        return self._of_words(number)

    def _of_words(self, number: _Candidate) -> tuple[ValueType, _Candidate, str | None]:
        """The verdict on texts that are not all plain numbers or times."""
        texts = self._texts()
        texts = pc.filter(texts, pa.array(~is_mark(texts, number.reading)))
        few = texts[:_FEW_TEXTS]
        if self._decimal is None and decimal_mark(few[:_FIRST_VALUES])[0] is not None:
            mark, certain = decimal_mark(texts)
            if mark is not None and not certain:
                return ValueType.TEXT, number, AMBIGUOUS
            if mark is not None:
                grouped = mark == "." or has_groups(texts)
                numbers = _Candidate(Reading(ValueType.NUMBER, mark, self._missing, grouped))
                numbers.add(texts)
                name = "decimal commas" if mark == "," else "thousands separators"
                return _number_type(numbers, padded=zero_padded(texts)), numbers, f"read with {name}"
        marks = (None, ".", ",") if self._decimal is None else (self._decimal,)
        sound = max((parse_numbers(trimmed(few), mark)[1] for mark in marks), key=lambda mask: mask.sum())
        if 1 - _ODD_SHARE <= sound.mean() < 1 and len(few) > _FIRST_VALUES / 2:
            odd = few[int(sound.argmin())].as_py()
            return (
                ValueType.TEXT,
                number,
                f"text for values such as {odd[:30]!r}; else numbers: see --missing",
            )
        return ValueType.TEXT, number, None

    @property
    def reading(self) -> Reading:
        """How the values are read, by all that was seen."""
        values, numbers, _ = self._verdict
        return dataclasses.replace(numbers.reading, values=values)

    @property
    def remark(self) -> str | None:
        """In words, what is odd in how the values are read."""
        return self._verdict[2]

    @property
    def looks_grouped(self) -> bool:
        """Whether its texts were read as numbers with a fraction and may be thousands: 1.234, of which none is 12.5."""
        reading = self.reading
        number = reading.values in (ValueType.NUMBER, ValueType.INTEGER)
        return number and reading.decimal is None and is_text(self.type) and looks_grouped(self._texts())

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return self._nulls + sum(self.missing_marks.values())

    @property
    def missing_marks(self) -> dict[str, int]:
        """How often each text is taken for a missing value, the empty text aside."""
        reading = self.reading
        counted = {text: rows for text, rows in self._marks.items() if text}
        if not counted or reading.numeric:
            return counted
        return {text: rows for text, rows in counted.items() if text.strip() in reading.marks}

    @cached_property
    def values(self) -> pa.StringArray:
        """The distinct values as canonical texts, in order of appearance (not all when `capped`)."""
        return (
            self._texts()
            if self.lists
            else pc.drop_null(pc.unique(canonical_strings(self._texts(), self.reading)))
        )

    @property
    def lists(self) -> bool:
        """Whether a row has several values."""
        return self._separator is not None or is_list(self.type)

    @property
    def numbers(self) -> _Candidate:
        """The numbers of the values; `alive` where all of them are numbers or times."""
        return self._verdict[1]

    @property
    def reads_as_number(self) -> bool:
        """Whether every value is missing or a finite number."""
        return self.numbers.alive and self.numbers.finite and not self.lists

    @property
    def kind(self) -> FieldKind:
        """Lists are multi-valued, times and numbers with fractions numeric, all else categorical."""
        if self.lists:
            return FieldKind.MULTI_VALUED
        whole = self.reading.values in (ValueType.TEXT, ValueType.INTEGER)
        return FieldKind.CATEGORICAL if whole else FieldKind.NUMERIC

    def summary(self) -> ColumnSummary:
        distinct = len(self.values)
        return ColumnSummary(
            name=self.name,
            type=type_name(self.type),
            kind=self.kind,
            distinct=min(distinct, self._most_distinct),
            capped=self.capped,
            missing_share=self.missing / self.rows if self.rows else 0.0,
            reads_as_number=self.reads_as_number,
            example=self.example,
            values=self.reading.values or ValueType.TEXT,
            missing_marks=self.missing_marks,
        )


def _number_type(numbers: _Candidate, *, padded: bool) -> ValueType:
    """The type of a column of numbers: whole ones that are written with leading zeros are texts, infinite ones too."""
    if numbers.fractional:
        return ValueType.NUMBER
    return ValueType.TEXT if padded or not numbers.finite else ValueType.INTEGER


def _spells(texts: pa.StringArray, reading: Reading) -> bool:
    """Whether every text is a value of the type. Plain numbers are no times, although they are read as such."""
    cut = trimmed(texts)
    if reading.values is not ValueType.NUMBER and parse_numbers(cut, None)[1].any():
        return False
    return bool(parser(reading)(cut)[1].all())


def _type_of(kind: pa.DataType) -> ValueType | None:
    """The type of value of an Arrow type that is no text; None for dictionaries and others."""
    if pa.types.is_boolean(kind) or is_number(kind):
        return ValueType.NUMBER
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return ValueType.TIME
    return ValueType.DURATION if pa.types.is_time(kind) or pa.types.is_duration(kind) else None


def value_type(column: pa.Array) -> pa.DataType:
    """The Arrow type of a column's values, looking through a dictionary."""
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def profile(
    table: Table,
    *,
    most_distinct: int = MOST_DISTINCT,
    separators: Mapping[str, str] | None = None,
    missing: Sequence[str] = (),
    decimal: str | None = None,
) -> tuple[ColumnProfile, ...]:
    """One pass over the table; `separators` are those of columns of several values, the rest as `ColumnProfile`."""
    profiles: tuple[ColumnProfile, ...] = ()
    for batch in table.batches():
        if not profiles:
            profiles = tuple(
                ColumnProfile(
                    field.name,
                    field.type,
                    most_distinct=most_distinct,
                    separator=(separators or {}).get(field.name),
                    missing=missing,
                    decimal=decimal,
                )
                for field in batch.schema
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
