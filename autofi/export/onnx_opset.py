"""The operator sets of the graph in one place: every part of it uses the same two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import spox.opset.ai.onnx.ml.v4 as ml
import spox.opset.ai.onnx.v20 as op
from numpy.typing import NDArray
from spox import Tensor, Var, argument, build, inline

OPSET = 20


def rows_of(array: Var) -> Var:
    """Return the number of rows, int64 `[1]`."""
    return op.gather(op.shape(array), op.const(np.array([0], dtype=np.int64)))


def columns(array: Var, places: Sequence[int]) -> Var:
    """Return columns of a matrix, in the order of `places`."""
    return op.gather(array, op.const(np.array(places, dtype=np.int64)), axis=1)


def beside(parts: Sequence[Var]) -> Var:
    """Return vectors `[N]` as the columns of a matrix `[N, len(parts)]`."""
    axis = op.const(np.array([1], dtype=np.int64))
    return op.concat([op.unsqueeze(part, axis) for part in parts], axis=1)


def at_or_above(values: Var, borders: NDArray[np.float64]) -> Var:
    """Return the number of borders at or below each value: `[N, Q]` float64, `[Q, B]` → int64 `[N, Q]`.

    Unused borders of a column are NaN. A value of NaN has none below it.
    """
    wide = op.unsqueeze(values, op.const(np.array([2], dtype=np.int64)))
    reached = op.greater_or_equal(wide, op.const(borders))
    return op.reduce_sum(op.cast(reached, to=np.int64), op.const(np.array([2], dtype=np.int64)), keepdims=0)


def padded(rows: Sequence[NDArray[np.float64]], fill: float = np.nan) -> NDArray[np.float64]:
    """Return vectors of several lengths as the rows of a matrix at least one column wide."""
    found = np.full((len(rows), max([1, *map(len, rows)])), fill)
    for line, row in zip(found, rows, strict=True):
        line[: len(row)] = row
    return found


__all__ = [
    "OPSET",
    "Tensor",
    "Var",
    "argument",
    "at_or_above",
    "beside",
    "build",
    "columns",
    "inline",
    "ml",
    "op",
    "padded",
    "rows_of",
]
