"""How calibrated predictions are: predicted click probabilities beside the click rates that were observed.

Rows are put in order of their prediction and divided into bins of equal weight. Rows with the same prediction are never
divided: they lie where the middle of their weight does. So the order of the rows is of no consequence, and a weight of
2 is the same as the row twice.
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
    """Rows with predictions next to each other; means are weighed as the rows are."""

    predicted: float
    """Mean of the predicted probabilities."""
    rate: float
    """The share of clicks."""
    standard_error: float
    """Of `rate`, from the rows themselves: 0 where all of them are of one class."""
    rows: int
    share: float
    """Of the weight of all rows."""


def reliability(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    bins: int = BINS,
) -> tuple[ReliabilityBin, ...]:
    """At most `bins` bins of about equal weight, lowest prediction first; O(n log n).

    There are fewer where there are fewer rows or many ties; rows of weight 0 are in none. Raises DataError for
    probabilities outside [0, 1].
    """
    truth = checked_labels(labels)
    values = checked_scores(probabilities, len(truth))
    outside = (values < 0.0) | (values > 1.0)
    if outside.any():
        row = int(np.argmax(outside))
        raise DataError(f"Probabilities must lie between 0 and 1: found {values[row]} in row {row}.")
    if bins < 1:
        raise DataError(f"Rows are divided into 1 bin or more: found {bins}.")
    weight = np.ones(len(truth)) if weights is None else checked_weights(weights, len(truth))
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0.0]
    truth, values, weight = truth[order], values[order], weight[order]

    starts = np.concatenate(([0], np.flatnonzero(np.diff(values) != 0) + 1))
    mass = np.add.reduceat(weight, starts)
    end = np.cumsum(mass)
    # Of whole weights these are whole numbers, so that bins have exactly the rows they should.
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
    """Expected calibration error: the mean distance of prediction and click rate over the bins of `reliability`, each
    by its share.

    Chance alone gives a perfect model about 0.8 of the bins' mean standard error, so few rows look badly calibrated.
    Source: Naeini, Cooper & Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015,
    with bins of equal weight in place of equal width, as most predictions of clicks are small.
    """
    table = reliability(labels, probabilities, weights, bins=bins)
    return sum(part.share * abs(part.rate - part.predicted) for part in table)


__all__ = ["BINS", "ReliabilityBin", "ece", "reliability"]
