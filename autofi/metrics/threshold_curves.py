"""Curves over thresholds of the score: ROC, precision and recall, lift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autofi.errors import DataError
from autofi.metrics.checks import Floats, checked_labels, checked_scores, checked_weights

#: Shares of the rows that a table of thresholds flags.
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True, eq=False)
class RankingCurve:
    """The rates of true and false positives by threshold, where rows that score at least the threshold are flagged.

    Arrays are `[T]`, the highest threshold first. Shares are of the weight of rows. Rows of one score are flagged
    together, so that there are as many thresholds as different scores.

    Attributes:
        thresholds: Scores.
        flagged: Share of all rows that is flagged.
        recall: Share of clicks that is flagged: the true positive rate.
        false_positives: Share of the other rows that is flagged: the false positive rate.
        base_rate: Share of clicks among all rows.
    """

    thresholds: Floats
    flagged: Floats
    recall: Floats
    false_positives: Floats
    base_rate: float

    @property
    def precision(self) -> Floats:
        """Share of clicks among the flagged rows."""
        return np.asarray(self.recall * self.base_rate / self.flagged)

    @property
    def lift(self) -> Floats:
        """Share of clicks among the flagged rows, divided by that among all rows."""
        return np.asarray(self.recall / self.flagged)

    @property
    def average_precision(self) -> float:
        """Area under precision over recall, a step per threshold: 1 for a perfect order, `base_rate` by chance."""
        return float(np.dot(np.diff(self.recall, prepend=0.0), self.precision))

    def thinned(self, most: int) -> RankingCurve:
        """Return the curve at about `most` thresholds, including the outer ones, dense where few rows are flagged."""
        if len(self.thresholds) <= most:
            return self
        even = np.linspace(0.0, 1.0, most // 2)
        first = np.geomspace(self.flagged[0], 1.0, most - len(even))
        places = np.searchsorted(self.flagged, np.concatenate((even, first)))
        kept = np.unique(np.append(np.minimum(places, len(self.flagged) - 1), len(self.flagged) - 1))
        return self._at(kept)

    def at_shares(self, shares: Sequence[float] = SHARES) -> RankingCurve:
        """Return the curve at the lowest thresholds that flag at most these shares; those without rows are left out."""
        # Sums of weights are exact only up to the last bits.
        places = np.searchsorted(self.flagged, np.asarray(shares) * (1 + 1e-12), side="right") - 1
        kept = np.unique(places[places >= 0])
        return self._at(kept)

    def _at(self, places: npt.NDArray[np.intp]) -> RankingCurve:
        """Return the curve of the thresholds at these places."""
        return RankingCurve(
            self.thresholds[places],
            self.flagged[places],
            self.recall[places],
            self.false_positives[places],
            self.base_rate,
        )


def ranking_curve(
    labels: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> RankingCurve:
    """Return the curve of scores `[N]`; O(n log n). A weight of 2 equals the row twice.

    Raises:
        DataError: A class is absent, or its rows have no weight.
    """
    # scikit-learn takes as long to import as torch.
    from sklearn.metrics import roc_curve

    truth = checked_labels(labels)
    values = checked_scores(scores, len(truth))
    weight = np.ones(len(truth)) if weights is None else checked_weights(weights, len(truth))
    clicks, others = float(weight[truth].sum()), float(weight[~truth].sum())
    if clicks <= 0 or others <= 0:
        raise DataError(
            f"The rows hold {clicks:g} clicks and {others:g} others, and a ranking curve needs both; "
            "check the target column or the split."
        )
    known = weight > 0
    false_positives, recall, thresholds = roc_curve(
        truth[known], values[known], sample_weight=weight[known], drop_intermediate=False
    )
    # The first threshold is above all scores and flags nothing.
    false_positives, recall, thresholds = false_positives[1:], recall[1:], thresholds[1:]
    base_rate = clicks / (clicks + others)
    flagged = recall * base_rate + false_positives * (1 - base_rate)
    return RankingCurve(thresholds, flagged, recall, false_positives, base_rate)


__all__ = ["SHARES", "RankingCurve", "ranking_curve"]
