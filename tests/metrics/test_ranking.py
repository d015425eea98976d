"""Measures equal slow, obvious reimplementations, ties included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from autofi.errors import DataError
from autofi.metrics.ranking import auc, auc_interval, delong, gauc, has_both_classes, has_mixed_group, logloss

SEEDS = range(6)


def draw(seed: int, rows: int = 200, distinct: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and scores with many ties."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, rows)
    return labels, (labels * 2 + generator.integers(0, distinct, rows)) / 7.0


def kernel(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """[positives, negatives]: 1 where the positive is above, one half where tied."""
    above = scores[labels == 1][:, None]
    below = scores[labels == 0][None, :]
    return (above > below) + 0.5 * (above == below)


@pytest.mark.parametrize("seed", SEEDS)
def test_auc_is_the_share_of_pairs_in_order(seed: int) -> None:
    labels, scores = draw(seed)
    assert auc(labels, scores) == pytest.approx(kernel(labels, scores).mean(), abs=1e-14)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_weighted_auc_counts_a_pair_by_the_product_of_its_weights(seed: int) -> None:
    labels, scores = draw(seed)
    weights = np.random.default_rng(seed + 100).integers(0, 4, len(labels)).astype(float)
    products = weights[labels == 1][:, None] * weights[labels == 0][None, :]
    slow = (products * kernel(labels, scores)).sum() / products.sum()
    assert auc(labels, scores, weights) == pytest.approx(slow, abs=1e-13)
    repeated = np.repeat(np.arange(len(labels)), weights.astype(int))
    assert auc(labels, scores, weights) == pytest.approx(auc(labels[repeated], scores[repeated]), abs=1e-13)


def test_auc_depends_on_order_only() -> None:
    labels, scores = draw(0)
    assert auc(labels, np.exp(scores)) == auc(labels, scores)
    assert auc(labels, -scores) == pytest.approx(1.0 - auc(labels, scores), abs=1e-14)
    assert auc(labels, np.zeros(len(labels))) == 0.5
    assert auc(labels, labels) == 1.0
    assert auc(labels.astype(np.float32), scores) == auc(labels.astype(bool), scores)


def test_auc_stays_exact_when_products_of_counts_pass_int32() -> None:
    labels = np.repeat([0, 1, 0, 1], 50_000)
    scores = np.repeat([0.0, 1.0, 2.0, 3.0], 50_000)
    assert auc(labels, scores) == 0.75


@pytest.mark.parametrize("seed", SEEDS)
def test_logloss_is_the_mean_negative_log_likelihood(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, 50)
    probabilities = generator.random(50)
    weights = generator.random(50)
    slow = [-math.log(p if y else 1 - p) for y, p in zip(labels, probabilities, strict=True)]
    assert logloss(labels, probabilities) == pytest.approx(math.fsum(slow) / 50)
    assert logloss(labels, probabilities) == pytest.approx(log_loss(labels, probabilities))
    weighted = math.fsum(w * loss for w, loss in zip(weights, slow, strict=True)) / weights.sum()
    assert logloss(labels, probabilities, weights) == pytest.approx(weighted)


def test_sure_mistakes_cost_a_bounded_logloss() -> None:
    assert logloss([1], [0.0]) == pytest.approx(-math.log(1e-7))
    assert logloss([0], np.ones(1, dtype=np.float32)) == pytest.approx(-math.log(1e-7))
    assert logloss([0, 1], [0.0, 1.0]) < 2e-7


@pytest.mark.parametrize("seed", SEEDS)
def test_gauc_averages_group_aucs_by_size_without_groups_of_one_class(seed: int) -> None:
    labels, scores = draw(seed, rows=300, distinct=5)
    groups = np.random.default_rng(seed + 50).geometric(0.08, 300) * 1_000_003 - 5
    total, rows = 0.0, 0
    for group in set(groups.tolist()):
        inside = groups == group
        if 0 < labels[inside].sum() < inside.sum():
            total += kernel(labels[inside], scores[inside]).mean() * inside.sum()
            rows += int(inside.sum())
    assert rows < 300
    assert gauc(labels, scores, groups) == pytest.approx(total / rows, abs=1e-13)


def test_gauc_of_one_group_is_auc_and_group_offsets_do_not_matter() -> None:
    labels, scores = draw(1)
    assert gauc(labels, scores, np.zeros(len(labels), dtype=int)) == pytest.approx(auc(labels, scores))
    groups = np.arange(len(labels)) % 9
    assert gauc(labels, scores, groups) == pytest.approx(gauc(labels, scores + 100.0 * groups, groups))


def test_gauc_needs_a_mixed_group() -> None:
    with pytest.raises(DataError, match="None of 2 groups"):
        gauc([0, 0, 1], [0.1, 0.2, 0.3], ["a", "a", "b"])


@pytest.mark.parametrize("seed", SEEDS)
def test_delong_matches_the_covariance_of_placements(seed: int) -> None:
    labels, a = draw(seed)
    b = draw(seed + 1000)[1] + labels
    left, right = kernel(labels, a), kernel(labels, b)
    ten, one = left.mean(1) - right.mean(1), left.mean(0) - right.mean(0)
    positives, negatives = len(ten), len(one)
    variance = (
        sum((x - ten.mean()) ** 2 for x in ten) / (positives - 1) / positives
        + sum((x - one.mean()) ** 2 for x in one) / (negatives - 1) / negatives
    )
    result = delong(labels, a, b)
    assert result.difference == pytest.approx(auc(labels, a) - auc(labels, b), abs=1e-13)
    assert result.standard_error == pytest.approx(math.sqrt(variance), rel=1e-10)
    assert result.z == pytest.approx(result.difference / math.sqrt(variance), rel=1e-10)
    assert result.high - result.difference == pytest.approx(1.959964 * result.standard_error, rel=1e-6)
    assert result.difference - result.low == pytest.approx(1.959964 * result.standard_error, rel=1e-6)


def test_delong_agrees_with_the_bootstrap() -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, 400)
    signal = labels + generator.normal(0, 1.5, 400)
    a, b = signal + generator.normal(0, 0.5, 400), signal + generator.normal(0, 1.5, 400)
    resampled = []
    for _ in range(600):
        rows = generator.integers(0, 400, 400)
        resampled.append(
            (auc(labels[rows], a[rows]) - auc(labels[rows], b[rows]), auc(labels[rows], a[rows]))
        )
    differences, aucs = np.array(resampled).std(axis=0, ddof=1)
    assert delong(labels, a, b).standard_error == pytest.approx(differences, rel=0.12)
    assert auc_interval(labels, a).standard_error == pytest.approx(aucs, rel=0.12)


def test_no_difference_of_aucs_is_beyond_one() -> None:
    """Of two positive rows the error is larger than any difference can be."""
    labels = np.array([1, 1, *[0] * 50])
    few = delong(labels, np.arange(52.0)[::-1], np.r_[3.0, 60.0, np.arange(50.0)])
    assert few.standard_error > 0.2
    assert -1.0 <= few.low < few.difference < few.high <= 1.0
    assert few.difference + 1.96 * few.standard_error > 1.0


def test_delong_of_equal_orders_is_zero_and_swapping_changes_the_sign() -> None:
    labels, a = draw(2)
    b = draw(7)[1]
    same = delong(labels, a, 3.0 * a + 1.0)
    assert (same.difference, same.standard_error, same.z) == (0.0, 0.0, 0.0)
    assert delong(labels, a, b).difference == -delong(labels, b, a).difference
    assert delong(labels, a, b).standard_error == pytest.approx(delong(labels, b, a).standard_error)


def test_wider_confidence_gives_wider_intervals() -> None:
    labels, a = draw(2)
    narrow, wide = auc_interval(labels, a, confidence=0.8), auc_interval(labels, a, confidence=0.99)
    assert wide.low < narrow.low < narrow.estimate == auc(labels, a) < narrow.high < wide.high
    assert auc_interval([0, 1], [0.1, 0.9]).high == 1.0


def test_one_click_says_nothing_of_how_far_clicks_differ() -> None:
    labels, scores = np.arange(100) == 7, np.random.default_rng(0).random(100)
    found = auc_interval(labels, scores)
    assert (found.low, found.high) == (0.0, 1.0)
    paired = delong(labels, scores, -scores)
    assert (paired.low, paired.high) == (-1.0, 1.0)
    two = auc_interval(np.arange(100) < 2, scores)
    assert two.standard_error < found.standard_error


@pytest.mark.parametrize(
    ("labels", "weights", "expected"),
    [
        ([], None, False),
        ([0, 0], None, False),
        ([1, 1], None, False),
        ([0, 1], None, True),
        ([0, 1], [1.0, 0.0], False),
        ([0, 1, 1], [1.0, 0.0, 0.5], True),
    ],
)
def test_both_classes_are_needed_among_rows_that_weigh(
    labels: list[int], weights: list[float] | None, expected: bool
) -> None:
    assert has_both_classes(labels, weights) is expected


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1], [0.1, 0.2], "2 clicks and 0 others, and .* needs both"),
        ([0, 2], [0.1, 0.2], "row 1 is 2"),
        ([0, 1], [0.1, math.nan], "row 1 is NaN"),
        ([0, 1], [0.1], "one per label"),
        ([], [], "non-empty"),
    ],
)
def test_unusable_columns_are_refused(labels: list[int], scores: list[float], message: str) -> None:
    for measure in (auc, auc_interval):
        with pytest.raises(DataError, match=message):
            measure(labels, scores)


def test_unusable_weights_are_refused() -> None:
    for weights in ([1.0, -1.0], [0.0, 0.0], [1.0], [1.0, math.inf]):
        with pytest.raises(DataError, match="eights? .*(must be|larger)"):
            logloss([0, 1], [0.4, 0.6], weights)


def test_a_group_is_mixed_when_it_holds_both_classes() -> None:
    assert has_mixed_group([0, 1, 1, 1], ["a", "a", "b", "b"])
    assert not has_mixed_group([0, 0, 1, 1], ["a", "a", "b", "b"])
