"""Raw columns as canonical texts, numbers and tokens, which do not depend on the file, type or time of the values.

Fitting and predicting read columns only through these functions. So an id that is an integer in a Parquet file, text in
a CSV file and a float in a DataFrame (because the column had gaps) is one value. The reading of a column is decided
once, over all of its values: see `autofi.values.value_types`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from autofi.values.text_values import (
    MICROSECONDS,
    integer_texts,
    is_boolean_text,
    is_mark,
    number_texts,
    parser,
    trimmed,
    valid,
)
from autofi.values.value_types import AS_WRITTEN, Reading, ValueType

Column: TypeAlias = pa.Array | pa.ChunkedArray

# Joins the values of a list in its canonical text, and splits a text where lists were fitted.
LIST_SEPARATOR = "|"
_REASONS: dict[ValueType | None, str] = {
    ValueType.TIME: "a number or an ISO 8601 date or time",
    ValueType.DURATION: "a number, a time of the day or a duration",
}
_LAST_SECOND = 253_402_300_800.0  # the year 10000, beyond which times have no text


class UnreadableValueError(ValueError):
    """A value that cannot be read as its column's type; `position` counts from 0 in the column.

    Callers know the table, the column and the rows before it, and raise a `DataError` that names them.
    """

    def __init__(self, value: Any, position: int, reason: str) -> None:
        super().__init__(f"{value!r} at position {position} is not {reason}")
        self.value = value
        self.position = position
        self.reason = reason


def canonical_strings(column: Column, reading: Reading = AS_WRITTEN) -> pa.StringArray:
    """Return the canonical text of each value; missing values are null.

    Missing values are null, NaN, the empty text, an empty list, and the reading's marks of missing values. Text stays
    unchanged, including spaces and leading zeros. Integers are decimal, floats that are whole numbers have no ".0",
    decimals have no trailing zeros, times are ISO 8601 (in UTC) without a fraction of zeros, and lists are the texts of
    their values joined by "|". Booleans are "1" and "0" in columns of numbers, else "true" and "false". Texts in
    columns of numbers or times are read as numbers or times first.

    Raises:
        UnreadableValueError: A value is of bytes that are not UTF-8, or the column is nested.
    """
    array = _one_array(column)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return pc.take(canonical_strings(array.dictionary, reading), array.indices)
    if is_list(kind):
        return _empty_to_null(pc.binary_join(as_tokens(array, None, reading), LIST_SEPARATOR))
    if is_text(kind):
        return _read_texts(_as_utf8(array), reading)
    texts = _written(array, reading)
    return _without_marks(texts, reading) if reading.marks else texts


def canonical_codes(column: Column, reading: Reading = AS_WRITTEN) -> pa.DictionaryArray:
    """Return `canonical_strings` as codes of a dictionary, so that distinct values are read once; missing is null.

    Two entries of the dictionary may have the same text, and entries may be null or unused.
    """
    array = _one_array(column)
    kind = array.type
    if pa.types.is_primitive(kind) or (is_text(kind) and reading.values is not None):
        array = _as_utf8(array) if is_text(kind) else array
        array = array.dictionary_encode()  # far fewer values to read than rows
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(array.indices, canonical_strings(array.dictionary, reading))
    return canonical_strings(array, reading).dictionary_encode()


def as_numbers(column: Column, reading: Reading = AS_WRITTEN, *, strict: bool = True) -> NDArray[np.float64]:
    """Return each value as a float64; missing values are NaN, and infinite values stay.

    Text is parsed as a number (spaces around it are allowed), or as a time or duration in a column of those. Booleans
    are 0 and 1. Timestamps and dates are seconds since 1970-01-01 UTC, durations and times of the day seconds.

    Args:
        column: The raw column.
        reading: The reading of the column.
        strict: False makes texts that cannot be read NaN.

    Raises:
        UnreadableValueError: A text cannot be read, and `strict` is True.
    """
    array = _one_array(column)
    kind = array.type
    if pa.types.is_dictionary(kind):
        try:
            values = as_numbers(array.dictionary, reading, strict=strict)
        except UnreadableValueError:
            # The bad entry may be one that no row uses. Reading the rows also finds the row.
            return as_numbers(pc.cast(array, kind.value_type), reading)
        return _float_values(pc.take(pa.array(values), array.indices))
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if is_text(kind):
        return _parsed(_as_utf8(array), reading, strict)
    values = _numbers(array, reading)
    if reading.marks:
        marks = _mark_numbers(reading)
        values[np.isin(values, marks)] = np.nan
    return values


def as_times(column: Column, reading: Reading = AS_WRITTEN) -> NDArray[np.float64]:
    """Return each value as a position in time: numbers unchanged, ISO 8601 text as seconds since 1970-01-01 UTC.

    Missing values are NaN. Durations and times of the day are seconds if the reading says so.

    Raises:
        UnreadableValueError: A value is none of these.
    """
    return as_numbers(column, reading if reading.numeric else replace(reading, values=ValueType.TIME))


def as_tokens(column: Column, separator: str | None, reading: Reading = AS_WRITTEN) -> pa.ListArray:
    """Return the values of each row as a list of canonical texts; a row without values is null.

    Missing tokens, as between two separators, are dropped. Order and repetitions stay.

    Args:
        column: Lists or texts.
        separator: The text between two values. If it is given, the values of lists are split at it, too, as no
            fitted value holds it. None splits texts at "|".
        reading: The reading of the column.

    Raises:
        UnreadableValueError: As in `canonical_strings`.
    """
    array = _one_array(column)
    if pa.types.is_dictionary(array.type):
        return pc.take(as_tokens(array.dictionary, separator, reading), array.indices)
    lists = array
    if is_list(array.type) and separator is not None:
        return as_tokens(pc.binary_join(as_tokens(array, None), separator), separator, reading)
    if not is_list(array.type):
        lists = pc.split_pattern(canonical_strings(array), separator or LIST_SEPARATOR)
    tokens = canonical_strings(pc.list_flatten(lists), reading)
    # Unlike list_parent_indices, lengths work on every kind of list, sliced or not.
    rows = np.repeat(np.arange(len(lists)), pc.fill_null(pc.list_value_length(lists), 0).to_numpy())
    kept = pc.is_valid(tokens)
    lengths = np.bincount(rows[kept.to_numpy(zero_copy_only=False)], minlength=len(lists))
    offsets = np.zeros(len(lists) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pc.filter(tokens, kept), mask=pa.array(lengths == 0))


def token_places(lists: pa.ListArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row of every value of a column of lists, and its place in that row from 0."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(lists)), lengths)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def is_text(kind: pa.DataType) -> bool:
    """Return True if a column of this Arrow type holds text, or bytes that may be text."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def is_number(kind: pa.DataType) -> bool:
    """Return True if a column of this Arrow type holds integers, floats or decimals."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_list(kind: pa.DataType) -> bool:
    """Return True if a column of this Arrow type holds a list in each row."""
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def _one_array(column: Column) -> pa.Array:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # combine_chunks returns one if an array cannot hold all values
        raise ValueError(f"a column of {len(array)} rows is too long for one array; read it in batches")
    return array.storage if isinstance(array, pa.ExtensionArray) else array


def _as_utf8(array: pa.Array) -> pa.StringArray:
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_binary_view(kind):
        array = pc.cast(array, pa.binary())
    try:
        return pc.cast(array, pa.string())
    except pa.ArrowInvalid:
        for position, value in enumerate(array.to_pylist()):
            if isinstance(value, bytes) and not _is_utf8(value):
                raise UnreadableValueError(value, position, "UTF-8 text") from None
        raise


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _empty_to_null(text: pa.StringArray) -> pa.StringArray:
    empty = pc.equal(pc.binary_length(text), 0)
    if not pc.any(empty).as_py():
        return text
    return pc.if_else(empty, pa.scalar(None, pa.string()), text)


def _read_texts(texts: pa.StringArray, reading: Reading) -> pa.StringArray:
    """Return the canonical texts of the values that these texts spell under a reading."""
    if reading.values in (None, ValueType.TEXT):
        return _without_marks(texts, reading) if reading.marks else _empty_to_null(texts)
    texts = _without_marks(texts, reading)
    if reading.values is ValueType.INTEGER:
        return integer_texts(texts, reading.decimal, grouped=reading.grouped)
    values, sound = parser(reading)(trimmed(texts))
    spelled = _moments(values) if reading.values is ValueType.TIME else number_texts(values)
    return pc.if_else(pa.array(sound), spelled, texts)


def _written(array: pa.Array, reading: Reading) -> pa.StringArray:
    """Return the canonical texts of values that are not texts."""
    kind = array.type
    if pa.types.is_null(kind):
        return pc.cast(array, pa.string())
    if pa.types.is_boolean(kind):
        return pc.cast(pc.cast(array, pa.int8()) if reading.numeric else array, pa.string())
    if reading.values is ValueType.TIME and (pa.types.is_temporal(kind) or is_number(kind)):
        return _moments(_numbers(array, reading))
    if pa.types.is_integer(kind):
        return pc.cast(array, pa.string())
    if pa.types.is_floating(kind):
        return _float_strings(array)
    if pa.types.is_decimal(kind):
        return _without_zero_fraction(pc.cast(array, pa.string()))
    if pa.types.is_timestamp(kind):
        if kind.tz is not None:
            array = pc.cast(array, pa.timestamp(kind.unit, "UTC"))
        text = _without_zero_fraction(pc.cast(array, pa.string()))
        return pc.replace_substring(text, " ", "T", max_replacements=1)
    if pa.types.is_date(kind):
        return pc.cast(pc.cast(array, pa.date32()), pa.string())
    if pa.types.is_time(kind) and reading.values is not ValueType.DURATION:
        return _without_zero_fraction(pc.cast(array, pa.string()))
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        return number_texts(_numbers(array, reading))
    raise _unreadable_type(array)


def _without_marks(texts: pa.StringArray, reading: Reading) -> pa.StringArray:
    """Return the texts with null instead of marks of missing values."""
    marks = is_mark(texts, reading)
    return pc.if_else(pa.array(marks), pa.scalar(None, pa.string()), texts) if marks.any() else texts


def _mark_numbers(reading: Reading) -> NDArray[np.float64]:
    """Return the numbers among the marks of missing values, such as -999."""
    marks = pa.array(sorted(reading.marks), pa.string())
    values, sound = parser(reading)(marks)
    return values[sound & ~np.isnan(values)]


def _moments(seconds: NDArray[np.float64]) -> pa.StringArray:
    """Return seconds since 1970 as ISO 8601 texts in UTC; midnight is the date alone, NaN is null."""
    known = np.isfinite(seconds) & (np.abs(seconds) < _LAST_SECOND)
    counts = np.round(np.where(known, seconds, 0.0) * MICROSECONDS).astype(np.int64)
    moments = pc.cast(pa.array(counts, mask=~known), pa.timestamp("us"))
    text = _without_zero_fraction(pc.cast(moments, pa.string()))
    text = pc.replace_substring_regex(pc.replace_substring(text, " ", "T"), "T00:00:00$", "")
    return pc.if_else(pa.array(known), text, number_texts(seconds))


def _float_strings(array: pa.Array) -> pa.StringArray:
    if pa.types.is_float16(array.type):
        array = pc.cast(array, pa.float32())
    # A float32 is written with the digits that it needs itself, which are those of the text it was read from.
    return number_texts(_float_values(array), pc.cast(array, pa.string()))


def _numbers(array: pa.Array, reading: Reading) -> NDArray[np.float64]:
    """Return the numbers of values that are not texts."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return _float_values(pc.cast(pc.cast(array, pa.int8()), pa.float64()))
    if reading.values is not None and _is_shorter(kind):
        return _by_texts(array)
    if is_number(kind):
        return _float_values(pc.cast(array, pa.float64(), safe=False))
    if pa.types.is_date(kind):
        return _float_values(pc.cast(pc.cast(array, pa.date32()), pa.int32())) * 86400.0
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        counts = pc.cast(array, pa.int32() if pa.types.is_time32(kind) else pa.int64())
        if kind.unit == "ns" and reading.values is not None:
            # Rounded down to microseconds, as texts are read: float64 has no digits for more.
            microseconds = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False) // 1000
            return np.where(valid(counts), microseconds / MICROSECONDS, np.nan)
        return _float_values(counts) / {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
    raise _unreadable_type(array)


def _is_shorter(kind: pa.DataType) -> bool:
    """Return True if the type is less precise than float64: a float32 of 0.1 is 0.100000001 as float64."""
    return bool(pa.types.is_float16(kind) or pa.types.is_float32(kind) or pa.types.is_decimal(kind))


def _by_texts(array: pa.Array) -> NDArray[np.float64]:
    """Return float32, float16 or decimal values as the float64 numbers of their shortest texts.

    Whole numbers are converted directly, as the text of the float32 134217728 is 1.3421773e+08.
    """
    if pa.types.is_decimal32(array.type) or pa.types.is_decimal64(array.type):
        array = pc.cast(
            array, pa.decimal128(array.type.precision, array.type.scale)
        )  # decimal32 and decimal64 cannot be dictionary-encoded
    encoded = array.dictionary_encode()
    values = encoded.dictionary
    if pa.types.is_float16(values.type):
        values = pc.cast(values, pa.float32())
    exact = _float_values(pc.cast(values, pa.float64(), safe=False))
    numbers = _float_values(pc.cast(pc.cast(values, pa.string()), pa.float64()))
    if pa.types.is_floating(values.type):
        numbers = np.where(np.floor(exact) == exact, exact, numbers)
    return _float_values(pc.take(pa.array(numbers), encoded.indices))


def _without_zero_fraction(text: pa.StringArray) -> pa.StringArray:
    text = pc.replace_substring_regex(text, r"(\.\d*?)0+(Z?)$", r"\1\2")
    return pc.replace_substring_regex(text, r"\.(Z?)$", r"\1")


def _float_values(array: pa.Array) -> NDArray[np.float64]:
    """Nulls become NaN; the result is writable."""
    values = array.to_numpy(zero_copy_only=False)
    return values.astype(np.float64)  # type: ignore[no-any-return]


def _parsed(texts: pa.StringArray, reading: Reading, strict: bool) -> NDArray[np.float64]:
    known = _without_marks(texts, reading)
    if reading.numeric:
        values, sound = parser(reading)(trimmed(known))
    else:
        # As in an exported graph: only these spaces are trimmed, "nan" is missing, and words are not numbers.
        known = _empty_to_null(pc.utf8_trim(known, " \t\r\n"))
        values, sound = parser(reading)(
            pc.if_else(pc.equal(pc.utf8_lower(known), "nan"), pa.scalar(None, pa.string()), known)
        )
        words = is_boolean_text(known)
        values[words], sound[words] = np.nan, False
    if strict and not sound.all():
        position = int(sound.argmin())
        raise UnreadableValueError(
            texts[position].as_py(), position, _REASONS.get(reading.values, "a number")
        )
    return values


def _unreadable_type(array: pa.Array) -> UnreadableValueError:
    valid = np.flatnonzero(pc.is_valid(array).to_numpy(zero_copy_only=False))
    position = int(valid[0]) if len(valid) else 0
    value = array[position].as_py() if len(array) else None
    return UnreadableValueError(value, position, f"of a type this can read (found {array.type})")
