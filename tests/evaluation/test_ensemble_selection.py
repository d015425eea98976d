"""Greedy selection of an ensemble: the plain algorithm, within its limits, judged by rows that it has not read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from autofi.evaluation.ensemble_selection import ROUNDS, Judged, greedy_shares, select_members
from autofi.metrics.ranking import logloss
from autofi.training.join_trees import judging_folds

Floats = NDArray[np.float64]


def anything(members: frozenset[int]) -> bool:
    return True


def drawn(rows: int = 600, candidates: int = 6, *, noise: float = 1.0, seed: int = 0) -> Judged:
    """Candidates that know the truth with errors of their own."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=rows) - 0.5
    labels = (generator.random(rows) < 1 / (1 + np.exp(-truth))).astype(np.float64)
    logits = truth + noise * generator.normal(size=(candidates, rows))
    return Judged(1 / (1 + np.exp(-logits)), labels, generator.uniform(0.5, 2, rows))


def plain_greedy(judged: Judged, start: list[int], rounds: int, most: int) -> list[list[int]]:
    """Return the counts after every round, by trying every mean anew."""
    counts = [int(place in start) for place in range(len(judged.predictions))]

    def loss(tried: list[int]) -> float:
        mean = np.zeros(len(judged.labels))
        for count, predictions in zip(tried, judged.predictions, strict=True):
            mean += count * predictions / sum(tried)
        return logloss(judged.labels, mean, judged.weights)

    path = [list(counts)]
    for _ in range(rounds):
        options = []
        for place in range(len(counts)):
            tried = list(counts)
            tried[place] += 1
            if sum(count > 0 for count in tried) <= most:
                options.append(tried)
        counts = min(options, key=loss)
        path.append(counts)
    return path


def likelihoods(judged: Judged) -> Floats:
    return np.where(judged.labels > 0, judged.predictions, 1 - judged.predictions)


@pytest.mark.parametrize("most", [2, 3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_shares_are_those_of_the_plain_algorithm(seed: int, most: int) -> None:
    judged = drawn(seed=seed)
    start = np.array([1, 1, 0, 0, 0, 0])
    found = greedy_shares(
        likelihoods(judged), judged.weights, start, lambda members: len(members) <= most, rounds=8
    )
    wanted = plain_greedy(judged, [0, 1], 8, most)
    np.testing.assert_allclose(found, [np.array(counts) / sum(counts) for counts in wanted])
    assert ((found > 0).sum(1) <= most).all()


def test_members_are_limited_together() -> None:
    judged, sizes = drawn(), [3, 3, 5, 1, 1, 9]

    def affordable(members: frozenset[int]) -> bool:
        return sum(sizes[place] for place in members) <= 8

    found = select_members(judged, [0, 1], affordable)
    assert found.earned and sum(sizes[place] for place in np.flatnonzero(found.shares)) <= 8
    # The winner's second seed does not fit.
    tight = select_members(judged, [0, 1], lambda members: sum(sizes[place] for place in members) <= 4)
    assert tight.shares[1] == 0 and tight.shares[0] > 0


def test_a_winner_that_breaks_the_limits_stays_alone() -> None:
    found = select_members(drawn(), [0, 1], lambda members: False)
    assert found.shares.tolist() == [1, 0, 0, 0, 0, 0] and not found.earned


def test_shares_add_up_and_gain_is_that_of_the_rows() -> None:
    judged = drawn()
    found = select_members(judged, [0], anything)
    assert math.isclose(found.shares.sum(), 1)
    single = logloss(judged.labels, judged.predictions[0], judged.weights)
    assert found.gain == pytest.approx(single - logloss(judged.labels, found.predictions, judged.weights))
    assert found.earned and found.greedy


def test_each_fold_is_predicted_by_members_selected_on_the_others() -> None:
    judged = drawn(rows=400)
    found = select_members(judged, [0], anything)
    assert found.greedy
    folds, start = judging_folds(400, None), np.array([1, 0, 0, 0, 0, 0])
    assert judged.weights is not None
    crossed = np.empty((ROUNDS + 1, 400))
    for fold in range(5):
        rest, own = folds != fold, folds == fold
        shares = greedy_shares(likelihoods(judged)[:, rest], judged.weights[rest], start, anything)
        for additions in range(ROUNDS + 1):
            crossed[additions, own] = shares[additions] @ judged.predictions[:, own]
    losses = [logloss(judged.labels, predictions, judged.weights) for predictions in crossed]
    best = losses.index(min(losses))
    np.testing.assert_allclose(found.predictions, crossed[best])
    # As many additions, on all rows.
    np.testing.assert_allclose(
        found.shares, greedy_shares(likelihoods(judged), judged.weights, start, anything)[best]
    )


def test_rows_of_a_group_share_a_fold() -> None:
    generator = np.random.default_rng(3)
    together = generator.integers(0, 40, 600)
    folds = judging_folds(600, together)
    assert all(len(set(folds[together == group])) == 1 for group in range(40))


def test_candidates_that_know_nothing_earn_nothing_although_some_of_them_fit_the_rows_by_chance() -> None:
    """Forty models of pure noise beside a good one: on all rows a selection would look better than it is."""
    generator = np.random.default_rng(5)
    good = drawn(rows=300, candidates=1, noise=0.1, seed=5)
    noise = 1 / (1 + np.exp(-generator.normal(scale=1.5, size=(40, 300))))
    judged = Judged(np.vstack([good.predictions, noise]), good.labels)
    start = np.array([1, *[0] * 40])
    mean = greedy_shares(likelihoods(judged), None, start, anything)[-1] @ judged.predictions
    assert logloss(judged.labels, mean) < logloss(judged.labels, judged.predictions[0])
    assert not select_members(judged, [0], anything).earned


def test_with_too_few_clicks_the_start_is_averaged() -> None:
    judged = drawn(rows=60)
    found = select_members(judged, [0, 1], anything)
    assert not found.greedy and found.shares.tolist() == [0.5, 0.5, 0, 0, 0, 0]
