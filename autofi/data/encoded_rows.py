"""Encoded rows: codes, positions and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """N encoded rows.

    Attributes:
        ids: Code of each field, int32 `[N, F]`: 0 missing, 1 out of vocabulary, 2.. values or buckets.
        numbers: Position of each field that reads as a number, float32 `[N, Q]`; NaN is missing.
        bags: Token codes by multi-valued field, int32 `[N, L]`; -1 is padding, a missing value is the single token 0.
        labels: 0 or 1, `[N]`; labels, weights and groups are there if the rows came from a dataset.
        weights: Weights of the rows, `[N]`.
        groups: Hashes of the group column, `[N]`.
    """

    ids: NDArray[np.int32]
    numbers: NDArray[np.float32]
    bags: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    labels: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)
