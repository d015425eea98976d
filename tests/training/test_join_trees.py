"""Validation rows are predicted by weights of other validation rows; trees that predict alone are one model."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from autofi.metrics.ranking import logloss
from autofi.training.join_trees import (
    FEWEST_OF_A_CLASS,
    JOIN_FOLDS,
    RIDGE,
    Joined,
    JoinWeights,
    JudgedRows,
    adds_to_trees,
    join,
)

Floats = NDArray[np.float64]


def draw(rows: int, *, seed: int = 0, own: float = 0.7, trees: float = 0.6) -> tuple[Floats, Floats, Floats]:
    """Two correlated logits and the labels that a mixture of them gives."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=rows)
    left, right = (common + generator.normal(size=rows) for _ in range(2))
    labels = generator.random(rows) < expit(own * left + trees * right - 1.0)
    return left, right, labels.astype(float)


def slow_weights(columns: list[Floats], labels: Floats, weights: Floats) -> Floats:
    """The weights of the columns, at least 0, and the intercept by a general optimizer."""
    shares = weights / weights.sum()
    matrix = np.column_stack([*columns, np.ones(len(labels))])

    def loss(found: Floats) -> float:
        logits = matrix @ found
        each = np.logaddexp(0.0, logits) - labels * logits
        return float(shares @ each + RIDGE / 2 * (found[:-1] ** 2).sum())

    bounds = [(0.0, None)] * len(columns) + [(None, None)]
    start = np.full(len(bounds), 0.1)
    return np.asarray(minimize(loss, start, bounds=bounds, tol=1e-14, options={"maxiter": 10_000}).x)


def slow_cross_fit(columns: list[Floats], rows: JudgedRows) -> Floats:
    """Joined logits, each fold's by weights of the other folds."""
    found = np.empty(len(rows.labels))
    for fold in range(JOIN_FOLDS):
        seen, unseen = rows.folds != fold, rows.folds == fold
        weights = slow_weights([column[seen] for column in columns], rows.labels[seen], rows.weights[seen])
        found[unseen] = np.column_stack([*columns, np.ones(len(found))])[unseen] @ weights
    return found


@pytest.mark.parametrize("weighed", [False, True])
def test_each_fold_is_predicted_by_a_regression_on_the_others(weighed: bool) -> None:
    own, trees, labels = draw(1500)
    weights = np.linspace(0.1, 2.0, len(labels)) if weighed else None
    rows = JudgedRows.of(trees, labels, weights, None)
    found = join(own, rows)
    given = np.ones(len(labels)) if weights is None else weights
    slow = slow_weights([own, trees], labels, given)
    np.testing.assert_allclose(found.weights, slow, atol=2e-3)
    assert abs(found.weights.intercept) > 0.5
    expected = slow_cross_fit([own, trees], rows)
    np.testing.assert_allclose(logit(found.predictions), expected, atol=5e-3)
    # Five folds of equal sizes, and not all rows by the same weights.
    assert np.bincount(rows.folds).tolist() == [300] * JOIN_FOLDS
    assert np.abs(expected - (slow[0] * own + slow[1] * trees + slow[2])).max() > 0.01


def test_a_label_changes_predictions_of_other_folds_only() -> None:
    own, trees, labels = draw(1000)
    before = join(own, JudgedRows.of(trees, labels, None, None)).predictions
    labels[7] = 1 - labels[7]
    rows = JudgedRows.of(trees, labels, None, None)
    moved = join(own, rows).predictions != before
    same = rows.folds == rows.folds[7]
    assert not moved[same].any()
    assert moved[~same].all()


def test_rows_that_belong_together_share_a_fold() -> None:
    own, trees, labels = draw(1200)
    together = np.random.default_rng(1).integers(0, 60, len(labels))
    rows = JudgedRows.of(trees, labels, None, together)
    for number in range(60):
        assert len(np.unique(rows.folds[together == number])) == 1
    assert len(np.unique(rows.folds)) == JOIN_FOLDS
    assert np.isfinite(join(own, rows).predictions).all()


def test_the_recorded_logloss_is_not_better_than_that_of_new_rows() -> None:
    recorded, fitted, new = [], [], []
    for seed in range(60):
        own, trees, labels = draw(400, seed=seed, own=0.5, trees=0.5)
        found = join(own, JudgedRows.of(trees, labels, None, None))
        weights = found.weights
        recorded.append(logloss(labels, found.predictions))
        fitted.append(logloss(labels, mixed(weights, own, trees)))
        fresh, of_trees, clicks = draw(4000, seed=1000 + seed, own=0.5, trees=0.5)
        new.append(logloss(clicks, mixed(weights, fresh, of_trees)))
    # By the rows that they are fitted on, three numbers look better than they are, by about 3 / (2 * 400).
    assert np.mean(fitted) < np.mean(new) - 0.002
    optimism = np.asarray(new) - np.asarray(recorded)
    assert abs(optimism.mean()) < 2 * optimism.std() / np.sqrt(len(optimism))
    assert np.mean(recorded) > np.mean(fitted) + 0.002


def mixed(weights: JoinWeights, own: Floats, trees: Floats) -> Floats:
    return np.asarray(expit(weights.own * own + weights.trees * trees + weights.intercept))


def worse_than_trees(seed: int) -> tuple[Floats, JudgedRows]:
    """A network whose logit is that of the trees and noise, so that its weight would be negative."""
    _, trees, labels = draw(1000, own=0.0, trees=0.9)
    noise = np.random.default_rng(seed).normal(size=len(trees))
    return trees * 0.5 + noise - 0.5 * labels, JudgedRows.of(trees, labels, None, None)


def test_trees_that_predict_alone_are_the_same_beside_any_network() -> None:
    found: list[Joined] = []
    for seed in (1, 2):
        own, rows = worse_than_trees(seed)
        free = np.linalg.lstsq(np.column_stack([own, rows.trees]), rows.labels, rcond=None)[0]
        assert free[0] < 0
        assert not adds_to_trees(own, rows)
        found.append(join(own, rows))
    found.append(join(None, rows))  # trees that have no network at all
    for joined in found:
        assert joined.weights.trees_alone
        assert joined.weights == found[0].weights
        np.testing.assert_array_equal(joined.predictions, found[0].predictions)
    weight, intercept = slow_weights([rows.trees], rows.labels, np.ones(len(rows.labels)))
    np.testing.assert_allclose(found[0].weights, [0.0, weight, intercept], atol=2e-3)


def test_no_weight_is_negative_and_unseen_rows_tell_if_a_network_adds_anything() -> None:
    answers = set()
    for seed in range(12):
        generator = np.random.default_rng(seed)
        own, trees = generator.normal(size=(2, 300))
        labels = (generator.random(300) < expit(0.3 * trees + 0.4 * (seed % 2) * own)).astype(float)
        rows = JudgedRows.of(trees, labels, None, None)
        found = join(own, rows)
        assert min(found.weights[:2]) >= 0
        joined, alone = (
            logloss(labels, expit(slow_cross_fit(columns, rows))) for columns in ([own, trees], [trees])
        )
        answers.add(adds_to_trees(own, rows))
        assert not found.weights.trees_alone or not adds_to_trees(own, rows)
        assert found.weights.own == 0 or found.weights.trees == 0 or adds_to_trees(own, rows)
        assert adds_to_trees(own, rows) == (joined < alone) or abs(joined - alone) < 1e-6
    assert answers == {True, False}


def test_the_share_of_trees_must_be_earned() -> None:
    own, _, labels = draw(1000, trees=0.0)
    noise = 0.1 * np.random.default_rng(3).normal(size=len(own))
    found = join(own, JudgedRows.of(noise, labels, None, None))
    assert found.weights == JoinWeights(1.0, 0.0, 0.0)
    np.testing.assert_array_equal(found.predictions, expit(own))


def test_with_few_clicks_nothing_is_fitted() -> None:
    own, trees, labels = draw(400)
    clicks = np.flatnonzero(labels)
    few = labels.copy()
    few[clicks[FEWEST_OF_A_CLASS:]] = 0.0
    rows = JudgedRows.of(trees, few, None, None)
    assert rows.too_few
    assert not JudgedRows.of(trees, labels, None, None).too_few
    assert join(own, rows).weights == JoinWeights(1.0, 0.0, 0.0)
    np.testing.assert_array_equal(join(own, rows).predictions, expit(own))
    assert adds_to_trees(own, rows)  # nobody can tell that it does not
    alone = join(None, rows)
    assert alone.weights == JoinWeights(0.0, 1.0, 0.0)
    np.testing.assert_array_equal(alone.predictions, expit(trees))
