"""A sample request to try a bundle with, and its expected answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from autofi.bundle.bundle import Bundle
from autofi.bundle.inputs import OUTPUT, GraphInput
from autofi.bundle.scorer import Floats
from autofi.bundle.torch_scorer import TorchScorer
from autofi.data.encoder import FieldEncoder
from autofi.data.schema import FieldKind
from autofi.data.vocabulary import Vocabulary

REQUEST = "sample_request.json"
RESPONSE = "sample_response.json"
#: A text that stands for every unseen value.
UNSEEN = "a value that training had not"


@dataclass(frozen=True)
class Sample:
    """Raw rows and the probabilities that the network gives them."""

    rows: pa.RecordBatch
    probabilities: Floats


def write_sample(folder: Path, bundle: Bundle, inputs: Sequence[GraphInput]) -> Sample:
    """Write a request of the Open Inference Protocol v2, and the answer of the network."""
    encoder_of = {field.field.name: field for field in bundle.builder.encoder.fields}
    columns = {given.field.name: _column(encoder_of[given.field.name]) for given in inputs}
    batch = pa.RecordBatch.from_pydict(columns)
    found = TorchScorer(bundle).probabilities(batch, source="the sample", first_row=0)
    request = {"inputs": [_tensor(given, columns[given.field.name]) for given in inputs]}
    _write(folder / REQUEST, request)
    write_answer(folder, found)
    return Sample(batch, found)


def write_answer(folder: Path, probabilities: Floats) -> None:
    """Write the answer to the sample request; an existing one is replaced."""
    shape, data = [len(probabilities)], probabilities.tolist()
    _write(
        folder / RESPONSE,
        {"outputs": [{"name": OUTPUT, "datatype": "FP64", "shape": shape, "data": data}]},
    )


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _column(encoder: FieldEncoder) -> list[Any]:
    """Return three rows: the likeliest value, an unseen one, and a missing one."""
    if encoder.field.kind is FieldKind.NUMERIC:
        assert encoder.positions is not None
        borders = encoder.positions.borders
        middle = float(np.median(borders)) if len(borders) else 0.0
        return [middle, 1e6 + (float(borders[-1]) if len(borders) else 0.0), None]
    if encoder.tokens is not None:
        known = encoder.tokens.values[:2].to_pylist()
        lists = [known, [UNSEEN], []]
        separator = encoder.field.separator
        return lists if separator is None else [separator.join(values) for values in lists]
    assert isinstance(encoder.codes, Vocabulary)
    known = encoder.codes.values[:1].to_pylist()
    return [known[0] if known else None, UNSEEN, None]


def _tensor(given: GraphInput, values: list[Any]) -> dict[str, Any]:
    name, kind = given.field.name, "FP64" if given.datatype == "double" else "BYTES"
    if values and isinstance(values[0], list):
        width = max(1, *map(len, values))
        values = [[*row, *[""] * (width - len(row))] for row in values]
        return {"name": name, "datatype": kind, "shape": [len(values), width], "data": values}
    return {"name": name, "datatype": kind, "shape": [len(values)], "data": values}
