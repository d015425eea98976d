"""What one raw column's values mean: the same text, number or tokens whatever file they came from.

Fitting and predicting both read columns through these functions only, so an id that is an integer in a
Parquet file, text in a CSV file and a float in a DataFrame (because the column had gaps) is one value.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Column: TypeAlias = pa.Array | pa.ChunkedArray

# Joins a list's values in its canonical text, and splits a text met where lists were fitted.
LIST_SEPARATOR = "|"
_INT64_LIMIT = 2.0**63
_SPACES = " \t\r\n"


class UnreadableValueError(ValueError):
    """A value that cannot be read as asked; `position` counts from 0 in the column given.

    Callers know the table, the column and the rows before it and raise the `DataError` that names them.
    """

    def __init__(self, value: Any, position: int, reason: str) -> None:
        super().__init__(f"{value!r} at position {position} is not {reason}")
        self.value = value
        self.position = position
        self.reason = reason


def canonical_strings(column: Column) -> pa.StringArray:
    """The text that stands for each value; missing values are null.

    Missing: null, NaN, the empty text, an empty list. Text stays as it is, spaces and leading zeros
    included. Integers are decimal; floats that are whole numbers have no ".0"; decimals have no trailing
    zeros; booleans are "true" and "false"; times are ISO 8601 (in UTC where they have a zone) without a
    fraction of zeros; lists are their values' texts joined by "|". Raises UnreadableValueError for bytes
    that are not UTF-8, and for nested columns.
    """
    array = _one_array(column)
    kind = array.type
    if pa.types.is_dictionary(kind):
        return pc.take(canonical_strings(array.dictionary), array.indices)
    if is_text(kind):
        return _empty_to_null(_as_utf8(array))
    if pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return pc.cast(array, pa.string())
    if pa.types.is_floating(kind):
        return _float_strings(array)
    if pa.types.is_decimal(kind):
        return _without_zero_fraction(pc.cast(array, pa.string()))
    if is_list(kind):
        return _empty_to_null(pc.binary_join(as_tokens(array, None), LIST_SEPARATOR))
    if pa.types.is_timestamp(kind):
        if kind.tz is not None:
            array = pc.cast(array, pa.timestamp(kind.unit, "UTC"))
        text = _without_zero_fraction(pc.cast(array, pa.string()))
        return pc.replace_substring(text, " ", "T", max_replacements=1)
    if pa.types.is_date(kind):
        return pc.cast(pc.cast(array, pa.date32()), pa.string())
    if pa.types.is_time(kind):
        return _without_zero_fraction(pc.cast(array, pa.string()))
    if pa.types.is_duration(kind):
        return _float_strings(pa.array(as_numbers(array)))
    raise _unreadable_type(array)


def canonical_codes(column: Column) -> pa.DictionaryArray:
    """`canonical_strings` as codes of a dictionary, each distinct text written once; missing values are null.

    Two entries of the dictionary may have the same text, and entries may be null or unused.
    """
    array = _one_array(column)
    if pa.types.is_primitive(array.type):  # far fewer numbers to write than rows
        array = array.dictionary_encode()
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(array.indices, canonical_strings(array.dictionary))
    return canonical_strings(array).dictionary_encode()


def as_numbers(column: Column) -> NDArray[np.float64]:
    """Each value as a float64; missing values are NaN. Infinite values are returned as they are.

    Text is parsed as a decimal number (spaces around it are allowed, "nan" is missing); booleans are 0 and
    1; timestamps and dates are seconds since 1970-01-01 UTC, durations seconds. Raises UnreadableValueError
    at the first value that is not a number.
    """
    array = _one_array(column)
    kind = array.type
    if pa.types.is_dictionary(kind):
        try:
            values = as_numbers(array.dictionary)
        except UnreadableValueError:
            # The bad entry may be one that no row uses; reading the rows finds the row, too.
            return as_numbers(pc.cast(array, kind.value_type))
        return _float_values(pc.take(pa.array(values), array.indices))
    if pa.types.is_null(kind):
        return np.full(len(array), np.nan)
    if is_text(kind):
        return _parsed(_as_utf8(array))
    if pa.types.is_boolean(kind):
        return _float_values(pc.cast(pc.cast(array, pa.int8()), pa.float64()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _float_values(pc.cast(array, pa.float64(), safe=False))
    if pa.types.is_date(kind):
        return _float_values(pc.cast(pc.cast(array, pa.date32()), pa.int32())) * 86400.0
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        counts = pc.cast(array, pa.int32() if pa.types.is_time32(kind) else pa.int64())
        return _float_values(counts) / {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
    raise _unreadable_type(array)


def as_times(column: Column) -> NDArray[np.float64]:
    """Each value as an order in time: numbers as they are, ISO 8601 text as seconds since 1970-01-01 UTC.

    A text column is either all numbers or all dates and times, with or without zones throughout. Missing is
    NaN. Raises UnreadableValueError at the first value that is neither.
    """
    array = _one_array(column)
    if pa.types.is_dictionary(array.type):
        array = pc.cast(array, array.type.value_type)
    try:
        return as_numbers(array)
    except UnreadableValueError:
        if not is_text(array.type):
            raise
    text = _empty_to_null(pc.utf8_trim(_as_utf8(array), _SPACES))
    for zone in (None, "UTC"):
        try:
            return as_numbers(pc.cast(text, pa.timestamp("us", zone)))
        except pa.ArrowInvalid:
            continue
    kinds = (pa.float64(), pa.timestamp("us"), pa.timestamp("us", "UTC"))
    position = max(_first_unparsable(text, kind) for kind in kinds)  # by the reading that gets furthest
    raise UnreadableValueError(text[position].as_py(), position, "a number or an ISO 8601 date or time")


def as_tokens(column: Column, separator: str | None) -> pa.ListArray:
    """Each row's values as a list of canonical texts; a row without any is null.

    Text is split at `separator` ("|" where it is None); so are a list's values where it is given, for none that was
    fitted holds it. Missing tokens, as between two separators, are dropped; order and repetitions stay. Raises
    UnreadableValueError like `canonical_strings`.
    """
    array = _one_array(column)
    if pa.types.is_dictionary(array.type):
        return pc.take(as_tokens(array.dictionary, separator), array.indices)
    lists = array
    if is_list(array.type) and separator is not None:
        return as_tokens(pc.binary_join(as_tokens(array, None), separator), separator)
    if not is_list(array.type):
        lists = pc.split_pattern(canonical_strings(array), separator or LIST_SEPARATOR)
    tokens = canonical_strings(pc.list_flatten(lists))
    # Lengths rather than list_parent_indices: these work on every kind of list, sliced or not.
    rows = np.repeat(np.arange(len(lists)), pc.fill_null(pc.list_value_length(lists), 0).to_numpy())
    kept = pc.is_valid(tokens)
    lengths = np.bincount(rows[kept.to_numpy(zero_copy_only=False)], minlength=len(lists))
    offsets = np.zeros(len(lists) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pc.filter(tokens, kept), mask=pa.array(lengths == 0))


def token_places(lists: pa.ListArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of every value of a column of lists, end to end: its row, and its place in that row from 0."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(lists)), lengths)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type holds text (or bytes that may be text)."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type holds a list in each row."""
    return bool(
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
        or pa.types.is_list_view(kind)
        or pa.types.is_large_list_view(kind)
    )


def _one_array(column: Column) -> pa.Array:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # what combine_chunks gives where one array cannot hold it all
        raise ValueError(f"a column of {len(array)} rows is too long for one array: read it in batches")
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


def _float_strings(array: pa.Array) -> pa.StringArray:
    if pa.types.is_float16(array.type):
        array = pc.cast(array, pa.float32())
    # float32 is written with the digits it needs itself, which are those of the text it was read from.
    values = _float_values(array)
    missing = np.isnan(values)
    whole = (np.floor(values) == values) & (np.abs(values) < _INT64_LIMIT)
    integers = pc.cast(pa.array(np.where(whole, values, 0.0).astype(np.int64)), pa.string())
    if bool((whole | missing).all()):
        return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), integers)
    text = pc.if_else(pa.array(whole), integers, pc.cast(array, pa.string()))
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), text)


def _without_zero_fraction(text: pa.StringArray) -> pa.StringArray:
    text = pc.replace_substring_regex(text, r"(\.\d*?)0+(Z?)$", r"\1\2")
    return pc.replace_substring_regex(text, r"\.(Z?)$", r"\1")


def _float_values(array: pa.Array) -> NDArray[np.float64]:
    """Nulls become NaN; the result is writable."""
    values = array.to_numpy(zero_copy_only=False)
    return values.astype(np.float64)  # type: ignore[no-any-return]


def _parsed(text: pa.StringArray) -> NDArray[np.float64]:
    try:
        return _float_values(pc.cast(_empty_to_null(text), pa.float64()))
    except pa.ArrowInvalid:
        trimmed = _empty_to_null(pc.utf8_trim(text, _SPACES))
    try:
        return _float_values(pc.cast(trimmed, pa.float64()))
    except pa.ArrowInvalid:
        position = _first_unparsable(trimmed, pa.float64())
        raise UnreadableValueError(text[position].as_py(), position, "a number") from None


def _first_unparsable(text: pa.StringArray, kind: pa.DataType) -> int:
    """Bisection by casting halves, so that no second rule of what parses can disagree with Arrow's."""
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            pc.cast(text.slice(low, middle - low), kind)
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _unreadable_type(array: pa.Array) -> UnreadableValueError:
    valid = np.flatnonzero(pc.is_valid(array).to_numpy(zero_copy_only=False))
    position = int(valid[0]) if len(valid) else 0
    value = array[position].as_py() if len(array) else None
    return UnreadableValueError(value, position, f"of a type this can read (found {array.type})")
