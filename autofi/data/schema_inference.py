"""Decides what each column of a table is for, and refuses tables that cannot be learned from."""

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
#: What pandas calls an index without a name: in Parquet, and where it reads one back from CSV.
_PANDAS_LEVEL = re.compile(r"__index_level_\d+__")
_PANDAS_INDEX = re.compile(r"Unnamed: 0(\.\d+)*")
Profiles = Mapping[str, ColumnProfile]


@dataclass(frozen=True)
class InferredSchema:
    """The schema, what every column of the table looks like (in the table's order), the rows read, and what was
    guessed of the table as a whole."""

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
    """Reads the table once and decides; `target` and `overrides` win over what the values look like.

    The rules: lists are multi-valued; times, durations and numbers of which any has a fraction are numeric; all
    else is categorical (integers as well: they are mostly ids, and have a position on the number line
    besides). A column is judged as a whole, by what its values mean and not by how the file writes them: see
    `autofi.values.value_types`. Columns without values, with one value and none missing, of nested types, that hold
    just train, valid and test, or that are an index without a name are ignored, unless the overrides name them.
    Without a `target` it is the first found of label, click, clicked, target, y and is_click, in any case.

    Raises DataError for unknown columns, a target that is not 0/1, -1/1 or true/false in every row, text or
    infinite values in numeric columns, and weights that are missing, negative or not finite.
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
        # Without an index, as a table that was written without it.
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
    """The target's name; raises DataError for a name that is no column, and without any that may be the target."""
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
                raise DataError(
                    f"A column is read in one way: '{name}' is in {first_use[name]} and {use}; remove one."
                )
    for use in ("target", "weight", "time", "split_column"):
        (name,) = said[use]
        if name in given.ignore:
            raise DataError(f"An ignored column is not used: '{name}' is in ignore and {use}; remove one.")


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
        f"A table has a target column: {table.name} has none called {', '.join(TARGET_NAMES)}; name one of "
        f"its columns as target: {listed(table.columns)}."
    )


def _index_reason(table: Table, column: ColumnProfile) -> str | None:
    """Why a column is left out as the number or name of its row; None where it is none."""
    if column.name in table.left_out:
        return table.left_out[column.name]
    if _PANDAS_LEVEL.fullmatch(column.name):
        return "an index of pandas without a name; rename it to use it"
    if _PANDAS_INDEX.fullmatch(column.name) and _counts_rows(table, column):
        return "an index of pandas: it numbers the rows; rename it to use it"
    return None


def _counts_rows(table: Table, column: ColumnProfile) -> bool:
    """Whether the values are 0 to the number of rows less one, in whatever order."""
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
        return "looks like a split: name it as split column to use it"
    return None


def _remarks(column: ColumnProfile, of_table: str | None, commas: bool) -> Iterator[str]:
    """In words, what is odd of a column; `commas`: another one of its table has decimal commas."""
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
        number = False  # its texts, which are all that an exported graph is given, are none
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
    """A column that the user named must not be dropped in silence."""
    roles = (target, given.weight, given.group, given.time, given.split_column)
    for name in (*roles, *_said_kinds(given)):
        if name is None or (error := profiles[name].unreadable) is None:
            continue
        row, value = first_wrong(table, name, _none_once(canonical_strings))
        raise DataError(
            f"A column holds text, numbers, times or lists of them: row {row} of column '{name}' of "
            f"{table.name} is {shown(value)}, not {error.reason}; convert or ignore it."
        )


def _check_target(table: Table, column: ColumnProfile) -> None:
    place = f"column '{column.name}' of {table.name}"
    rule = "A target is 0/1, -1/1 or true/false in every row"
    if column.missing:
        row, _ = first_wrong(table, column.name, lambda array: _missing(array, column.reading))
        raise DataError(f"{rule}: row {row} of {place} is missing; leave such rows out.")
    texts = column.values.to_pylist()
    found = ", ".join(map(short, texts[:_FEW])) + (", ..." if len(texts) > _FEW else "")
    try:
        labels = read_labels(column.values)
    except UnreadableValueError:
        row, value = first_wrong(
            table, column.name, _none_once(lambda array: read_labels(array, column.reading))
        )
        raise DataError(
            f"{rule}: row {row} of {place} is '{short(str(value))}' (values: {found}); convert it, or name another "
            "target."
        ) from None
    if {-1, 0} <= set(labels.tolist()):
        raise DataError(f"{rule}: {place} holds {found}; convert it to 0 and 1.")
    if labels.min() == labels.max():
        raise DataError(
            f"A target has both clicks and others: all {column.rows:,} rows of {place} are {found}; name "
            "another target, or read other rows."
        )


def _check_numeric(table: Table, column: ColumnProfile) -> None:
    if column.reads_as_number or not len(column.values):
        return
    reading = dataclasses.replace(column.reading, values=column.numbers.reading.values)
    row, value = first_wrong(table, column.name, lambda array: np.isinf(as_numbers(array, reading)))
    way_out = (
        f"say --missing {shown(value)} if it is a missing value"
        if isinstance(value, str)
        else "leave it empty"
    )
    raise DataError(
        f"A numeric column holds finite numbers: row {row} of column '{column.name}' of {table.name} is "
        f"{shown(value)}; convert it, {way_out}, or read the column as categorical."
    )


def _check_weight(table: Table, column: ColumnProfile) -> None:
    place = f"column '{column.name}' of {table.name}"
    numbers, reading = column.numbers, column.reading
    if not column.reads_as_number or numbers.lowest < 0 or column.missing:
        row, value = first_wrong(table, column.name, _none_once(lambda array: read_weights(array, reading)))
        found = "missing" if value is None else shown(value)
        raise DataError(
            f"A weight is a finite number, 0 or more: row {row} of {place} is {found}; mend it, or leave the "
            "row out."
        )
    if numbers.highest == 0:
        raise DataError(f"Some weight is above 0: every row of {place} is 0; name another weight.")


def _none_once(read: Callable[[Column], object]) -> Callable[[Column], Mask]:
    """No row is wrong once `read` has not raised: it raises at the first row that is."""

    def wrong(array: Column) -> Mask:
        read(array)
        return np.zeros(len(array), dtype=bool)

    return wrong


def _missing(array: Column, reading: Reading) -> Mask:
    return np.asarray(canonical_strings(array, reading).is_null())
