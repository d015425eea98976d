"""Quantization of the form onnx: the smaller model replaces the float32 one after a comparison of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from autofi.bundle.files import ONNX, Quantization
from autofi.bundle.inputs import GraphInput
from autofi.bundle.onnx_scorer import OnnxScorer
from autofi.bundle.scorer import Floats
from autofi.data.encoder import Encoder
from autofi.errors import ExportError
from autofi.export.onnx_file import onnx_bytes, save_onnx
from autofi.export.random_rows import probe_rows

#: The key of a `Quantized` in the metrics of a bundle.
QUANTIZED = "quantized"
#: The largest mean difference in probability between a quantized model and the float32 one.
LARGEST_MEAN = 0.02


@dataclass(frozen=True)
class Quantized:
    """The effect of quantizing: sizes of `model.onnx`, and differences of probability over drawn rows."""

    kind: Quantization
    largest_difference: float
    mean_difference: float
    bytes: int
    bytes_float32: int

    def metrics(self) -> dict[str, Any]:
        return {QUANTIZED: asdict(self)}


def replace_by_quantized(
    folder: Path, model: onnx.ModelProto, kind: Quantization, encoder: Encoder, inputs: Sequence[GraphInput]
) -> Quantized:
    """Write a model over the float32 one in `folder`, and return the effect on the rows of `probe_rows`.

    Raises:
        ExportError: The model gives no probabilities, or other ones than the float32 model.
    """
    path = folder / ONNX
    fields = {field.field.name: field for field in encoder.fields}
    rows = probe_rows([fields[given.field.name] for given in inputs])

    def score() -> Floats:
        return OnnxScorer(path, inputs).probabilities(rows, source="rows drawn to compare", first_row=0)

    size, exact = onnx_bytes(path), score()
    save_onnx(model, path)
    apart = np.abs(score() - exact)
    mean = float(apart.mean())
    if not mean <= LARGEST_MEAN:  # also true for NaN
        ways = "leave --quantize out" + (", or export with --quantize fp16" if kind == "int8" else "")
        raise ExportError(
            f"Probabilities with {kind} differ from the float32 model by {mean:.2g} on average over "
            f"{rows.num_rows:,} drawn rows, more than {LARGEST_MEAN}; {ways}."
        )
    return Quantized(kind, float(apart.max()), mean, onnx_bytes(path), size)
