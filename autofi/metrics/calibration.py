"""Calibration of predictions: predicted click probabilities beside the observed click rates.

Rows are sorted by their prediction and divided into bins of equal weight. Rows with the same prediction share a bin,
the one that holds the middle of their weight. So the order of the rows does not matter, and a weight of 2 equals the
row twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autofi.errors import DataError
from autofi.metrics.checks import checked_labels, checked_scores, checked_weights

BINS = 20


@dataclass(frozen=True)
class ReliabilityBin:
    """A bin of rows with neighbouring predictions.

    Attributes:
        predicted: Weighted mean of the predicted probabilities.
        rate: Weighted share of clicks.
        standard_error: Standard error of `rate`, from the rows themselves: 0 if all of them are of one class.
        rows: Number of rows.
        share: Share of the weight of all rows.
    """

    predicted: float
    rate: float
    standard_error: float
    rows: int
    share: float


def reliability(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    bins: int = BINS,
) -> tuple[ReliabilityBin, ...]:
    """Return at most `bins` bins of about equal weight, lowest prediction first; O(n log n).

    There are fewer bins if there are few rows or many ties. Rows of weight 0 are in no bin.

    Args:
        labels: 0 or 1, `[N]`.
        probabilities: Predicted click probabilities, `[N]`.
        weights: Weights of the rows, `[N]`; 1 by default.
        bins: Most bins.

    Raises:
        DataError: A probability lies outside [0, 1], or the columns do not fit together.
    """
    truth = checked_labels(labels)
    values = checked_scores(probabilities, len(truth))
    outside = (values < 0.0) | (values > 1.0)
    if outside.any():
        row = int(np.argmax(outside))
        raise DataError(f"The probability of row {row} is {values[row]}; it must lie between 0 and 1.")
    if bins < 1:
        raise DataError(f"The number of bins is {bins}; it must be at least 1.")
    weight = np.ones(len(truth)) if weights is None else checked_weights(weights, len(truth))
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0.0]
    truth, values, weight = truth[order], values[order], weight[order]

    starts = np.concatenate(([0], np.flatnonzero(np.diff(values) != 0) + 1))
    mass = np.add.reduceat(weight, starts)
    end = np.cumsum(mass)
    # For whole weights these are whole numbers, so that rounding moves no row to another bin.
    bin_of_tie = np.minimum(bins * (2.0 * end - mass) // (2.0 * end[-1]), bins - 1).astype(np.int64)
    of_row = np.repeat(bin_of_tie, np.diff(np.append(starts, len(values))))
    used, of_row = np.unique(of_row, return_inverse=True)

    count = len(used)
    total = np.bincount(of_row, weights=weight, minlength=count)
    predicted = np.bincount(of_row, weights=weight * values, minlength=count) / total
    rate = np.bincount(of_row, weights=weight * truth, minlength=count) / total
    squares = np.bincount(of_row, weights=(weight * (truth - rate[of_row])) ** 2, minlength=count)
    columns = (predicted, rate, np.sqrt(squares) / total, np.bincount(of_row), total / total.sum())
    return tuple(ReliabilityBin(*row) for row in zip(*(column.tolist() for column in columns), strict=True))


def ece(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    bins: int = BINS,
) -> float:
    """Return the expected calibration error: the mean distance of prediction and click rate over the bins.

    The bins are those of `reliability`, weighted by their share. Chance alone gives a perfect model about 0.8 of the
    bins' mean standard error, so that a few rows always look badly calibrated.

    Source: Naeini, Cooper & Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015,
    with bins of equal weight in place of equal width, as most predictions of clicks are small.
    """
    table = reliability(labels, probabilities, weights, bins=bins)
    return sum(part.share * abs(part.rate - part.predicted) for part in table)


__all__ = ["BINS", "ReliabilityBin", "ece", "reliability"]
