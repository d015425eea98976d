"""Ranking curves: every threshold against a count by hand, and their areas against the measures of the project."""

from __future__ import annotations

import numpy as np
import pytest

from autofi.errors import DataError
from autofi.metrics.ranking import auc
from autofi.metrics.threshold_curves import ranking_curve


def example(
    rows: int = 300, *, rate: float = 0.3, digits: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores with ties, and whole weights with some zeros."""
    g = np.random.default_rng(3)
    labels = (g.random(rows) < rate).astype(float)
    scores = np.round(np.clip(0.3 * labels + 0.7 * g.random(rows), 0, 1), digits)
    return labels, scores, g.integers(0, 4, rows).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
def test_every_threshold_counts_the_rows_at_or_above_it(weighted: bool) -> None:
    labels, scores, weights = example()
    used = weights if weighted else None
    weight = weights if weighted else np.ones(len(labels))
    curve = ranking_curve(labels, scores, used)
    assert sorted(curve.thresholds, reverse=True) == list(curve.thresholds)
    assert set(curve.thresholds) == set(scores[weight > 0])
    for place, threshold in enumerate(curve.thresholds):
        above = scores >= threshold
        flagged, clicks = weight[above].sum(), weight[above & (labels == 1)].sum()
        assert curve.flagged[place] == pytest.approx(flagged / weight.sum())
        assert curve.recall[place] == pytest.approx(clicks / weight[labels == 1].sum())
        assert curve.false_positives[place] == pytest.approx((flagged - clicks) / weight[labels == 0].sum())
        assert curve.precision[place] == pytest.approx(clicks / flagged)
        assert curve.lift[place] == pytest.approx(clicks / flagged / curve.base_rate)


def test_a_weight_of_two_is_the_row_twice() -> None:
    labels, scores, weights = example()
    times = weights.astype(int)
    a = ranking_curve(labels, scores, weights)
    b = ranking_curve(np.repeat(labels, times), np.repeat(scores, times))
    np.testing.assert_allclose(a.flagged, b.flagged)
    np.testing.assert_allclose(a.recall, b.recall)
    assert a.average_precision == pytest.approx(b.average_precision)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_area_of_the_curve_is_the_auc(weighted: bool) -> None:
    labels, scores, weights = example()
    used = weights if weighted else None
    curve = ranking_curve(labels, scores, used)
    area = np.trapezoid([0.0, *curve.recall], [0.0, *curve.false_positives])
    assert area == pytest.approx(auc(labels, scores, used))


def test_a_perfect_order_and_one_by_chance() -> None:
    labels = np.array([1.0] * 20 + [0.0] * 80)
    perfect = ranking_curve(labels, labels * 0.5 + 0.25)
    assert perfect.average_precision == pytest.approx(1.0)
    assert list(perfect.lift) == pytest.approx([5.0, 1.0])
    same = ranking_curve(labels, np.full(100, 0.2))
    assert list(same.flagged) == [1.0]
    assert same.average_precision == pytest.approx(same.base_rate) == pytest.approx(0.2)


def test_thresholds_of_shares_flag_the_most_rows_within_them() -> None:
    labels, scores, _ = example(1000, digits=3)
    found = ranking_curve(labels, scores).at_shares((0.05, 0.2, 0.5))
    for share, threshold in zip((0.05, 0.2, 0.5), found.thresholds, strict=True):
        assert (scores >= threshold).mean() <= share
        lower = scores[scores < threshold].max()
        assert (scores >= lower).mean() > share
    # Everything has one score: no share flags any of it.
    assert len(ranking_curve(labels, np.full(1000, 0.5)).at_shares((0.05, 0.2)).thresholds) == 0
    # A share that rows make up exactly is reached.
    exact = ranking_curve([1, 0, 0, 0, 1, 0, 0, 0, 0, 0], np.arange(10) / 10).at_shares((0.1, 0.3))
    assert list(exact.thresholds) == pytest.approx([0.9, 0.7])


def test_a_thinned_curve_keeps_its_ends_and_lies_on_the_whole_one() -> None:
    labels, scores, _ = example(5000, digits=6)
    whole = ranking_curve(labels, scores)
    thin = whole.thinned(100)
    assert 50 < len(thin.thresholds) <= 101
    assert thin.thresholds[0] == whole.thresholds[0]
    assert thin.flagged[-1] == pytest.approx(1.0)
    places = np.searchsorted(-whole.thresholds, -thin.thresholds)
    np.testing.assert_array_equal(whole.recall[places], thin.recall)


@pytest.mark.parametrize(
    ("labels", "weights"), [([1, 1], None), ([0, 0], None), ([1, 0], [1.0, 0.0]), ([1, 0], [0.0, 1.0])]
)
def test_one_class_is_refused(labels: list[int], weights: list[float] | None) -> None:
    with pytest.raises(DataError, match="and a ranking curve needs both"):
        ranking_curve(labels, [0.2, 0.4], weights)
