"""Bins of numbers beside the codes of fields, so that a cross can hold a part of a number's range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autofi.data.vocabulary import MISSING

#: Added to a position before it is rounded down. A border between bins then lies inside of a bin of positions, where
#: hardly any number is, and not at its ends, which are numbers of training rows: one of these in the next bin, by a
#: difference in the last bit, would have other target encodings.
OFFSET = 0.38


def with_bin_cardinalities(cardinalities: Sequence[int], number_bins: Sequence[int]) -> tuple[int, ...]:
    """Return the number of codes of each field, then those of each number's bins: 0 is a missing number."""
    return (*map(int, cardinalities), *(int(bins) + 2 for bins in number_bins))


def with_bins(
    ids: NDArray[np.int32], numbers: NDArray[np.float32], cardinalities: Sequence[int]
) -> NDArray[np.int32]:
    """Return codes of fields, then bins of numbers, int32 `[N, F + Q]`; the codes alone if there are no bins.

    Args:
        ids: Codes of fields, `[N, F]`.
        numbers: Positions of numbers, `[N, Q]`, NaN is missing.
        cardinalities: Those of `with_bin_cardinalities`, or of the fields alone.
    """
    if len(cardinalities) == ids.shape[1]:
        return np.asarray(ids)
    found = np.empty((len(ids), len(cardinalities)), dtype=np.int32)
    found[:, : ids.shape[1]] = ids
    bins = np.where(np.isnan(numbers), np.float32(MISSING - 1), np.floor(numbers + np.float32(OFFSET)))
    found[:, ids.shape[1] :] = bins + 1
    return found
