"""Rows as JSON objects (`{"rows": [{"city": "Rome", "price": 1.5}]}`) to a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from autofi.data.schema import Field, FieldKind, Schema
from autofi.errors import nearest
from autofi.serving.arrow_columns import check_length, joinable, joinable_schema
from autofi.serving.refusal import RequestError, short, shown
from autofi.values.arrow_values import UnreadableValueError, canonical_strings

_RULES = {
    FieldKind.CATEGORICAL: "a text, a number, true, false or null",
    FieldKind.NUMERIC: "a finite number, a text of one, true, false or null",
    FieldKind.MULTI_VALUED: "a list of texts and numbers, or one of them, or null",
}


def table_of_rows(document: Any, schema: Schema, *, most_rows: int) -> pa.Table:
    """The fields' columns, as `joinable_schema` says; raises Refusal, with row and field, for what they cannot hold.

    A field that a row leaves out is missing there; keys that are no field are for `autofi.serving.unknown_keys`.
    """
    rows = _rows(document, most_rows)
    known = set(schema.names)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise RequestError(400, f"A row is an object of fields and values: row {number} is {shown(row)}.")
        if known.isdisjoint(row):
            raise RequestError(400, _foreign(row, number, schema))
    columns = [_column([row.get(field.name) for row in rows], field) for field in schema.fields]
    return pa.Table.from_arrays(columns, schema=joinable_schema(schema))


def _rows(document: Any, most_rows: int) -> list[Any]:
    example = 'send {"rows": [{field: value, ...}, ...]}'
    if not isinstance(document, dict) or "rows" not in document:
        found = "an object without" if isinstance(document, dict) else shown(document)
        raise RequestError(400, f"A request is an object with the key 'rows': found {found}; {example}.")
    for key in document:
        if key != "rows":
            raise RequestError(400, f"A request has the key 'rows' only: found '{short(key)}'; {example}.")
    rows = document["rows"]
    if not isinstance(rows, list):
        raise RequestError(400, f"'rows' is a list of objects: found {shown(rows)}; {example}.")
    if not rows:
        raise RequestError(400, f"A request has at least one row: 'rows' is empty; {example}.")
    if len(rows) > most_rows:
        raise RequestError(413, f"A request has at most {most_rows} rows: found {len(rows)}; send several.")
    return rows


def _foreign(row: dict[str, Any], number: int, schema: Schema) -> str:
    rule = f"A row has at least one field of the model: row {number}"
    first = short(next(iter(row), ""))
    if not row:
        return f"{rule} is empty; known: {', '.join(schema.names)}."
    return f"{rule} has none, its first key is '{first}'; {nearest(first, schema.names)}"


def _column(values: list[Any], field: Field) -> pa.Array:
    if field.kind is FieldKind.NUMERIC:
        return _numbers(values, field)
    if field.kind is FieldKind.CATEGORICAL:
        return joinable(pa.array(_texts(values, field), pa.string()), field)
    return _lists(values, field)


def _numbers(values: list[Any], field: Field) -> pa.Array:
    """float64; texts are numbers or times as a column of texts would be."""
    spelled = [value if isinstance(value, str) else None for value in values]
    others = [
        None if isinstance(value, str) else _number(value, field, row) for row, value in enumerate(values)
    ]
    numbers = pa.array(others, pa.float64())
    if not any(spelled):
        return numbers
    try:
        return pc.coalesce(joinable(pa.array(spelled, pa.string()), field), numbers)
    except UnreadableValueError as error:
        raise _refused(values[error.position], field, error.position) from None


def _number(value: Any, field: Field, row: int) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float):
        raise _refused(value, field, row)
    try:
        number = float(value)
    except OverflowError:
        raise _refused(value, field, row) from None
    if not math.isfinite(number):
        raise _refused(value, field, row)
    return number


def _texts(values: Sequence[Any], field: Field, row: int | None = None) -> list[str | None]:
    """Return the canonical text of every single value; they lie in one row if it is given, else one in each."""
    floats = [value for value in values if isinstance(value, float)]
    spelled = iter(canonical_strings(pa.array(floats, pa.float64())).to_pylist())
    texts: list[str | None] = []
    for place, value in enumerate(values):
        if value is None or isinstance(value, str):
            texts.append(value)
        elif isinstance(value, bool):
            texts.append("true" if value else "false")
        elif isinstance(value, int):
            texts.append(str(value))
        elif isinstance(value, float) and math.isfinite(value):
            texts.append(next(spelled))
        else:
            raise _refused(value, field, place if row is None else row)
    return texts


def _lists(values: list[Any], field: Field) -> pa.Array:
    """Lists hold their tokens; single values are read as text of the field is, with its separator."""
    for row, value in enumerate(values):
        if isinstance(value, list):
            check_length(len(value), field, row=row)
    single = [None if isinstance(value, list) else value for value in values]
    divided = joinable(pa.array(_texts(single, field), pa.string()), field).to_pylist()
    lists = [
        _texts(value, field, row) if isinstance(value, list) else tokens
        for row, (value, tokens) in enumerate(zip(values, divided, strict=True))
    ]
    return joinable(pa.array(lists, pa.list_(pa.string())), field)


def _refused(value: Any, field: Field, row: int) -> RequestError:
    rule = _RULES[field.kind]
    return RequestError(400, f"Row {row + 1}: field '{field.name}' is {rule}; found {shown(value)}.")
