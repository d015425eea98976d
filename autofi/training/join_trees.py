"""The weights that join the logits of a network and of boosted trees, fitted on validation rows by cross-fitting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from autofi.data.folds import deal_folds

Floats = NDArray[np.float64]

#: Folds of the validation rows: each is predicted with weights that were fitted on the other folds.
JOIN_FOLDS = 5
#: The fewest clicks, and the fewest rows without a click, by which the weights are fitted: ten for each of the three
#: numbers, the usual rule for logistic regressions (Peduzzi et al. 1996, doi:10.1016/S0895-4356(96)00236-3).
FEWEST_OF_A_CLASS = 30
#: The ridge that keeps the weights of two logits small if one hardly varies; it is negligible next to a mean logloss.
RIDGE = 1e-3
#: The seed of the folds. It is the same for every training, so that trials are compared on the same folds.
_SEED = 0


class JoinWeights(NamedTuple):
    """The numbers of `own * network's logit + trees * trees' logit + intercept`; neither weight is negative."""

    own: float = 1.0
    trees: float = 0.0
    intercept: float = 0.0

    @property
    def trees_alone(self) -> bool:
        """True if the network has no share."""
        return self.own == 0 and self.trees > 0


@dataclass(frozen=True, eq=False)
class Joined:
    """The result of `join`.

    Attributes:
        weights: The weights fitted on all rows, which are delivered.
        predictions: Probabilities of a click, `[N]`, each by weights that were fitted without its fold.
    """

    weights: JoinWeights
    predictions: Floats


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """The logit of the trees for the rows by which the weights are fitted, with all that does not depend on a network.

    Attributes:
        trees: The logit of the trees, `[N]`.
        labels: Clicks, `[N]`.
        weights: Weights of the rows, `[N]`.
        folds: The fold of every row, `[N]`.
    """

    trees: Floats
    labels: Floats
    weights: Floats
    folds: NDArray[np.int64]

    @classmethod
    def of(
        cls, trees: Floats, labels: Floats, weights: Floats | None, together: NDArray[np.int64] | None
    ) -> JudgedRows:
        """Deal the folds; rows with the same number in `together`, `[N]`, are in one."""
        folds = judging_folds(len(labels), together)
        return cls(trees, labels, np.ones(len(labels)) if weights is None else weights, folds)

    @property
    def too_few(self) -> bool:
        """True if there are too few rows of a class in the rows without some fold."""
        return too_few_to_fit(self.labels, self.folds)


def too_few_to_fit(labels: Floats, folds: NDArray[np.int64]) -> bool:
    """Return True if there are too few rows of a class in the rows without some fold."""
    rest = [labels[folds != fold] for fold in range(JOIN_FOLDS)]
    return any(min(found.sum(), (1 - found).sum()) < FEWEST_OF_A_CLASS for found in rest)


def judging_folds(rows: int, together: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Return the fold of every row by which weights are fitted and judged, `[N]`, the same for all of a study."""
    return deal_folds(rows, JOIN_FOLDS, np.random.default_rng(_SEED), together)


def join(own: Floats | None, rows: JudgedRows) -> Joined:
    """Return the weights of a network's logit `[N]`, or without one those of the trees alone, and predictions of rows.

    Both logits are joined by a logistic regression. Its weights would be judged too well by the rows that they are
    fitted on, so the predictions of each of JOIN_FOLDS folds are made with weights that are fitted on the other folds,
    and the delivered weights are fitted on all rows.

    Trees get no weight, and the network's logit stays unchanged, unless the joined predictions are better than those of
    a regression on the network's logit alone by more than the standard error of that gain: the cost of trees must be
    earned. The network gets no weight, and the trees predict alone, unless the joined predictions are better than those
    of the trees. Which of the two have a weight is decided once, by all rows, so that trees that predict alone are the
    same model in every trial.

    With fewer than FEWEST_OF_A_CLASS rows of a class nothing is fitted: the network predicts alone as it is, or the
    trees, if there is no network. The cost is that of some twenty regressions on two columns.
    """
    if own is None:
        weights = JoinWeights(own=0.0, trees=0.0) if rows.too_few else _fitted(None, rows.trees, rows)
        if weights.trees == 0:
            return Joined(JoinWeights(own=0.0, trees=1.0), expit(rows.trees))
        return Joined(weights, expit(_cross_fitted(None, rows.trees, rows)))
    unchanged = Joined(JoinWeights(), expit(own))
    if rows.too_few:
        return unchanged
    weights = _fitted(own, rows.trees, rows)
    if weights.trees == 0:
        return unchanged
    joined, by_trees = (_cross_fitted(logits, rows.trees, rows) for logits in (own, None))
    alone = _fitted(None, rows.trees, rows)
    if alone.trees > 0 and (weights.trees_alone or rows.weights @ _gains(by_trees, joined, rows) <= 0):
        weights, joined = alone, by_trees
    gains = _gains(_cross_fitted(own, None, rows), joined, rows)
    shares = rows.weights / rows.weights.sum()
    gain = shares @ gains
    earned = gain > np.sqrt(shares**2 @ (gains - gain) ** 2)
    return Joined(weights, expit(joined)) if earned else unchanged


def adds_to_trees(own: Floats, rows: JudgedRows) -> bool:
    """Return True if a network's logit `[N]` improves the predictions of the trees, or there are too few rows to tell.

    Cross-fitted predictions are compared, because on the rows that a weight is fitted on it always improves them.
    """
    if rows.too_few:
        return True
    joined, alone = (_cross_fitted(logits, rows.trees, rows) for logits in (own, None))
    return bool(rows.weights @ _gains(alone, joined, rows) > 0)


def _cross_fitted(own: Floats | None, trees: Floats | None, rows: JudgedRows) -> Floats:
    """Return joined logits, `[N]`; those of each fold with weights that are fitted on the other folds."""
    found = np.empty(len(rows.labels))
    for fold in np.unique(rows.folds):
        judged = rows.folds == fold
        weights = _fitted(own, trees, rows, ~judged)
        found[judged] = weights.intercept
        for weight, logits in ((weights.own, own), (weights.trees, trees)):
            if logits is not None:
                found[judged] += weight * logits[judged]
    return found


def _fitted(
    own: Floats | None, trees: Floats | None, rows: JudgedRows, chosen: NDArray[np.bool_] | None = None
) -> JoinWeights:
    """Return the weights of the lowest logloss of the chosen rows, none of them negative; a logit may be left out."""
    columns = [logits for logits in (own, trees) if logits is not None]
    used = slice(None) if chosen is None else chosen
    labels, weights = rows.labels[used], rows.weights[used]
    if not columns:
        rate = float(np.average(labels, weights=weights))
        return JoinWeights(own=0.0, trees=0.0, intercept=math.log(rate / (1 - rate)))
    found, intercept = _regression(np.column_stack([logits[used] for logits in columns]), labels, weights)
    if own is not None and found[0] < 0:  # trees predict everything that the network does, and better
        return _fitted(None, trees, rows, chosen)
    if trees is not None and found[-1] < 0:
        return _fitted(own, None, rows, chosen)
    return JoinWeights(
        own=0.0 if own is None else float(found[0]),
        trees=0.0 if trees is None else float(found[-1]),
        intercept=intercept,
    )


def _regression(columns: Floats, labels: Floats, weights: Floats) -> tuple[Floats, float]:
    """Return the weights `[C]` of columns `[N, C]`, and the intercept, with the lowest logloss."""
    # The import takes as long as torch's, and only trees combined with a network need it.
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / RIDGE, tol=1e-8, max_iter=1000)
    model.fit(columns, labels, sample_weight=weights / weights.sum())
    return model.coef_[0], float(model.intercept_[0])


def _gains(before: Floats, after: Floats, rows: JudgedRows) -> Floats:
    """Return the logloss of each row by the logits `before` less that by the logits `after`, `[N]`."""
    first, second = (np.logaddexp(0.0, logits) - rows.labels * logits for logits in (before, after))
    return np.asarray(first - second)
