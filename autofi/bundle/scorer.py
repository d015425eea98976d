"""The contract between a predictor and the runtime that scores rows."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.errors import ExportError

Floats = NDArray[np.float64]


class ScoringTimeError(ExportError):
    """Scoring took longer than allowed and was stopped."""


def checked(found: object, rows: int, model: Path) -> Floats:
    """Return the output of a model as probabilities; raise ExportError unless there is one for each row."""
    values = np.asarray(found, dtype=np.float64)
    if values.shape != (rows,):
        raise ExportError(
            f"'{model}' gave numbers of shape {list(values.shape)} for {rows:,} rows, not a probability for each; "
            "export it again."
        )
    if not bool(((values >= 0.0) & (values <= 1.0)).all()):
        wrong = values[~((values >= 0.0) & (values <= 1.0))][0]
        raise ExportError(
            f"'{model}' gave {wrong:.4g}, which is not a probability; its numbers are damaged, export it again."
        )
    return values


@runtime_checkable
class Stoppable(Protocol):
    """A scorer that is stopped when scoring takes longer than `most_seconds`."""

    most_seconds: float


class Scorer(Protocol):
    """A scorer of batches of raw rows; the bundle's schema names the columns that it reads."""

    #: The best number of rows per batch.
    rows_at_once: int

    def probabilities(self, batch: pa.RecordBatch, *, source: str, first_row: int) -> Floats:
        """Return the probability of a click per row, float64 `[N]`.

        Other columns, and the order of columns, do not matter.

        Raises:
            DataError: A value cannot be read; the message names its place by `source` and `first_row`.
        """
