"""Integer codes of combinations of field codes, and functions that count them and look them up.

A *cell* is one combination of values of one or more fields. Crosses and target encodings both work on cells.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofi.core.memmap import release

Codes = NDArray[np.int64]
Ids = NDArray[np.integer[Any]]

# Up to this many possible cells, an array indexed by the code (16 MB of int32) is faster than sorting.
DIRECT_CELLS = 1 << 22
_CODE_LIMIT = 1 << 63
_ROWS_AT_ONCE = 1 << 18


def cell_space(cardinalities: Sequence[int]) -> int | None:
    """Return the number of cells that fields span, or None if codes do not fit in 63 bits and are hashed instead."""
    space = 1
    for cardinality in cardinalities:
        space *= int(cardinality)
    return space if space <= _CODE_LIMIT else None


def cell_codes(columns: Sequence[Ids], cardinalities: Sequence[int]) -> Codes:
    """Return an int64 code per row, `(id_0 * card_1 + id_1) * card_2 + ...`, so that distinct cells differ in code.

    If the cells do not fit in 63 bits, splitmix64 (Steele et al. 2014) mixes the ids instead. Then any two of n cells
    collide with a probability of about n^2 / 2^64.
    """
    if cell_space(cardinalities) is None:
        return _hashed_codes(columns)
    codes = columns[0].astype(np.int64)
    for column, cardinality in zip(columns[1:], cardinalities[1:], strict=True):
        codes *= int(cardinality)
        codes += column
    return codes


def splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return splitmix64's finalizer of the values: a bijection of 64-bit integers with well mixed bits."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _hashed_codes(columns: Sequence[Ids]) -> Codes:
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        mixed = splitmix64(mixed + column.astype(np.uint64))
    # One bit is dropped, so that the codes sort equally as signed and unsigned integers.
    return (mixed >> np.uint64(1)).view(np.int64)


def codes_rise(codes: Codes, space: int | None) -> bool:
    """Return True if codes of cells are distinct, rising and below `space` (None: no bound)."""
    inside = not len(codes) or (codes[0] >= 0 and (space is None or int(codes[-1]) < space))
    return bool(inside and (codes[1:] > codes[:-1]).all())


def count_cells(codes: Codes, space: int | None) -> tuple[Codes, NDArray[np.int64]]:
    """Return the distinct codes, rising, and the count of each; all codes are below `space` (None: no bound)."""
    if space is not None and space <= DIRECT_CELLS:
        counts = np.bincount(codes, minlength=0)
        present = np.flatnonzero(counts)
        return present, counts[present]
    ordered = np.sort(codes)
    starts = _run_starts(ordered)
    return ordered[starts], np.diff(starts, append=len(ordered))


def rank_cells(codes: Codes, space: int | None) -> tuple[Codes, NDArray[np.int64]]:
    """Return the distinct codes in rising order, and for each row the position of its code among them."""
    if space is not None and space <= DIRECT_CELLS:
        seen = np.zeros(space, dtype=bool)
        seen[codes] = True
        return np.flatnonzero(seen), (np.cumsum(seen) - 1)[codes]
    ordered, order = _sorted_with_order(codes, space)
    starts = _run_starts(ordered)
    rank_of_sorted = np.zeros(len(ordered), dtype=np.int64)
    rank_of_sorted[starts[1:]] = 1
    ranks = np.empty(len(codes), dtype=np.int64)
    ranks[order] = np.cumsum(rank_of_sorted)
    return ordered[starts], ranks


def find_cells(known: Codes, codes: Codes, space: int | None) -> NDArray[np.int64]:
    """Return, for each row, the position of its code in the rising codes `known`, or len(known) if it is not there."""
    absent = len(known)
    if absent == 0 or len(codes) == 0:
        return np.full(len(codes), absent, dtype=np.int64)
    if space is not None and space <= DIRECT_CELLS and space <= 16 * len(codes):
        table = np.full(space, absent, dtype=np.int32)
        table[known] = np.arange(absent, dtype=np.int32)
        return table[codes].astype(np.int64)
    if len(codes) < 4096:
        return _search(known, codes)
    # Sorted codes walk through `known` once instead of jumping around in it: several times faster, including the sort.
    ordered, order = _sorted_with_order(codes, space)
    positions = np.empty(len(codes), dtype=np.int64)
    positions[order] = _search(known, ordered)
    return positions


def _search(known: Codes, codes: Codes) -> NDArray[np.int64]:
    positions = np.searchsorted(known, codes)
    np.minimum(positions, len(known) - 1, out=positions)
    positions[known[positions] != codes] = len(known)
    return positions


def _run_starts(ordered: Codes) -> NDArray[np.int64]:
    if len(ordered) == 0:
        return np.empty(0, dtype=np.int64)
    return np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))


def _sorted_with_order(codes: Codes, space: int | None) -> tuple[Codes, NDArray[np.int64]]:
    """Return the sorted codes and an order that sorts them."""
    row_bits = max(len(codes) - 1, 1).bit_length()
    if space is not None and space.bit_length() + row_bits <= 63:
        # With code and row number in one integer, a plain sort is three times faster than an argsort.
        packed = (codes << row_bits) | np.arange(len(codes), dtype=np.int64)
        packed.sort()
        return packed >> row_bits, packed & ((1 << row_bits) - 1)
    order = np.argsort(codes)
    return codes[order], order


def check_ids(ids: Ids, cardinalities: Sequence[int]) -> None:
    """Raise ValueError unless `ids` is an integer array `[N, F]` with 0 <= id < cardinality.

    An id beyond its cardinality would silently count as another cell.
    """
    if ids.ndim != 2 or ids.shape[1] != len(cardinalities) or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"ids must be integers [N, {len(cardinalities)}], not {ids.dtype} {ids.shape}")
    if len(ids) == 0:
        return
    lowest, highest = ids[0], ids[0]
    # In blocks, so that a mapped array is not loaded as a whole.
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        block = ids[start : start + _ROWS_AT_ONCE]
        lowest, highest = np.minimum(lowest, block.min(axis=0)), np.maximum(highest, block.max(axis=0))
        release(ids)
    wrong = (lowest < 0) | (highest >= np.asarray(cardinalities, dtype=np.int64))
    if wrong.any():
        field = int(wrong.argmax())
        raise ValueError(
            f"ids of field {field} must lie in 0..{cardinalities[field] - 1}, "
            f"found {lowest[field]}..{highest[field]}"
        )


def default_threads() -> int:
    """Return the number of cores this process may use, at most 8: beyond that, memory is the limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(8, cores or 1))
