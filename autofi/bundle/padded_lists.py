"""Lists of values as inputs of a graph: padded with empty texts, and cut to the values that a model reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from autofi.values.arrow_values import LIST_SEPARATOR, token_places

#: So much padding costs less than scoring rows in separate batches.
_FREE_CELLS = 1 << 16
_PADDING_PER_VALUE = 4


def values_told_apart(texts: pa.Array) -> int:
    """Return the number of values of a list that decide its joined text; later values change nothing.

    A list with one value more than any of `texts` is none of them, whatever its further values are.
    """
    separators = pc.max(pc.count_substring(texts, LIST_SEPARATOR)).as_py() or 0
    return int(separators) + 2


def padded(lists: pa.ListArray, most: int | None) -> NDArray[np.object_]:
    """Return texts `[N, L]`, L ≥ 1: the first `most` values of every list, or all if None."""
    rows, places = token_places(lists)
    values = pc.list_flatten(lists)
    if most is not None:
        read = places < most
        if not read.all():
            rows, places, values = rows[read], places[read], values.filter(pa.array(read))
    found = np.full((len(lists), 1 + int(places.max(initial=0))), "", dtype=object)
    encoded = values.dictionary_encode()
    texts = np.array(encoded.dictionary.to_pylist(), dtype=object)
    found[rows, places] = texts[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


def even_rows(lengths: NDArray[np.int64]) -> Iterator[slice]:
    """Yield runs of rows whose padded lists hold at most a few times as many cells as values.

    Args:
        lengths: The number of values of every row's longest list, `[N]`.
    """
    if len(lengths) * int(lengths.max(initial=0)) <= _FREE_CELLS + _PADDING_PER_VALUE * int(lengths.sum()):
        yield slice(0, len(lengths))
        return
    start, values, longest = 0, 0, 0
    for row, length in enumerate(lengths.tolist()):
        wider = max(longest, length)
        cells = (row + 1 - start) * wider
        if row > start and cells > _FREE_CELLS + _PADDING_PER_VALUE * (values + length):
            yield slice(start, row)
            start, values, wider = row, 0, length
        values, longest = values + length, wider
    yield slice(start, len(lengths))
