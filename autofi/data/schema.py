"""What the columns of a table are for: fields with their kinds, the target, and the roles around them."""

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

#: Of what is not null in a schema's JSON; lists are of texts.
_FIELD_TYPES = {
    "name": str, "kind": str, "separator": str, "reads_as_number": bool, "values": str, "decimal": str, "missing": list,
}  # fmt: skip
_SCHEMA_TYPES = {"target": str, "weight": str, "group": str, "time": str, "split": str, "ignored": list}
_TYPE_NAMES = {str: "text", bool: "truth value", list: "list of texts"}


class FieldKind(StrEnum):
    """How a field's values are read."""

    CATEGORICAL = "categorical"
    NUMERIC = "numeric"
    MULTI_VALUED = "multi_valued"


@dataclass(frozen=True)
class Field:
    """One column a model sees.

    `separator` splits the text of a multi-valued field; None means that the column holds lists.
    `reads_as_number`: every value observed is missing or a finite number, as always in numeric fields and
    often in integer ids; such a field has a position on the number line besides its code.
    `values`, `decimal`, `missing` and `grouped` are those of its `reading`; of a multi-valued field they say how each
    of its values is read.
    Raises DataError where these disagree.
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
            raise DataError(f"A decimal mark is '.' or ',': field '{self.name}' has {self.decimal!r}.")
        object.__setattr__(self, "kind", _kind(self.kind, self.name))
        if self.separator is not None and self.kind is not FieldKind.MULTI_VALUED:
            raise DataError(
                f"Only a multi-valued field has a separator: field '{self.name}' is {self.kind} and has "
                f"{self.separator!r}; leave it out or make the field multi_valued."
            )
        if self.separator == "":
            raise DataError(
                f"A separator is at least one character: field '{self.name}' has an empty one; "
                "give the text between its values, such as '|'."
            )
        if self.kind is FieldKind.NUMERIC and not self.reads_as_number:
            object.__setattr__(self, "reads_as_number", True)
        if self.kind is FieldKind.MULTI_VALUED and self.reads_as_number:
            raise DataError(
                f"A multi-valued field is not a number: field '{self.name}' says reads_as_number."
            )

    @cached_property
    def reading(self) -> Reading:
        """How its values are read."""
        return Reading(self.values, self.decimal, self.missing, self.grouped)


@dataclass(frozen=True)
class Schema:
    """The columns of a table by their use; valid once built, else DataError.

    Fields keep the order of the table. `weight`, `time` and `split` (a column of the texts train, valid and
    test) are never fields; `group` (whose rows GAUC compares, mostly a user) may be one. `ignored` lists the
    columns left unread. `readings` are those of columns that are no fields.
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
                f"A model needs at least one field: no column besides the target '{self.target}' is left; "
                "ignore fewer columns."
            )
        for name, count in Counter(self.names).items():
            if count > 1:
                raise DataError(f"A field is listed once: '{name}' is there {count} times; remove one.")
        if self.target in self.names:
            raise DataError(
                f"The target is not a field, or the model would read its own answer: '{self.target}' is "
                "both; remove it from the fields."
            )
        alone = {"target": self.target, "weight": self.weight, "time": self.time, "split": self.split}
        taken: dict[str, str] = {}
        for role, column in alone.items():
            if column is None:
                continue
            if column in taken:
                raise DataError(
                    f"A column has one role: '{column}' is both {taken[column]} and {role}; name another."
                )
            if column in self.names:
                raise DataError(f"The {role} column is not a field: '{column}' is both; remove one.")
            taken[column] = role
        if self.group in taken:
            raise DataError(
                f"A column has one role: '{self.group}' is both {taken[self.group]} and group; name another."
            )
        used = {*self.names, *taken, self.group}
        for column in self.ignored:
            if column in used:
                raise DataError(f"An ignored column is not used: '{column}' is both; remove one.")

    @property
    def names(self) -> tuple[str, ...]:
        """The fields' names, in order."""
        return tuple(field.name for field in self.fields)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read: fields, target, weight, group, time and split, each once."""
        roles = (self.target, self.weight, self.group, self.time, self.split)
        return tuple(dict.fromkeys((*self.names, *(role for role in roles if role is not None))))

    def field(self, name: str) -> Field:
        """Raises DataError for a name that is not a field's."""
        for field in self.fields:
            if field.name == name:
                return field
        raise DataError(f"No field is named '{name}': {nearest(name, self.names)}")

    def reading(self, column: str) -> Reading:
        """How the values of any column are read; as AutoFI 0.1 did where that is not known."""
        if column in self.names:
            return self.field(column).reading
        return self.readings.get(column, AS_WRITTEN)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back as an equal schema."""
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
        """Raises DataError for a document that `to_json` cannot have written."""
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
                f"A schema's JSON holds fields, target and roles: {error}; write it anew."
            ) from None


def _check_types(document: Mapping[str, Any]) -> None:
    """Raise TypeError where a part of a schema's JSON is of another type than `to_json` writes."""
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
            raise TypeError(f"{name} of {whole} is {str(value)[:40]!a}, no {_TYPE_NAMES[kind]}")


def _field_json(field: Field) -> dict[str, Any]:
    """Without the settings that fields of earlier versions do not have, where they say nothing."""
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
