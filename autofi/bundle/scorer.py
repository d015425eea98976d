"""How rows are scored: the contract between a predictor and what runs the model."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.errors import ExportError

Floats = NDArray[np.float64]


class ScoringTimeError(ExportError):
    """Scoring took longer than it may, and was stopped."""


def checked(found: object, rows: int, model: Path) -> Floats:
    """What a model gave for so many rows; raises ExportError unless it is a probability for each."""
    values = np.asarray(found, dtype=np.float64)
    if values.shape != (rows,):
        raise ExportError(
            f"A model gives a probability for every row: '{model}' gave {list(values.shape)} for {rows:,}; export it "
            "again."
        )
    if not bool(((values >= 0.0) & (values <= 1.0)).all()):
        wrong = values[~((values >= 0.0) & (values <= 1.0))][0]
        raise ExportError(
            f"A model gives probabilities: '{model}' gave {wrong:.4g}; its numbers are damaged, export it again."
        )
    return values


@runtime_checkable
class Stoppable(Protocol):
    """A scorer that is stopped when it takes longer than it may."""

    most_seconds: float


class Scorer(Protocol):
    """Scores batches of raw rows; which columns it reads the bundle's schema says."""

    #: Rows it is best given at once.
    rows_at_once: int

    def probabilities(self, batch: pa.RecordBatch, *, source: str, first_row: int) -> Floats:
        """Return the probability of a click per row, float64 `[N]`.

        Other columns, and the order of columns, do not matter. Raises DataError, with the place by `source` and
        `first_row`, for a value that cannot be read.
        """
