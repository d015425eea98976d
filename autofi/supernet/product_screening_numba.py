"""Compiled loops over rows: least squares for one factor of a product, given all the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autofi.core.numba_jit import compiled

Codes = NDArray[np.int32]
Places = NDArray[np.int64]
Floats = NDArray[np.float32]


@compiled
def regress(
    ids: Codes, targets: Floats, rows: Places, fields: Places, starts: Places, own: int, factors: Floats
) -> tuple[Floats, Floats]:
    """Sum target times the product of the other factors, and the square of that product, per value of field `own`.

    Args:
        ids: Codes, int32 `[N, F]`.
        targets: Residuals, `[N]`.
        rows: Positions of the rows to use.
        starts: The position in `factors` of every field's first value.
        factors: R products side by side, `[values, R]`.

    Returns:
        Both sums, `[values of the field, R]` each.
    """
    width = factors.shape[1]
    last = len(fields) - 1
    end = len(factors) if own == last else starts[own + 1]
    sums = np.zeros((end - starts[own], width), dtype=np.float32)
    squares = np.zeros((end - starts[own], width), dtype=np.float32)
    product = np.empty(width, dtype=np.float32)
    for row in rows:
        product[:] = np.float32(1.0)
        for place in range(len(fields)):
            if place != own:
                value = starts[place] + ids[row, fields[place]]
                for column in range(width):
                    product[column] *= factors[value, column]
        value = ids[row, fields[own]]
        for column in range(width):
            sums[value, column] += targets[row] * product[column]
            squares[value, column] += product[column] * product[column]
    return sums, squares


@compiled
def products_of(ids: Codes, rows: Places, fields: Places, starts: Places, factors: Floats) -> Floats:
    """Return the product of the factors of every row, `[len(rows), R]`."""
    found = np.ones((len(rows), factors.shape[1]), dtype=np.float32)
    for number in range(len(rows)):
        for place in range(len(fields)):
            value = starts[place] + ids[rows[number], fields[place]]
            for column in range(factors.shape[1]):
                found[number, column] *= factors[value, column]
    return found
