"""Numbers in the graph: buckets and positions, bit by bit those of `autofi.data.quantile_binning`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autofi.data.quantile_binning import Buckets, Positions
from autofi.data.vocabulary import FIRST_VALUE, MISSING, OUT_OF_VOCABULARY
from autofi.export.onnx_opset import Var, at_or_above, op, padded

Floats = NDArray[np.float64]


def bucket_codes(values: Var, buckets: Sequence[Buckets]) -> Var:
    """Return int64 codes `[N, Q]` of float64 numbers `[N, Q]`."""
    edges = [thresholds(bucket) for bucket in buckets]
    last = np.array([max(len(own) - 1, 0) for own in edges], dtype=np.int64)
    first = [FIRST_VALUE if len(own) else OUT_OF_VOCABULARY for own in edges]
    place = op.sub(at_or_above(values, padded(edges)), op.const(np.int64(1)))
    inside = op.min([op.max([place, op.const(np.int64(0))]), op.const(last)])
    codes = op.add(inside, op.const(np.array(first, dtype=np.int64)))
    return op.where(op.isnan(values), op.const(np.int64(MISSING)), codes)


def positions(values: Var, fitted: Sequence[Positions]) -> Var:
    """Return float32 positions `[N, Q]` of float64 numbers `[N, Q]`, NaN where missing."""
    bins = np.array([own.bins for own in fitted], dtype=np.int64)
    borders = [own.borders if own.bins else np.zeros(2) for own in fitted]
    low = np.array([own[0] for own in borders])
    high = np.array([own[-1] for own in borders])
    # A bin whose slope overflows is so steep that its positions are clipped, as in training.
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
    # The last border is the end of the last bin, not the start of a further one.
    found = op.where(op.greater_or_equal(inside, op.const(high)), top, found)
    return op.cast(op.where(op.isnan(values), op.const(np.float64(np.nan)), found), to=np.float32)


def thresholds(buckets: Buckets) -> Floats:
    """Return the smallest number of every bucket; a comparison with it equals a cut on the scale, in any library.

    The numbers are found by bisection over the 2^64 float64 numbers in their order, which works because the
    scales rise.
    """
    edges = buckets.edges
    low = np.full(len(edges), _order(np.float64(-np.inf)), dtype=np.int64)
    high = np.full(len(edges), _order(np.float64(np.inf)), dtype=np.int64)
    while (low < high).any():
        # The mean without the sum, which would overflow.
        middle = (low & high) + ((low ^ high) >> 1)
        reached = buckets.scaled(_number(middle)) >= edges
        high = np.where(reached, middle, high)
        low = np.where(reached, low, np.minimum(middle + 1, high))
    return _number(high)


def _order(value: np.float64) -> np.int64:
    """Return the place of a number among all float64 numbers, as an integer in their order."""
    bits = np.asarray(value).view(np.int64)
    return np.int64(np.where(bits < 0, np.int64(-(2**63)) - bits, bits))


def _number(order: NDArray[np.int64]) -> Floats:
    bits = np.where(order < 0, np.int64(-(2**63)) - order, order)
    return bits.view(np.float64)
