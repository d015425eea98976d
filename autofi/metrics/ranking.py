"""Ranking metrics and logloss of predicted click probabilities, with their sampling error.

All metrics are computed over all rows at once (never as a mean over batches), in float64, and with exact ties.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from autofi.errors import DataError
from autofi.metrics.checks import Floats, checked_labels, checked_scores, checked_weights

PROBABILITY_CLIP = 1e-7
#: Half the width of a normal distribution's 95 % interval, in standard errors.
NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Interval:
    """An estimate with its standard error and a confidence interval, clipped to the estimate's range."""

    estimate: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """A metric of `a` minus that of `b` on the same rows; `z` is the difference in standard errors."""

    difference: float
    standard_error: float
    low: float
    high: float
    z: float


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Return the probability that a positive row scores above a negative one, ties counting one half; O(n log n).

    Args:
        labels: 0 or 1, `[N]`.
        scores: Scores of any scale, `[N]`.
        weights: Weights of the rows, `[N]`: a pair counts by the product of both.

    Raises:
        DataError: A class is absent.
    """
    truth = checked_labels(labels)
    values = checked_scores(scores, len(truth))
    if weights is None:
        positives = int(truth.sum())
        _need_both_classes(positives, len(truth) - positives)
        ranks = _midranks(values)
        doubled = 2.0 * float(ranks[truth].sum()) - positives * (positives + 1.0)
        return doubled / (2.0 * positives * (len(truth) - positives))
    weight = checked_weights(weights, len(truth))
    order = np.argsort(values, kind="stable")
    starts = _tie_starts(values[order])
    clicked = np.add.reduceat(np.where(truth, weight, 0.0)[order], starts)
    passed = np.add.reduceat(np.where(truth, 0.0, weight)[order], starts)
    _need_both_classes(float(clicked.sum()), float(passed.sum()))
    below = np.cumsum(passed) - passed
    return float(np.dot(clicked, below + 0.5 * passed) / (clicked.sum() * passed.sum()))


def logloss(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float:
    """Return the (weighted) mean of `row_losses`."""
    losses = row_losses(labels, probabilities)
    if weights is None:
        return float(losses.mean())
    return float(np.average(losses, weights=checked_weights(weights, len(losses))))


def row_losses(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Return the negative log-likelihood of every row, `[N]`, in nats.

    Probabilities are clipped to [1e-7, 1 - 1e-7], so that a mistake costs at most 16.1 and float32 predictions of
    exactly 0 or 1 stay finite.
    """
    truth = checked_labels(labels)
    clipped = np.clip(checked_scores(probabilities, len(truth)), PROBABILITY_CLIP, 1.0 - PROBABILITY_CLIP)
    return np.asarray(-np.log(np.where(truth, clipped, 1.0 - clipped)))


def gauc(labels: npt.ArrayLike, scores: npt.ArrayLike, groups: npt.ArrayLike) -> float:
    """Return the mean AUC of groups, weighted by their rows; groups of one class only are left out.

    Source: Zhou et al., "Deep Interest Network", KDD 2018 (users as groups, impressions as weights).

    Raises:
        DataError: No group holds both classes.
    """
    truth = checked_labels(labels)
    values = checked_scores(scores, len(truth))
    keys = np.asarray(groups)
    if keys.shape != truth.shape:
        raise DataError(
            f"The groups have the shape {keys.shape} for {len(truth)} rows; there must be one per row."
        )
    codes = np.unique(keys, return_inverse=True)[1]
    order = np.lexsort((values, codes))
    codes, values, truth = codes[order], values[order], truth[order]
    sizes = np.bincount(codes)
    positives = np.bincount(codes, weights=truth)
    # Ranks inside each group: midranks over (group, score) minus the rows of earlier groups.
    changed = (np.diff(codes) != 0) | (np.diff(values) != 0)
    ranks = _ranks_of_runs(np.concatenate(([0], np.flatnonzero(changed) + 1)), len(values))
    ranks -= (np.cumsum(sizes) - sizes)[codes]
    rank_sums = np.bincount(codes, weights=np.where(truth, ranks, 0.0))
    mixed = (positives > 0) & (positives < sizes)
    if not mixed.any():
        raise DataError(
            f"None of {len(sizes)} groups has both clicks and non-clicks, which GAUC needs; "
            "choose a coarser group column or use AUC."
        )
    wins = rank_sums[mixed] - positives[mixed] * (positives[mixed] + 1.0) / 2.0
    each = wins / (positives[mixed] * (sizes[mixed] - positives[mixed]))
    return float(np.average(each, weights=sizes[mixed]))


def has_mixed_group(labels: npt.ArrayLike, groups: npt.ArrayLike) -> bool:
    """Return True if any group holds both classes, as `gauc` needs."""
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    positives = np.bincount(codes, weights=checked_labels(labels))
    return bool(((positives > 0) & (positives < np.bincount(codes))).any())


def has_both_classes(labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> bool:
    """Return True if the rows with a weight above 0 are of both classes, as `auc` needs."""
    if not np.asarray(labels).size:
        return False
    truth = checked_labels(labels)
    counted = truth if weights is None else truth[checked_weights(weights, len(truth)) > 0]
    return bool(counted.any() and not counted.all())


def delong(
    labels: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike, *, confidence: float = 0.95
) -> PairedDifference:
    """Return the difference in AUC of two models on the same rows, with its standard error; O(n log n).

    Source: DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988), by the midranks of Sun & Xu, IEEE Signal
    Processing Letters 21 (2014). Rows must be independent. The error does not include that of training seeds.
    """
    truth = checked_labels(labels)
    positive_a, negative_a = _placements(truth, checked_scores(a, len(truth)))
    positive_b, negative_b = _placements(truth, checked_scores(b, len(truth)))
    difference = float(positive_a.mean() - positive_b.mean())
    error = _standard_error(positive_a - positive_b, negative_a - negative_b, most=1.0)
    return paired_difference(difference, error, confidence, most=1.0)


def paired_logloss(
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> PairedDifference:
    """Return the difference in logloss of two models on the same rows, with its standard error.

    Rows must be independent.
    """
    losses = row_losses(labels, a) - row_losses(labels, b)
    weight = np.ones(len(losses)) if weights is None else checked_weights(weights, len(losses))
    difference = float(np.average(losses, weights=weight))
    error = float(np.sqrt(np.square(weight * (losses - difference)).sum()) / weight.sum())
    return paired_difference(difference, error, confidence)


def paired_difference(
    difference: float, error: float, confidence: float = 0.95, *, most: float = math.inf
) -> PairedDifference:
    """Return a difference with its normal interval, clipped to what a difference can be: at most `most`."""
    reach = NormalDist().inv_cdf(0.5 + confidence / 2.0) * error
    z = difference / error if error > 0.0 else float(np.sign(difference)) * (np.inf if difference else 0.0)
    low, high = max(-most, difference - reach), min(most, difference + reach)
    return PairedDifference(difference, error, low, high, z)


def auc_interval(labels: npt.ArrayLike, scores: npt.ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Return the AUC with DeLong's standard error and a normal interval clipped to [0, 1]."""
    truth = checked_labels(labels)
    positive, negative = _placements(truth, checked_scores(scores, len(truth)))
    estimate = float(positive.mean())
    error = _standard_error(positive, negative, most=0.25)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2.0) * error
    return Interval(estimate, error, max(0.0, estimate - reach), min(1.0, estimate + reach))


def _placements(truth: npt.NDArray[np.bool_], values: Floats) -> tuple[Floats, Floats]:
    """Return, per positive row, the share of negatives below it, and per negative row, of positives above it."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    _need_both_classes(positives, negatives)
    ranks = _midranks(values)
    above = (ranks[truth] - _midranks(values[truth])) / negatives
    below = 1.0 - (ranks[~truth] - _midranks(values[~truth])) / positives
    return above, below


def _standard_error(positive: Floats, negative: Floats, *, most: float) -> float:
    """Return the standard error of a mean over positive-negative pairs, from the placements of both classes.

    The variance of a class with one row is unknown; it counts as `most`, the largest possible.
    """
    variances = [
        float(side.var(ddof=1)) / len(side) if len(side) > 1 else most for side in (positive, negative)
    ]
    return float(np.sqrt(sum(variances)))


def _midranks(values: Floats) -> Floats:
    """Return ranks from 1; ties share the mean of their ranks."""
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values))
    ranks[order] = _ranks_of_runs(_tie_starts(values[order]), len(values))
    return ranks


def _tie_starts(ordered: Floats) -> npt.NDArray[np.int64]:
    return np.concatenate(([0], np.flatnonzero(np.diff(ordered) != 0) + 1))


def _ranks_of_runs(starts: npt.NDArray[np.int64], rows: int) -> Floats:
    """Return the midrank of every position, where the positions from one start to the next are tied."""
    ends = np.append(starts[1:], rows)
    return np.repeat((starts + ends + 1) / 2.0, ends - starts)


def _need_both_classes(positives: float, negatives: float) -> None:
    if positives <= 0 or negatives <= 0:
        raise DataError(
            f"The rows hold {positives:g} clicks and {negatives:g} others, and AUC needs both; "
            "check the target column or the split."
        )
