"""Checks of the columns that metrics are computed from: labels, scores and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from autofi.errors import DataError

Floats = npt.NDArray[np.float64]


def checked_labels(labels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return the labels as booleans, `[N]`: True for a click.

    Raises:
        DataError: There is no row, or a label is not 0 or 1.
    """
    values: npt.NDArray[Any] = np.asarray(labels)
    if values.ndim != 1 or len(values) == 0:
        raise DataError(f"The labels have the shape {values.shape}; they must be one non-empty column.")
    truth = values == 1
    odd = ~(truth | (values == 0))
    if odd.any():
        row = int(np.argmax(odd))
        raise DataError(f"The label of row {row} is {values[row]}; labels must be 0 or 1.")
    return np.asarray(truth, dtype=np.bool_)


def checked_scores(scores: npt.ArrayLike, rows: int) -> Floats:
    """Return the scores as float64, `[rows]`.

    Raises:
        DataError: They have another shape, or one is NaN.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (rows,):
        raise DataError(
            f"The scores have the shape {values.shape} for {rows} labels; there must be one per label."
        )
    wrong = np.isnan(values)
    if wrong.any():
        raise DataError(f"The score of row {int(np.argmax(wrong))} is NaN; scores must be numbers.")
    return values


def checked_weights(weights: npt.ArrayLike, rows: int) -> Floats:
    """Return the weights as float64, `[rows]`.

    Raises:
        DataError: They have another shape, one is negative or not finite, or all are 0.
    """
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (rows,):
        raise DataError(
            f"The weights have the shape {values.shape} for {rows} labels; there must be one per label."
        )
    wrong = ~(np.isfinite(values) & (values >= 0.0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"The weight of row {row} is {values[row]}; weights must be finite and at least 0.")
    if not values.any():
        raise DataError("All weights are 0; at least one must be larger.")
    return values
