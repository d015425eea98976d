"""Columns of Python objects as Arrow columns."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from autofi.readers.plain_types import to_plain_types
from autofi.values.arrow_values import UnreadableValueError, canonical_strings

#: Families of types that Arrow can hold in one column; subclasses come before their bases.
_FAMILIES: dict[type, str] = {
    bool: "boolean",
    np.bool_: "boolean",
    int: "number",
    float: "number",
    np.number: "number",
    decimal.Decimal: "number",
    str: "text",
    bytes: "text",
    dt.datetime: "datetime",
    dt.date: "date",
    list: "list",
    tuple: "list",
    np.ndarray: "list",
    set: "set",
    frozenset: "set",
}
_LISTS = (list, tuple, set, frozenset, np.ndarray)
#: Types of pandas, by name, as pandas need not be installed. Their texts are those in a CSV file of pandas.
_WRITTEN = ("Period", "Interval")
_MISSING = ("NAType", "NaTType", "NoneType")


@dataclass(frozen=True)
class ObjectColumn:
    """An Arrow column made of Python objects.

    Attributes:
        array: The values.
        remark: A remark for the user about an unusual reading of the values.
        unread: The reason why the column is not read at all.
    """

    array: pa.Array
    remark: str | None = None
    unread: str | None = None


def object_column(values: Sequence[Any]) -> ObjectColumn:
    """Return objects as an Arrow column: of one type as that type, of several types as texts, sets as lists.

    None, NaN, NaT and NA are missing. A column of any other objects is not read; its type, a struct, shows that to any
    reader.
    """
    families = _families(values)
    if "set" in families:
        # The order of a set differs between processes.
        values = [_ordered(value) if isinstance(value, (set, frozenset)) else value for value in values]
        families = families - {"set"} | {"list"}
    if families == {"date", "datetime"}:
        values = [_midnight(value) if _family(value) == "date" else value for value in values]
        families = {"datetime"}
    # Arrow would silently convert one family to another: a time to a date, a text to a list of its characters.
    if len(families) < 2 and not families & set(_WRITTEN):
        try:
            array = pa.array(values, from_pandas=True)
            return ObjectColumn(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass
    if families == {"list"}:
        return _list_column(values)
    return _text_column(values)


def unread_column(rows: int, kind: str) -> ObjectColumn:
    """Return a column of a type that is never read."""
    array = pa.nulls(rows, pa.struct([pa.field(kind, pa.null())]))
    return ObjectColumn(array, unread=f"values of type {kind} are not read")


def _families(values: Sequence[Any]) -> set[str]:
    """Return the families of all values; single values are inspected only if their types leave it open."""
    types = set(map(type, values))
    open_ = {kind for kind in types if issubclass(kind, (float, dt.datetime))}
    families = {_family_of(kind) for kind in types - open_ if kind.__name__ not in _MISSING}
    if open_ == {float} and families <= {"number"}:
        return families | {"number"}
    return families | {_family(value) for value in values if type(value) in open_} - {None}  # type: ignore[operator]


def _family(value: Any) -> str | None:
    """Return the family of a value, whose members Arrow can hold without a loss; None for a missing value."""
    if _is_missing(value):
        return None
    found = _family_of(type(value))
    return "datetime with a zone" if found == "datetime" and value.tzinfo is not None else found


def _family_of(kind: type) -> str:
    return next((name for each, name in _FAMILIES.items() if issubclass(kind, each)), kind.__name__)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day)


def _ordered(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=lambda value: (type(value).__name__, str(value)))


def _is_missing(value: Any) -> bool:
    return type(value).__name__ in _MISSING or (isinstance(value, float) and value != value)


def _list_column(values: Sequence[Any]) -> ObjectColumn:
    lists = [None if _is_missing(value) else value for value in values]
    inner = object_column(list(itertools.chain.from_iterable(value for value in lists if value is not None)))
    if inner.unread is not None:
        return unread_column(len(lists), "list of objects")
    lengths = [0 if value is None else len(value) for value in lists]
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))
    mask = pa.array([value is None for value in lists])
    return ObjectColumn(
        pa.LargeListArray.from_arrays(offsets, to_plain_types(inner.array), mask=mask), remark=inner.remark
    )


def _text_column(values: Sequence[Any]) -> ObjectColumn:
    """Return the column of the canonical texts of values of several types."""
    places: dict[tuple[type, str], list[int]] = {}
    for place, value in enumerate(values):
        family = _family(value)
        if family is not None:
            places.setdefault((type(value), family), []).append(place)
    texts = np.full(len(values), None, dtype=object)
    for (kind, _), at in places.items():
        written = _texts(kind, [values[place] for place in at])
        if written is None:
            return unread_column(len(values), kind.__name__)
        texts[at] = written
    names = sorted({kind.__name__ for kind, _ in places})
    remark = (
        f"values of types {', '.join(names[:-1])} and {names[-1]} are read as texts" if names[1:] else None
    )
    return ObjectColumn(pa.array(texts, pa.large_string()), remark=remark)


def _texts(kind: type, values: list[Any]) -> list[str | None] | None:
    """Return the texts of values of one type, or None if they have no text that means the same elsewhere."""
    if issubclass(kind, str):
        return list(map(str, values))
    if kind.__name__ not in _WRITTEN and not issubclass(kind, _LISTS):
        try:
            return list(canonical_strings(to_plain_types(pa.array(values))).to_pylist())
        except (pa.ArrowException, TypeError, ValueError, OverflowError, UnreadableValueError):
            pass
    if issubclass(kind, (int, uuid.UUID, np.number)) and not issubclass(kind, np.complexfloating):
        return list(map(str, values))
    return list(map(str, values)) if kind.__name__ in _WRITTEN else None
