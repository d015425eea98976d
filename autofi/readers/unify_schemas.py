"""Common columns and types of the parts of one table, which may differ in the types and the order of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from autofi.errors import DataError
from autofi.values.arrow_values import is_list, is_text


@dataclass(frozen=True)
class Part:
    """A part of a table: its name, its columns, and Arrow types by column; a column without a type is untyped text."""

    name: str
    columns: tuple[str, ...]
    types: Mapping[str, pa.DataType]


def common_columns(parts: Sequence[Part], names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that every part has, in the order of the first part.

    Raises:
        DataError: A part lacks a column of another; if there are `names`, only these columns matter.
    """
    holder: dict[str, str] = {}
    for part in parts:
        for column in part.columns:
            holder.setdefault(column, part.name)
    owned = {part.name: set(part.columns) for part in parts}
    wanted = [column for column in holder if not names or column in names]
    for column, other in ((column, holder[column]) for column in wanted):
        for part in parts:
            if column not in owned[part.name]:
                raise DataError(
                    f"Column '{column}' is missing in {part.name}, a part of the same table as {other}, which has "
                    "it; write it there as well, or read the parts as separate tables."
                )
    shared = set.intersection(*owned.values())
    return tuple(column for column in parts[0].columns if column in shared)


def common_types(
    parts: Sequence[Part], columns: Sequence[str], names: Sequence[str]
) -> dict[str, pa.DataType]:
    """Return the types to which columns are cast, where that changes no value: columns of integers or without values.

    Other columns keep the type of each part, and are made equal value by value: double beside int64 (whose common type
    in Arrow would lose digits), decimals of several scales, times of several units, texts with or without a dictionary.

    Raises:
        DataError: The types of two parts mean different things; if there are `names`, only these columns matter.
    """
    found = {}
    for column in columns if not names else set(columns).intersection(names):
        held = [(part.types[column], part.name) for part in parts if column in part.types]
        kinds = [kind for kind, _ in held]
        if all(kind == kinds[0] for kind in kinds[1:]):
            continue
        first = next((each for each in held if not pa.types.is_null(each[0])), held[0])
        for kind, name in held:
            if not fit(first[0], kind):
                raise DataError(
                    f"Column '{column}' is {first[0]} in {first[1]} and {kind} in {name}, which mean different things; "
                    "write one of the files again with the type of the other."
                )
        valued = [kind for kind in kinds if not pa.types.is_null(kind)]
        if all(map(pa.types.is_integer, valued)):
            found[column] = _integer(valued)
        elif len(valued) < len(kinds):
            found[column] = valued[0]
    return {column: kind for column, kind in found.items() if kind is not None}


def cast_batch(batch: pa.RecordBatch, types: Mapping[str, pa.DataType]) -> pa.RecordBatch:
    """Return the batch with its columns of integers, or without values, cast to the given types."""
    arrays = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        wanted = types.get(name)
        if wanted is not None and pa.types.is_null(column.type):
            column = pa.nulls(len(column), wanted)
        elif wanted is not None and pa.types.is_integer(column.type):
            column = column.cast(wanted)
        arrays.append(column)
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def fit(first: pa.DataType, other: pa.DataType) -> bool:
    """Return True if values of both types may stand in one column."""
    if pa.types.is_null(first) or pa.types.is_null(other) or first == other:
        return True
    if is_list(first) and is_list(other):
        return fit(first.value_type, other.value_type)
    return _family(first) == _family(other)


def _family(kind: pa.DataType) -> str:
    if isinstance(kind, pa.BaseExtensionType):
        return "text" if isinstance(kind, pa.UuidType) else _family(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _family(kind.value_type)
    if is_text(kind):
        return "text"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamp with a zone"
    for name in ("date", "time", "duration", "struct", "map", "union"):
        if getattr(pa.types, f"is_{name}")(kind):
            return name
    return str(kind)


def _integer(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return the smallest type that holds the integers of all types, or None if there is none."""
    signed = [kind for kind in kinds if pa.types.is_signed_integer(kind)]
    if not signed:
        return max(kinds, key=lambda kind: kind.bit_width)
    widths = [kind.bit_width if kind in signed else 2 * kind.bit_width for kind in kinds]
    return {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}.get(max(widths))
