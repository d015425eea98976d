"""Whether probabilities are right: bodies are read by plain code and scored in tables of their own types."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pyarrow as pa

import autofi
from autofi.data.schema import FieldKind, Schema
from benchmarks.damaged import Request

TOLERANCE = 1e-6
Cell = tuple[pa.DataType | None, Any]


def check(answered: list[tuple[Request, list[float]]], predictor: autofi.Predictor) -> tuple[int, list[str]]:
    """How many rows were compared with the predictor's probability, and a line for every one that is another."""
    alike: dict[tuple[Any, ...], list[tuple[dict[str, Cell], float]]] = defaultdict(list)
    wrong = []
    for request, found in answered:
        cells = read_rows(request, predictor.schema)
        if len(cells) != len(found):
            wrong.append(f"{len(found)} probabilities for {len(cells)} rows: {request.body[:300]!r}")
            continue
        for row, probability in zip(cells, found, strict=True):
            signature = tuple(str(kind or type(value)) for kind, value in row.values())
            alike[signature].append((row, probability))
    checked = 0
    for rows in alike.values():
        columns = {
            name: pa.array([row[name][1] for row, _ in rows], rows[0][0][name][0])
            for name in predictor.schema.names
        }
        expected = predictor.predict_proba(pa.table(columns))
        checked += len(rows)
        for (row, found), probability in zip(rows, expected, strict=True):
            if not abs(found - probability) < TOLERANCE:
                wrong.append(f"{found} instead of {probability}: {row}")
    return checked, wrong


def read_rows(request: Request, schema: Schema) -> list[dict[str, Cell]]:
    """Every field's value in every row of a body, with the Arrow type that it was sent as, if any."""
    document = json.loads(request.body)
    if request.of_rows:
        return [
            {field.name: (None, row.get(field.name)) for field in schema.fields}
            for row in _plain(document, schema)
        ]
    kinds = {
        "BYTES": pa.string(),
        "BOOL": pa.bool_(),
        "FP16": pa.float16(),
        "FP32": pa.float32(),
        "FP64": pa.float64(),
    }
    tensors = {}
    for tensor in document["inputs"]:
        kind = kinds.get(tensor["datatype"]) or pa.type_for_alias(tensor["datatype"].lower())
        values = tensor["data"]
        if len(tensor["shape"]) == 2 and tensor["shape"][1] != 1:  # the tags of each row
            width = tensor["shape"][1]
            values = [values[start : start + width] for start in range(0, len(values), width)]
            kind = pa.list_(kind)
        if pa.types.is_boolean(kind) and schema.field(tensor["name"]).kind is not FieldKind.NUMERIC:
            kind, values = pa.string(), [None if value is None else str(value).lower() for value in values]
        tensors[tensor["name"]] = [
            (kind, float(v) if pa.types.is_floating(kind) and v is not None else v) for v in values
        ]
    return [dict(zip(tensors, cells, strict=True)) for cells in zip(*tensors.values(), strict=True)]


def _plain(document: Any, schema: Schema) -> list[dict[str, Any]]:
    """Values that Arrow has no type for, or that a table reads in another way, as their texts."""
    rows = []
    for given in document["rows"]:
        row = dict(given)
        for field in schema.fields:
            value = row.get(field.name)
            if field.kind is FieldKind.NUMERIC:
                row[field.name] = None if value is None else float(value)
            elif isinstance(value, list):
                row[field.name] = [_text(token) for token in value]
            elif isinstance(value, bool) or (isinstance(value, int) and not -(2**63) <= value < 2**63):
                row[field.name] = _text(value)
        rows.append(row)
    return rows


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:.17g}"
        if isinstance(value, float)
        else str(value)
    )
