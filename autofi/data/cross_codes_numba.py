"""Compiled loops that find the frequent cells of a pair of fields without sorting all the others."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from autofi.core.numba_jit import compiled
from autofi.data.cross_codes import DIRECT_CELLS, Codes, Ids

#: An odd number close to 2^64 divided by the golden ratio: products with it have well mixed upper bits (Knuth, 6.4).
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_HIGHEST = 255
#: Most buckets, as a power of 2: half a megabyte, beyond which they do not fit in the cache of a core.
_BUCKET_BITS = 19


def frequent_cells(
    left: Ids, right: Ids, cardinalities: tuple[int, int], min_count: int
) -> tuple[Codes, NDArray[np.int64]]:
    """Return the rising codes of the cells that occur at least `min_count` times, and the count of each.

    If there are too many possible cells for a counter each, rows are first counted in buckets of hashed codes, and only
    the codes of full buckets are sorted. The cost is 2 to 6 ms per million rows.
    """
    width = cardinalities[1]
    hot = np.empty(len(left) // min_count, dtype=np.int64)
    if cardinalities[0] * width <= DIRECT_CELLS:
        counters = _room.counters[: cardinalities[0] * width]
        counters.fill(0)
        codes = np.sort(hot[: _count_direct(left, right, width, counters, min_count, hot)])
        return codes, counters[codes].astype(np.int64)
    bits = min(_BUCKET_BITS, max(1, (4 * len(left) // min_count).bit_length()))
    buckets = np.zeros(1 << bits, dtype=np.uint8)
    codes = _room.codes(len(left))
    enough = min(min_count, _HIGHEST)
    _fill_buckets(left, right, width, codes, buckets, 64 - bits, enough)
    codes = codes[: _drop_rare(codes, buckets, 64 - bits, enough)]
    codes.sort()
    counts = np.empty_like(hot)
    found = _frequent_runs(codes, min_count, hot, counts)
    return hot[:found].copy(), counts[:found].copy()


class _Room(threading.local):
    """Memory that every pair needs, kept because allocating it takes as long as using it."""

    def __init__(self) -> None:
        self.counters = np.empty(DIRECT_CELLS, dtype=np.int32)
        self._codes = np.empty(0, dtype=np.int64)

    def codes(self, rows: int) -> Codes:
        if len(self._codes) < rows:
            self._codes = np.empty(rows, dtype=np.int64)
        return self._codes[:rows]


_room = _Room()


@compiled
def _count_direct(
    left: Ids, right: Ids, width: int, counters: NDArray[np.int32], min_count: int, hot: Codes
) -> int:
    """Count every cell in its own counter, write those that reach `min_count` to `hot`, and return their number."""
    found = 0
    for row in range(left.shape[0]):
        code = np.int64(left[row]) * width + right[row]
        count = counters[code] + 1
        counters[code] = count
        if count == min_count:
            hot[found] = code
            found += 1
    return found


@compiled
def _fill_buckets(
    left: Ids,
    right: Ids,
    width: int,
    codes: Codes,
    buckets: NDArray[np.uint8],
    shift: int,
    enough: int,
) -> None:
    """Write the code of every row, and count the row in the bucket of its code, up to `enough`."""
    for row in range(left.shape[0]):
        code = np.int64(left[row]) * width + right[row]
        codes[row] = code
        bucket = (np.uint64(code) * _MULTIPLIER) >> np.uint64(shift)
        buckets[bucket] += buckets[bucket] < enough


@compiled
def _drop_rare(codes: Codes, buckets: NDArray[np.uint8], shift: int, enough: int) -> int:
    """Move the codes of buckets that hold `enough` to the front, and return their number."""
    kept = 0
    for row in range(codes.shape[0]):
        code = codes[row]
        codes[kept] = code
        kept += buckets[(np.uint64(code) * _MULTIPLIER) >> np.uint64(shift)] >= enough
    return kept


@compiled
def _frequent_runs(ordered: Codes, min_count: int, codes: Codes, counts: Codes) -> int:
    """Write codes and lengths of the runs of at least `min_count`, and return their number."""
    found = 0
    start = 0
    for row in range(1, ordered.shape[0] + 1):
        if row == ordered.shape[0] or ordered[row] != ordered[start]:
            if row - start >= min_count:
                codes[found] = ordered[start]
                counts[found] = row - start
                found += 1
            start = row
    return found
