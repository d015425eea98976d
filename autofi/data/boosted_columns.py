"""The inputs of boosted trees: numbers, and the target encodings of fields and crosses as log-odds and counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autofi.data.encoded_rows import EncodedRows
from autofi.data.folds import deal_folds
from autofi.data.number_bins import with_bins
from autofi.data.target_encoding import Column, TargetStatistics

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

#: Rows at the overall click rate that are added to the rows of a cell, so that the log-odds of rare cells are small.
SMOOTHING = 10.0
#: Folds of the rows that trees are grown on, out of which their target encodings are computed. They are few on purpose:
#: an encoding without a row's own fold reveals the click rate of that fold, and the fewer rows a fold has, the more of
#: that is the row's own label, which trees would learn.
STATISTICS_FOLDS = 3


def boosted_columns(numbers: Floats, statistics: Floats, prior: float) -> Floats:
    """Return the inputs of trees, `[N, Q + 2C]`: numbers, then log-odds of a click and log(1 + n) of every column."""
    values = value_columns(statistics, prior)
    return np.concatenate([numbers, values[..., 0], values[..., 1]], axis=1, dtype=np.float32)


def value_columns(statistics: Floats, prior: float) -> Floats:
    """Return the smoothed log-odds of a click and log(1 + n) of counts and clicks, `[..., 2]`."""
    count, clicks = statistics[..., 0], statistics[..., 1]
    rate = np.log((clicks + SMOOTHING * prior) / (count - clicks + SMOOTHING * (1 - prior)))
    return np.stack([rate, np.log1p(count)], axis=-1, dtype=np.float32)


def columns_of_parts(
    rows: EncodedRows,
    seen: Numbers,
    unseen: Numbers,
    cardinalities: tuple[int, ...],
    columns: tuple[Column, ...],
    *,
    prior: float,
    counted: int,
    together: Numbers | None,
    generator: np.random.Generator,
    threads: int,
) -> tuple[Floats, Floats]:
    """Return the inputs of trees for rows that they are grown on and for rows that they have not seen.

    Target encodings are computed from the seen rows only, and out of fold for the seen rows themselves.

    Args:
        rows: Rows with labels.
        seen: Rows to grow on.
        unseen: Other rows.
        cardinalities: Those of `with_bin_cardinalities`.
        columns: Fields and crosses to encode.
        prior: The click rate towards which rare cells are smoothed.
        counted: Training rows in all; counts are scaled up to them, as the trees get those of all rows later.
        together: A number per seen row; rows with the same number are in one fold.
        generator: Deals the folds.
        threads: Threads of the encoding.
    """
    labels = np.asarray(rows.labels)
    inner = deal_folds(len(seen), STATISTICS_FOLDS, generator, together)
    known, out_of_fold = TargetStatistics.fit(
        with_bins(rows.ids[seen], rows.numbers[seen], cardinalities),
        labels[seen],
        cardinalities,
        columns,
        folds=inner,
        threads=threads,
    )
    others = np.maximum(len(seen) - np.bincount(inner, minlength=STATISTICS_FOLDS), 1)
    out_of_fold *= (counted / others)[inner, None, None].astype(np.float32)
    judged = known.transform(
        with_bins(rows.ids[unseen], rows.numbers[unseen], cardinalities), threads=threads
    )
    judged *= np.float32(counted / len(seen))
    return (
        boosted_columns(rows.numbers[seen], out_of_fold, prior),
        boosted_columns(rows.numbers[unseen], judged, prior),
    )
