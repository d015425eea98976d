"""Columns that measures are taken of, checked: labels, scores and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from autofi.errors import DataError

Floats = npt.NDArray[np.float64]


def checked_labels(labels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which rows are clicks; raises DataError unless there are rows and each is 0 or 1."""
    values: npt.NDArray[Any] = np.asarray(labels)
    if values.ndim != 1 or len(values) == 0:
        raise DataError(f"Labels must be one non-empty column: found shape {values.shape}.")
    truth = values == 1
    odd = ~(truth | (values == 0))
    if odd.any():
        row = int(np.argmax(odd))
        raise DataError(f"Labels must be 0 or 1: found {values[row]} in row {row}.")
    return np.asarray(truth, dtype=np.bool_)


def checked_scores(scores: npt.ArrayLike, rows: int) -> Floats:
    """One number per row, float64; raises DataError for another shape and NaN."""
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (rows,):
        raise DataError(f"Scores must be one per label: found shape {values.shape} for {rows} labels.")
    wrong = np.isnan(values)
    if wrong.any():
        raise DataError(f"Scores must be numbers: found NaN in row {int(np.argmax(wrong))}.")
    return values


def checked_weights(weights: npt.ArrayLike, rows: int) -> Floats:
    """One finite weight of at least 0 per row, float64, not all 0; else DataError."""
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (rows,):
        raise DataError(f"Weights must be one per label: found shape {values.shape} for {rows} labels.")
    wrong = ~(np.isfinite(values) & (values >= 0.0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"Weights must be finite and at least 0: found {values[row]} in row {row}.")
    if not values.any():
        raise DataError("Weights must not all be 0.")
    return values
