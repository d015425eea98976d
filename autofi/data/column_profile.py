"""Profiles of all columns of a table, made in one streaming pass."""

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
#: Texts that are searched for a few words among numbers, and the largest share of words that looks like a mistake.
_FEW_TEXTS = 10_000
_ODD_SHARE = 0.1
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class ColumnSummary:
    """One column of a table, and its use.

    Attributes:
        name: Name of the column.
        type: Type in the source, in a word.
        kind: Kind that the values suggest, or that the user has set.
        distinct: Number of distinct values without missing ones.
        capped: True if there are more than `distinct`.
        missing_share: Share of rows without a value.
        reads_as_number: True if every value is missing or a finite number.
        example: The text of a value.
        role: "field", "target", "weight", "time", "split" or "ignored"; a group column is a "field", or "group" if it
            is ignored.
        note: The reason why a column is ignored, or a remark about odd values.
        values: Type that all values have.
        missing_marks: Counts of the texts that are read as missing values, by text.
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
    """A type of value, `alive` as long as every value seen so far has it, with the range of the numbers."""

    reading: Reading
    alive: bool = True
    fractional: bool = False
    lowest: float = np.inf
    highest: float = -np.inf

    def add(self, values: pa.Array) -> None:
        """Add distinct values, none of them missing."""
        if not self.alive:
            return
        if is_text(values.type):
            # If a column is of another type, its first values mostly show that, at a fraction of the cost.
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
        """True if there are numbers and none is infinite."""
        return bool(np.isfinite(self.lowest) and np.isfinite(self.highest))


class ColumnProfile:
    """Counts and distinct values of one column, collected batch by batch; it keeps at most `2 * most_distinct` values.

    Every batch narrows down the types that the values may have; `reading` is the result over all batches.
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
        """Start an empty profile.

        Args:
            name: Name of the column.
            kind: Arrow type of the column.
            most_distinct: Number of distinct values after which `capped` is set.
            separator: The text between values, for a column of several values per row.
            missing: Marks of missing values besides the usual ones.
            decimal: The decimal mark of its texts, if it is known.
        """
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
        """Return the distinct values, without some that earlier batches had."""
        try:
            return self._uses.new(column) if pa.types.is_dictionary(column.type) else pc.unique(column)
        except pa.ArrowNotImplementedError:  # a type without unique
            return column

    def _add_values(self, values: pa.Array) -> pa.StringArray:
        """Add distinct values, and return their texts."""
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
        """Count the texts of a batch that would be missing in a column of numbers, without empty ones."""
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
        """Merge pending values; called when as many are pending as known, so that merging n values costs O(n)."""
        self._known = pa.chunked_array([self._known, *self._pending], pa.string()).unique()
        self._pending, self._pending_size = [], 0

    def _texts(self) -> pa.StringArray:
        """Return the distinct texts as written, in order of appearance (not all if `capped`)."""
        if self._pending:
            self._merge()
            self.capped = self.capped or len(self._known) > self._most_distinct
        return self._known

    @cached_property
    def _verdict(self) -> tuple[ValueType, _Candidate, str | None]:
        """The type of the values, the numbers they are read as, and a remark; valid once all batches are added."""
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
        """Return the verdict on texts that are not all plain numbers or times."""
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
        """The reading of the values, by all batches so far."""
        values, numbers, _ = self._verdict
        return dataclasses.replace(numbers.reading, values=values)

    @property
    def remark(self) -> str | None:
        """A remark in words about an odd reading of the values."""
        return self._verdict[2]

    @property
    def looks_grouped(self) -> bool:
        """True if the texts were read as numbers with a fraction but may be thousands: 1.234, and never 12.5."""
        reading = self.reading
        number = reading.values in (ValueType.NUMBER, ValueType.INTEGER)
        return number and reading.decimal is None and is_text(self.type) and looks_grouped(self._texts())

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return self._nulls + sum(self.missing_marks.values())

    @property
    def missing_marks(self) -> dict[str, int]:
        """Counts of the texts that are read as missing values, without the empty text."""
        reading = self.reading
        counted = {text: rows for text, rows in self._marks.items() if text}
        if not counted or reading.numeric:
            return counted
        return {text: rows for text, rows in counted.items() if text.strip() in reading.marks}

    @cached_property
    def values(self) -> pa.StringArray:
        """The distinct values as canonical texts, in order of appearance (not all if `capped`)."""
        return (
            self._texts()
            if self.lists
            else pc.drop_null(pc.unique(canonical_strings(self._texts(), self.reading)))
        )

    @property
    def lists(self) -> bool:
        """True if a row has several values."""
        return self._separator is not None or is_list(self.type)

    @property
    def numbers(self) -> _Candidate:
        """The numbers of the values; `alive` if all values are numbers or times."""
        return self._verdict[1]

    @property
    def reads_as_number(self) -> bool:
        """True if every value is missing or a finite number."""
        return self.numbers.alive and self.numbers.finite and not self.lists

    @property
    def kind(self) -> FieldKind:
        """The kind of field: lists are multi-valued, times and fractions numeric, all else categorical."""
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
    """Return the type of a column of numbers; infinite ones, and whole ones with leading zeros, are texts."""
    if numbers.fractional:
        return ValueType.NUMBER
    return ValueType.TEXT if padded or not numbers.finite else ValueType.INTEGER


def _spells(texts: pa.StringArray, reading: Reading) -> bool:
    """Return True if every text is a value of the type; plain numbers do not count as times, although they parse."""
    cut = trimmed(texts)
    if reading.values is not ValueType.NUMBER and parse_numbers(cut, None)[1].any():
        return False
    return bool(parser(reading)(cut)[1].all())


def _type_of(kind: pa.DataType) -> ValueType | None:
    """Return the value type of an Arrow type that is not text; None for dictionaries and others."""
    if pa.types.is_boolean(kind) or is_number(kind):
        return ValueType.NUMBER
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return ValueType.TIME
    return ValueType.DURATION if pa.types.is_time(kind) or pa.types.is_duration(kind) else None


def value_type(column: pa.Array) -> pa.DataType:
    """Return the Arrow type of a column's values, also inside a dictionary."""
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def profile(
    table: Table,
    *,
    most_distinct: int = MOST_DISTINCT,
    separators: Mapping[str, str] | None = None,
    missing: Sequence[str] = (),
    decimal: str | None = None,
) -> tuple[ColumnProfile, ...]:
    """Return the profiles of all columns, made in one pass over the table.

    Args:
        table: The table.
        most_distinct: See `ColumnProfile`.
        separators: The text between values, by column of several values per row.
        missing: See `ColumnProfile`.
        decimal: See `ColumnProfile`.
    """
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
    """Return a summary of each column, all with the role "field", made in one pass over the table."""
    return tuple(column.summary() for column in profile(table, most_distinct=most_distinct))


def first_wrong(table: Table, column: str, wrong: Callable[[Column], Mask]) -> tuple[int, Any]:
    """Return the number, from 1, and the value of the first row that the mask `wrong` marks.

    A row for which `wrong` raises UnreadableValueError counts, too. It costs a pass, so it is only for error messages.
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
    raise ValueError(f"no row of column {column} is wrong, so the table has changed between two passes")


def type_name(kind: pa.DataType) -> str:
    """Return a short word for an Arrow type, one for all types of the same meaning."""
    if pa.types.is_dictionary(kind):
        return type_name(kind.value_type)
    if is_list(kind):
        return f"list of {type_name(kind.value_type)}"
    if pa.types.is_null(kind):
        return "empty"
    return "text" if is_text(kind) else str(kind)


def _count_missing(column: pa.Array) -> int:
    """Return the number of nulls, NaN and empty texts, without converting numbers to text."""
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
