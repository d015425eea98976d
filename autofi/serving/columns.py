"""Each field's column in one Arrow type, however its values came: tables of several requests can then be joined."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from autofi.data.columns import UnreadableValueError, as_numbers, as_tokens, canonical_strings
from autofi.data.schema import Field, FieldKind, Schema

_TYPES = {
    FieldKind.CATEGORICAL: pa.string(),
    FieldKind.NUMERIC: pa.float64(),
    FieldKind.MULTI_VALUED: pa.list_(pa.string()),
}


def joinable(array: pa.Array, field: Field) -> pa.Array:
    """The canonical texts, numbers or tokens of a field's values; missing values are null.

    What the model makes of them is what it makes of the values themselves.
    Raises UnreadableValueError, with the row, for a value that a numeric field cannot hold: text, or a number that is
    infinite.
    """
    if field.kind is FieldKind.CATEGORICAL:
        return canonical_strings(array, field.reading)
    if field.kind is FieldKind.MULTI_VALUED:
        return as_tokens(array, field.separator, field.reading)
    numbers = as_numbers(array, field.reading)
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        row = int(infinite[0])
        raise UnreadableValueError(array[row].as_py(), row, "a finite number")
    return pa.array(numbers, from_pandas=True)


def joinable_schema(schema: Schema) -> pa.Schema:
    """The types of the columns that `joinable` makes, in the order of the fields."""
    return pa.schema([(field.name, _TYPES[field.kind]) for field in schema.fields])


def missing_row(schema: Schema) -> pa.Table:
    """One row without any value."""
    return pa.Table.from_pylist([{}], schema=joinable_schema(schema))
