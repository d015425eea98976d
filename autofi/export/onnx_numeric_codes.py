"""Numbers in the graph: buckets and positions, equal to those of `autofi.data.quantile_binning` to the last bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autofi.data.quantile_binning import Buckets, Positions
from autofi.data.vocabulary import FIRST_VALUE, MISSING, OUT_OF_VOCABULARY
from autofi.export.onnx_opset import Var, at_or_above, op, padded

Floats = NDArray[np.float64]


def bucket_codes(values: Var, buckets: Sequence[Buckets]) -> Var:
    """float64 `[N, Q]` → int64 codes `[N, Q]`."""
    edges = [thresholds(bucket) for bucket in buckets]
    last = np.array([max(len(own) - 1, 0) for own in edges], dtype=np.int64)
    first = [FIRST_VALUE if len(own) else OUT_OF_VOCABULARY for own in edges]
    place = op.sub(at_or_above(values, padded(edges)), op.const(np.int64(1)))
    inside = op.min([op.max([place, op.const(np.int64(0))]), op.const(last)])
    codes = op.add(inside, op.const(np.array(first, dtype=np.int64)))
    return op.where(op.isnan(values), op.const(np.int64(MISSING)), codes)


def positions(values: Var, fitted: Sequence[Positions]) -> Var:
    """float64 `[N, Q]` → float32 positions `[N, Q]`, NaN where missing."""
    bins = np.array([own.bins for own in fitted], dtype=np.int64)
    borders = [own.borders if own.bins else np.zeros(2) for own in fitted]
    low = np.array([own[0] for own in borders])
    high = np.array([own[-1] for own in borders])
    # A bin that overflows is steep: what lies in it is clipped, as in training.
    with np.errstate(over="ignore"):
        slopes = [
            1 / np.diff(own) if number else np.zeros(1) for own, number in zip(borders, bins, strict=True)
        ]
    inside = op.min([op.max([values, op.const(low)]), op.const(high)])
    inside = op.where(op.isnan(values), op.const(low), inside)
    place = op.sub(at_or_above(inside, padded(borders)), op.const(np.int64(1)))
    place = op.min([op.max([place, op.const(np.int64(0))]), op.const(np.maximum(bins - 1, 0))])
    width = max(len(own) for own in borders)
    flat = op.add(place, op.const(np.arange(len(fitted), dtype=np.int64) * width))
    start = op.gather(
        op.const(padded([np.append(own, np.zeros(width - len(own))) for own in borders]).ravel()), flat
    )
    slope = op.gather(
        op.const(padded([np.append(own, np.zeros(width - len(own))) for own in slopes]).ravel()), flat
    )
    found = op.add(op.mul(slope, op.sub(inside, start)), op.cast(place, to=np.float64))
    top = op.const(bins.astype(np.float64))
    found = op.min([op.max([found, op.const(np.float64(0))]), top])
    # The last border itself is the end, not the start of a bin that there is not.
    found = op.where(op.greater_or_equal(inside, op.const(high)), top, found)
    return op.cast(op.where(op.isnan(values), op.const(np.float64(np.nan)), found), to=np.float32)


def thresholds(buckets: Buckets) -> Floats:
    """The smallest number of every bucket: comparing with it is what cutting on the scale comes to, by any library.

    Found by bisection over the 2^64 float64 numbers in their order; the scales rise.
    """
    edges = buckets.edges
    low = np.full(len(edges), _order(np.float64(-np.inf)), dtype=np.int64)
    high = np.full(len(edges), _order(np.float64(np.inf)), dtype=np.int64)
    while (low < high).any():
        # Their mean without their sum, which overflows.
        middle = (low & high) + ((low ^ high) >> 1)
        reached = buckets.scaled(_number(middle)) >= edges
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1, high))
    return _number(high)


def _order(value: np.float64) -> np.int64:
    """Where a number is among all: integers in the order of the float64 numbers."""
    bits = np.asarray(value).view(np.int64)
    return np.int64(np.where(bits < 0, np.int64(-(2**63)) - bits, bits))


def _number(order: NDArray[np.int64]) -> Floats:
    bits = np.where(order < 0, np.int64(-(2**63)) - order, order)
    return bits.view(np.float64)
