"""The file `schema.json` of a bundle: the raw columns that the model reads, its output, and the layout of both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from autofi.bundle.inputs import OUTPUT, GraphInput
from autofi.core.strict_json import read_object
from autofi.data.schema import FieldKind, Schema
from autofi.errors import AutoFIError, ExportError

SCHEMA = "schema.json"
_FORMAT = 1
_MISSING = {
    FieldKind.CATEGORICAL: "an empty text",
    FieldKind.NUMERIC: "NaN",
    FieldKind.MULTI_VALUED: "no value but empty texts, with which lists are padded",
}


def write_schema(folder: Path, schema: Schema, inputs: tuple[GraphInput, ...]) -> None:
    """Write the schema of the fields that a model reads."""
    read = replace(schema, fields=tuple(given.field for given in inputs))
    document = {
        "format": _FORMAT,
        "schema": read.to_json(),
        "inputs": [_described(given) for given in inputs],
        "output": {"name": OUTPUT, "datatype": "double", "shape": ["rows"]},
    }
    (folder / SCHEMA).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def read_schema(folder: Path) -> tuple[Schema, tuple[GraphInput, ...]]:
    """Return the content of a file that `write_schema` wrote; raise ExportError for any other file."""
    path = folder / SCHEMA
    try:
        document = read_object(path)
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']} is not {_FORMAT}")
        schema = Schema.from_json(document["schema"])
        inputs = _inputs(document, schema)
    except (AutoFIError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ExportError(f"'{path}' is not a valid schema ({reason}); export the bundle again.") from error
    return schema, inputs


def _described(given: GraphInput) -> dict[str, Any]:
    return {
        "name": given.name,
        "column": given.field.name,
        "kind": given.field.kind.value,
        "values": given.field.values and given.field.values.value,
        "datatype": given.datatype,
        "shape": list(given.shape),
        "separator": given.field.separator,
        "missing": _MISSING[given.field.kind],
        # Left out where the field is not a list.
        **({} if given.most_values is None else {"most_values": given.most_values}),
    }


def _inputs(document: Mapping[str, Any], schema: Schema) -> tuple[GraphInput, ...]:
    """Return the inputs; those of earlier versions do not contain the number of values of a list that are read."""
    names = [described["name"] for described in document["inputs"]]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError("two inputs have the same name, or a name is not text")
    if len(names) != len(schema.fields):
        raise ValueError(f"it has {len(names)} inputs for {len(schema.fields)} fields")
    found = []
    for described, field in zip(document["inputs"], schema.fields, strict=True):
        most = described.get("most_values")
        if most is not None and (
            type(most) is not int or not 1 <= most < 1 << 31 or field.kind is not FieldKind.MULTI_VALUED
        ):
            raise ValueError(f"most_values of '{described['name']}' is {str(most)[:40]!a}")
        found.append(GraphInput(described["name"], field, most))
    return tuple(found)
