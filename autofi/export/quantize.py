"""The ONNX form with smaller numbers, in the place of the float32 one once its probabilities were compared."""

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

#: The place of a `Quantized` among the metrics of a bundle.
QUANTIZED = "quantized"
#: By which a quantized model may differ from the float32 one, in probability on average.
LARGEST_MEAN = 0.02


@dataclass(frozen=True)
class Quantized:
    """What quantizing changed: sizes of `model.onnx`, and differences of probability over drawn rows."""

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
    """Write a model over the float32 one in `folder`, and measure what that changes on rows of `probe_rows`.

    Raises ExportError where it gives no probabilities, or others than the float32 model.
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
    if not mean <= LARGEST_MEAN:  # nan is not, either
        ways = "leave --quantize out" + (", or export with --quantize fp16" if kind == "int8" else "")
        raise ExportError(
            f"A quantized model gives the probabilities of its float32 one, within {LARGEST_MEAN} on average: {kind} "
            f"is {mean:.2g} away on {rows.num_rows:,} drawn rows; {ways}."
        )
    return Quantized(kind, float(apart.max()), mean, onnx_bytes(path), size)
