"""How rows are scored: the contract between a predictor and what runs the model."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Scorer(Protocol):
    """Scores batches of raw rows; which columns it reads the bundle's schema says."""

    #: Rows it is best given at once.
    rows_at_once: int

    def probabilities(self, batch: pa.RecordBatch, *, source: str, first_row: int) -> Floats:
        """The probability of a click per row, float64 `[N]`.

        Other columns, and the order of columns, do not matter. Raises DataError, with the place by `source` and
        `first_row`, for a value that cannot be read.
        """
