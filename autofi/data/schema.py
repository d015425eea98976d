"""The schema of a table: fields with their kinds, the target, and columns with other roles."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from autofi.errors import DataError, nearest
from autofi.values.value_types import AS_WRITTEN, Reading, ValueType

#: Types of the values in a schema's JSON that are not null; lists hold texts.
_FIELD_TYPES = {
    "name": str, "kind": str, "separator": str, "reads_as_number": bool, "values": str, "decimal": str, "missing": list,
}  # fmt: skip
_SCHEMA_TYPES = {"target": str, "weight": str, "group": str, "time": str, "split": str, "ignored": list}
_TYPE_NAMES = {str: "text", bool: "truth value", list: "list of texts"}


class FieldKind(StrEnum):
    """The kind of a field."""

    CATEGORICAL = "categorical"
    NUMERIC = "numeric"
    MULTI_VALUED = "multi_valued"


@dataclass(frozen=True)
class Field:
    """A column that models read.

    Attributes:
        name: Name of the column.
        kind: Kind of the field.
        separator: The text between the values of a multi-valued field; None if the column holds lists.
        reads_as_number: True if every observed value is missing or a finite number, as in numeric fields and often in
            integer ids. Such a field has a position on the number line besides its code.
        values: See `Reading`; for a multi-valued field, the type of each of its values.
        decimal: See `Reading`.
        missing: See `Reading`.
        grouped: See `Reading`.

    Raises:
        DataError: The settings contradict each other.
    """

    name: str
    kind: FieldKind
    separator: str | None = None
    reads_as_number: bool = False
    values: ValueType | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()
    grouped: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", tuple(self.missing))
        object.__setattr__(self, "values", _value_type(self.values, self.name))
        if self.decimal not in (None, ".", ","):
            raise DataError(
                f"Field '{self.name}' has the decimal mark {self.decimal!r}; it must be '.' or ','."
            )
        object.__setattr__(self, "kind", _kind(self.kind, self.name))
        if self.separator is not None and self.kind is not FieldKind.MULTI_VALUED:
            raise DataError(
                f"Field '{self.name}' is {self.kind} and has the separator {self.separator!r}, which only a "
                "multi-valued field has; leave it out or make the field multi_valued."
            )
        if self.separator == "":
            raise DataError(
                f"Field '{self.name}' has an empty separator; give the text between its values, such as '|'."
            )
        if self.kind is FieldKind.NUMERIC and not self.reads_as_number:
            object.__setattr__(self, "reads_as_number", True)
        if self.kind is FieldKind.MULTI_VALUED and self.reads_as_number:
            raise DataError(
                f"Field '{self.name}' is multi-valued and has reads_as_number, which such a field cannot have; remove "
                "one."
            )

    @cached_property
    def reading(self) -> Reading:
        """The reading of its values."""
        return Reading(self.values, self.decimal, self.missing, self.grouped)


@dataclass(frozen=True)
class Schema:
    """The columns of a table by their use.

    Attributes:
        fields: Fields in the order of the table.
        target: Target column.
        weight: Column of weights; never a field.
        group: Column whose rows GAUC compares, mostly a user; may be a field.
        time: Column of times; never a field.
        split: Column of the texts train, valid and test; never a field.
        ignored: Columns that are not read.
        readings: Readings of the columns that are not fields.

    Raises:
        DataError: The uses of columns contradict each other.
    """

    fields: tuple[Field, ...]
    target: str
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    split: str | None = None
    ignored: tuple[str, ...] = ()
    readings: Mapping[str, Reading] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.fields:
            raise DataError(
                f"No column besides the target '{self.target}' is left as a field, and a model needs one; "
                "ignore fewer columns."
            )
        for name, count in Counter(self.names).items():
            if count > 1:
                raise DataError(f"The field '{name}' is listed {count} times; list it once.")
        if self.target in self.names:
            raise DataError(
                f"'{self.target}' is both the target and a field, so that the model would read its own answer; "
                "remove it from the fields."
            )
        alone = {"target": self.target, "weight": self.weight, "time": self.time, "split": self.split}
        taken: dict[str, str] = {}
        for role, column in alone.items():
            if column is None:
                continue
            if column in taken:
                raise DataError(
                    f"The column '{column}' is both {taken[column]} and {role}; name another column for one of them."
                )
            if column in self.names:
                raise DataError(f"The column '{column}' is both {role} and a field; remove one.")
            taken[column] = role
        if self.group in taken:
            raise DataError(
                f"The column '{self.group}' is both {taken[self.group]} and group; name another column for one of "
                "them."
            )
        used = {*self.names, *taken, self.group}
        for column in self.ignored:
            if column in used:
                raise DataError(f"The column '{column}' is both ignored and used; remove one.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields, in order."""
        return tuple(field.name for field in self.fields)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read: fields, target, weight, group, time and split, each once."""
        roles = (self.target, self.weight, self.group, self.time, self.split)
        return tuple(dict.fromkeys((*self.names, *(role for role in roles if role is not None))))

    def field(self, name: str) -> Field:
        """Return a field by name.

        Raises:
            DataError: No field has this name.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise DataError(f"No field is named '{name}': {nearest(name, self.names)}")

    def reading(self, column: str) -> Reading:
        """Return the reading of any column; if it is unknown, that of AutoFI 0.1."""
        if column in self.names:
            return self.field(column).reading
        return self.readings.get(column, AS_WRITTEN)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back as an equal schema."""
        return {
            "fields": [_field_json(field) for field in self.fields],
            "target": self.target,
            "weight": self.weight,
            "group": self.group,
            "time": self.time,
            "split": self.split,
            "ignored": list(self.ignored),
            "readings": {name: _reading_json(reading) for name, reading in self.readings.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Schema:
        """Return the schema of a JSON object that `to_json` wrote.

        Raises:
            DataError: The object is any other.
        """
        try:
            _check_types(document)
            fields = tuple(Field(**field) for field in document["fields"])
            settings = {key: value for key, value in document.items() if key != "fields"}
            settings["ignored"] = tuple(settings.get("ignored", ()))
            settings["readings"] = {
                name: Field(name, FieldKind.CATEGORICAL, **reading).reading
                for name, reading in dict(settings.get("readings", {})).items()
            }
            return cls(fields=fields, **settings)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"The JSON of the schema does not hold fields, target and roles ({error}); write it again."
            ) from None


def _check_types(document: Mapping[str, Any]) -> None:
    """Raise TypeError if a part of a schema's JSON has another type than `to_json` writes."""
    for field in document["fields"]:
        _check_parts(f"field {str(field['name'])[:40]!a}", field, _FIELD_TYPES)
    _check_parts("the schema", document, _SCHEMA_TYPES)


def _check_parts(whole: str, document: Mapping[str, Any], types: Mapping[str, type]) -> None:
    for name, kind in types.items():
        value = document.get(name)
        if value is None and name not in ("name", "target"):
            continue
        texts = not isinstance(value, list) or all(isinstance(part, str) for part in value)
        if not isinstance(value, kind) or not texts:
            raise TypeError(f"{name} of {whole} is {str(value)[:40]!a}, not a {_TYPE_NAMES[kind]}")


def _field_json(field: Field) -> dict[str, Any]:
    """Return a field as JSON; settings that earlier versions did not have are left out at their default."""
    document = {
        "name": field.name,
        "kind": field.kind.value,
        "separator": field.separator,
        "reads_as_number": field.reads_as_number,
    }
    return document | _reading_json(field.reading)


def _reading_json(reading: Reading) -> dict[str, Any]:
    document = {
        "values": reading.values and reading.values.value,
        "decimal": reading.decimal,
        "missing": list(reading.missing),
    }
    found = {key: value for key, value in document.items() if value}
    return found if reading.grouped else found | {"grouped": False}


def _value_type(values: str | None, name: str) -> ValueType | None:
    if values is None:
        return None
    try:
        return ValueType(values)
    except ValueError:
        raise DataError(
            f"Field '{name}' has no values of type '{values}': {nearest(values, list(ValueType))}"
        ) from None


def _kind(kind: str, name: str) -> FieldKind:
    try:
        return FieldKind(kind)
    except ValueError:
        raise DataError(f"Field '{name}' has no kind '{kind}': {nearest(kind, list(FieldKind))}") from None
