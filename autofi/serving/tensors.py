"""Conversion of tensors of the Open Inference Protocol v2 to a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from autofi.data.schema import Field, FieldKind, Schema
from autofi.errors import nearest
from autofi.serving.arrow_columns import check_length, joinable, joinable_schema
from autofi.serving.protocol import Datatype, InferInput, TensorMetadata
from autofi.serving.refusal import RequestError, short, shown
from autofi.values.arrow_values import UnreadableValueError

OUTPUT = TensorMetadata(name="probability", datatype="FP64", shape=[-1])

_ARROW: dict[Datatype, pa.DataType] = {
    "BOOL": pa.bool_(),
    "UINT8": pa.uint8(), "UINT16": pa.uint16(), "UINT32": pa.uint32(), "UINT64": pa.uint64(),
    "INT8": pa.int8(), "INT16": pa.int16(), "INT32": pa.int32(), "INT64": pa.int64(),
    "FP16": pa.float16(), "FP32": pa.float32(), "FP64": pa.float64(),
    "BYTES": pa.string(),
}  # fmt: skip


_NUMBERS: dict[str, set[type]] = {"F": {int, float}, "I": {int}, "U": {int}}
_OTHERS: dict[Datatype, set[type]] = {"BOOL": {bool}, "BYTES": {str}}


def inputs_of(schema: Schema) -> list[TensorMetadata]:
    """Return a tensor per field; lists are padded with empty texts to one length."""
    tensors = []
    for field in schema.fields:
        lists = field.kind is FieldKind.MULTI_VALUED and field.separator is None
        datatype: Datatype = "FP64" if field.kind is FieldKind.NUMERIC else "BYTES"
        tensors.append(TensorMetadata(name=field.name, datatype=datatype, shape=[-1, -1] if lists else [-1]))
    return tensors


def table_of_tensors(
    inputs: list[InferInput],
    schema: Schema,
    *,
    most_rows: int,
    given: Mapping[str, pa.Array] | None = None,
) -> pa.Table:
    """Return the fields' columns, typed as in `joinable_schema`.

    Args:
        inputs: The tensors.
        schema: The fields.
        most_rows: The most rows.
        given: The values of tensors that came as bytes instead of JSON, in the order of rows.

    Raises:
        RequestError: A tensor does not fit its field; the message has its name.
    """
    tensors = _by_name(inputs, schema)
    first = inputs[0]
    for tensor in inputs:
        if tensor.shape[0] != first.shape[0]:
            raise RequestError(
                400,
                f"Tensor '{first.name}' has {shown(first.shape[0])} rows and '{tensor.name}' has "
                f"{shown(tensor.shape[0])}; send all tensors with the same rows.",
            )
    rows = first.shape[0]
    if rows > most_rows:
        raise RequestError(
            413, f"The request has {shown(rows)} rows, and {most_rows} is the limit; send several requests."
        )
    columns = [_column(tensors[field.name], field, given or {}) for field in schema.fields]
    return pa.Table.from_arrays(columns, schema=joinable_schema(schema))


def _by_name(inputs: list[InferInput], schema: Schema) -> dict[str, InferInput]:
    tensors: dict[str, InferInput] = {}
    for tensor in inputs:
        if tensor.name in tensors:
            raise RequestError(400, f"The tensor '{short(tensor.name)}' occurs twice; send it once.")
        tensors[tensor.name] = tensor
    for name in tensors:
        if name not in schema.names:
            known = nearest(short(name), schema.names)
            raise RequestError(400, f"The tensor '{short(name)}' is not a field of the model; {known}")
    for name in schema.names:
        if name not in tensors:
            raise RequestError(
                400,
                f"The tensor '{name}' is missing; send it, with null for unknown values.",
            )
    return tensors


def _column(tensor: InferInput, field: Field, given: Mapping[str, pa.Array]) -> pa.Array:
    per_row = _values_per_row(tensor, field)
    array = given.get(tensor.name)
    if array is None:
        array = _array(_flat(tensor, per_row), tensor)
    elif len(array) != math.prod(tensor.shape):
        raise RequestError(400, _unfilled(tensor, len(array)))
    # A text of several values, one text per row, is split at the field's separator; rows of several tokens are not.
    if (
        field.kind is FieldKind.MULTI_VALUED
        and len(tensor.shape) == 2
        and (per_row != 1 or not field.separator)
    ):
        offsets = np.arange(tensor.shape[0] + 1, dtype=np.int32) * np.int32(per_row)
        array = pa.ListArray.from_arrays(pa.array(offsets), array)
    try:
        return joinable(array, field)
    except UnreadableValueError as error:
        raise RequestError(
            400,
            f"Tensor '{tensor.name}': value {error.position + 1}, {shown(error.value)}, is not {error.reason}.",
        ) from None


def _values_per_row(tensor: InferInput, field: Field) -> int:
    shape = tensor.shape
    if len(shape) == 1:
        return 1
    if len(shape) == 2 and (field.kind is FieldKind.MULTI_VALUED or shape[1] == 1):
        check_length(shape[1], field, row=0)
        return shape[1]
    allowed = "[N], [N,1] or [N,L]" if field.kind is FieldKind.MULTI_VALUED else "[N] or [N,1]"
    found = ",".join(shown(size) for size in shape[:5])
    raise RequestError(400, f"Tensor '{tensor.name}' has the shape [{found}]; send {allowed}.")


def _flat(tensor: InferInput, per_row: int) -> list[Any]:
    """Return the values in the order of rows, from flat or nested data; raise RequestError if their number is wrong."""
    data = tensor.data or []
    if len(tensor.shape) == 2 and data and isinstance(data[0], list):
        for place, row in enumerate(data):
            if not isinstance(row, list) or len(row) != per_row:
                found = f"{len(row)} values" if isinstance(row, list) else shown(row)
                raise RequestError(
                    400,
                    f"Tensor '{tensor.name}': row {place + 1} of its data is {found}; send a list of {shown(per_row)}, "
                    "as its shape says.",
                )
        data = [value for row in data for value in row]
    expected = math.prod(tensor.shape)
    if len(data) != expected:
        raise RequestError(400, _unfilled(tensor, len(data)))
    return data


def _unfilled(tensor: InferInput, found: int) -> str:
    expected = shown(math.prod(tensor.shape))
    return f"Tensor '{short(tensor.name)}' has {found} values; its shape needs {expected}."


def _array(values: list[Any], tensor: InferInput) -> pa.Array:
    """Return an Arrow array of the datatype; raise RequestError with the first value that does not fit."""
    try:
        return _typed(values, tensor.datatype)
    except (TypeError, ValueError, OverflowError):
        # This is rare, so checking the values one by one costs little.
        for place, value in enumerate(values):
            try:
                _typed([value], tensor.datatype)
            except (TypeError, ValueError, OverflowError):
                raise RequestError(
                    400,
                    f"Tensor '{tensor.name}': value {place + 1}, {shown(value)}, is not of datatype "
                    f"{tensor.datatype}.",
                ) from None
        raise


def _typed(values: list[Any], datatype: Datatype) -> pa.Array:
    """Return an Arrow array; raise TypeError, ValueError or OverflowError for a value outside the datatype."""
    kind = _ARROW[datatype]
    if not set(map(type, values)) <= {type(None), *(_OTHERS.get(datatype) or _NUMBERS[datatype[0]])}:
        raise TypeError(datatype)
    if pa.types.is_floating(kind):
        # Arrow refuses integers that a float rounds, but JSON has only one kind of number.
        values = [None if value is None else float(value) for value in values]
    array = pa.array(values, kind)
    if pa.types.is_floating(kind) and pc.any(pc.is_inf(pc.cast(array, pa.float64()))).as_py():
        raise OverflowError(datatype)
    return array
