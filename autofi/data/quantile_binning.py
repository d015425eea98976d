"""Numbers on a scale fitted to training rows: positions among quantiles, and buckets for integer codes."""

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
    """How the values of a numeric field are cut into buckets."""

    QUANTILE = "quantile"
    LOG = "log"


@dataclass(frozen=True, eq=False)
class Positions:
    """Piecewise-linear positions among borders b_0 < ... < b_T (Gorishniy et al. 2022, on one axis)."""

    borders: Floats

    @classmethod
    def fit(cls, values: Floats, *, max_bins: int = MAX_POSITION_BINS) -> Positions:
        """Borders from the finite training values: at most max_bins + 1, all values when that few."""
        return cls(spread(values, max_bins + 1))

    @property
    def bins(self) -> int:
        """T: the positions lie in [0, T]. Zero when training rows hold fewer than two distinct values."""
        return max(len(self.borders) - 1, 0)

    def positions(self, values: Floats) -> NDArray[np.float32]:
        """t + (x - b_t) / (b_{t+1} - b_t), clipped to [0, T] (so are infinite values); NaN stays NaN."""
        if self.bins == 0:
            return np.where(np.isnan(values), np.nan, 0.0).astype(np.float32)
        places = np.interp(values, self.borders, np.arange(len(self.borders), dtype=np.float64))
        # Between borders that almost touch, the slope can overflow.
        return np.clip(places, 0.0, self.bins).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Buckets:
    """Bucket k holds edges_k <= x < edges_{k+1} on the scale; the first and the last are open."""

    edges: Floats
    scale: BucketScale

    @classmethod
    def fit(cls, values: Floats, *, scale: BucketScale, num_buckets: int) -> Buckets:
        """Edges from the finite training values, one bucket per value when there are at most num_buckets.

        An edge lies midway between two values: whatever the precision they are read in, each stays in its bucket.
        """
        distinct = np.unique(_scaled(values, scale))
        places = np.searchsorted(distinct, spread(_scaled(values, scale), num_buckets, ends=False))
        return cls(_midway(distinct)[places], scale)

    @property
    def cardinality(self) -> int:
        """How many codes there are, those of missing and out of vocabulary included."""
        return len(self.edges) + FIRST_VALUE

    def scaled(self, values: Floats) -> Floats:
        """Where numbers are on the scale of the edges."""
        return _scaled(values, self.scale)

    def codes(self, values: Floats) -> NDArray[np.int32]:
        """2 + bucket; NaN is missing. Out of vocabulary only where training rows held no number at all."""
        if len(self.edges):
            buckets = np.searchsorted(self.edges, self.scaled(values), side="right") - 1
            codes = np.clip(buckets, 0, len(self.edges) - 1) + FIRST_VALUE
        else:
            codes = np.full(len(values), OUT_OF_VOCABULARY)
        return np.where(np.isnan(values), MISSING, codes).astype(np.int32)


class NumberSample:
    """A uniform sample of at most `rows` numbers of a stream of batches, whatever the batches' sizes."""

    def __init__(self, *, seed: int, rows: int = SAMPLE_ROWS) -> None:
        self._generator = np.random.default_rng(seed)
        self._rows = rows
        self._values: list[Floats] = []
        self._keys: list[Floats] = []
        self._held = 0

    def add(self, values: Floats) -> None:
        """Offer one batch; NaN is left out."""
        values = values[~np.isnan(values)]
        self._values.append(values)
        self._keys.append(self._generator.random(len(values)))
        self._held += len(values)
        if self._held > 2 * self._rows:
            self._trim()

    def values(self) -> Floats:
        """The sample so far, in no particular order."""
        self._trim()
        return self._values[0]

    def _trim(self) -> None:
        # The smallest of independent random keys are a uniform sample, and stay one as more arrive.
        values = np.concatenate([np.empty(0), *self._values])
        keys = np.concatenate([np.empty(0), *self._keys])
        if len(keys) > self._rows:
            chosen = np.argpartition(keys, self._rows)[: self._rows]
            values, keys = values[chosen], keys[chosen]
        self._values, self._keys, self._held = [values], [keys], len(values)


def spread(values: Floats, size: int, *, ends: bool = True) -> Floats:
    """At most `size` of the values, rising and distinct, at equal shares of the rows; all if that few.

    Values that fill several shares count once, and the places they free are spread over the other values, so
    that a column that is mostly zero keeps its resolution elsewhere. With `ends` the largest value is one.
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
    """Between each of the rising values and the one before it; of the first as far below it as the second is above."""
    if len(values) == 0:
        return values
    gap = values[1] - values[0] if len(values) > 1 else 1.0
    with np.errstate(over="ignore"):
        before = np.concatenate([[max(values[0] - gap, -np.finfo(np.float64).max)], values[:-1]])
    middle = before / 2 + values / 2
    # Of two neighbours among float64 numbers there is none between.
    return np.where(middle > before, middle, values)


def _scaled(values: Floats, scale: BucketScale) -> Floats:
    """LOG: whole numbers up to 2, then 3 + floor(ln(x)^2) (Juan, Zhuang and Chin 2014), mirrored below -2."""
    if scale is BucketScale.QUANTILE:
        return values
    size = np.maximum(np.abs(values), 1.0)
    far = np.sign(values) * (3.0 + np.floor(np.log(size) ** 2))
    return np.where(size > 2.0, far, np.floor(values))
