"""Rows as codes of their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """N rows as a model reads them; labels, weights and groups only where the rows came from a dataset."""

    ids: NDArray[np.int32]
    """[N, F] code of each field: 0 missing, 1 out of vocabulary, 2.. values or buckets."""
    numbers: NDArray[np.float32]
    """[N, Q] position of each field that reads as a number; NaN is missing."""
    bags: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    """[N, L] token codes of each multi-valued field; -1 is padding, a missing value is the one token 0."""
    labels: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)
