"""`schema.json` of a bundle: the raw columns that it reads, what it gives, and how either is laid out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from autofi.data.schema import FieldKind, Schema
from autofi.errors import AutoFIError, ExportError
from autofi.export.inputs import OUTPUT, GraphInput

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
    """What `write_schema` wrote; raises ExportError for anything else."""
    path = folder / SCHEMA
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']} is not {_FORMAT}")
        schema = Schema.from_json(document["schema"])
        names = [described["name"] for described in document["inputs"]]
        if len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
            raise ValueError("every input has a name of its own")
        inputs = tuple(GraphInput(*named) for named in zip(names, schema.fields, strict=True))
    except (AutoFIError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ExportError(
            f"The schema of a bundle says what it reads: '{path}' does not ({reason}); export it again."
        ) from error
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
    }
