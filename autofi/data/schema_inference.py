"""Inference of a table's schema, with checks that the table can be learned from."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from autofi.data.column_profile import (
    MOST_DISTINCT,
    ColumnProfile,
    ColumnSummary,
    Mask,
    first_wrong,
    profile,
)
from autofi.data.label_columns import read_labels, read_weights
from autofi.data.schema import Field, FieldKind, Schema
from autofi.data.schema_overrides import SchemaOverrides
from autofi.errors import DataError, listed, nearest, short, shown
from autofi.readers import ColumnNames, Table
from autofi.values.arrow_values import Column, UnreadableValueError, as_numbers, canonical_strings, is_list
from autofi.values.value_types import Reading, ValueType

TARGET_NAMES = ("label", "click", "clicked", "target", "y", "is_click")
_SPLIT_NAMES = {"train", "valid", "test"}
_FEW = 10
_FEW_MARKS = 5
#: Names that pandas gives an index without a name: in Parquet, and after reading it back from CSV.
_PANDAS_LEVEL = re.compile(r"__index_level_\d+__")
_PANDAS_INDEX = re.compile(r"Unnamed: 0(\.\d+)*")
Profiles = Mapping[str, ColumnProfile]


@dataclass(frozen=True)
class InferredSchema:
    """A schema that was inferred from a table.

    Attributes:
        schema: The schema.
        summaries: A summary of every column, in the table's order.
        rows: Number of rows.
        notes: Remarks about guesses, such as that of a header.
    """

    schema: Schema
    summaries: tuple[ColumnSummary, ...]
    rows: int
    notes: tuple[str, ...] = ()


def infer_schema(
    table: Table,
    *,
    target: str | None = None,
    overrides: SchemaOverrides | None = None,
    most_distinct: int = MOST_DISTINCT,
) -> InferredSchema:
    """Return the schema of a table, inferred in one pass.

    Lists are multi-valued. Times, durations and numbers with fractions are numeric. All else is categorical, including
    integers, which are mostly ids and have a position on the number line as well. A column is judged as a whole, by the
    meaning of its values and not by their notation in the file: see `autofi.values.value_types`. Some columns are
    ignored, unless the overrides name them: without values, with one value and none missing, of nested types, with just
    train, valid and test, and an index without a name.

    Args:
        table: The table.
        target: The target; by default the first column named label, click, clicked, target, y or is_click, in upper or
            lower case.
        overrides: Uses and kinds of columns, which win over the inferred ones.
        most_distinct: See `ColumnProfile`.

    Raises:
        DataError: A column is unknown, the target is not 0/1, -1/1 or true/false in every row, a numeric column holds
            text or infinite values, or a weight is missing, negative or not finite.
    """
    given = overrides or SchemaOverrides()
    target = check_columns(table, target=target, overrides=given)
    profiles = {
        column.name: column
        for column in profile(
            table,
            most_distinct=most_distinct,
            separators=given.multi_valued,
            missing=given.missing,
            decimal=given.decimal,
        )
    }
    _check_readable(table, profiles, target, given)
    _check_target(table, profiles[target])
    if given.weight is not None:
        _check_weight(table, profiles[given.weight])

    kinds = _said_kinds(given)
    commas = any(column.reading.decimal == "," for column in profiles.values())
    roles = {target: "target", given.weight: "weight", given.time: "time", given.split_column: "split"}
    fields, summaries = [], []
    indexes: set[str] = set()
    for name in table.columns:
        column = profiles[name]
        said = kinds.get(name)
        index = _index_reason(table, column)
        if index is not None:
            indexes.add(name)
        reason = None if said else index or _reason_to_ignore(column, given)
        role = roles.get(name, "field" if reason is None else "ignored")
        kind = said or column.kind
        field = None
        if said or role == "field":
            field = _field(table, column, kind, given.multi_valued.get(name))
            fields.append(field)
        elif role == "ignored" and name == given.group:
            role = "group"
        note = (
            reason
            if role != "field"
            else "; ".join(_remarks(column, table.remarks.get(name), commas)) or None
        )
        found = column.summary()
        number = found.reads_as_number if field is None else field.reads_as_number
        summaries.append(dataclasses.replace(found, kind=kind, reads_as_number=number, role=role, note=note))
    schema = Schema(
        fields=tuple(fields),
        target=target,
        weight=given.weight,
        group=given.group,
        time=given.time,
        split=given.split_column,
        # An index is left out, so that the schema equals that of a table that was written without it.
        ignored=tuple(
            summary.name for summary in summaries if summary.role == "ignored" and summary.name not in indexes
        ),
        readings={
            summary.name: profiles[summary.name].reading
            for summary in summaries
            if summary.role != "field" and summary.name not in indexes
        },
    )
    return InferredSchema(schema, tuple(summaries), profiles[target].rows, table.notes)


def check_columns(
    table: Table | ColumnNames, *, target: str | None = None, overrides: SchemaOverrides | None = None
) -> str:
    """Return the name of the target.

    Raises:
        DataError: A name is not a column, or no column may be the target.
    """
    given = overrides or SchemaOverrides()
    target = given.target if target is None else target
    _check_names(table, target, given)
    return _guess_target(table) if target is None else target


def _check_names(table: Table | ColumnNames, target: str | None, given: SchemaOverrides) -> None:
    said = {
        "target": (target,),
        "ignore": given.ignore,
        "categorical": given.categorical,
        "numeric": given.numeric,
        "multi_valued": tuple(given.multi_valued),
        "weight": (given.weight,),
        "group": (given.group,),
        "time": (given.time,),
        "split_column": (given.split_column,),
    }
    for use, names in said.items():
        for name in names:
            if name is not None and name not in table.columns:
                raise DataError(
                    f"{table.name} has no column '{name}', named as {use}: {nearest(name, table.columns)}"
                )
    first_use: dict[str, str] = {}
    for use in ("ignore", "categorical", "numeric", "multi_valued"):
        for name in said[use]:
            if name is not None and first_use.setdefault(name, use) != use:
                raise DataError(f"The column '{name}' is in both {first_use[name]} and {use}; remove one.")
    for use in ("target", "weight", "time", "split_column"):
        (name,) = said[use]
        if name in given.ignore:
            raise DataError(f"The column '{name}' is in both ignore and {use}; remove one.")


def _said_kinds(given: SchemaOverrides) -> dict[str, FieldKind]:
    return {
        **dict.fromkeys(given.categorical, FieldKind.CATEGORICAL),
        **dict.fromkeys(given.numeric, FieldKind.NUMERIC),
        **dict.fromkeys(given.multi_valued, FieldKind.MULTI_VALUED),
    }


def _guess_target(table: Table | ColumnNames) -> str:
    by_lower: dict[str, str] = {}
    for name in table.columns:
        by_lower.setdefault(name.lower(), name)
    for name in TARGET_NAMES:
        if name in by_lower:
            return by_lower[name]
    raise DataError(
        f"{table.name} has no column called {', '.join(TARGET_NAMES)} for the target; name one of its columns as "
        f"target: {listed(table.columns)}."
    )


def _index_reason(table: Table, column: ColumnProfile) -> str | None:
    """Return the reason why a column is left out as an index; None if it is not an index."""
    if column.name in table.left_out:
        return table.left_out[column.name]
    if _PANDAS_LEVEL.fullmatch(column.name):
        return "an index of pandas without a name; rename it to use it"
    if _PANDAS_INDEX.fullmatch(column.name) and _counts_rows(table, column):
        return "an index of pandas: it numbers the rows; rename it to use it"
    return None


def _counts_rows(table: Table, column: ColumnProfile) -> bool:
    """Return True if the values are 0 to the number of rows minus one, in any order."""
    numbers = column.numbers
    if column.reading.values is not ValueType.INTEGER or column.missing:
        return False
    if (numbers.lowest, numbers.highest) != (0, column.rows - 1):
        return False
    seen = np.zeros(column.rows, dtype=bool)
    for batch in table.batches([column.name]):
        seen[as_numbers(batch.column(0), column.reading).astype(np.int64)] = True
    return bool(seen.all())


def _reason_to_ignore(column: ColumnProfile, given: SchemaOverrides) -> str | None:
    if column.name in given.ignore:
        return "ignored as asked"
    if column.unreadable is not None:
        return f"values of type {column.type} are not read"
    distinct = len(column.values)
    if distinct == 0:
        return "all values are missing"
    if distinct == 1 and column.missing == 0:
        return "all values are the same"
    if distinct <= len(_SPLIT_NAMES) and {"train"} < set(column.values.to_pylist()) <= _SPLIT_NAMES:
        return "looks like a split; name it as split column to use it"
    return None


def _remarks(column: ColumnProfile, of_table: str | None, commas: bool) -> Iterator[str]:
    """Yield remarks about odd values of a column; `commas` is True if another column has decimal commas."""
    if of_table is not None:
        yield of_table
    if commas and column.looks_grouped:
        yield "1.234 is read with a decimal point, although other columns have decimal commas: see --decimal"
    if column.remark is not None:
        yield column.remark
    if column.missing_marks:
        marks = sorted(column.missing_marks.items(), key=lambda mark: -mark[1])
        yield "missing: " + ", ".join(f"{text!r} {rows:,} times" for text, rows in marks[:_FEW_MARKS])
    filled = column.rows - column.missing
    if column.capped:
        yield f"more than {len(column.values):,} values"
    elif column.kind is FieldKind.CATEGORICAL and filled > _FEW and len(column.values) == filled:
        yield "every value is different"


def _field(table: Table, column: ColumnProfile, kind: FieldKind, separator: str | None) -> Field:
    if kind is FieldKind.NUMERIC:
        _check_numeric(table, column)
    reading = column.reading
    values, number = reading.values, column.reads_as_number
    if kind is FieldKind.NUMERIC and not reading.numeric:
        values = ValueType.NUMBER  # written with leading zeros
    if kind is FieldKind.MULTI_VALUED:
        number = False
        if is_list(column.type):
            separator = None  # the column holds lists already
    if kind is FieldKind.CATEGORICAL and values in (ValueType.TIME, ValueType.DURATION):
        number = False  # an exported graph gets its texts, which are not numbers
    return Field(
        column.name,
        kind,
        separator,
        reads_as_number=number,
        values=values,
        decimal=reading.decimal,
        missing=reading.missing,
        grouped=reading.grouped,
    )


def _check_readable(table: Table, profiles: Profiles, target: str, given: SchemaOverrides) -> None:
    """Raise DataError if a column that the user named cannot be read, as it must not be dropped silently."""
    roles = (target, given.weight, given.group, given.time, given.split_column)
    for name in (*roles, *_said_kinds(given)):
        if name is None or (error := profiles[name].unreadable) is None:
            continue
        row, value = first_wrong(table, name, _none_once(canonical_strings))
        raise DataError(
            f"Row {row} of column '{name}' of {table.name} is {shown(value)}, which is not {error.reason}; convert it "
            "to text, numbers, times or lists of them, or ignore it."
        )


def _check_target(table: Table, column: ColumnProfile) -> None:
    place = f"column '{column.name}' of {table.name}"
    rule = "a target is 0/1, -1/1 or true/false in every row"
    if column.missing:
        row, _ = first_wrong(table, column.name, lambda array: _missing(array, column.reading))
        raise DataError(f"Row {row} of {place} is missing, and {rule}; leave such rows out.")
    texts = column.values.to_pylist()
    found = ", ".join(map(short, texts[:_FEW])) + (", ..." if len(texts) > _FEW else "")
    try:
        labels = read_labels(column.values)
    except UnreadableValueError:
        row, value = first_wrong(
            table, column.name, _none_once(lambda array: read_labels(array, column.reading))
        )
        raise DataError(
            f"Row {row} of {place} is '{short(str(value))}' (values: {found}), and {rule}; convert it, or name another "
            "target."
        ) from None
    if {-1, 0} <= set(labels.tolist()):
        raise DataError(f"The target {place} holds {found}, and {rule}; convert it to 0 and 1.")
    if labels.min() == labels.max():
        raise DataError(
            f"All {column.rows:,} rows of {place} are {found}, and a target needs clicks and others; name another "
            "target, or read other rows."
        )


def _check_numeric(table: Table, column: ColumnProfile) -> None:
    if column.reads_as_number or not len(column.values):
        return
    reading = dataclasses.replace(column.reading, values=column.numbers.reading.values)
    row, value = first_wrong(table, column.name, lambda array: np.isinf(as_numbers(array, reading)))
    way_out = (
        f"pass --missing {shown(value)} if it is a missing value"
        if isinstance(value, str)
        else "leave it empty"
    )
    raise DataError(
        f"Row {row} of column '{column.name}' of {table.name} is {shown(value)}, and a numeric column holds finite "
        f"numbers; convert it, {way_out}, or read the column as categorical."
    )


def _check_weight(table: Table, column: ColumnProfile) -> None:
    place = f"column '{column.name}' of {table.name}"
    numbers, reading = column.numbers, column.reading
    if not column.reads_as_number or numbers.lowest < 0 or column.missing:
        row, value = first_wrong(table, column.name, _none_once(lambda array: read_weights(array, reading)))
        found = "missing" if value is None else shown(value)
        raise DataError(
            f"Row {row} of {place} is {found}, and a weight is a finite number of at least 0; correct it, or leave "
            "the row out."
        )
    if numbers.highest == 0:
        raise DataError(f"Every row of {place} is 0, and some weight must be larger; name another weight.")


def _none_once(read: Callable[[Column], object]) -> Callable[[Column], Mask]:
    """Return a mask function that marks no row, but lets `read` raise at the first wrong one."""

    def wrong(array: Column) -> Mask:
        read(array)
        return np.zeros(len(array), dtype=bool)

    return wrong


def _missing(array: Column, reading: Reading) -> Mask:
    return np.asarray(canonical_strings(array, reading).is_null())
