"""Conversion of rows as JSON objects (`{"rows": [{"city": "Rome", "price": 1.5}]}`) to a table."""

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
    """Return the fields' columns, typed as in `joinable_schema`.

    A field that a row leaves out is missing there; `autofi.serving.unknown_keys` deals with keys that are not
    fields.

    Raises:
        RequestError: A value does not fit its field; the message has row and field.
    """
    rows = _rows(document, most_rows)
    known = set(schema.names)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise RequestError(400, f"Row {number} is {shown(row)}, not an object of fields and values.")
        if known.isdisjoint(row):
            raise RequestError(400, _foreign(row, number, schema))
    columns = [_column([row.get(field.name) for row in rows], field) for field in schema.fields]
    return pa.Table.from_arrays(columns, schema=joinable_schema(schema))


def _rows(document: Any, most_rows: int) -> list[Any]:
    example = 'send {"rows": [{field: value, ...}, ...]}'
    if not isinstance(document, dict) or "rows" not in document:
        found = "an object without the key 'rows'" if isinstance(document, dict) else shown(document)
        raise RequestError(400, f"The request is {found}; {example}.")
    for key in document:
        if key != "rows":
            raise RequestError(400, f"The request has the key '{short(key)}' beside 'rows'; {example}.")
    rows = document["rows"]
    if not isinstance(rows, list):
        raise RequestError(400, f"'rows' is {shown(rows)}, not a list of objects; {example}.")
    if not rows:
        raise RequestError(400, f"'rows' is empty; {example}.")
    if len(rows) > most_rows:
        raise RequestError(
            413, f"The request has {len(rows)} rows, and {most_rows} is the limit; send several requests."
        )
    return rows


def _foreign(row: dict[str, Any], number: int, schema: Schema) -> str:
    first = short(next(iter(row), ""))
    if not row:
        return f"Row {number} is empty; send at least one of the fields {', '.join(schema.names)}."
    return (
        f"Row {number} has no field of the model, its first key is '{first}'; {nearest(first, schema.names)}"
    )


def _column(values: list[Any], field: Field) -> pa.Array:
    if field.kind is FieldKind.NUMERIC:
        return _numbers(values, field)
    if field.kind is FieldKind.CATEGORICAL:
        return joinable(pa.array(_texts(values, field), pa.string()), field)
    return _lists(values, field)


def _numbers(values: list[Any], field: Field) -> pa.Array:
    """Return float64 numbers; texts are read as numbers or times, as in a column of texts."""
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
    """Return the canonical text of every single value; all are of row `row`, or one of each row if it is None."""
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
    """Return the tokens of every list; a single value is read as text of the field, with its separator."""
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
    return RequestError(400, f"Row {row + 1}: field '{field.name}' is {shown(value)}; send {rule}.")
