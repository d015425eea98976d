"""Scales of numbers, fitted on training rows: positions among quantiles, and buckets as integer codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from autofi.data.vocabulary import FIRST_VALUE, MISSING, OUT_OF_VOCABULARY

Floats = NDArray[np.float64]

MAX_POSITION_BINS = 32
SAMPLE_ROWS = 1_000_000


class BucketScale(StrEnum):
    """The scale on which the values of a numeric field are divided into buckets."""

    QUANTILE = "quantile"
    LOG = "log"


@dataclass(frozen=True, eq=False)
class Positions:
    """Piecewise-linear positions among borders b_0 < ... < b_T (Gorishniy et al. 2022, on one axis)."""

    borders: Floats

    @classmethod
    def fit(cls, values: Floats, *, max_bins: int = MAX_POSITION_BINS) -> Positions:
        """Return positions with at most max_bins + 1 borders from the finite training values."""
        return cls(spread(values, max_bins + 1))

    @property
    def bins(self) -> int:
        """Number of bins T; positions lie in [0, T]. It is 0 if training rows hold fewer than two distinct values."""
        return max(len(self.borders) - 1, 0)

    def positions(self, values: Floats) -> NDArray[np.float32]:
        """Return t + (x - b_t) / (b_{t+1} - b_t), clipped to [0, T]; NaN stays NaN."""
        if self.bins == 0:
            return np.where(np.isnan(values), np.nan, 0.0).astype(np.float32)
        places = np.interp(values, self.borders, np.arange(len(self.borders), dtype=np.float64))
        # The slope between almost equal borders can overflow.
        return np.clip(places, 0.0, self.bins).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Buckets:
    """Buckets of numbers: bucket k holds edges_k <= x < edges_{k+1} on the scale; the outer ones are open."""

    edges: Floats
    scale: BucketScale

    @classmethod
    def fit(cls, values: Floats, *, scale: BucketScale, num_buckets: int) -> Buckets:
        """Return buckets from the finite training values, one per value if there are at most num_buckets.

        An edge lies midway between two values, so that values stay in their bucket at any precision.
        """
        distinct = np.unique(_scaled(values, scale))
        places = np.searchsorted(distinct, spread(_scaled(values, scale), num_buckets, ends=False))
        return cls(_midway(distinct)[places], scale)

    @property
    def cardinality(self) -> int:
        """Number of codes, including those of missing values and out of vocabulary."""
        return len(self.edges) + FIRST_VALUE

    def scaled(self, values: Floats) -> Floats:
        """Return the numbers on the scale of the edges."""
        return _scaled(values, self.scale)

    def codes(self, values: Floats) -> NDArray[np.int32]:
        """Return 2 + bucket; NaN is missing. All are out of vocabulary if training rows held no number at all."""
        if len(self.edges):
            buckets = np.searchsorted(self.edges, self.scaled(values), side="right") - 1
            codes = np.clip(buckets, 0, len(self.edges) - 1) + FIRST_VALUE
        else:
            codes = np.full(len(values), OUT_OF_VOCABULARY)
        return np.where(np.isnan(values), MISSING, codes).astype(np.int32)


class NumberSample:
    """A uniform sample of at most `rows` numbers from a stream of batches of any size."""

    def __init__(self, *, seed: int, rows: int = SAMPLE_ROWS) -> None:
        self._generator = np.random.default_rng(seed)
        self._rows = rows
        self._values: list[Floats] = []
        self._keys: list[Floats] = []
        self._held = 0

    def add(self, values: Floats) -> None:
        """Add one batch; NaN is left out."""
        values = values[~np.isnan(values)]
        self._values.append(values)
        self._keys.append(self._generator.random(len(values)))
        self._held += len(values)
        if self._held > 2 * self._rows:
            self._trim()

    def values(self) -> Floats:
        """Return the sample so far, in no particular order."""
        self._trim()
        return self._values[0]

    def _trim(self) -> None:
        # The rows with the smallest random keys are a uniform sample, and stay one as more arrive.
        values = np.concatenate([np.empty(0), *self._values])
        keys = np.concatenate([np.empty(0), *self._keys])
        if len(keys) > self._rows:
            chosen = np.argpartition(keys, self._rows)[: self._rows]
            values, keys = values[chosen], keys[chosen]
        self._values, self._keys, self._held = [values], [keys], len(values)


def spread(values: Floats, size: int, *, ends: bool = True) -> Floats:
    """Return at most `size` of the values, rising and distinct, at equal shares of the rows.

    Values that fill several shares count once, and the places that they free go to the other values, so that a column
    that is mostly zero keeps its resolution elsewhere. With `ends`, the largest value is included.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) <= size:
        return distinct
    chosen = np.zeros(len(distinct), dtype=bool)
    chosen[0] = True
    chosen[-1] = ends
    while (free := size - int(chosen.sum())) > 0:
        rest = np.flatnonzero(~chosen)
        shares = np.cumsum(counts[rest])
        targets = shares[-1] * (np.arange(1, free + 1) / (free + 1))
        chosen[rest[np.searchsorted(shares, targets)]] = True
    return distinct[chosen]


def _midway(values: Floats) -> Floats:
    """Return the midpoint of each of the rising values and the one before; the first one gets the gap of the second."""
    if len(values) == 0:
        return values
    gap = values[1] - values[0] if len(values) > 1 else 1.0
    with np.errstate(over="ignore"):
        before = np.concatenate([[max(values[0] - gap, -np.finfo(np.float64).max)], values[:-1]])
    middle = before / 2 + values / 2
    # Between two neighbouring float64 numbers there is no other.
    return np.where(middle > before, middle, values)


def _scaled(values: Floats, scale: BucketScale) -> Floats:
    """Return values on a scale; LOG is whole up to 2, then 3 + floor(ln(x)^2) (Juan et al. 2014), mirrored below -2."""
    if scale is BucketScale.QUANTILE:
        return values
    size = np.maximum(np.abs(values), 1.0)
    far = np.sign(values) * (3.0 + np.floor(np.log(size) ** 2))
    return np.where(size > 2.0, far, np.floor(values))
