"""Small graphs: what a function of one input gives in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime

from autofi.export.onnx_opset import Tensor, Var, argument, build


def run(function: Callable[[Var], Var], values: np.ndarray) -> np.ndarray:
    """`function` of an array; texts are an array of objects."""
    shape = tuple(f"axis_{number}" for number in range(values.ndim))
    given = argument(Tensor(str if values.dtype == object else values.dtype, shape))
    model = build({"given": given}, {"found": function(given)}).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"given": values})
    return found
