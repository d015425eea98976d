"""Columns of fields in one Arrow type each, whatever form their values had, so that several requests can be joined."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from autofi.data.schema import Field, FieldKind, Schema
from autofi.serving.refusal import RequestError, shown
from autofi.values.arrow_values import (
    LIST_SEPARATOR,
    UnreadableValueError,
    as_numbers,
    as_tokens,
    canonical_strings,
)

#: The most values of a list, or of a text that is split into one; no model reads more.
MOST_VALUES = 100_000
_TYPES = {
    FieldKind.CATEGORICAL: pa.string(),
    FieldKind.NUMERIC: pa.float64(),
    FieldKind.MULTI_VALUED: pa.list_(pa.string()),
}


def joinable(array: pa.Array, field: Field) -> pa.Array:
    """Return the canonical texts, numbers or tokens of a field's values; missing values are null.

    A model gives them the same result as the original values.

    Raises:
        UnreadableValueError: A numeric field has a text or an infinite number; the error has its row.
        RequestError: A text has more than `MOST_VALUES` values.
    """
    if field.kind is FieldKind.CATEGORICAL:
        return canonical_strings(array, field.reading)
    if field.kind is FieldKind.MULTI_VALUED:
        if pa.types.is_string(array.type):
            _check_texts(array, field)
        return as_tokens(array, field.separator, field.reading)
    numbers = as_numbers(array, field.reading)
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        row = int(infinite[0])
        raise UnreadableValueError(array[row].as_py(), row, "a finite number")
    return pa.array(numbers, from_pandas=True)


def check_length(count: int, field: Field, *, row: int) -> None:
    """Raise RequestError for a list of more values than `MOST_VALUES`; rows count from 0."""
    if count > MOST_VALUES:
        found = f"{count:,}" if count < 1 << 62 else shown(count)
        raise RequestError(
            413, f"Row {row + 1}: field '{field.name}' has {found} values; send at most {MOST_VALUES:,}."
        )


def _check_texts(texts: pa.StringArray, field: Field) -> None:
    counts = pc.count_substring(texts, field.separator or LIST_SEPARATOR)
    most = pc.max(counts).as_py() or 0
    if most >= MOST_VALUES:
        check_length(most + 1, field, row=pc.index(counts, most).as_py())


def joinable_schema(schema: Schema) -> pa.Schema:
    """Return the types of the columns that `joinable` makes, in the order of the fields."""
    return pa.schema([(field.name, _TYPES[field.kind]) for field in schema.fields])


def missing_row(schema: Schema) -> pa.Table:
    """Return one row without any value."""
    return pa.Table.from_pylist([{}], schema=joinable_schema(schema))
